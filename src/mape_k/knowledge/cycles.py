"""What is kept of a cycle: its report, its snapshot, its incidents, and what it saw of open executions."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, insert, update

from mape_k.knowledge.ledger import OUTLOOKS, SIGHT_LOST_AT, read_outlooks, read_sight_lost_at, write_meta
from mape_k.knowledge.schema import cycles, executions, incidents, snapshots
from mape_k.model import Assessment, CycleReport, CycleResult, Decision, Incident, Plan, Snapshot
from mape_k.recording import to_document

INTERRUPTED = "the daemon stopped during this cycle"


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
    document: dict[str, object] = to_document(replace(report, snapshot=None, ledger=None))
    return {name: part for name, part in document.items() if name not in ("snapshot", "ledger", "audit_head")}


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
    for incident in assessment.incidents:
        _keep_incident(connection, incident, decisions, assessment.as_of)
    gone = incidents.c.incident_id.in_(assessment.closed) & (incidents.c.state == "open")
    connection.execute(update(incidents).where(gone).values(state="closed", closed_at=assessment.as_of))


def _keep_incident(
    connection: Connection, incident: Incident, decisions: Mapping[str, Decision], as_of: datetime
) -> None:
    decision = decisions.get(incident.incident_id)
    row = {
        "state": "open",
        "pack": incident.root.pack,
        "symptom": incident.root.symptom,
        "target": incident.root.target,
        "opened_at": incident.opened_at,
        "last_seen_at": as_of,
        "closed_at": None,
        "document": to_document(incident) | {"severity": incident.root.severity.value},
    }
    changes = row | ({"decision": decision} if decision else {})
    same = incidents.c.incident_id == incident.incident_id
    if not connection.execute(update(incidents).where(same).values(changes)).rowcount:
        connection.execute(insert(incidents).values(row | {"incident_id": incident.incident_id, "decision": decision}))


def _keep_observations(connection: Connection, assessment: Assessment, epoch: int) -> None:
    for judgement in assessment.judgements:
        ours = (executions.c.execution_id == judgement.execution_id) & (executions.c.epoch == epoch)
        connection.execute(update(executions).where(ours).values(observation=judgement.observation))
