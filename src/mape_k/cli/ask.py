"""The commands that ask the running daemon: what is, what was done and why; and the two that stop and start acting."""

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


def _daemon() -> "Client":
    from mape_k.client import connect

    return connect(settings())


@click.command()
@as_json
def status(*, use_json: bool) -> None:
    """Say what the daemon sees and does, and what it did not do and why."""
    emit(_daemon().get("status"), as_json=use_json, human=_show_status)


@click.command()
@_limit
@_state
@_cursor
@as_json
def incidents(*, use_json: bool, **query: Any) -> None:  # noqa: ANN401 (options by name)
    """List what was wrong, newest first."""
    emit(_daemon().get("incidents", **query), as_json=use_json, human=_listing(_incident_row))


@click.command()
@_limit
@_state
@_cursor
@as_json
def actions(*, use_json: bool, **query: Any) -> None:  # noqa: ANN401 (options by name)
    """List what was done about it, newest first."""
    emit(_daemon().get("actions", **query), as_json=use_json, human=_listing(_action_row))


@click.command()
@click.argument("execution_id", metavar="ID")
@as_json
def explain(*, execution_id: str, use_json: bool) -> None:
    """Say why an action was chosen, among what, and what became of it."""
    emit(_daemon().get("actions", execution_id), as_json=use_json, human=_show_action)


@click.command()
@click.option("--comment", default="", help="Why; it is kept and shown.")
@click.option("--by", default="operator", show_default=True, help="Who.")
@as_json
def pause(*, comment: str, by: str, use_json: bool) -> None:
    """Begin nothing new until resumed; what was begun is finished. A restart does not lift it."""
    answer = _daemon().post("pause", document={"comment": comment, "by": by})
    emit(answer, as_json=use_json, human=lambda _: line("paused: it begins nothing new, and finishes what was begun"))


@click.command()
@as_json
def resume(*, use_json: bool) -> None:
    """Act again."""
    answer = _daemon().post("resume", document={})
    emit(answer, as_json=use_json, human=lambda _: line("resumed: it acts as its mode allows"))


COMMANDS = (status, incidents, actions, explain, pause, resume)


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
    headline, last, pause = status["headline"], status["last_cycle"] or {}, status["pause"] or {}
    line(f"{headline['text']}. {headline['detail']}", tone=headline["tone"])
    fields(
        mode=status["mode"],
        epoch=status["epoch"],
        version=status["version"],
        paused=pause and f"by {pause['by']} since {time_of_day(pause['since'])} {pause['comment']}",
        last_cycle=last and f"{last['result']} at {time_of_day(last['as_of'])} in {last['seconds']} s",
        sources=", ".join(f"{s['name']} {s['quality'] if not s['is_up'] else 'up'}" for s in status["sources"]),
        notices=", ".join(f"{count} {name}" for name, count in (status["notices"] or {}).items()),
        not_ready="; ".join(status["not_ready"]),
    )
    if status["incidents"]:
        click.echo()
        table([_incident_row(incident) for incident in status["incidents"]], *_incident_row({"incident_id": ""}))
    if status["held"]:
        click.echo()
        table(status["held"], "symptom", "target", reason="not done because", sentence="")


def _show_action(action: Document) -> None:
    explanation = action.get("explanation") or {}
    names = ("execution_id", "incident_id", "remediation", "symptom", "target", "state", "verdict", "reason", "detail")
    fields(**{name: action.get(name) for name in names})
    _show_incident(explanation.get("incident") or {})
    _show_decision(explanation.get("decision") or {})
    _show_history(action.get("transitions") or [])


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
    table(rows, "remediation", "score", "terms", refusal="refused because")


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
