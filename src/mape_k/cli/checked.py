"""How a command tells what it has checked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mape_k.cli.group import DONE, NOT_SO, UNREACHABLE
from mape_k.cli.show import Document, emit, line, table

if TYPE_CHECKING:
    from mape_k.main import Checked


def end_with(ctx: click.Context, checked: "Sequence[Checked]", *, use_json: bool, **more: Any) -> None:  # noqa: ANN401
    """Tell what was checked and end the command: 0 all good, 1 something is not, 3 something could not be reached."""
    rows = [{"what": c.what, "is_good": c.is_good, "detail": c.detail} for c in checked]
    is_good = all(c.is_good for c in checked)
    emit({"ok": is_good, **more, "checked": rows}, as_json=use_json, human=_show)
    ctx.exit(DONE if is_good else NOT_SO if all(c.is_reached for c in checked) else UNREACHABLE)


def _show(document: Document) -> None:
    rows = [{**row, "verdict": "good" if row["is_good"] else "bad"} for row in document["checked"]]
    table(rows, verdict="", what="checked", detail="detail")
    bad = sum(not row["is_good"] for row in document["checked"])
    line(f"{bad} of {len(rows)} checks failed" if bad else "everything is as it should be")
