"""Numbers as Grafana writes them, by the name of the unit.

Most units are a :class:`Scale`, which the page's script reads too, so that axes and tables write alike.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

_MAX_DIGITS = 12
_GREATEST_DATE_MS = 8.64e15 / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Steps of size: from each bound on, numbers are divided and get a suffix.

    Args:
        steps: (from which size on, divisor, suffix), ascending; the first holds for everything smaller.
        prefix: before the number.
        increments: between two marks of an axis, ascending; none: round decimal numbers.
    """

    steps: tuple[tuple[float, float, str], ...]
    prefix: str = ""
    increments: tuple[float, ...] = ()

    def __call__(self, number: float, decimals: int | None = None) -> str:
        """Write ``number``; ``decimals`` None: as many as its size needs."""
        size = abs(number)
        _, divisor, suffix = next((step for step in reversed(self.steps) if size >= step[0]), self.steps[0])
        return f"{self.prefix}{digits(number / divisor, decimals)}{suffix}"

    def document(self) -> Mapping[str, Any]:
        """Return what the page's script needs."""
        return {
            "steps": [list(step) for step in self.steps],
            "prefix": self.prefix,
            "increments": list(self.increments),
        }


def digits(number: float, decimals: int | None = None) -> str:
    """Write a number; without ``decimals``, with as many as make three significant digits."""
    if decimals is not None:
        return _unsigned_zero(f"{number:.{min(max(decimals, 0), _MAX_DIGITS)}f}")
    if number == 0 or number % 1 == 0:
        return f"{number:.0f}"
    places = 2 - math.floor(math.log10(abs(number)))
    return _unsigned_zero(f"{number:.{min(max(places, 0), _MAX_DIGITS)}f}")


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if not text.strip("-0.") else text


def _steps(*steps: tuple[float, str]) -> Scale:
    return Scale(steps=tuple((size, size or 1, suffix) for size, suffix in steps))


def _powers(base: float, suffixes: str, unit: str = "", prefix: str = "") -> Scale:
    steps = [(base**power if power else 0.0, base**power, suffix) for power, suffix in enumerate(suffixes.split(","))]
    return Scale(steps=tuple((size, divisor, suffix + unit) for size, divisor, suffix in steps), prefix=prefix)


def _binary(unit: str) -> Scale:
    return replace(_powers(1024, unit), increments=tuple(2.0**power for power in range(60)))


_DECIMAL = tuple(float(f"{digit}e{power}") for power in range(-9, 9) for digit in (1, 2, 5))
_ROUND_SECONDS = (
    *(1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200),
    *(86400 * days for days in (1, 2, 7, 14, 28, 73, 146, 365, 730, 1825, 3650)),
)


def _times(factor: float) -> Scale:
    """Durations in a unit of which a second has ``factor``, in the steps that Grafana takes."""
    wanted = [
        *([(0, 1, " s"), (1e-10, 1e-9, " ns")] if factor == 1 else [(0, 1e-9, " ns")]),
        (1e-6, 1e-6, " µs"),
        (1e-3, 1e-3, " ms"),
        (1, 1, " s"),
        (60, 60, " mins"),
        (3600, 3600, " hours"),
        (86400, 86400, " days"),
        (604800, 604800, " weeks"),
        (31536000, 31536000, " years"),
    ]
    finest = 1 / factor
    kept = [step for step in wanted if step[1] >= finest * 0.999 or factor == 1]
    steps = tuple((size * factor, divisor * factor, suffix) for size, divisor, suffix in kept)
    decimal = (each for each in _DECIMAL if each < max(factor, 1))
    return Scale(steps=steps, increments=(*decimal, *(each * factor for each in _ROUND_SECONDS if each >= finest)))


_COUNTED = ",K,M,B,T"
_BINARY = " B, KiB, MiB, GiB, TiB, PiB"


def _counted(unit: str) -> Scale:
    return _powers(1000, _COUNTED, f" {unit}")


_SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "none": _steps((0, "")),
        "short": _powers(1000, ", K, Mil, Bil, Tri, Quadr"),
        "percent": _steps((0, "%")),
        "percentunit": Scale(steps=((0, 0.01, "%"),)),
        "bytes": _binary(_BINARY),
        "decbytes": _powers(1000, " B, kB, MB, GB, TB, PB"),
        "Bps": _powers(1000, " B/s, kB/s, MB/s, GB/s, TB/s"),
        "binBps": _binary(" B/s, KiB/s, MiB/s, GiB/s, TiB/s"),
        "ns": _times(1e9),
        "µs": _times(1e6),
        "ms": _times(1e3),
        "s": _times(1),
        "m": _times(1 / 60),
        "h": _times(1 / 3600),
        "d": _times(1 / 86400),
        "cps": _counted("c/s"),
        "cpm": _counted("c/m"),
        "ops": _counted("ops/s"),
        "opm": _counted("ops/m"),
        "reqps": _counted("req/s"),
        "reqpm": _counted("req/m"),
        "eps": _counted("evt/s"),
        "wps": _counted("wr/s"),
        "rps": _counted("rd/s"),
        "currencyUSD": _powers(1000, _COUNTED, prefix="$"),
        "currencyEUR": _powers(1000, _COUNTED, prefix="€"),
        "celsius": _steps((0, " °C")),
    }
)
_SAME = {"conss": "cps", "cnts": "cps", "kbytes": "bytes", "dtdurationms": "ms", "sci": "none", "humidity": "percent"}


def scale_of(unit: str) -> Scale:
    """Return how a unit is written; a plain number where the unit is unknown."""
    head, _, text = unit.partition(":")
    if head == "suffix":
        return _steps((0, text))
    if head == "prefix":
        return Scale(steps=_SCALES["none"].steps, prefix=text)
    return _SCALES.get(_SAME.get(unit, unit), _SCALES["short" if unit in ("", "si") else "none"])


def written(number: float, unit: str, decimals: int | None = None) -> str:
    """Write a number of a unit; what is no number is said to be none."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    special = _SPECIAL.get(unit)
    return special(number) if special else scale_of(unit)(number, decimals)


def _date(milliseconds: float) -> str:
    if abs(milliseconds) > _GREATEST_DATE_MS * 1000:
        return "no date"
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):
        return "no date"


_PARTS = (("year", 31536000), ("month", 2628000), ("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60))


def _in_words(seconds: float) -> str:
    """Write a duration as its two greatest parts."""
    rest, said = abs(seconds), []
    for word, size in (*_PARTS, ("second", 1)):
        count, rest = divmod(rest, size)
        if count:
            said.append(f"{count:.0f} {word}{'s' if count != 1 else ''}")
        if len(said) == 2:  # noqa: PLR2004 -- as the docstring says
            break
    return ", ".join(said) or "0 seconds"


_SPECIAL: Mapping[str, Callable[[float], str]] = MappingProxyType(
    {
        "bool_yes_no": lambda number: "Yes" if number else "No",
        "bool_on_off": lambda number: "On" if number else "Off",
        "bool": lambda number: "True" if number else "False",
        "string": lambda number: f"{number:g}",
        "dtdurations": _in_words,
        "dateTimeAsIso": _date,
        "dateTimeFromNow": _date,
    }
)
