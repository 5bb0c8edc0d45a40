"""What a cycle, an incident and an action look like as spans; computed from what is kept of them anyway."""

from collections.abc import Iterator
from datetime import timedelta

from mape_k.model import CycleReport, Execution, OpenIncident, Span, SpanRef, Verdict

MAX_LINKS = 32
"""Actions that a cycle's span links to; in a storm there are more."""
MAX_OPEN = 1000
"""Actions whose states are followed at once; those that moved longest ago are forgotten first."""


def spans_of_cycle(report: CycleReport) -> Iterator[Span]:
    """Yield the span of a cycle, of each phase that began, and of each incident that it closed."""
    here = SpanRef.of(report.cycle_id)
    yield Span(
        name="cycle",
        ref=here,
        begun=report.as_of,
        ended=report.as_of + timedelta(seconds=report.seconds),
        attributes={
            "cycle_id": report.cycle_id,
            "result": report.result.value,
            "woken_by": report.woken_by.value,
            "incidents": len(report.assessment.incidents) if report.assessment else 0,
        },
        links=tuple(SpanRef.of(execution_id) for execution_id in report.executed[:MAX_LINKS]),
        error=report.failure,
    )
    yield from _phases(report, here)
    yield from _closed_incidents(report)


def _phases(report: CycleReport, cycle: SpanRef) -> Iterator[Span]:
    """Phases follow each other without a gap, so that their lengths tell when each began."""
    begun = report.as_of
    for timing in report.timings:
        ended = begun + timedelta(seconds=timing.seconds)
        yield Span(
            name=timing.phase.value,
            ref=SpanRef(cycle.trace_id, SpanRef.of(f"{report.cycle_id}/{timing.phase}").span_id),
            parent=cycle,
            begun=begun,
            ended=ended,
            attributes={"budget_seconds": timing.budget_seconds, "is_over_budget": timing.is_over},
            error=report.failure if report.failure.startswith(f"{timing.phase.value}:") else "",
        )
        begun = ended


def _closed_incidents(report: CycleReport) -> Iterator[Span]:
    known = {incident.incident_id: incident for incident in report.ledger.incidents} if report.ledger else {}
    for incident_id in report.assessment.closed if report.assessment else ():
        if (incident := known.get(incident_id)) is not None:
            yield _of_incident(incident, report)


def _of_incident(incident: OpenIncident, report: CycleReport) -> Span:
    return Span(
        name=f"incident {incident.symptom}",
        ref=SpanRef.of(incident.incident_id),
        begun=incident.opened_at,
        ended=report.as_of,
        attributes={
            "incident_id": incident.incident_id,
            "pack": incident.pack,
            "symptom": incident.symptom,
            "target": incident.target,
        },
    )


class ActionSpans:
    """Follows actions from state to state: a span for each state that was left, and for the whole once it ended."""

    def __init__(self) -> None:
        self._open: dict[str, Execution] = {}

    def moved(self, execution: Execution) -> Iterator[Span]:
        """Yield what the newest move of an action completed; telling the same move twice yields nothing new."""
        before = self._open.pop(execution.execution_id, None)
        if execution.is_open:
            self._open[execution.execution_id] = execution
            if len(self._open) > MAX_OPEN:
                del self._open[next(iter(self._open))]
        if before is not None and before.state is not execution.state:
            yield _stay(before, execution)
        if not execution.is_open:
            yield _whole(execution)


def _stay(before: Execution, after: Execution) -> Span:
    whole = SpanRef.of(after.execution_id)
    name = before.state.value
    return Span(
        name=name,
        ref=SpanRef(whole.trace_id, SpanRef.of(f"{after.execution_id}/{name}/{before.updated_at}").span_id),
        parent=whole,
        begun=before.updated_at,
        ended=max(before.updated_at, after.updated_at),
        attributes={"next": after.state.value, "tries": before.tries},
    )


def _whole(execution: Execution) -> Span:
    failed = execution.verdict in {Verdict.UNCHANGED, Verdict.WORSE}
    return Span(
        name=f"action {execution.remediation}",
        ref=SpanRef.of(execution.execution_id),
        begun=execution.admitted_at,
        ended=max(execution.admitted_at, execution.updated_at),
        attributes={
            "action_id": execution.execution_id,
            "pack": execution.pack,
            "remediation": execution.remediation,
            "target": execution.target,
            "state": execution.state.value,
            "verdict": execution.verdict.value if execution.verdict else "none",
            "epoch": execution.epoch,
        },
        links=(SpanRef.of(execution.incident_id),),
        error=execution.detail or execution.state.sentence if failed else "",
    )
