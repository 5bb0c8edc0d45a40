"""The recent past of the signals a pack names: columnar, updated in place, owned by the analyst."""

import math
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from mape_k.model import Quality, Snapshot, Vector

DEPTH = 120
"""How many looks back a signal is remembered."""

MIN_LOOKS = 20
"""Fewer looks than this are no past to deviate from."""

MAX_TARGETS = 10_000
"""Targets remembered per signal; later ones are seen, not remembered."""

_MAD_TO_SIGMA = 1.4826
"""Makes the median absolute deviation of a normal sample estimate its standard deviation (Hampel 1974)."""

_RELATIVE_FLOOR = 0.05
"""A signal that never moved may move by this share of its level, old or new, before that counts as one sigma."""


@dataclass(slots=True)
class History:
    """The last looks at one signal: one row per target, one column per look, NaN where nothing was seen."""

    rows: dict[str, int] = field(default_factory=dict)
    looks: NDArray[np.float64] = field(default_factory=lambda: np.full((8, DEPTH), math.nan))
    next_column: int = 0

    def add(self, vector: Vector) -> None:
        """Remember one look; what was not seen leaves a gap, never a zero."""
        for target in vector.targets:
            if target not in self.rows and len(self.rows) < MAX_TARGETS:
                self.rows[target] = len(self.rows)
        if len(self.rows) > len(self.looks):
            grown = np.full((max(len(self.rows), 2 * len(self.looks)), DEPTH), math.nan)
            grown[: len(self.looks)] = self.looks
            self.looks = grown
        column = self.looks[:, self.next_column]
        column[:] = math.nan
        known = [(self.rows[t], v) for t, v in zip(vector.targets, vector.values, strict=True) if t in self.rows]
        if known:
            rows, values = zip(*known, strict=True)
            column[list(rows)] = np.where(np.isfinite(values), values, math.nan)
        self.next_column = (self.next_column + 1) % DEPTH

    def past(self, target: str) -> NDArray[np.float64]:
        """Return the finite numbers seen of a target, oldest first, the newest look included."""
        row = self.rows.get(target)
        if row is None:
            return np.empty(0)
        ordered: NDArray[np.float64] = np.roll(self.looks[row], -self.next_column)
        return ordered[np.isfinite(ordered)]


@dataclass(slots=True)
class Memory:
    """What the analyst carries from cycle to cycle; a pure fold over snapshots."""

    histories: dict[str, History] = field(default_factory=dict)
    beyond_since: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    seen_in: dict[tuple[str, str, str], tuple[bool, ...]] = field(default_factory=dict)

    def remember(self, snapshot: Snapshot, signals: tuple[str, ...]) -> None:
        """Take one snapshot in; a signal that could not be seen leaves no trace."""
        for signal in signals:
            vector = snapshot.vectors.get(signal)
            if vector is not None and vector.quality is Quality.VALUE:
                self.histories.setdefault(signal, History()).add(vector)

    def deviation(self, signal: str, target: str) -> float | None:
        """Return how many robust sigmas the newest number lies from the median of the earlier ones.

        The spread is the median absolute deviation, with a floor so that a constant past does not make
        every change infinite. None without :data:`MIN_LOOKS` earlier numbers.
        """
        past = self._past(signal, target)
        if len(past) <= MIN_LOOKS:
            return None
        newest, earlier = float(past[-1]), past[:-1]
        median = float(np.median(earlier))
        spread = _MAD_TO_SIGMA * float(np.median(np.abs(earlier - median)))
        floor = _RELATIVE_FLOOR * max(abs(median), abs(newest))
        return (newest - median) / max(spread, floor) if newest != median else 0.0

    def is_rising(self, signal: str, target: str) -> bool:
        """Whether the later half of the last ten numbers lies above the earlier half by more than its spread."""
        past = self._past(signal, target)[-10:]
        if len(past) < 10:  # noqa: PLR2004 - the ten of the sentence above
            return False
        earlier, later = past[:5], past[5:]
        return float(np.median(later)) > float(np.max(earlier))

    def held_since(self, key: tuple[str, str, str], *, holds: bool, now: datetime) -> datetime | None:
        """Return since when a condition has held without a break; None when it does not."""
        if not holds:
            self.beyond_since.pop(key, None)
            return None
        return self.beyond_since.setdefault(key, now)

    def forget_all_but(self, targets: Container[str], pack: str, symptom: str) -> None:
        """Forget since when a symptom's condition held on targets that are gone."""
        gone = [key for key in self.beyond_since if key[:2] == (pack, symptom) and key[2] not in targets]
        for key in gone:
            del self.beyond_since[key]

    def times_seen(
        self, pack: str, keys: Collection[tuple[str, str, str]], looks: int
    ) -> Mapping[tuple[str, str, str], int]:
        """Return in how many of the last so many looks, this one included, each finding of a pack was there.

        Args:
            pack: whose findings.
            keys: of those that are there now.
            looks: how many are remembered.
        """
        for key in sorted({*keys, *(key for key in self.seen_in if key[0] == pack)}):
            past = (*self.seen_in.pop(key, ()), key in keys)[-looks:]
            if any(past):
                self.seen_in[key] = past
        return {key: sum(self.seen_in[key]) for key in keys}

    def _past(self, signal: str, target: str) -> NDArray[np.float64]:
        history = self.histories.get(signal)
        return history.past(target) if history else np.empty(0)
