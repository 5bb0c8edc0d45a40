"""What was seen of the world, and how it was seen. Missing is not zero."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray


class Quality(StrEnum):
    """How a number was seen, or why there is none; only ``VALUE`` carries a number."""

    VALUE = "value"
    EMPTY = "empty"
    NOT_A_NUMBER = "not_a_number"
    STALE = "stale"
    PARTIAL = "partial"
    UNREACHABLE = "unreachable"


class NotObservedError(TypeError):
    """A missing reading was about to enter arithmetic: a mistake in this program, never a state of the world."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One observed number, or the reason why there is none.

    Build it with :meth:`of` or :meth:`missing`; take the number with :meth:`number`, never from ``observed``.
    """

    quality: Quality
    detail: str = ""
    observed: float | None = None

    @classmethod
    def of(cls, number: float) -> Self:
        """Return a reading of ``number``; NaN and infinities become ``NOT_A_NUMBER``."""
        if not math.isfinite(number):
            return cls(quality=Quality.NOT_A_NUMBER, detail=str(number))
        return cls(quality=Quality.VALUE, observed=number)

    @classmethod
    def missing(cls, quality: Quality, detail: str = "") -> Self:
        """Return the absence of a number, with its cause."""
        if quality is Quality.VALUE:
            raise NotObservedError("a missing reading needs a cause")
        return cls(quality=quality, detail=detail)

    @property
    def is_known(self) -> bool:
        """Whether there is a number."""
        return self.quality is Quality.VALUE

    def number(self) -> float:
        """Return the number.

        Raises:
            NotObservedError: there is none.
        """
        if self.observed is None:
            raise NotObservedError(f"no number was observed: {self.quality} {self.detail}".rstrip())
        return self.observed


@dataclass(frozen=True, eq=False, kw_only=True)
class Vector:
    """All rows of one signal at one moment, in columns.

    Args:
        signal: its full name, ``pack/signal``.
        quality: of the query as a whole; anything but ``VALUE`` means that no row may be believed.
        detail: why, when the quality is not ``VALUE``.
        targets: the target of each row (empty text for a signal without target label), shape (n,).
        labels: all labels of each row, shape (n,).
        values: float64, shape (n,); NaN and infinities stay in here and come out as ``NOT_A_NUMBER``.
    """

    signal: str
    quality: Quality
    detail: str = ""
    targets: tuple[str, ...] = ()
    labels: tuple[Mapping[str, str], ...] = ()
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @cached_property
    def _row(self) -> Mapping[str, int]:
        return {target: row for row, target in enumerate(self.targets)}

    @property
    def has_targets(self) -> bool:
        """Whether rows are told apart by target; else the one row speaks for the whole system."""
        return self.targets != ("",)

    def reading(self, target: str) -> Reading:
        """Return what was seen of ``target``; a row that is not there is ``EMPTY``, never zero."""
        if self.quality is not Quality.VALUE:
            return Reading.missing(self.quality, self.detail)
        row = self._row.get(target if self.has_targets else "")
        if row is None:
            return Reading.missing(Quality.EMPTY, f"{self.signal} has no row for {target!r}")
        return Reading.of(float(self.values[row]))

    def dominant(self) -> str | None:
        """Return the target with the greatest value above zero; None where nothing stands out, ties by name."""
        if self.quality is not Quality.VALUE:
            return None
        rows = zip(self.values, self.targets, strict=True)
        greatest = min(((-float(v), t) for v, t in rows if math.isfinite(v) and v > 0 and t), default=None)
        return greatest[1] if greatest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert as Alertmanager shows it; resolved ones are not in the list."""

    fingerprint: str
    name: str
    labels: Mapping[str, str]
    starts_at: datetime
    updated_at: datetime
    summary: str = ""
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One violation as the Charter reports it."""

    violation_id: str
    detected_at: datetime
    severity: str
    violation_type: str
    target: str
    metric_name: str | None = None
    status: str = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """Health of one scrape job: how many targets answer, and how old the newest sample is.

    ``quality`` is VALUE when every target is up and fresh, PARTIAL when some are, STALE when none is, EMPTY when
    Prometheus knows no such job, UNREACHABLE when it could not be asked.
    """

    job: str
    quality: Quality
    detail: str = ""
    newest_sample_at: datetime | None = None
    targets: int = 0
    targets_up: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """Whether one peer could be seen this cycle, how long it took, and what it said when it could not."""

    name: str
    quality: Quality
    detail: str = ""
    seconds: float = 0.0

    @property
    def is_up(self) -> bool:
        """Whether the peer answered in full."""
        return self.quality is Quality.VALUE


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Snapshot:
    """Everything one cycle saw.

    Args:
        as_of: the evaluation time of every query in it (UTC).
        vectors: by full signal name, ``pack/signal``.
        alerts: all active ones, silenced and inhibited included; believe their absence only if ``alerts_quality`` is
            VALUE.
        violations: the Charter's, newest last; believe their absence only if ``violations_quality`` is VALUE.
        scrapes: by job name.
        sources: by peer name: prometheus, alertmanager, charter.
    """

    as_of: datetime
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    alerts_quality: Quality = Quality.EMPTY
    violations: tuple[Violation, ...] = ()
    violations_quality: Quality = Quality.EMPTY
    scrapes: Mapping[str, Scrape] = field(default_factory=dict)
    sources: Mapping[str, SourceHealth] = field(default_factory=dict)

    def reading(self, signal: str, target: str) -> Reading:
        """Return what was seen of ``target`` by ``signal`` (full name); EMPTY when the signal was not asked for."""
        vector = self.vectors.get(signal)
        if vector is None:
            return Reading.missing(Quality.EMPTY, f"{signal} was not observed")
        return vector.reading(target)
