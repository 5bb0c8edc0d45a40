"""What is kept of a cycle: its report, its snapshot, its incidents, and what it saw of open executions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, insert, update

from mape_k.knowledge import bulk
from mape_k.knowledge.ledger import OUTLOOKS, SIGHT_LOST_AT, read_outlooks, read_sight_lost_at, write_meta
from mape_k.knowledge.schema import cycles, executions, incidents, snapshots
from mape_k.model import Assessment, CycleReport, CycleResult, Decision, Incident, Plan, Snapshot
from mape_k.recording import to_document

INTERRUPTED = "the daemon stopped during this cycle"

INCIDENTS_TOLD = 200
"""Incidents that the document of one cycle tells of, the gravest first."""

_INCIDENT = (
    "incident_id",
    "state",
    "pack",
    "symptom",
    "target",
    "opened_at",
    "last_seen_at",
    "document",
    "decision",
)
_SEEN_AGAIN = ", ".join(
    (
        *(f"{name} = excluded.{name}" for name in _INCIDENT if name not in ("incident_id", "decision")),
        "closed_at = NULL",
        "decision = CASE excluded.decision WHEN 'null' THEN incidents.decision ELSE excluded.decision END",
    )
)
"""Of a cycle that decided nothing, an incident keeps the decision that it has."""

_CLOSED_AT_ONCE = 500


def begin(connection: Connection, report: CycleReport) -> None:
    """Note that a cycle has started, so that one which never ends is told of later."""
    connection.execute(insert(cycles).values(_row_of(report) | {"result": None}))


def end(connection: Connection, report: CycleReport, recorded: bytes | None, *, epoch: int) -> None:
    """Keep all of an ended cycle; ``recorded`` is its snapshot, encoded."""
    _keep_report(connection, report)
    if report.snapshot and recorded is not None:
        _keep_snapshot(connection, report, recorded)
        _keep_sight(connection, report.snapshot)
    if report.assessment:
        _keep_incidents(connection, report.assessment, report.plan)
        _keep_observations(connection, report.assessment, epoch)
        _keep_outlooks(connection, report.assessment)


def end_interrupted(connection: Connection) -> None:
    """Close the cycles that an earlier daemon left open."""
    never_ended = update(cycles).where(cycles.c.result.is_(None))
    connection.execute(never_ended.values(result=CycleResult.FAILED.value, failure=INTERRUPTED))


def _row_of(report: CycleReport) -> dict[str, object]:
    return {
        "cycle_id": report.cycle_id,
        "as_of": report.as_of,
        "woken_by": report.woken_by.value,
        "result": report.result.value,
        "failure": report.failure,
        "document": _document(report),
    }


def _document(report: CycleReport) -> dict[str, object]:
    """Return the report without what is kept elsewhere (snapshot) or follows from other tables (ledger, head)."""
    document: dict[str, object] = to_document(_gravest(replace(report, snapshot=None, ledger=None)))
    return {name: part for name, part in document.items() if name not in ("snapshot", "ledger", "audit_head")}


def _gravest(report: CycleReport) -> CycleReport:
    """Return the report with the gravest incidents, and what was decided about them or is done.

    In a storm all of them, in every cycle, would fill the disk; each has a row of its own with its last decision.
    """
    told = report.assessment.incidents[:INCIDENTS_TOLD] if report.assessment else ()
    names = {incident.incident_id for incident in told}
    decisions = report.plan.decisions if report.plan else ()
    kept = tuple(d for d in decisions if d.action is not None or d.incident_id in names)
    return replace(
        report,
        assessment=report.assessment and replace(report.assessment, incidents=told),
        plan=report.plan and replace(report.plan, decisions=kept),
    )


def _keep_report(connection: Connection, report: CycleReport) -> None:
    row = _row_of(report)
    if not connection.execute(update(cycles).where(cycles.c.cycle_id == report.cycle_id).values(row)).rowcount:
        connection.execute(insert(cycles).values(row))


def _keep_snapshot(connection: Connection, report: CycleReport, recorded: bytes) -> None:
    row = {"cycle_id": report.cycle_id, "as_of": report.as_of, "size_bytes": len(recorded), "recorded": recorded}
    connection.execute(insert(snapshots).values(row))


def _keep_sight(connection: Connection, snapshot: Snapshot) -> None:
    lost = {name: snapshot.as_of for name, source in snapshot.sources.items() if not source.is_up}
    if lost:
        write_meta(connection, SIGHT_LOST_AT, read_sight_lost_at(connection) | lost)


def _keep_outlooks(connection: Connection, assessment: Assessment) -> None:
    if assessment.outlooks != read_outlooks(connection):
        write_meta(connection, OUTLOOKS, assessment.outlooks)


def _keep_incidents(connection: Connection, assessment: Assessment, plan: Plan | None) -> None:
    decisions = {decision.incident_id: decision for decision in plan.decisions} if plan else {}
    keep_incidents(connection, assessment.incidents, decisions, assessment.as_of)
    _close(connection, assessment.closed, assessment.as_of)


def keep_incidents(
    connection: Connection, seen: Sequence[Incident], decisions: Mapping[str, Decision], as_of: datetime
) -> None:
    """Remember incidents as open, each with what was decided about it; one without a decision keeps what it has."""
    bind = {name: bulk.binder(incidents.c[name], connection.dialect) for name in _INCIDENT}
    rows = [
        tuple(bind[name](value) for name, value in _incident_row(incident, decisions, as_of).items())
        for incident in seen
    ]
    bulk.upsert(connection, incidents, _INCIDENT, rows, changes=_SEEN_AGAIN)


def _incident_row(incident: Incident, decisions: Mapping[str, Decision], as_of: datetime) -> dict[str, object]:
    return {
        "incident_id": incident.incident_id,
        "state": "open",
        "pack": incident.root.pack,
        "symptom": incident.root.symptom,
        "target": incident.root.target,
        "opened_at": incident.opened_at,
        "last_seen_at": as_of,
        "document": to_document(incident) | {"severity": incident.root.severity.value},
        "decision": decisions.get(incident.incident_id),
    }


def _close(connection: Connection, gone: Sequence[str], at: datetime) -> None:
    for start in range(0, len(gone), _CLOSED_AT_ONCE):
        some = incidents.c.incident_id.in_(gone[start : start + _CLOSED_AT_ONCE]) & (incidents.c.state == "open")
        connection.execute(update(incidents).where(some).values(state="closed", closed_at=at))


def _keep_observations(connection: Connection, assessment: Assessment, epoch: int) -> None:
    for judgement in assessment.judgements:
        ours = (executions.c.execution_id == judgement.execution_id) & (executions.c.epoch == epoch)
        connection.execute(update(executions).where(ours).values(observation=judgement.observation))
