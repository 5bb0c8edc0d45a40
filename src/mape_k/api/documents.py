"""The live facts as JSON-ready documents; the status page is drawn from the same ones."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mape_k.api.asked import Asked
from mape_k.api.headline import headline
from mape_k.api.restraint import restraint
from mape_k.api.services import Live
from mape_k.model import Catalogue, CycleReport, Decision, Incident, Pack, Reason
from mape_k.recording import to_document
from mape_k.telemetry import canonical_line

Document = dict[str, Any]

CARRIED_OUT = frozenset({Reason.BEST_CANDIDATE, Reason.APPROVED})


def status_document(
    live: Live, asked: Asked, not_ready: Sequence[str], *, catalogue: Catalogue, now: datetime
) -> Document:
    """Return what the daemon is, sees, decided, asks and left undone; ``held`` says why.

    Args:
        live: the facts of this moment.
        asked: what people told it and are asked, or why Knowledge cannot be read.
        not_ready: why the daemon is not ready.
        catalogue: the packs in use.
        now: this moment.
    """
    report, trouble = live.report, asked.trouble
    status = _facts(live, [*not_ready, *([f"Knowledge cannot be read: {trouble}"] if trouble else [])])
    status |= _asked(asked) | restraint(report, catalogue)
    incidents = _incidents(report)
    status |= {"sources": _sources(report), "incidents": incidents, "held": _held(incidents)}
    status["overdue"] = _overdue(report, now)
    status["unsettled"] = sum(e.is_unsettled for e in report.ledger.executions) if report and report.ledger else 0
    status["notices"] = to_document(report.notices) if report else None
    return {"headline": to_document(headline(status, trouble, now)), **status}


def _overdue(report: CycleReport | None, now: datetime) -> list[Document]:
    """Return the actions that are longer in a state than it should last, with whoever should move them on."""
    executions = report.ledger.open_executions if report and report.ledger else ()
    return [
        {
            "execution_id": e.execution_id,
            "target": e.target,
            "state": e.state.value,
            "owner": e.state.owner.value,
            "due_at": to_document(e.due_at),
        }
        for e in executions
        if e.is_overdue(now)
    ]


def _asked(asked: Asked) -> Document:
    """Say what people told; ``pause`` is the one of everything."""
    everything = next((pause for pause in asked.pauses if not pause.scope), None)
    pauses = [to_document(pause) for pause in asked.pauses]
    return {"pause": to_document(everything), "pauses": pauses, "approvals": list(asked.approvals)}


def _facts(live: Live, not_ready: Sequence[str]) -> Document:
    return {
        "version": live.version,
        "mode": live.mode.value,
        "epoch": live.epoch,
        "is_leader": live.is_leader,
        "is_standby": live.is_standby,
        "started_at": to_document(live.started_at),
        "interval_seconds": live.interval_seconds,
        "ready": not not_ready,
        "not_ready": list(not_ready),
        "last_cycle": canonical_line(live.report) if live.report else None,
    }


def pack_summary(pack: Pack, catalogue: Catalogue) -> Document:
    """Return what a list of packs shows of one."""
    return {
        "name": pack.name,
        "title": pack.title,
        "digest": catalogue.digest,
        "signals": len(pack.signals),
        "symptoms": len(pack.symptoms),
        "remediations": len(pack.remediations),
    }


def pack_document(pack: Pack) -> Document:
    """Return a pack whole."""
    return dict(to_document(pack))


def _sources(report: CycleReport | None) -> list[Document]:
    if report is None or report.snapshot is None:
        return []
    return [{**to_document(s), "is_up": s.is_up} for s in report.snapshot.sources.values()]


def _incidents(report: CycleReport | None) -> list[Document]:
    if report is None or report.assessment is None:
        return []
    decisions = {d.incident_id: d for d in report.plan.decisions} if report.plan else {}
    return [_incident(each, decisions.get(each.incident_id)) for each in report.assessment.incidents]


def _incident(incident: Incident, decision: Decision | None) -> Document:
    root = incident.root
    summary = {"pack": root.pack, "symptom": root.symptom, "target": root.target, "severity": root.severity.value}
    return {**to_document(incident), **summary, "decision": _decision(decision) if decision else None}


def _decision(decision: Decision) -> Document:
    return {
        "reason": decision.reason.value,
        "sentence": decision.reason.sentence,
        "remediation": decision.action.remediation if decision.action else None,
        "execution_id": decision.action.execution_id if decision.action else None,
        "candidates": [
            {**to_document(c), "sentence": why.sentence if (why := c.refusal or c.asks) else ""}
            for c in decision.candidates
        ],
    }


def _held(incidents: Sequence[Document]) -> list[Document]:
    """Say for each incident without an action why there is none."""
    return [
        {name: incident[name] for name in ("incident_id", "pack", "symptom", "target")}
        | {name: incident["decision"][name] for name in ("reason", "sentence", "remediation")}
        for incident in incidents
        if incident["decision"] and incident["decision"]["reason"] not in CARRIED_OUT
    ]
