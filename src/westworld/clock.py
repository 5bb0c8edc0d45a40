"""Time: Unix seconds inside, RFC 3339 UTC on the wire."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> float:
        """Return Unix seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time_ns() / 1e9


def to_wire(seconds: float) -> str:
    """Return RFC 3339 UTC with microseconds, which also sorts as text."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_wire(text: str) -> float:
    """Return Unix seconds.

    Raises:
        ValueError: not RFC 3339, without a time zone, or before 1970.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: write it in UTC, such as 2026-01-31T12:00:00Z")
    if moment.timestamp() < 0.0:
        raise ValueError(f"{text!r} is before 1970")
    return moment.timestamp()
