"""The town as the daemon sees and changes it: Prometheus, Alertmanager and the Charter."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from frame.virtual_time import START
from history.town import REGIONS, SCRAPE, Town
from integration.breaker import Circuit
from mape_k.errors import FencedError, PermanentError, TransientError, UncertainError
from mape_k.model import Alert, PolicyRequest
from mape_k.ports import Applied, InstantVector, ViolationPage

_QUERY = re.compile(r"town_(\w+)\{")


@dataclass(slots=True)
class Prometheus:
    """The town's numbers, each query at the time that it names."""

    town: Town

    async def query(self, promql: str, *, at: datetime, **_: object) -> InstantVector:
        """Answer one query, as far as it can."""
        how = self._how()
        if how == "away":
            raise TransientError("connection refused")
        asked = (at - START).total_seconds()
        newest = asked // SCRAPE * SCRAPE
        if how == "stale":
            newest = min(newest, self.town.trouble("prometheus").begins)
        if promql.startswith("up"):
            return _rows([("town", 1.0)], label="job")
        if promql.startswith("timestamp("):
            return _rows([("town", START.timestamp() + newest)], label="job")
        if how == "error":
            raise TransientError("500 Internal Server Error")
        rows = self._rows(_QUERY.search(promql)[1], newest, is_mean="avg_over_time" in promql)
        return _rows([(node, math.nan if how == "nan" else value) for node, value in rows], label="node")

    def _how(self) -> str:
        trouble = self.town.trouble("prometheus")
        return trouble.how if trouble else ""

    def _rows(self, quantity: str, at: float, *, is_mean: bool) -> Iterator[tuple[str, float]]:
        read = self.town.mean if is_mean else self.town.level
        for node in REGIONS if quantity == "region" else self.town.nodes:
            if node not in self.town.unseen:
                yield node, read(quantity, node, at)


def _rows(rows: list[tuple[str, float]], *, label: str) -> InstantVector:
    values = np.array([value for _, value in rows], dtype=np.float64)
    return InstantVector(labels=tuple({label: name} for name, _ in rows), values=values)


@dataclass(slots=True)
class Alertmanager:
    """The town's alerts."""

    town: Town

    async def alerts(self, **_: object) -> tuple[Alert, ...]:
        """Return what fires."""
        if self.town.trouble("alertmanager"):
            raise TransientError("connection refused")
        return self.town.firing()

    async def started_at(self, **_: object) -> datetime:
        """Return a time long ago."""
        return START - timedelta(days=1)


@dataclass(slots=True)
class Charter:
    """Who changes the town. It honours keys and epochs, and leaves it to the daemon whether a plan is too old."""

    town: Town
    is_idempotent: bool = True
    asked: Counter[str] = field(default_factory=Counter)

    async def violations(self, **_: object) -> ViolationPage:
        """Return none; the town's troubles are told by its numbers."""
        self._reach("charter")
        return ViolationPage()

    async def apply(self, request: PolicyRequest, *, key: str, epoch: int, **_: object) -> Applied:
        """Put a policy in force, each key once; the same policy again lives longer."""
        how = self._admit("apply", epoch)
        known = self.town.known_keys.get(key)
        policy_id = known or self.town.put(request, key, epoch)
        if how == "lost":
            raise UncertainError("the connection was closed before the answer")
        return Applied(policy_id=policy_id, was_known=known is not None, is_idempotent=True)

    async def roll_back(
        self, policy_id: str | None, _: PolicyRequest | None, *, key: str, epoch: int, **__: object
    ) -> bool:
        """Take a policy out of force by its name, each key once."""
        how = self._admit("undo", epoch)
        if key not in self.town.known_keys:
            self.town.take_out(policy_id, key, epoch, is_in_vain=how == "in vain")
        return policy_id is not None

    async def is_in_force(self, policy_id: str, **_: object) -> bool:
        """Return whether a policy is in force."""
        self._reach("charter")
        return any(p.policy_id == policy_id and p.is_in_force(self.town.now) for p in self.town.policies.values())

    def _admit(self, part: str, epoch: int) -> str:
        """Return how the answer will fail, if it does; raise when the request does not get that far."""
        self.asked[part] += 1
        how = self._reach("charter", part)
        if epoch < self.town.epoch:
            self.asked["stale"] += 1
            raise FencedError("412: stale token", current_epoch=self.town.epoch)
        self.town.epoch = epoch
        return how

    def _reach(self, *who: str) -> str:
        trouble = self.town.trouble(*who)
        match trouble.how if trouble else "":
            case "away":
                raise TransientError("connection refused")
            case "busy":
                raise TransientError("503 Service Unavailable", retry_after_seconds=20.0)
            case "refused":
                raise PermanentError("500: it cannot be done")
            case how:
                return how


class OpenLine:
    """Stands where the HTTP session would: nobody is left alone."""

    def circuits(self) -> Mapping[str, Circuit]:
        """Return how each peer is treated."""
        return dict.fromkeys(("prometheus", "alertmanager", "charter"), Circuit.CLOSED)
