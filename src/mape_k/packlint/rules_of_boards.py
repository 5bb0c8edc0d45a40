"""Checks of dashboards."""

import re

from mape_k.packfiles import Board
from mape_k.packlint.model import Findings, Found, Query, Severity, check
from mape_k.packlint.suite import Suite
from mape_k.packlint.units import BYTES, COUNT, PER_SECOND, SHARE, TIME, Measure

_NUMERIC = frozenset(
    {"timeseries", "stat", "gauge", "bargauge", "graph", "singlestat", "heatmap", "barchart", "histogram", "trend"}
)
_UNITS = {
    "s": (TIME, 1.0), "ms": (TIME, 1e-3), "µs": (TIME, 1e-6), "ns": (TIME, 1e-9),
    "m": (TIME, 60.0), "h": (TIME, 3600.0),
    "percent": (SHARE, 0.01), "percentunit": (SHARE, 1.0),
    "bytes": (BYTES, 1.0), "decbytes": (BYTES, 1.0), "kbytes": (BYTES, 1024.0), "mbytes": (BYTES, 1024.0**2),
    "Bps": (BYTES + PER_SECOND, 1.0), "binBps": (BYTES + PER_SECOND, 1.0),
    **dict.fromkeys(("ops", "reqps", "rps", "wps", "iops", "cps", "eps"), (COUNT + PER_SECOND, 1.0)),
    **dict.fromkeys(("opm", "rpm", "wpm", "cpm", "epm"), (COUNT + PER_SECOND, 1 / 60)),
}  # fmt: skip
_PER = re.compile(r"(?:/|per |an? |each )\s*(hour|h|minute|min|day)\b", re.IGNORECASE)
_PERIODS = {"hour": 3600.0, "h": 3600.0, "minute": 60.0, "min": 60.0, "day": 86400.0}


@check(
    "panel-without-unit",
    Board,
    Severity.WARNING,
    "Without a unit people guess whether they see milliseconds or seconds, shares or percentages.",
    remedy="set fieldConfig.defaults.unit (none for a plain number)",
)
def panel_without_unit(board: Board, _: Suite) -> Findings:
    """Yield panels with numbers and no unit."""
    for panel in board.panels:
        if panel.kind in _NUMERIC and panel.queries and not panel.unit:
            yield Found(message=f"panel {panel.title!r} has no unit", line=panel.line)


@check(
    "panel-in-another-unit",
    Query,
    Severity.ERROR,
    "The panel's unit is not that of what it draws, so everything on it is wrong by a factor.",
    remedy="set the unit that the query gives, or convert the query",
)
def panel_in_another_unit(query: Query, suite: Suite) -> Findings:
    """Yield panels that draw in another unit than they say."""
    panel = query.panel
    measure = suite.measure(query.expr) if panel else None
    if panel is None or measure is None:
        return
    unit = _UNITS.get(panel.unit)
    if unit and unit[0] == measure.dimension and not _same(unit[1], measure):
        yield f"drawn in {panel.unit}, which is wrong by a factor of {_factor(unit[1], measure):g}"
        return
    named = _PER.search(panel.title)
    is_plain = measure.dimension.endswith(PER_SECOND) and measure.scale == 1.0
    if named and is_plain and not (unit and unit[1] != 1.0):
        yield f"the title says {named.group().strip()}, the query is per second"


def _same(scale: float, measure: Measure) -> bool:
    return 0.9 < scale / measure.scale < 1.1  # noqa: PLR2004


def _factor(scale: float, measure: Measure) -> float:
    return max(scale / measure.scale, measure.scale / scale)


@check(
    "board-without-uid",
    Board,
    Severity.WARNING,
    "A board without uid gets a new address with each import, and links to it break.",
    remedy="set uid",
)
def board_without_uid(board: Board, suite: Suite) -> Findings:
    """Yield the boards of a pack that cannot be linked to."""
    if suite.pack is not None and not board.uid:
        yield Found(message=f"the board {board.title!r} has no uid", line=1)
