"""The commands that ask the running daemon: what is, what was done and why."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from mape_k.cli.group import as_json, settings
from mape_k.cli.show import Document, emit, fields, line, table, time_of_day
from mape_k.text import printable

if TYPE_CHECKING:
    from mape_k.client import Client

_limit = click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="So many at most.")
_state = click.option("--state", help="Only those in this state.")
_cursor = click.option("--cursor", help="Go on after a page: its next_cursor.")


def daemon() -> "Client":
    """Return a client of the running daemon."""
    from mape_k.client import connect

    return connect(settings())


@click.command()
@as_json
def status(*, use_json: bool) -> None:
    """Say what the daemon sees and does, and what it did not do and why."""
    emit(daemon().get("status"), as_json=use_json, human=_show_status)


@click.command()
@_limit
@_state
@_cursor
@as_json
def incidents(*, use_json: bool, **query: Any) -> None:  # noqa: ANN401 (options by name)
    """List what was wrong, newest first."""
    emit(daemon().get("incidents", **query), as_json=use_json, human=_listing(_incident_row))


@click.command()
@_limit
@_state
@_cursor
@as_json
def actions(*, use_json: bool, **query: Any) -> None:  # noqa: ANN401 (options by name)
    """List what was done about it, newest first."""
    emit(daemon().get("actions", **query), as_json=use_json, human=_listing(_action_row))


@click.command()
@click.argument("execution_id", metavar="ID")
@as_json
def explain(*, execution_id: str, use_json: bool) -> None:
    """Say why an action was chosen, among what, and what became of it."""
    emit(daemon().get("actions", execution_id), as_json=use_json, human=_show_action)


COMMANDS = (status, incidents, actions, explain)


def _listing(row: Callable[[Document], Document]) -> Callable[[Document], None]:
    def show(page: Document) -> None:
        rows = [row(item) for item in page["items"]]
        table(rows, *(rows[0] if rows else ()))
        if page["next_cursor"]:
            line(f"more: --cursor {page['next_cursor']}")

    return show


def _incident_row(incident: Document) -> Document:
    cause = (incident.get("causes") or [{}])[0].get("finding") or {}
    return {
        "incident": incident["incident_id"],
        "severity": incident.get("severity") or cause.get("severity"),
        "symptom": incident.get("symptom"),
        "target": incident.get("target"),
        "risk": (incident.get("risk") or {}).get("score"),
        "state": incident.get("state"),
        "opened": time_of_day(incident.get("opened_at")),
        "decision": (incident.get("decision") or {}).get("reason"),
    }


def _action_row(action: Document) -> Document:
    return {
        "action": action["execution_id"],
        "remediation": action.get("remediation"),
        "target": action.get("target"),
        "state": action.get("state"),
        "verdict": action.get("verdict"),
        "reason": action.get("reason"),
        "admitted": time_of_day(action.get("admitted_at")),
    }


def _show_status(status: Document) -> None:
    headline, last = status["headline"], status["last_cycle"] or {}
    line(f"{headline['text']}. {headline['detail']}", tone=headline["tone"])
    fields(
        mode=status["mode"],
        epoch=status["epoch"],
        version=status["version"],
        last_cycle=last and f"{last['result']} at {time_of_day(last['as_of'])} in {last['seconds']} s",
        sources=", ".join(f"{s['name']} {s['quality'] if not s['is_up'] else 'up'}" for s in status["sources"]),
        notices=", ".join(f"{count} {name}" for name, count in (status["notices"] or {}).items()),
        not_ready="; ".join(status["not_ready"]),
    )
    _show_asked(status)
    _show_restraint(status)
    if status["overdue"]:
        click.echo()
        table(status["overdue"], "execution_id", "target", state="overdue in", owner="waits for", due_at="since")
    if status["incidents"]:
        click.echo()
        table([_incident_row(incident) for incident in status["incidents"]], *_incident_row({"incident_id": ""}))
    if status["held"]:
        click.echo()
        table(status["held"], "symptom", "target", reason="not done because", sentence="")


def _show_restraint(status: Document) -> None:
    """Print the packs held back, and the budgets of which something is used."""
    if status["held_packs"]:
        click.echo()
        table(status["held_packs"], "pack", reason="held back by", ill="ill", known="of", known_lately="lately of")
    used = [budget for budget in status["budgets"] if budget["used"]]
    if used:
        click.echo()
        rows = [{**b, "of": b["of"] or "everything", "within": _span(b["window_seconds"])} for b in used]
        table(rows, "budget", "of", "left", "limit", "within")


def _span(seconds: float | None) -> str:
    return "at once" if seconds is None else f"{seconds:g} s"


def _show_asked(status: Document) -> None:
    if status["pauses"]:
        click.echo()
        pauses = [
            {**p, "scope": p["scope"] or "everything", "since": time_of_day(p["since"])} for p in status["pauses"]
        ]
        rows = [{**p, "until": time_of_day(p["until"]) or "resumed"} for p in pauses]
        table(rows, "since", "until", "by", scope="paused", comment="comment")
    if status["approvals"]:
        click.echo()
        table([_approval_row(each) for each in status["approvals"]], *_APPROVAL_COLUMNS)


_APPROVAL_COLUMNS = ("approval wanted", "question", "target", "answer until", "answered", "to agree")


def _approval_row(approval: Document) -> Document:
    answer = approval["answer"]
    command = f"mape-k approve {approval['execution_id']} --hash {approval['plan_hash'][:12]}"
    told = (
        approval["remediation"],
        approval["question"],
        approval["target"],
        time_of_day(approval["due_at"]),
        answer and f"{'yes' if answer['is_given'] else 'no'}, {answer['by']}",
        None if answer else command,
    )
    return dict(zip(_APPROVAL_COLUMNS, told, strict=True))


def _show_action(action: Document) -> None:
    explanation = action.get("explanation") or {}
    names = ("execution_id", "incident_id", "remediation", "symptom", "target", "state", "verdict", "reason", "detail")
    sends = "; ".join(action.get("sends") or ())
    fields(**{n: action.get(n) for n in names}, sends=sends, answer=_answer(action), feedback=_feedback(action))
    _show_incident(explanation.get("incident") or {})
    _show_decision(explanation.get("decision") or {})
    _show_history(action.get("transitions") or [])


def _answer(action: Document) -> str:
    consent = action.get("consent")
    return _said("approved" if consent["is_given"] else "rejected", consent) if consent else ""


def _feedback(action: Document) -> str:
    feedback = action.get("feedback")
    return _said("good" if feedback["is_good"] else "bad", feedback) if feedback else ""


def _said(word: str, said: Document) -> str:
    return f"{word} by {said['by']} at {time_of_day(said['at'])} {said['comment']}".rstrip()


def _show_incident(incident: Document) -> None:
    if not incident:
        return
    risk = incident.get("risk") or {}
    line(f"why: risk {_number(risk.get('score'))} ({_terms(risk.get('terms'))})")
    for cause in incident.get("causes") or []:
        finding = cause["finding"]
        line(f"  {finding['symptom']} on {finding['target']}, confidence {_number(cause.get('confidence'))}")
        for evidence in finding.get("evidence") or []:
            line(f"    {evidence['detector']}: {evidence['what']} {_seen(evidence)} {evidence.get('detail') or ''}")


def _show_decision(decision: Document) -> None:
    candidates = decision.get("candidates") or []
    if not candidates:
        return
    line("among:")
    rows = [{**c, "remediation": c["remediation"] or "do nothing", "terms": _terms(c.get("terms"))} for c in candidates]
    asked = {"asks": "asked because"} if any(c.get("asks") for c in candidates) else {}
    table(rows, "remediation", "score", "terms", refusal="refused because", **asked)


def _show_history(transitions: list[Document]) -> None:
    if transitions:
        line("what became of it:")
        rows = [{**moved, "at": time_of_day(moved.get("at"))} for moved in transitions]
        table(rows, "at", from_state="from", to_state="to", reason="reason", detail="detail")


def show_report(report: Document) -> None:
    """Print what each phase of one cycle saw and decided."""
    line(f"{report['result']} in {report['seconds']:.2f} s {report['failure']}", tone=report["result"])
    for timing in report["timings"]:
        line(f"  {timing['phase']}: {1000 * timing['seconds']:.0f} of {1000 * timing['budget_seconds']:.0f} ms")
    snapshot = report["snapshot"] or {}
    table([_source_row(source) for source in (snapshot.get("sources") or {}).values()], "source", "seen", "detail")
    incidents = (report["assessment"] or {}).get("incidents") or []
    decisions = {d["incident_id"]: d for d in (report["plan"] or {}).get("decisions") or []}
    for incident in incidents:
        _show_incident(incident)
        _show_decided(decisions.get(incident["incident_id"]))
    line(f"{len(incidents)} incidents, {len(report['executed'])} actions taken or moved on")


def _show_decided(decision: Document | None) -> None:
    if decision is None:
        line("  not decided")
        return
    action = decision["action"]
    line(f"  decided: {action['remediation'] if action else 'nothing'}, because {decision['reason']}")
    _show_decision(decision)


def _source_row(source: Document) -> Document:
    return {"source": source["name"], "seen": source["quality"], "detail": source["detail"]}


def _seen(evidence: Document) -> str:
    reading = evidence.get("reading")
    if not reading:
        return ""
    seen = _number(reading["observed"]) if reading["observed"] is not None else reading["quality"]
    return f"{seen} against {_number(evidence['limit'])}" if evidence.get("limit") is not None else seen


def _terms(terms: Mapping[str, float] | None) -> str:
    return ", ".join(f"{printable(name, 40)} {_number(term)}" for name, term in (terms or {}).items())


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "?"
