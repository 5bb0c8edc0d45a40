"""The quantities that a text for people names: ``20 µs``, ``more than 10 per hour``, ``5%``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mape_k.packlint.templates import without_expansions
from mape_k.packlint.units import BYTES, COUNT, PER_SECOND, SHARE, TIME

_TIMES = {
    "ns": 1e-9, "nanosecond": 1e-9, "nanoseconds": 1e-9,
    "µs": 1e-6, "μs": 1e-6, "us": 1e-6, "microsecond": 1e-6, "microseconds": 1e-6,
    "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3,
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86400.0, "day": 86400.0, "days": 86400.0,
    "w": 604800.0, "week": 604800.0, "weeks": 604800.0,
}  # fmt: skip
_SIZES = {
    "b": 1.0, "byte": 1.0, "bytes": 1.0,
    "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
    "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40,
}  # fmt: skip
_PERIODS = {
    "second": 1.0, "sec": 1.0, "s": 1.0, "minute": 60.0, "min": 60.0, "m": 60.0,
    "hour": 3600.0, "h": 3600.0, "hr": 3600.0, "day": 86400.0, "d": 86400.0,
}  # fmt: skip

_MAX_TEXT = 5000
_NUMBER = r"(?<![\w.,:/$-])(\d[\d_,]*(?:\.\d+)?|\.\d+)"
_PERIOD = "|".join(sorted(_PERIODS, key=len, reverse=True))
_EACH = rf"(?:/|\bper\b|\ban?\b|\beach\b|\bevery\b)\s*(?P<period>{_PERIOD})\b"
_QUANTITY = re.compile(
    rf"{_NUMBER}\s*(?P<unit>%|percent\b|(?!(?:per|an?|each|every)\b)[a-zµμ]+\b)?(?:(?P<words>(?:\s+[a-z-]+){{0,3}}?)\s*{_EACH})?",
    re.IGNORECASE,
)
_WITHIN = re.compile(
    rf"^[\s\w-]{{0,60}}?\b(?:in|within|during|over)\s+(?:the\s+)?(?:last|past|previous|an?|one|any)?\s*"
    rf"(?P<count>\d+)?\s*(?P<period>{_PERIOD})s?\b",
    re.IGNORECASE,
)
_BEFORE_WINDOW = re.compile(
    r"\b(?:for|in|within|during|last|past|previous|every|after|window of|over|over the|over the last|over a)"
    r"\s+(?:the\s+|at least\s+|more than\s+|about\s+|a\s+)?$",
    re.IGNORECASE,
)
_COMPARES = re.compile(
    r"(?:>=?|<=?|≥|≤|\babove|\bover|\bexceed(?:s|ed|ing)?|\bbelow|\bunder|\bat least|\bat most"
    r"|\b(?:more|less|[a-z]{2,}er) than"
    r"|\bthreshold(?: is| of|:)?|\blimit(?: is| of|:)?)\s*(?:of\s+|is\s+)?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A quantity in a text.

    Args:
        dimension: as of a Measure.
        value: in seconds, bytes, wholes or things, each per second where the dimension says so.
        number: as written.
        text: as written, with its unit.
        is_limit: whether the words before it compare something with it.
        within: seconds, where so many are meant "in the last hour"; else 0.
    """

    dimension: str
    value: float
    number: float
    text: str
    is_limit: bool
    within: float = 0.0


def quantities(text: str) -> Iterator[Quantity]:
    """Yield the quantities with a unit in ``text``, without the lengths of windows (``for 5m``)."""
    text = without_expansions(text)[:_MAX_TEXT]
    for found in _QUANTITY.finditer(text):
        value = float(found.group(1).replace(",", "").replace("_", ""))
        before = text[: found.start()][-40:]
        is_limit = _COMPARES.search(before) is not None
        quantity = _read(found, value, is_limit=is_limit)
        if quantity is not None and (quantity.dimension != TIME or is_limit or not _BEFORE_WINDOW.search(before)):
            yield quantity
        if within := _within(found, value, text, is_limit=is_limit):
            yield within


def _read(found: re.Match[str], value: float, *, is_limit: bool) -> Quantity | None:
    unit, period = (found.group("unit") or "").lower(), found.group("period")
    dimension, scale = _unit(found.group("unit") or "", has_words=bool(found.group("words")))
    if period:
        seconds = _PERIODS[period.lower()]
        if dimension not in {BYTES, COUNT}:
            dimension, scale = COUNT, 1.0
        dimension, scale = dimension + PER_SECOND, scale / seconds
    elif dimension == COUNT and not (is_limit and _is_counted(found)):
        return None
    shown = found.group() if period else f"{found.group(1)} {unit}"
    return Quantity(
        dimension=dimension, value=value * scale, number=value, text=" ".join(shown.split()), is_limit=is_limit
    )


def _is_counted(found: re.Match[str]) -> bool:
    """Return whether things are counted: a word follows, with a space between (not ``95th`` or ``5xx``)."""
    unit = found.group("unit")
    if unit in {"times", "x", "of", "is", "are", "was", "were", "and", "or", "to"}:
        return False
    return unit is None or found.string[found.end(1) : found.start("unit")].isspace()


def _unit(unit: str, *, has_words: bool) -> tuple[str, float]:
    low = unit.lower()
    if low in {"%", "percent"}:
        return SHARE, 0.01
    is_letter = low in {"m", "s", "h", "d", "w"}
    if low in _TIMES and not (is_letter and (has_words or unit.isupper())):
        return TIME, _TIMES[low]
    return (BYTES, _SIZES[low]) if low in _SIZES else (COUNT, 1.0)


def _within(found: re.Match[str], value: float, text: str, *, is_limit: bool) -> Quantity | None:
    """Return the frequency that ``3 failures in 5 minutes`` means."""
    unit = (found.group("unit") or "").lower()
    if unit in _TIMES or unit in _SIZES or unit in {"%", "percent"} or found.group("period"):
        return None
    after = _WITHIN.match(text[found.end(1) :])
    if after is None:
        return None
    seconds = _PERIODS[after.group("period").lower()] * float(after.group("count") or 1)
    shown = " ".join((found.group(1) + after.group()).split())
    if not seconds:
        return None
    dimension = COUNT + PER_SECOND
    return Quantity(
        dimension=dimension, value=value / seconds, number=value, text=shown, is_limit=is_limit, within=seconds
    )


_LASTS = re.compile(
    r"\bfor\s+(?:(?:more|longer)\s+than\s+|at\s+least\s+|over\s+|the\s+(?:last|past)\s+)?(\d+)\s*"
    r"(s|seconds?|secs?|m|mins?|minutes?|h|hours?|d|days?)\b",
    re.IGNORECASE,
)


def periods(text: str) -> Iterator[tuple[float, str]]:
    """Yield how long something lasts, in seconds, and as written: ``for 15 minutes``, ``for the last 5m``."""
    for found in _LASTS.finditer(without_expansions(text)[:_MAX_TEXT]):
        yield float(found.group(1)) * _TIMES[found.group(2).lower()], " ".join(found.group().split())


def lasting(text: str) -> Iterator[float]:
    """Yield the intervals in seconds that ``text`` gives to something: ``every 5 minutes``, ``nightly``."""
    text = text[:_MAX_TEXT]
    for found in re.finditer(
        r"\bevery\s+(\d+(?:\.\d+)?)?\s*(nanoseconds?|milliseconds?|seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d)\b",
        text,
        re.IGNORECASE,
    ):
        yield float(found.group(1) or 1) * _TIMES[found.group(2).lower()]
    for word, seconds in {"hourly": 3600.0, "daily": 86400.0, "nightly": 86400.0, "weekly": 604800.0}.items():
        if re.search(rf"(?<![a-z]){word}(?![a-z])", text.lower().replace("_", " ")):
            yield seconds
