"""The played system: what it exports at a moment, the faults that it has and the controls that end them."""

import math
from collections.abc import Callable, Iterator, Mapping
from random import Random  # noqa: TID251 - seeded

from mape_k.errors import did_you_mean
from mape_k.packfiles import Metric
from play.documents import FaultDocument, Key, SeriesDocument
from play.reading import Part, is_born
from play.tracks import Counter, Gauge, Histogram, Moment, Sample, Sway, Track, first_event


class UnknownFaultError(LookupError):
    """The scenarios have no such fault."""


class World:
    """A system that plays ``part``.

    Args:
        part: what there is, and what it does.
        moment: tells the time.
        jitter: the share by which rates and measures sway, 0 to under 1.
        seed: of the jitter.
    """

    def __init__(self, part: Part, moment: Callable[[], Moment], *, jitter: float = 0.0, seed: int = 0) -> None:
        self.part = part
        self._moment = moment
        self._jitter, self._seed = jitter, seed
        self._faults: dict[str, set[str]] = {}
        self._tracks: dict[Key, Track] = {}
        self._shown: dict[Key, SeriesDocument] = {}
        self.restart()

    @property
    def faults(self) -> Mapping[str, bool]:
        """The faults that last, and whether each is cured."""
        return {name: bool(cures) for name, cures in self._faults.items()}

    def restart(self) -> None:
        """Begin every series anew, as an exporter that was started again does; faults last."""
        self._tracks, self._shown = {}, {}
        for key, series in self._quiet().items():
            self._track(key).turn(series, self._moment())
        self._turn()

    def begin(self, name: str) -> None:
        """Let a fault begin; one that lasts already is new again: what cured it before does not cure it now.

        Raises:
            UnknownFaultError: there is none of that name.
        """
        known = self.part.scenarios.faults
        if name not in known:
            raise UnknownFaultError(f"there is no fault {name}{did_you_mean(name, known)}")
        self._faults.pop(name, None)
        self._faults[name] = set()
        self._turn()

    def end(self, name: str) -> bool:
        """End a fault; return whether it lasted."""
        lasted = self._faults.pop(name, None) is not None
        self._turn()
        return lasted

    def cure(self, control: str, action_id: str) -> list[str]:
        """Have a control's effect for as long as the action is in force; return the faults that it is good for."""
        cured = [name for name, fault in self._lasting() if control in fault.cured_by]
        for name in cured:
            self._faults[name].add(action_id)
        self._turn()
        return cured

    def relapse(self, action_id: str) -> None:
        """Take back what an action cured."""
        for cures in self._faults.values():
            cures.discard(action_id)
        self._turn()

    def is_down(self, job: str | None = None) -> bool:
        """Return whether nothing is exported: of a scrape job, or at all."""
        return any(
            fault.down is True or (isinstance(fault.down, list) and job in fault.down) for fault in self._active()
        )

    def shown(self) -> Iterator[tuple[Metric, Iterator[tuple[Mapping[str, str], Iterator[Sample]]]]]:
        """Yield every exported metric with its series: their labels and samples."""
        moment = self._moment()
        absent = {name for fault in self._active() for name in fault.absent}
        of_metric: dict[str, list[tuple[Key, Track]]] = {}
        for key, track in self._tracks.items():
            of_metric.setdefault(key[0], []).append((key, track))
        for metric in self.part.inventory:
            if metric.name in of_metric and metric.name not in absent:
                series = of_metric[metric.name]
                yield metric, ((dict(key[1]), track.samples(moment)) for key, track in series)

    def _lasting(self) -> Iterator[tuple[str, FaultDocument]]:
        return ((name, self.part.scenarios.faults[name]) for name in self._faults)

    def _active(self) -> Iterator[FaultDocument]:
        return (fault for name, fault in self._lasting() if not self._faults[name])

    def _quiet(self) -> dict[Key, SeriesDocument | None]:
        """Return the series that only a fault moves, but that are there all the time: counters at nothing."""
        changes = (change for fault in self.part.scenarios.faults.values() for change in fault.change)
        return {each.key: None for each in changes if each.rate is not None and not is_born(each)}

    def _turn(self) -> None:
        """Let every series do what the faults of now make of it; one that goes on as before is not touched."""
        wanted: dict[Key, SeriesDocument] = {series.key: series for series in self.part.scenarios.healthy}
        wanted |= {change.key: change for fault in self._active() for change in fault.change}
        moment = self._moment()
        for key in wanted | self._shown:
            if (series := wanted.get(key)) is not self._shown.get(key):
                self._turn_one(key, series, moment)
        self._shown = wanted

    def _turn_one(self, key: Key, series: SeriesDocument | None, moment: Moment) -> None:
        is_new, track = key not in self._tracks, self._track(key)
        if not track.turn(series, moment):
            del self._tracks[key]
        elif is_new and series is not None and is_born(series):
            first_event(track, series)

    def _track(self, key: Key) -> Track:
        if key not in self._tracks:
            self._tracks[key] = self._new_track(self.part.inventory.metrics[key[0]], key)
        return self._tracks[key]

    def _new_track(self, metric: Metric, key: Key) -> Track:
        sway = Sway(share=self._jitter, phase=Random(f"{self._seed}{key}").uniform(0, 2 * math.pi))
        if metric.type == "histogram":
            return Histogram(sway, metric.buckets)
        return Counter(sway) if metric.type == "counter" else Gauge(sway)
