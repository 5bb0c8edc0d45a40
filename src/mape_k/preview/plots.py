"""Answers become lines over time, in the form that the page's script draws."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mape_k.preview.asking import Asked, Series
from mape_k.preview.board import Look, Panel, look_of
from mape_k.preview.colours import colour, series_colour
from mape_k.preview.formats import scale_of, written


@dataclass(frozen=True, slots=True)
class _Axis:
    """Moments that all lines share: the first, the seconds between two, how many."""

    start: float
    step: float
    count: int

    def values(self, series: Series) -> list[float | None]:
        """Return the value at each moment; None where there is none."""
        values: list[float | None] = [None] * self.count
        for at, value in zip(series.times, series.values, strict=True):
            place = round((at - self.start) / self.step)
            if 0 <= place < self.count and math.isfinite(value):
                values[place] = float(value)
        return values


def plot(asked: Asked) -> Mapping[str, Any]:
    """Return what the page's script draws as lines over time: plain values, ready for JSON."""
    axis, panel = _axis(asked), asked.panel
    seen = (series for series in asked.series if series.last is not None)
    lines = [_line(panel, series, place, axis) for place, series in enumerate(seen)]
    return {
        "times": [axis.start + axis.step * place for place in range(axis.count)],
        "lines": lines,
        "units": {line["axis"]: _unit_document(line.pop("look")) for line in reversed(lines)},
        "steps": [[bound, colour(name)] for bound, name in panel.steps if bound is not None]
        if _has_lines(panel)
        else [],
        "areas": "area" in str(_inner(panel, "thresholdsStyle", "mode")),
        "stacked": _inner(panel, "stacking", "mode") == "normal",
        "bars": panel.custom.get("drawStyle") == "bars",
        "log": _inner(panel, "scaleDistribution", "type") == "log",
        "min": panel.look.minimum,
        "max": panel.look.maximum,
        "span": [asked.span.start, asked.span.end],
    }


def _axis(asked: Asked) -> _Axis:
    step = min((answer.step for answer in asked.answers), default=1.0)
    start = asked.span.start // step * step
    return _Axis(start, step, round((asked.span.end // step * step - start) / step) + 1)


def _inner(panel: Panel, outer: str, key: str) -> object:
    settings = panel.custom.get(outer)
    return settings.get(key) if isinstance(settings, dict) else None


def _has_lines(panel: Panel) -> bool:
    return _inner(panel, "thresholdsStyle", "mode") not in (None, "off")


def _line(panel: Panel, series: Series, place: int, axis: _Axis) -> dict[str, Any]:
    look = look_of(panel, series.name, series.ref)
    last = series.last
    return {
        "name": series.name,
        "colour": colour(look.colour) if look.colour else series_colour(place),
        "axis": look.axis,
        "last": written(last, look.unit, look.decimals) if last is not None else "",
        "values": axis.values(series),
        "look": look,
    }


def _unit_document(look: Look) -> Mapping[str, Any]:
    return {**scale_of(look.unit).document(), "decimals": look.decimals}
