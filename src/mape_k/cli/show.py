"""Output: JSON for programs, aligned text for people; nothing of foreign origin steers the terminal."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from mape_k.text import printable

Document = dict[str, Any]
MAX_CELL, MAX_TEXT = 60, 400

_COLOURS: Mapping[str, str] = {
    **dict.fromkeys(("good", "improved", "in_force", "succeeded", "completed", "healed"), "green"),
    **dict.fromkeys(("warn", "warning", "unchanged", "unknown", "rolled_back", "uncertain", "blind"), "yellow"),
    **dict.fromkeys(("bad", "critical", "worse", "failed", "frozen"), "red"),
}


def emit(document: Document, *, as_json: bool, human: Callable[[Document], None]) -> None:
    """Print a document as one JSON object, or as ``human`` does it."""
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=True))
    else:
        human(document)


def line(text: str, *, tone: str = "") -> None:
    """Print one line; colours are left out where standard output is no terminal."""
    click.echo(click.style(printable(text, MAX_TEXT), fg=_COLOURS.get(tone), bold=bool(tone) or None))


def fields(**values: object) -> None:
    """Print facts below each other; those that are None or empty are left out."""
    told = {name.replace("_", " "): value for name, value in values.items() if value not in (None, "", [], {})}
    width = max(map(len, told), default=0)
    for name, value in told.items():
        click.echo(f"{name:<{width}}  {printable(value, MAX_TEXT)}")


def table(rows: Sequence[Mapping[str, Any]], *columns: str, **titled: str) -> None:
    """Print rows in aligned columns.

    Args:
        rows: what to print.
        columns: fields shown under their own names.
        titled: fields shown under another title; the last column is the one that may be long.
    """
    titles = {name: name.replace("_", " ") for name in columns} | titled
    limits = dict.fromkeys(titles, MAX_CELL) | dict.fromkeys(list(titles)[-1:], MAX_TEXT)
    cells = [{name: _cell(row.get(name), limit) for name, limit in limits.items()} for row in rows]
    if not cells:
        click.echo("none")
    elif sys.stdout.isatty() and _has_rich():
        _rich_table(titles, cells)
    else:
        _plain_table(titles, cells)


def _cell(value: object, limit: int) -> str:
    if value is None or value == "":
        return "-"
    return printable(f"{value:.4g}" if isinstance(value, float) else value, limit)


def _plain_table(titles: Mapping[str, str], cells: Sequence[Mapping[str, str]]) -> None:
    widths = {name: max(len(title), *(len(row[name]) for row in cells)) for name, title in titles.items()}
    for row in (titles, *cells):
        click.echo("  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip())


def _has_rich() -> bool:
    from importlib.util import find_spec

    return find_spec("rich") is not None


def _rich_table(titles: Mapping[str, str], cells: Sequence[Mapping[str, str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles.values():
        drawn.add_column(Text(title), overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(row[name], style=_COLOURS.get(row[name], "")) for name in titles))
    Console().print(drawn)


def time_of_day(value: object) -> str:
    """Return an instant to the second, in UTC; empty for none."""
    try:
        return f"{datetime.fromisoformat(str(value)).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return ""
