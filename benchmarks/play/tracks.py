"""What single series show at a moment: nothing is added up step by step, so nothing drifts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from prometheus_client.utils import floatToGoString

from play.documents import SeriesDocument

Sample: TypeAlias = tuple[str, str, float]
"""The suffix of the name, the bound of a bucket (or an empty text), and the number."""

SWAY_SECONDS = 60.0
"""How long a wave of the jitter takes, in true time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a series is looked at.

    Args:
        elapsed: seconds since the player began.
        wall: Unix seconds.
        time_scale: what ages are divided by.
    """

    elapsed: float
    wall: float
    time_scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sway:
    """A wave around what a series would show: ``share`` of it, up and down."""

    share: float = 0.0
    phase: float = 0.0

    def at(self, moment: Moment) -> float:
        """Return what a gauge is multiplied with."""
        return 1 + self.share * math.sin(self._angle(moment))

    def passed(self, moment: Moment) -> float:
        """Return how long a flow has lasted: the integral of :meth:`at`, up to a constant."""
        if not self.share:
            return moment.elapsed
        return moment.elapsed - self.share / self._speed(moment) * math.cos(self._angle(moment))

    def _speed(self, moment: Moment) -> float:
        return 2 * math.pi * moment.time_scale / SWAY_SECONDS

    def _angle(self, moment: Moment) -> float:
        return self._speed(moment) * moment.elapsed + self.phase


class Track(Protocol):
    """One series over time."""

    def turn(self, series: SeriesDocument | None, moment: Moment) -> bool:
        """From now on do this (None: nothing); return whether the series is still there."""
        ...

    def samples(self, moment: Moment) -> Iterator[Sample]:
        """Yield what it shows."""
        ...


@dataclass(slots=True)
class Flow:
    """A number that grows at a rate, and keeps what it had when the rate changes."""

    total: float = 0.0
    rate: float = 0.0
    since: float = 0.0

    def at(self, passed: float) -> float:
        """Return the number."""
        return self.total + self.rate * (passed - self.since)

    def turn(self, passed: float, rate: float) -> None:
        """Change the rate."""
        self.total, self.since, self.rate = self.at(passed), passed, rate


@dataclass(slots=True)
class Counter:
    """A counter; it stays when nothing counts any more."""

    sway: Sway
    flow: Flow = field(default_factory=Flow)

    def turn(self, series: SeriesDocument | None, moment: Moment) -> bool:
        """As :class:`Track` says."""
        self.flow.turn(self.sway.passed(moment), (series.rate or 0.0) if series else 0.0)
        return True

    def samples(self, moment: Moment) -> Iterator[Sample]:
        """As :class:`Track` says."""
        yield "", "", self.flow.at(self.sway.passed(moment))


@dataclass(slots=True)
class Histogram:
    """A histogram: a flow for each value that was ever observed."""

    sway: Sway
    buckets: Sequence[float]
    flows: dict[float, Flow] = field(default_factory=dict)

    def turn(self, series: SeriesDocument | None, moment: Moment) -> bool:
        """As :class:`Track` says."""
        passed = self.sway.passed(moment)
        shares: Mapping[float, float] = series.shares if series else {}
        for value in self.flows.keys() | shares.keys():
            flow = self.flows.setdefault(value, Flow(since=passed))
            flow.turn(passed, ((series.rate or 0.0) if series else 0.0) * shares.get(value, 0.0))
        return True

    def samples(self, moment: Moment) -> Iterator[Sample]:
        """As :class:`Track` says."""
        passed = self.sway.passed(moment)
        counts = sorted((value, flow.at(passed)) for value, flow in self.flows.items())
        for bound in self.buckets:
            yield "_bucket", floatToGoString(bound), sum(count for value, count in counts if value <= bound)
        total = sum(count for _, count in counts)
        yield "_bucket", "+Inf", total
        yield "_sum", "", sum(value * count for value, count in counts)
        yield "_count", "", total


@dataclass(slots=True)
class Gauge:
    """A gauge; it is gone when nothing says what it shows."""

    sway: Sway
    series: SeriesDocument | None = None
    since: float = 0.0

    def turn(self, series: SeriesDocument | None, moment: Moment) -> bool:
        """As :class:`Track` says."""
        self.series, self.since = series, moment.elapsed
        return series is not None

    def samples(self, moment: Moment) -> Iterator[Sample]:
        """As :class:`Track` says."""
        if (series := self.series) is None:
            return
        if series.age is not None:
            yield "", "", moment.wall - series.age / moment.time_scale
        elif series.uptime is not None:
            yield "", "", series.uptime / moment.time_scale + moment.elapsed - self.since
        else:
            value = 1.0 if series.value is None else series.value
            swayed = value if value.is_integer() else value * self.sway.at(moment)  # a state is not nearly a state
            yield "", "", swayed + series.grows * (moment.elapsed - self.since)


def first_event(track: Track, series: SeriesDocument) -> None:
    """Let a new counter or histogram have counted the event that made it."""
    if isinstance(track, Counter):
        track.flow.total += 1
    elif isinstance(track, Histogram):
        for value, share in series.shares.items():
            track.flows[value].total += share
