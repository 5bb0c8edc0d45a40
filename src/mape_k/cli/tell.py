"""The commands that tell the running daemon something: yes, no, what became of an action, pause and resume."""

import json
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mape_k.cli.ask import daemon
from mape_k.cli.group import NOT_SO, as_json
from mape_k.cli.show import Document, emit, fields, line, time_of_day
from mape_k.errors import PermanentError

_Command = TypeVar("_Command", bound=Callable[..., Any])

_comment = click.option("--comment", default="", help="Why; it is kept and shown.")
_by = click.option("--by", default="operator", show_default=True, help="Who.")
_hash = click.option("--hash", "seen", default="", metavar="HEX", help="Only if the plan's hash still begins so.")
_one_remediation = click.option("--remediation", metavar="PACK/NAME", help="Only this one, wherever.")
_one_target = click.option("--target", metavar="PACK/NAME", help="Only this one, whatever would be done there.")


def _about(command: _Command) -> _Command:
    """Give a command what its order is about: everything, or one remediation or target."""
    return _one_remediation(_one_target(command))


def _seconds(_ctx: click.Context, _option: click.Parameter, duration: str | None) -> float | None:
    from mape_k.catalogue.durations import parse_duration

    try:
        return None if duration is None else parse_duration(duration)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("execution_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask again on a terminal.")
@_hash
@_comment
@_by
@as_json
@click.pass_context
def approve(ctx: click.Context, /, *, execution_id: str, yes: bool, seen: str, use_json: bool, **said: str) -> None:
    """Agree to an action: what would be sent is shown first, and exactly that is agreed to."""
    action = daemon().get("actions", execution_id)
    plan_hash = _asked(action, seen)
    if not use_json:
        _show_question(action)
    if not yes and sys.stdin.isatty() and not click.confirm("Do you agree?", err=True):
        ctx.exit(NOT_SO)
    answer = daemon().post("actions", execution_id, "approve", document={"plan_hash": plan_hash, **said})
    emit(answer, as_json=use_json, human=lambda _: line("approved: it is done if nothing speaks against it then"))


@click.command()
@click.argument("execution_id", metavar="ID")
@_hash
@_comment
@_by
@as_json
def reject(*, execution_id: str, seen: str, use_json: bool, **said: str) -> None:
    """Say no to an action: nothing is sent, and the same is not asked again before its cooldown has passed."""
    plan_hash = _asked(daemon().get("actions", execution_id), seen)
    answer = daemon().post("actions", execution_id, "reject", document={"plan_hash": plan_hash, **said})
    emit(answer, as_json=use_json, human=lambda _: line("rejected: it is left as it is"))


@click.command()
@click.argument("execution_id", metavar="ID")
@click.argument("verdict", type=click.Choice(["good", "bad"]))
@_comment
@_by
@as_json
def feedback(*, execution_id: str, verdict: str, use_json: bool, **said: str) -> None:
    """Say what became of an action: it counts from now on instead of the verdict."""
    answer = daemon().post("actions", execution_id, "feedback", document={"verdict": verdict, **said})
    emit(answer, as_json=use_json, human=lambda _: line(f"kept: it counts as {verdict}"))


@click.command()
@_about
@click.option(
    "--for",
    "seconds",
    callback=_seconds,
    metavar="DURATION",
    help="Ends by itself after so long, such as 2h; else never.",
)
@_comment
@_by
@as_json
def pause(*, remediation: str | None, target: str | None, seconds: float | None, use_json: bool, **said: str) -> None:
    """Begin nothing new until resumed; what was begun is finished. A restart does not lift it."""
    document = {"scope": _scope(remediation, target), "seconds": seconds, **said}
    emit(daemon().post("pause", document=document), as_json=use_json, human=_show_paused)


@click.command()
@_about
@_by
@as_json
def resume(*, remediation: str | None, target: str | None, use_json: bool, by: str) -> None:
    """Act again. A resume of everything, or of a target, also lifts the freeze of what could not be rolled back."""
    document = {"scope": _scope(remediation, target), "by": by}
    emit(daemon().post("resume", document=document), as_json=use_json, human=_show_resumed)


COMMANDS = (approve, reject, feedback, pause, resume)


def _scope(remediation: str | None, target: str | None) -> str:
    if remediation and target:
        raise click.UsageError("--remediation or --target, not both: each pause is about one of them.")
    return f"remediation:{remediation}" if remediation else f"target:{target}" if target else ""


def _asked(action: Document, seen: str) -> str:
    """Return the hash that an answer must name; an answer is about what was seen, and nothing else."""
    if action["asked"] is None:
        raise PermanentError(f"nobody is asked about {action['execution_id']}; it is {action['state']}")
    plan_hash = str(action["asked"]["plan_hash"])
    if not plan_hash.startswith(seen):
        raise PermanentError(f"the plan is another one now: its hash is {plan_hash}, not {seen}")
    return plan_hash


def _show_question(action: Document) -> None:
    asked, until = action["asked"], time_of_day(action["due_at"])
    line(f"{asked['question']} {action['remediation']} on {action['target']} for {action['symptom']}?")
    fields(
        action=action["execution_id"],
        incident=action["incident_id"],
        plan_hash=asked["plan_hash"],
        answer_until=until and f"{until} UTC",
    )
    is_policy = asked["question"] == "undo" and not any("call" in request for request in asked["requests"])
    line("the policy would be rolled back, or else sent:" if is_policy else "would be sent:")
    for request in asked["requests"]:
        line(f"  {json.dumps(request, ensure_ascii=True)}")


def _show_paused(answer: Document) -> None:
    until = f" until {time_of_day(answer['until'])} UTC" if answer["until"] else " until resumed"
    about = f" ({answer['scope']})" if answer["scope"] else ""
    line(f"paused{about}{until}: nothing new is begun there, and what was begun is finished")


def _show_resumed(answer: Document) -> None:
    line(f"resumed{' ' + answer['scope'] if answer['scope'] else ''}: it acts as its mode allows")
