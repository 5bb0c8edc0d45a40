"""Stand-ins for time and for the systems that the daemon speaks with; each keeps what it was asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mape_k.model import Alert, PolicyRequest, Violation
from mape_k.ports import Applied, InstantVector, RangeSeries, ViolationPage


@dataclass
class StandingClock:
    """Time passes only while somebody sleeps."""

    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@dataclass
class FakeMetricSource:
    """Answers each query from a table; an exception in it is raised, what is not in it has no rows."""

    vectors: Mapping[str, InstantVector | Exception] = field(default_factory=dict)
    ranges: Mapping[str, Sequence[RangeSeries]] = field(default_factory=dict)
    asked: list[tuple[str, datetime]] = field(default_factory=list)

    async def query(self, promql: str, *, at: datetime, **_: object) -> InstantVector:
        self.asked.append((promql, at))
        answer = self.vectors.get(promql, InstantVector())
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def query_range(self, promql: str, **_: object) -> Sequence[RangeSeries]:
        return self.ranges.get(promql, ())


@dataclass
class FakeAlertSource:
    """Shows what it holds, or fails."""

    held: tuple[Alert, ...] = ()
    failure: Exception | None = None

    async def alerts(self, **_: object) -> tuple[Alert, ...]:
        if self.failure:
            raise self.failure
        return self.held


@dataclass
class FakeViolationSource:
    """Shows what it holds since a moment, or fails."""

    held: tuple[Violation, ...] = ()
    failure: Exception | None = None

    async def violations(self, *, since: datetime, **_: object) -> ViolationPage:
        if self.failure:
            raise self.failure
        return ViolationPage(violations=tuple(seen for seen in self.held if seen.detected_at >= since))


@dataclass
class FakeEffector:
    """Puts policies in force in memory, each key once; ``failures`` are raised first, one a call."""

    is_idempotent: bool = True
    failures: list[Exception] = field(default_factory=list)
    in_force: dict[str, PolicyRequest] = field(default_factory=dict)
    compensations: list[PolicyRequest] = field(default_factory=list)

    async def apply(self, request: PolicyRequest, *, key: str, **_: object) -> Applied:
        if self.failures:
            raise self.failures.pop(0)
        was_known = key in self.in_force
        self.in_force.setdefault(key, request)
        return Applied(policy_id=key, was_known=was_known, is_idempotent=self.is_idempotent)

    async def roll_back(self, policy_id: str | None, compensation: PolicyRequest | None, **_: object) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.compensations += [compensation] if compensation else []
        self.in_force.pop(policy_id or "", None)
