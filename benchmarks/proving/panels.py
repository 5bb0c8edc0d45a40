"""The queries of dashboards, asked as Grafana would ask them, of a Prometheus in which the faults have been."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from mape_k.packbuild.scale import scale_promql
from proving.stack import Running, wall

RATE_INTERVAL, INTERVAL, RANGE = "1m", "15s", "1h"
"""What Grafana puts in for its own variables: four scrapes, one, and the shown time, in true time."""

MOST_POINTS = 600
LEAST_STEP_SECONDS = 0.4
MOST_CHOICES = 20
"""How many values of a variable that takes one at a time are tried."""

_OWN = {"__rate_interval": RATE_INTERVAL, "__interval": INTERVAL, "__range": RANGE}
_IN_NUMBERS = {"__range_s": "3600", "__range_ms": "3600000", "__interval_ms": "15000", "__rate_interval_ms": "60000"}
_VARIABLE = re.compile(r"\$\{(\w+)(?::[\w.]+)?\}|\[\[(\w+)(?::\w+)?\]\]|\$(\w+)")
_LABEL_VALUES = re.compile(r"label_values\(\s*(?:(.+),)?\s*(\w+)\s*\)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel that asks Prometheus.

    Args:
        board, title: where it is.
        queries: what it asks, as written.
    """

    board: str
    title: str
    queries: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.board}: {self.title}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard: its panels and its variables."""

    panels: Sequence[Panel]
    variables: Sequence[Mapping[str, Any]]


def boards_of(pack: Path) -> Iterator[Board]:
    """Yield the dashboards of a pack."""
    for path in sorted(pack.glob("dashboards/*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        title = str(document.get("title") or path.stem)
        panels = [
            Panel(board=title, title=f"{panel.get('title') or panel.get('id')}", queries=queries)
            for panel in _panels(document.get("panels", ()))
            if (queries := tuple(_queries(panel)))
        ]
        yield Board(panels=panels, variables=document.get("templating", {}).get("list", ()))


def _panels(panels: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels", ()))


def _queries(panel: Mapping[str, Any]) -> Iterator[str]:
    for target in panel.get("targets", ()):
        kind = (target.get("datasource") or panel.get("datasource") or {}).get("type", "prometheus")
        if kind == "prometheus" and target.get("expr") and not target.get("hide"):
            yield target["expr"]


async def filled(running: Running, board: Board) -> set[tuple[Panel, str]]:
    """Return the queries of a board that return data at some moment since the stack began."""
    choices = {each["name"]: await _choices(running, each) for each in board.variables if each.get("name")}
    return {
        (panel, query) for panel in board.panels for query in panel.queries if await _has_data(running, query, choices)
    }


async def _choices(running: Running, variable: Mapping[str, Any]) -> list[str]:
    """Return what may stand for a variable: several values joined where it takes several, else each."""
    values = await _values(running, variable)
    if variable.get("multi") or variable.get("includeAll"):
        return [variable["allValue"]] if variable.get("allValue") else ["|".join(values)] if values else []
    return values[:MOST_CHOICES]


async def _values(running: Running, variable: Mapping[str, Any]) -> list[str]:
    if variable.get("type") != "query":
        current = (variable.get("current") or {}).get("value")
        options = [str(option["value"]) for option in variable.get("options", ()) if option["value"] != "$__all"]
        return options or [str(current if current is not None else variable.get("query", ""))]
    query = variable.get("query") or variable.get("definition") or ""
    asked = _LABEL_VALUES.fullmatch(str(query.get("query", "") if isinstance(query, dict) else query).strip())
    return await running.label_values(asked[2], (asked[1] or "").strip()) if asked else []


async def _has_data(running: Running, query: str, choices: Mapping[str, list[str]]) -> bool:
    used = [name for name in dict.fromkeys(_names(query)) if name in choices]
    for values in product(*(choices[name] for name in used)):
        asked = scale_promql(filled_in(query, dict(zip(used, values, strict=True))), running.layout.time_scale)
        seconds = wall() - running.begun
        found = await running.query_range(asked, seconds, max(LEAST_STEP_SECONDS, seconds / MOST_POINTS))
        if any(value != "NaN" for series in found for _, value in series["values"]):
            return True
    return False


def _names(query: str) -> Iterator[str]:
    for found in _VARIABLE.finditer(query):
        yield found[1] or found[2] or found[3]


def filled_in(query: str, values: Mapping[str, str]) -> str:
    """Return a query with Grafana's own variables and those of a board put in."""
    known = {**_OWN, **_IN_NUMBERS, **values}

    def value(found: "re.Match[str]") -> str:
        return known.get(found[1] or found[2] or found[3], found[0])

    return _VARIABLE.sub(value, query)
