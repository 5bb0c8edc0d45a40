"""The daemon's own metrics: one method per event, on a registry of their own."""

import math
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from mape_k.model import (
    DEADLINES,
    LEFT_ALONE,
    PACK_HOLDS,
    REFUSALS,
    Budget,
    BudgetKind,
    Catalogue,
    CycleReport,
    CycleResult,
    DeadLetter,
    Decision,
    Execution,
    Incident,
    Ledger,
    LetterState,
    Mode,
    NoticeTally,
    Phase,
    Plan,
    Quality,
    Reason,
    Remediation,
    Snapshot,
    SpanRef,
    State,
    SuccessRate,
    Vector,
)
from mape_k.telemetry.table import ESCALATIONS, FAILED, NOTICE_STATES, OF_SOURCES, SOURCES, TABLE, Kind, Metric

disable_created_metrics()  # type: ignore[no-untyped-call]

OTHER = "other"
NONE = "none"
MAX_CHILDREN = 2000
"""Label combinations kept per metric; later ones are counted under ``other``."""
MAX_KNOWN = 1000
"""Executions remembered to tell a move from its repetition; those settled longest are forgotten first."""

_CLASSES: Mapping[Kind, Any] = {Kind.COUNTER: Counter, Kind.GAUGE: Gauge, Kind.HISTOGRAM: Histogram}


class _Family:
    """The children of one metric: closed labels stay closed, open ones stay few."""

    def __init__(self, spec: Metric, registry: CollectorRegistry) -> None:
        extra = {"buckets": spec.buckets} if spec.buckets else {}
        self._spec = spec
        self._metric = _CLASSES[spec.kind](spec.full_name, spec.help, tuple(spec.labels), registry=registry, **extra)
        self._children: dict[tuple[str, ...], Any] = {}
        if all(spec.labels.values()):
            self.preset(())

    def preset(self, *names: tuple[str, ...]) -> None:
        """Make the children for these open labels appear at 0, so that their first event is an increase."""
        closed = [values for values in self._spec.labels.values() if values]
        for open_values, closed_values in product(names, product(*closed)):
            self.child(*open_values, *closed_values)

    def child(self, *values: str) -> Any:  # noqa: ANN401 (counter, gauge or histogram, as the table says)
        """Return the child with these label values, in the table's order."""
        key = tuple(
            value if not allowed or value in allowed else OTHER
            for value, allowed in zip(values, self._spec.labels.values(), strict=True)
        )
        if key not in self._children and len(self._children) >= MAX_CHILDREN:
            key = (OTHER,) * len(key)
        if key not in self._children:
            self._children[key] = self._metric.labels(*key) if key else self._metric
        return self._children[key]

    def zero(self) -> None:
        """Set every child of a gauge to 0."""
        for child in self._children.values():
            child.set(0)


class Metrics:
    """What the loop tells about itself; every metric of :data:`TABLE`, and the process' own."""

    def __init__(self) -> None:
        self.shows_exemplars = False
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._families = {spec.name: _Family(spec, self.registry) for spec in TABLE}
        self._catalogue = Catalogue(packs={})
        self._known: dict[str, Execution] = {}
        self._opened_at: dict[str, datetime] = {}
        self._sources: tuple[str, ...] = ()
        self.sources(SOURCES)
        self._set("snapshot_age_seconds", math.nan)

    def exposition(self, accept: str = "") -> bytes:
        """Return everything as :meth:`content_type` says."""
        write = openmetrics.generate_latest if self._is_open(accept) else generate_latest
        return write(self.registry)

    def content_type(self, accept: str = "") -> str:
        """Return what ``accept`` is answered with: the text format of Prometheus.

        Exemplars can be written in OpenMetrics alone: where there are any, who accepts that gets it.
        """
        return openmetrics.CONTENT_TYPE_LATEST if self._is_open(accept) else CONTENT_TYPE_PLAIN_0_0_4

    def _is_open(self, accept: str) -> bool:
        return self.shows_exemplars and "application/openmetrics-text" in accept

    def _set(self, name: str, value: float, *labels: str) -> None:
        self._families[name].child(*labels).set(value)

    def _add(self, name: str, *labels: str, amount: float = 1.0) -> None:
        self._families[name].child(*labels).inc(amount)

    def _observe(self, name: str, seconds: float, *labels: str, trace_of: str = "") -> None:
        """Count a duration; with exemplars the trace of ``trace_of``, a cycle's or an action's id, goes with it."""
        exemplar = {"trace_id": SpanRef.of(trace_of).trace_id} if trace_of and self.shows_exemplars else None
        self._families[name].child(*labels).observe(max(0.0, seconds), exemplar)

    # what the daemon is

    def sources(self, names: Iterable[str]) -> None:
        """Tell of more peers that are asked; their series appear at 0."""
        self._sources = (*self._sources, *names)
        for name in OF_SOURCES:
            self._families[name].preset(*((source,) for source in self._sources))

    def build_info(self, version: str) -> None:
        """Tell which version runs."""
        self._set("build_info", 1, version)

    def catalogue_loaded(self, catalogue: Catalogue) -> None:
        """Tell which packs and remediations there are; their series appear at 0."""
        self._catalogue = catalogue
        names = [(r.pack, r.name) for r in _remediations(catalogue)]
        self._families["actions_total"].preset(*names)
        self._families["incidents"].preset(*((pack,) for pack in catalogue.packs))
        self._tell_learning({})

    def mode(self, mode: Mode) -> None:
        """Tell which mode is in force."""
        for each in Mode:
            self._set("mode", each is mode, each)

    def paused(self, is_paused: bool) -> None:
        """Tell whether a person paused the daemon."""
        self._set("paused", is_paused)

    def leader(self, is_leader: bool) -> None:
        """Tell whether this daemon is in charge."""
        self._set("leader", is_leader)

    def cycle_budget(self, seconds: float) -> None:
        """Tell after how many seconds a cycle is cut."""
        self._set("cycle_budget_seconds", seconds)

    # what it does

    def cycle_started(self, late_seconds: float) -> None:
        """Tell how late a periodic cycle started."""
        self._set("cycle_start_deviation_seconds", late_seconds)

    def phase_done(self, phase: Phase, seconds: float, budget_seconds: float, cycle_id: str = "") -> None:
        """Count one phase against its budget."""
        self._observe("phase_duration_seconds", seconds, phase, trace_of=cycle_id)
        if seconds > budget_seconds:
            self._add("phase_overruns_total", phase)

    def source_asked(self, source: str, seconds: float, outcome: str) -> None:
        """Count one request to a source; outcome is ``ok``, ``refused`` or ``failed``."""
        name = source if source in self._sources else OTHER
        self._observe("source_request_duration_seconds", seconds, name)
        self._add("source_requests_total", name, outcome)

    def circuit(self, target: str, held_back: float) -> None:
        """Tell whether requests to a peer are held back: 0 no, 1 yes, 0.5 all but one that sees whether it is back."""
        self._set("circuit_state", held_back, target)

    def retry_withheld(self, source: str) -> None:
        """Count a request that was not repeated, because too many were."""
        if source in self._sources:
            self._add("retries_withheld_total", source)

    def notified(self, channel: str, result: str) -> None:
        """Count a message to people; result is ``delivered`` or ``failed``."""
        self._add("notifications_total", channel, result)

    def dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Tell of the dead letters that wait and are parked."""
        oldest = min((letter.written_at.timestamp() for letter in letters), default=0.0)
        self._set("dead_letters", len(letters))
        self._set("dead_letters_parked", sum(letter.state is LetterState.PARKED for letter in letters))
        self._set("dead_letter_oldest_timestamp_seconds", oldest)

    def spans(self, exported: int, lost: int) -> None:
        """Count spans that the trace collector took, and those that it did not."""
        self._add("spans_total", "exported", amount=exported)
        self._add("spans_total", "lost", amount=lost)

    def knowledge_written(self, seconds: float) -> None:
        """Count one durable write."""
        self._observe("knowledge_write_duration_seconds", seconds)

    def knowledge_up(self, is_up: bool) -> None:
        """Tell whether Knowledge could be read and written."""
        self._set("knowledge_up", is_up)

    def knowledge_disk(self, *, is_damaged: bool, reserve_bytes: int) -> None:
        """Tell whether the file of Knowledge is damaged, and what is kept for a full disk."""
        self._set("knowledge_damaged", is_damaged)
        self._set("knowledge_reserve_bytes", reserve_bytes)

    def webhook(self, result: str) -> None:
        """Count one webhook; the results are :data:`~mape_k.telemetry.table.WEBHOOK_RESULTS`."""
        self._add("webhooks_total", result)

    def webhook_truncated(self, left_out: int) -> None:
        """Count alerts that Alertmanager left out of a webhook."""
        self._add("truncated_alerts_total", amount=left_out)

    def ledger_opened(self, ledger: Ledger) -> None:
        """Take over what Knowledge says; at start call it before the first cycle, so that nothing counts twice."""
        self._opened_at = {incident.incident_id: incident.opened_at for incident in ledger.incidents}
        for execution in ledger.executions:
            self._known.setdefault(execution.execution_id, execution)
        self.mode(ledger.mode)
        self.paused(ledger.pause is not None)
        self._tell_learning(ledger.success_rates)
        self._tell_overdue(ledger)
        self._set("frozen_targets", len({e.target for e in ledger.executions if e.state in LEFT_ALONE}))
        self._tell_in_flight()

    def budgets(self, budgets: Iterable[Budget]) -> None:
        """Tell of each kind of budget how much the one that is nearest to its end has left."""
        left: dict[BudgetKind, int] = {}
        for budget in budgets:
            left[budget.budget] = min(left.get(budget.budget, budget.left), budget.left)
        for kind in BudgetKind:
            self._set("budget_remaining", left.get(kind, 0), kind)

    def packs_held(self, reasons: Iterable[Reason]) -> None:
        """Tell in how many packs everything is held back, and by which guards."""
        held = Tally(reasons)
        for reason in PACK_HOLDS:
            self._set("packs_held", held[reason], reason)

    def action_moved(self, execution: Execution) -> None:
        """Count what an action's newest move means; telling the same move twice counts once."""
        before = self._known.get(execution.execution_id)
        self._remember(execution)
        if execution.applied_at and not (before and before.applied_at):
            detected_at = self._opened_at.get(execution.incident_id, execution.admitted_at)
            seconds = _seconds(execution.applied_at - detected_at)
            self._observe("detection_to_action_seconds", seconds, trace_of=execution.execution_id)
        if _is_judged(execution) and before and execution.verdict is not before.verdict:
            self._tell_verdict(execution)
        if execution.state is State.FAILED and not (before and before.state is State.FAILED):
            self._add("actions_total", *self._names(execution.pack, execution.remediation), FAILED)
        self._tell_in_flight()

    def action_refused(self, reason: Reason) -> None:
        """Count an action that a guard refused when it was about to be admitted."""
        if reason in REFUSALS:
            self._add("guard_refusals_total", reason)

    def cycle_closed(self, report: CycleReport) -> None:
        """Count one cycle with its phases and all that it saw and decided."""
        self._add("cycles_total", report.result)
        self._observe("cycle_duration_seconds", report.seconds, trace_of=report.cycle_id)
        for timing in report.timings:
            self.phase_done(timing.phase, timing.seconds, timing.budget_seconds, report.cycle_id)
        if report.result is not CycleResult.FAILED:
            ended_at = report.as_of + timedelta(seconds=report.seconds)
            self._set("last_cycle_timestamp_seconds", ended_at.timestamp())
        if report.snapshot:
            self._tell_snapshot(report.snapshot)
        self._tell_kept(report)
        if report.ledger:
            self.ledger_opened(report.ledger)
        if report.assessment:
            self._tell_incidents(report.assessment.incidents)
        if report.plan:
            self._tell_plan(report.plan, report)
        if report.plan and report.ledger:
            self._tell_escalations(report.plan, report.ledger)

    # the terms of the above

    def _names(self, pack: str, remediation: str) -> tuple[str, str]:
        known = self._catalogue.remediation(pack, remediation)
        return (known.pack, known.name) if known else (pack if pack in self._catalogue.packs else OTHER, OTHER)

    def _tell_verdict(self, execution: Execution) -> None:
        names = self._names(execution.pack, execution.remediation)
        self._add("actions_total", *names, execution.verdict or FAILED)
        if execution.applied_at:
            seconds = _seconds(execution.updated_at - execution.applied_at)
            self._observe("action_verification_seconds", seconds, trace_of=execution.execution_id)

    def _tell_overdue(self, ledger: Ledger) -> None:
        late = Tally(e.state for e in ledger.open_executions if e.is_overdue(ledger.as_of))
        for state in DEADLINES:
            self._set("overdue_executions", late[state], state)

    def _tell_in_flight(self) -> None:
        self._set("actions_in_flight", sum(e.is_unsettled for e in self._known.values()))

    def _remember(self, execution: Execution) -> None:
        self._known[execution.execution_id] = execution
        if len(self._known) > MAX_KNOWN:
            settled = next((i for i, e in self._known.items() if not e.is_unsettled), execution.execution_id)
            del self._known[settled]

    def _tell_snapshot(self, snapshot: Snapshot) -> None:
        for source in snapshot.sources.values():
            self._set("source_up", source.is_up, source.name)
        tally = sum(map(_qualities, snapshot.vectors.values()), Tally())
        for quality in Quality:
            self._set("readings", tally[quality], quality)
        self._set("snapshot_series", sum(len(v.targets) for v in snapshot.vectors.values()))
        self._set("snapshot_alerts", len(snapshot.alerts))
        self._set("snapshot_age_seconds", _age(snapshot))

    def _tell_kept(self, report: CycleReport) -> None:
        if report.notices:
            self._tell_notices(report.notices)
        if report.audit_head:
            self._set("audit_sequence", int(report.audit_head.partition(" ")[0]))

    def _tell_notices(self, notices: NoticeTally) -> None:
        for state in NOTICE_STATES:
            self._set("notices", getattr(notices, state), state)

    def _tell_incidents(self, incidents: Iterable[Incident]) -> None:
        self._families["incidents"].zero()
        for (pack, severity), count in Tally((i.root.pack, i.root.severity) for i in incidents).items():
            self._set("incidents", count, pack if pack in self._catalogue.packs else OTHER, severity)

    def _tell_plan(self, plan: Plan, report: CycleReport) -> None:
        incidents = report.assessment.incidents if report.assessment else ()
        packs = {incident.incident_id: incident.root.pack for incident in incidents}
        for decision in plan.decisions:
            pack = packs.get(decision.incident_id, OTHER)
            names = self._names(pack, decision.action.remediation) if decision.action else (pack, NONE)
            self._add("decisions_total", *names, decision.reason)
        for guard in _guards(plan):
            self._add("guard_refusals_total", guard)

    def _tell_escalations(self, plan: Plan, ledger: Ledger) -> None:
        """Tell what waits for a person: an incident out of remedies, a policy that will end and is not renewed."""
        ending = (e.reason for e in ledger.executions if e.expires_at is not None and e.expires_at > plan.as_of)
        waiting = Tally((*(decision.reason for decision in plan.decisions), *ending))
        for reason in ESCALATIONS:
            self._set("escalations", waiting[reason], reason)

    def _tell_learning(self, rates: Mapping[tuple[str, str, str], SuccessRate]) -> None:
        for remediation in _remediations(self._catalogue):
            mine = [r for (pack, name, _), r in rates.items() if (pack, name) == (remediation.pack, remediation.name)]
            probability = _success_probability(remediation, mine)
            self._set("remediation_success_probability", probability, remediation.pack, remediation.name)


def _remediations(catalogue: Catalogue) -> Iterable[Remediation]:
    return (remediation for pack in catalogue.packs.values() for remediation in pack.remediations.values())


def _seconds(span: timedelta) -> float:
    return span.total_seconds()


def _is_judged(execution: Execution) -> bool:
    return execution.verdict is not None and execution.state is not State.VERIFYING


def _success_probability(remediation: Remediation, rates: Iterable[SuccessRate]) -> float:
    successes = sum(rate.successes for rate in rates)
    outcomes = successes + sum(rate.failures for rate in rates)
    believed = remediation.prior_success * remediation.prior_weight
    total = remediation.prior_weight + outcomes
    return (believed + successes) / total if total else remediation.prior_success


def _qualities(vector: Vector) -> Tally[Quality]:
    if vector.quality is not Quality.VALUE:
        return Tally({vector.quality: 1})
    finite = int(np.isfinite(vector.values).sum())
    return Tally({Quality.VALUE: finite, Quality.NOT_A_NUMBER: len(vector.values) - finite})


def _age(snapshot: Snapshot) -> float:
    newest = [scrape.newest_sample_at for scrape in snapshot.scrapes.values() if scrape.newest_sample_at]
    return _seconds(snapshot.as_of - min(newest)) if newest else math.nan


def _guards(plan: Plan) -> list[str]:
    refused = [reason for decision in plan.decisions for reason in sorted(_refusals(decision))]
    return [*refused, plan.refusal] if plan.refusal in REFUSALS else refused


def _refusals(decision: Decision) -> set[str]:
    reasons = {decision.reason, *(candidate.refusal for candidate in decision.candidates)}
    return {reason for reason in reasons if reason in REFUSALS}
