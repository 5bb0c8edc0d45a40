"""What holds acting back beside a pack's own limits: what a person set, and how each pack looks as a whole."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

MINUTES_OF_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyFreeze:
    """A part of every week, on the clocks of a place.

    Args:
        begin_minute, end_minute: minutes since Monday, 00:00; where the end comes first, it goes over Sunday night.
        zone: the place, as the time zone database names it.
    """

    begin_minute: int
    end_minute: int
    zone: str

    def covers(self, at: datetime) -> bool:
        """Return whether changes are frozen at this time."""
        local = at.astimezone(ZoneInfo(self.zone))
        minute = local.weekday() * MINUTES_OF_A_DAY + local.hour * 60 + local.minute
        if self.begin_minute < self.end_minute:
            return self.begin_minute <= minute < self.end_minute
        return minute >= self.begin_minute or minute < self.end_minute


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedFreeze:
    """A time from one moment to another."""

    begin: datetime
    end: datetime

    def covers(self, at: datetime) -> bool:
        """Return whether changes are frozen at this time."""
        return self.begin <= at < self.end


Freeze: TypeAlias = WeeklyFreeze | DatedFreeze


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a person set for all packs together.

    Args:
        max_actions: begun within ``actions_window_seconds``, altogether.
        freezes: when nothing new is begun.
        approval_seconds: how long a person who is asked has to answer.
    """

    max_actions: int = 60
    actions_window_seconds: float = 3600.0
    freezes: tuple[Freeze, ...] = ()
    approval_seconds: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """How many targets were known at a time."""

    at: datetime
    known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How a pack looks as a whole, carried from cycle to cycle.

    Args:
        known: targets that the last look saw.
        ill: of those, the ones with findings.
        storm_since: since when most of them look ill at once; None: they do not.
        calm_since: within a storm, since when only few of them do.
        peaks: the greatest numbers of known targets lately, each followed by the greatest after it.
    """

    known: int = 0
    ill: int = 0
    storm_since: datetime | None = None
    calm_since: datetime | None = None
    peaks: tuple[Peak, ...] = field(default=())


class BudgetKind(StrEnum):
    """What a budget counts: see the glossary."""

    ACTIONS = "actions"
    REMEDIATION = "remediation"
    TARGET = "target"
    ATTEMPTS = "attempts"
    TARGETS = "targets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much of something is left.

    Args:
        of: what it is about, ``PACK/REMEDIATION``, ``PACK/TARGET`` or both; empty: everything.
        window_seconds: how far back is counted; None: what is under way at this moment.
    """

    budget: BudgetKind
    of: str
    limit: int
    used: int
    window_seconds: float | None = None

    @property
    def left(self) -> int:
        """What may still be done; never less than nothing."""
        return max(0, self.limit - self.used)
