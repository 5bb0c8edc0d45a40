"""The commands about dead letters: notifications and roll-backs that failed, and what becomes of them."""

import sys
from typing import Any

import click

from mape_k.cli.ask import daemon
from mape_k.cli.group import NOT_SO, as_json
from mape_k.cli.show import Document, emit, line, table, time_of_day

_by = click.option("--by", default="operator", show_default=True, help="Who; it is in the audit trail.")
_comment = click.option("--comment", default="", help="Why.")


@click.group()
def dlq() -> None:
    """Dead letters: notifications and roll-backs that failed.

    They are tried again after 5 min, 30 min, 2 h, 12 h and 24 h, then parked. A failed action is never among them.
    """


@dlq.command("list")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="So many at most.")
@click.option("--cursor", help="Go on after a page: its next_cursor.")
@as_json
def list_letters(*, use_json: bool, **query: Any) -> None:  # noqa: ANN401 (options by name)
    """List what waits or is parked, oldest first."""
    emit(daemon().get("dlq", **query), as_json=use_json, human=_show_letters)


@dlq.command()
@click.argument("letter_id", metavar="ID")
@_comment
@_by
@as_json
def retry(*, letter_id: str, use_json: bool, **said: str) -> None:
    """Try a letter again now; the attempts made so far still count."""
    answer = daemon().post("dlq", letter_id, "retry", document=said)
    emit(answer, as_json=use_json, human=lambda _: line("due now: `mape-k dlq list` shows what came of it"))


@dlq.command()
@click.argument("letter_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_comment
@_by
@as_json
@click.pass_context
def drop(ctx: click.Context, /, *, letter_id: str, yes: bool, use_json: bool, **said: str) -> None:
    """Give a letter up. A roll-back is not tried any more then, and its target stays frozen until `mape-k resume`."""
    letter = daemon().get("dlq", letter_id)
    if letter["kind"] == "compensation" and not yes and not _is_meant(letter):
        ctx.exit(NOT_SO)
    answer = daemon().post("dlq", letter_id, "drop", document=said)
    emit(answer, as_json=use_json, human=_show_dropped)


def _is_meant(letter: Document) -> bool:
    """Ask a person; a program must have said --yes."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"{letter['letter_id']} would undo {letter['about']}: say --yes to give that up.")
    return click.confirm(f"Never undo {letter['about']} by itself? Its target stays frozen.", err=True)


def _show_letters(page: Document) -> None:
    rows = [{**letter, "tried again": _when(letter), "letter": letter["letter_id"]} for letter in page["items"]]
    table(rows, "letter", "kind", "about", "channel", "attempts", "tried again", error="error")
    if page["next_cursor"]:
        line(f"more: --cursor {page['next_cursor']}")


def _when(letter: Document) -> str:
    return f"{time_of_day(letter['due_at'])} UTC" if letter["state"] == "pending" else str(letter["state"])


def _show_dropped(letter: Document) -> None:
    if letter["kind"] == "compensation":
        line(f"dropped: {letter['about']} is not undone by itself; `mape-k resume` gives its target back")
    else:
        line("dropped: it is not sent any more")
