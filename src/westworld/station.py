"""A queue in front of several servers, exact in time however coarse the steps that drive it."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served(Generic[Item]):
    """One item that left the station, and when it came and went (Unix seconds)."""

    item: Item
    arrived_at: float
    finished_at: float

    @property
    def milliseconds(self) -> float:
        """Waiting and service together."""
        return (self.finished_at - self.arrived_at) * 1000.0


class Station(Generic[Item]):
    """First come, first served; each free server takes up to a batch of items at once."""

    def __init__(self, now: float) -> None:
        self._waiting: deque[tuple[float, Item]] = deque()
        self._serving: list[tuple[float, int, list[tuple[float, Item]]]] = []
        self._order = count()
        self._at = now

    @property
    def waiting(self) -> int:
        """How many items no server has taken yet."""
        return len(self._waiting)

    def arrive(self, item: Item, at: float) -> None:
        """Queue an item."""
        self._waiting.append((at, item))

    def advance(
        self, now: float, *, servers: int, service_seconds: Callable[[], float], batch: int = 1
    ) -> list[Served[Item]]:
        """Serve until ``now`` and return what was finished, in that order."""
        finished: list[Served[Item]] = []
        self._take(servers, service_seconds, batch)
        while self._serving and self._serving[0][0] <= now:
            self._at, _, items = heappop(self._serving)
            finished += _served(items, self._at)
            self._take(servers, service_seconds, batch)
        self._at = max(self._at, now)
        return finished

    def clear(self, now: float) -> list[Served[Item]]:
        """Let everything that still waits leave at once."""
        left = list(_served(self._waiting, now))
        self._waiting.clear()
        return left

    def _take(self, servers: int, service_seconds: Callable[[], float], batch: int) -> None:
        while self._waiting and len(self._serving) < servers:
            items = [self._waiting.popleft() for _ in range(min(batch, len(self._waiting)))]
            started_at = max(self._at, items[-1][0])
            heappush(self._serving, (started_at + service_seconds(), next(self._order), items))


def _served(items: Iterable[tuple[float, Item]], at: float) -> Iterable[Served[Item]]:
    return (Served(item=item, arrived_at=arrived, finished_at=at) for arrived, item in items)
