"""What can be wrong with a description of a board."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from mape_k.errors import did_you_mean
from mape_k.packbuild.grafana.description import (
    GRID_COLUMNS,
    AlertTimeline,
    Board,
    Logs,
    Panel,
    Table,
    Text,
    Thresholds,
)
from mape_k.packbuild.grafana.units import UNITS, is_unit

_UID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
BUILT_IN = frozenset({"__rate_interval", "__interval", "__interval_ms", "__range", "__range_s", "__range_ms"})
"""Variables that Grafana sets by itself."""


def problems_of(board: Board) -> Iterator[str]:
    """Yield a sentence for everything that stands against drawing ``board``."""
    if not _UID.fullmatch(board.uid):
        yield f"uid {board.uid!r}: expected small letters, digits and dashes, 40 at most"
    if not board.panels:
        yield "it has no panels"
    titles = Counter(panel.title for panel in board.panels)
    yield from (f"panel {title!r}: {count} panels have this title" for title, count in titles.items() if count > 1)
    known = {variable.name for variable in board.variables} | BUILT_IN
    for panel in board.panels:
        yield from (f"panel {panel.title!r}: {problem}" for problem in _of_panel(panel, known))


def _of_panel(panel: Panel, known: set[str]) -> Iterator[str]:
    if not panel.title.strip():
        yield "it has no title"
    if not 1 <= panel.area[0] <= GRID_COLUMNS or panel.area[1] < 1:
        yield f"width {panel.area[0]}, height {panel.area[1]}: expected 1 to {GRID_COLUMNS} columns, 1 step or more"
    yield from _of_queries(panel, known)
    yield from _of_units(panel)
    yield from _of_thresholds(panel.thresholds)
    if isinstance(panel, Table) and not panel.columns:
        yield "columns: name the labels that the table shows"


def _of_queries(panel: Panel, known: set[str]) -> Iterator[str]:
    if isinstance(panel, Text | AlertTimeline):
        if panel.queries:
            yield f"queries: a panel of the kind {panel.kind} takes none here"
        return
    if not panel.queries:
        yield "queries: there is nothing to show"
    for legend, query in panel.asked():
        if not query.expr.strip():
            yield f"query {legend!r} is empty"
        for name in _VARIABLE.findall(query.expr):
            if name not in known:
                yield f"query {legend!r}: the board has no variable ${name}{did_you_mean(name, known)}"


def _of_units(panel: Panel) -> Iterator[str]:
    if isinstance(panel, Text | Logs | AlertTimeline):
        return
    for unit in (panel.unit, *(query.unit for _, query in panel.asked() if query.unit)):
        if not unit:
            yield "unit: say what the numbers are; a bare number is 'short'"
        elif not is_unit(unit):
            yield f"unit {unit!r} is unknown{did_you_mean(unit, UNITS)}"


def _of_thresholds(steps: Thresholds) -> Iterator[str]:
    colours, bounds = steps[::2], steps[1::2]
    if not all(isinstance(colour, str) for colour in colours) or len(steps) % 2 == 0 < len(steps):
        yield "thresholds: expected a colour, then a bound and the next colour, and so on"
    elif any(isinstance(bound, str) for bound in bounds):
        yield "thresholds: expected a number between two colours"
    elif any(float(low) >= float(high) for low, high in pairwise(bounds)):
        yield "thresholds: the bounds must rise"
