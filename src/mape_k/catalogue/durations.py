"""Durations as Prometheus writes them: ``1h30m``, ``250ms``."""

import re

SECONDS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
"""How many seconds a unit has, from the greatest to the smallest: the order in which a duration names them."""

PATTERN = "(?=[0-9])" + "".join(f"(?:([0-9]{{1,15}}){unit})?" for unit in SECONDS)
_DURATION = re.compile(PATTERN)


def parse_duration(text: str) -> float:
    """Return the seconds that ``text`` stands for.

    Raises:
        ValueError: not a duration; the message says what one looks like.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("expected a duration such as 30s, 5m, 1h30m or 250ms")
    return sum(int(count) * SECONDS[unit] for count, unit in zip(found.groups(), SECONDS, strict=True) if count)
