"""Answers become what is drawn: figures, rows, cells, segments and slices, without a word about markup."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from mape_k.preview.asking import Asked, Series
from mape_k.preview.board import Panel, finite, look_of
from mape_k.preview.colours import colour, on_scheme, series_colour
from mape_k.preview.formats import written

MAX_FIGURES = 40
MAX_ROWS = 200
MAX_SLICES = 24
SPARK = (100.0, 30.0)
"""Width and height in which a sparkline is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number, as it is shown.

    Args:
        share: of the scale between the panel's ends, 0 to 1.
        spark: its course, as points of a line.
    """

    name: str
    text: str
    colour: str
    share: float = 0.0
    spark: str = ""


def figures(asked: Asked) -> list[Figure]:
    """Return the newest number of each series."""
    shown = [series for series in asked.series if series.last is not None][:MAX_FIGURES]
    ends = _ends(asked.panel, shown)
    return [_figure(asked.panel, series, ends) for series in shown]


def _figure(panel: Panel, series: Series, ends: tuple[float, float]) -> Figure:
    number = series.last or 0.0
    text, tone = shown(panel, series, number)
    low, high = ends
    share = (number - low) / (high - low) if high > low and math.isfinite(number) else 0.0
    return Figure(name=series.name, text=text, colour=tone, share=min(max(share, 0.0), 1.0), spark=_spark(series))


def shown(panel: Panel, series: Series, number: float) -> tuple[str, str]:
    """Return the text and the colour of one number of a series."""
    look = look_of(panel, series.name, series.ref)
    word, tone = panel.mappings.get(f"{number:g}", ("", ""))
    text = word or written(number, look.unit, look.decimals)
    return text, colour(tone or look.colour or panel.step_at(number) or "text")


def _ends(panel: Panel, shown: Sequence[Series]) -> tuple[float, float]:
    """Return the ends of the scale: the panel's own, else those of the numbers and thresholds."""
    numbers = [number for series in shown if (number := series.last) is not None and math.isfinite(number)]
    bounds = [bound for bound, _ in panel.steps if bound is not None]
    low = panel.look.minimum if panel.look.minimum is not None else min([0.0, *numbers])
    if panel.look.maximum is not None:
        return low, panel.look.maximum
    if panel.look.unit in ("percent", "percentunit"):
        return low, 100.0 if panel.look.unit == "percent" else 1.0
    high = max([*numbers, *(bounds if panel.kind == "gauge" else [])], default=1.0)
    return low, high if high > low else low + 1


def _spark(series: Series) -> str:
    kept = ~np.isnan(series.values) & np.isfinite(series.values)
    times, values = series.times[kept], series.values[kept]
    if times.size < 3:  # noqa: PLR2004 -- fewer show no course
        return ""
    width, height = SPARK
    low, span = float(values.min()), float(np.ptp(values)) or 1.0
    xs = (times - times[0]) / (times[-1] - times[0]) * width
    ys = height - (values - low) / span * height
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))


def arc_steps(panel: Panel, asked: Asked) -> list[tuple[float, float, str]]:
    """Return the thresholds of a dial as (from, to, colour) by shares of its scale."""
    low, high = _ends(panel, asked.series)
    at = [0.0 if b is None else min(max((b - low) / (high - low), 0.0), 1.0) for b, _ in panel.steps]
    return [(a, b, colour(name)) for a, b, (_, name) in zip(at, [*at[1:], 1.0], panel.steps, strict=True) if b > a]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A table; cells are (text, colour, whether it is a number)."""

    headings: tuple[str, ...]
    rows: tuple[tuple[tuple[str, str, bool], ...], ...]
    left_out: int


def table(asked: Asked) -> Rows:
    """Return one row for each set of labels; the numbers of each query are a column."""
    refs = [answer.target.ref for answer in asked.answers]
    merged: dict[tuple[tuple[str, str], ...], dict[str, Series]] = {}
    for series in asked.series:
        merged.setdefault(tuple(sorted(series.labels.items())), {})[series.ref] = series
    columns = asked.panel.columns or _all_columns(asked, refs)
    keys = list(columns)
    rows = [[_cell(asked.panel, dict(labels), row, key, refs) for key in keys] for labels, row in merged.items()]
    place, is_falling = _sorted_by(asked.panel, list(columns.values()))
    rows.sort(key=lambda row: row[place][1], reverse=is_falling)
    cells = tuple(tuple(cell[0] for cell in row) for row in rows[:MAX_ROWS])
    return Rows(headings=tuple(columns.values()), rows=cells, left_out=max(0, len(rows) - MAX_ROWS))


def _all_columns(asked: Asked, refs: Sequence[str]) -> Mapping[str, str]:
    labels = sorted({label for series in asked.series for label in series.labels})
    values = {"Value": "Value"} if len(refs) == 1 else {f"Value #{ref}": f"Value #{ref}" for ref in refs}
    return {label: label for label in labels} | values


def _cell(
    panel: Panel, labels: Mapping[str, str], row: Mapping[str, Series], key: str, refs: Sequence[str]
) -> tuple[tuple[str, str, bool], tuple[float, str]]:
    """Return a cell and what it is sorted by."""
    head, _, ref = key.partition(" #")
    if head != "Value":
        text = labels.get(key, "")
        return (text, "currentColor", False), (0.0, text)
    series = row.get(ref or (refs[0] if refs else ""))
    number = series.last if series is not None else None
    if series is None or number is None:
        return ("–", "currentColor", True), (-math.inf, "")
    look = look_of(panel, panel.columns.get(key, key), series.ref)
    word, tone = panel.mappings.get(f"{number:g}", ("", ""))
    text = word or written(number, look.unit, look.decimals)
    name = (tone or panel.step_at(number) or "text") if look.cell.startswith("color") else "text"
    return (text, colour(name), True), (number, "")


def _sorted_by(panel: Panel, headings: Sequence[str]) -> tuple[int, bool]:
    wanted = panel.options.get("sortBy")
    first: Mapping[str, Any] = wanted[0] if isinstance(wanted, list) and wanted and isinstance(wanted[0], dict) else {}
    name = first.get("displayName")
    return (headings.index(name) if name in headings else len(headings) - 1), bool(first.get("desc", True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of a whole; ``start`` and ``end`` are shares of the way round."""

    name: str
    text: str
    percent: str
    colour: str
    start: float
    end: float


def slices(asked: Asked) -> list[Slice]:
    """Return the parts, greatest first; what is negative or no number is no part."""
    found = [(series, number) for series in asked.series if (number := series.last) is not None and number > 0]
    found = sorted((each for each in found if math.isfinite(each[1])), key=lambda each: -each[1])[:MAX_SLICES]
    whole, begun, parts = sum(number for _, number in found), 0.0, []
    for place, (series, number) in enumerate(found):
        look = look_of(asked.panel, series.name, series.ref)
        end = begun + number / whole
        tone = colour(look.colour) if look.colour else series_colour(place)
        text, percent = written(number, look.unit, look.decimals), written(number / whole, "percentunit", 0)
        parts.append(Slice(name=series.name, text=text, percent=percent, colour=tone, start=begun, end=end))
        begun = end
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One row over time; cells are (from, width, colour, text) by shares of the time range."""

    name: str
    cells: tuple[tuple[float, float, str, str], ...]


def timeline(asked: Asked) -> list[Band]:
    """Return the states of each series; equal ones side by side are one cell."""
    return [Band(name=series.name, cells=tuple(_states(asked, series))) for series in asked.series[:MAX_FIGURES]]


def _states(asked: Asked, series: Series) -> Iterator[tuple[float, float, str, str]]:
    step = asked.answers[0].step
    points = [(float(t), float(v)) for t, v in zip(series.times, series.values, strict=True) if not math.isnan(v)]
    runs = groupby(enumerate(points), key=lambda each: (each[1][1], round(each[1][0] / step) - each[0]))
    for (value, _), run in runs:
        times = [t for _, (t, _) in run]
        text, tone = shown(asked.panel, series, value)
        left, right = (asked_share(asked, at) for at in (times[0], times[-1] + step))
        yield left, right - left, tone, text


def asked_share(asked: Asked, at: float) -> float:
    """Return where a moment is in the time range, 0 to 1."""
    return min(max((at - asked.span.start) / asked.span.seconds, 0.0), 1.0)


def heatmap(asked: Asked) -> list[Band]:
    """Return a row of coloured cells for each series; the buckets of a histogram from small to great."""
    is_buckets = all("le" in series.labels for series in asked.series) and bool(asked.series)
    rows = _buckets(asked) if is_buckets else [(s.name, s.times, s.values) for s in asked.series]
    options = asked.panel.options.get("color")
    options = options if isinstance(options, dict) else {}
    numbers = np.concatenate([values for _, _, values in rows]) if rows else np.empty(0)
    numbers = numbers[np.isfinite(numbers)]
    low = finite(options.get("min"), None) or 0.0
    high = finite(options.get("max"), None)
    high = high if high is not None else float(numbers.max()) if numbers.size else 1.0
    paint = _Paint(asked, low, high, str(options.get("scheme", "")), reverse=bool(options.get("reverse")))
    return [Band(name=name, cells=tuple(paint(times, values))) for name, times, values in rows[-MAX_FIGURES:]]


@dataclass(frozen=True, slots=True)
class _Paint:
    asked: Asked
    low: float
    high: float
    scheme: str
    reverse: bool

    def __call__(self, times: Any, values: Any) -> Iterator[tuple[float, float, str, str]]:  # noqa: ANN401 -- arrays
        step, unit = self.asked.answers[0].step, self._unit()
        for at, value in zip(times, values, strict=True):
            if not math.isfinite(value) or value <= 1e-9:  # noqa: PLR2004 -- as the boards filter cells
                continue
            share = (value - self.low) / ((self.high - self.low) or 1.0)
            left, right = (asked_share(self.asked, float(t)) for t in (at, at + step))
            yield left, right - left, on_scheme(float(share), self.scheme, reverse=self.reverse), written(value, unit)

    def _unit(self) -> str:
        cells = self.asked.panel.options.get("cellValues")
        unit = cells.get("unit") if isinstance(cells, dict) else None
        return str(unit or "short")


def _buckets(asked: Asked) -> list[tuple[str, Any, Any]]:
    """Return the buckets by themselves: those of Prometheus hold all smaller ones too."""
    bounds = sorted(asked.series, key=lambda series: _bound(series.labels["le"]))
    unit, before, rows = asked.panel.look.unit, None, []
    for series in bounds:
        smaller = _by_time(before)
        own = np.array([v - smaller.get(t, 0.0) for t, v in zip(series.times, series.values, strict=True)])
        bound = _bound(series.labels["le"])
        name = written(bound, unit) if math.isfinite(bound) else "more"
        rows.append((name, series.times, own))
        before = series
    return rows


def _by_time(series: Series | None) -> Mapping[float, float]:
    return {} if series is None else dict(zip(series.times.tolist(), series.values.tolist(), strict=True))


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
