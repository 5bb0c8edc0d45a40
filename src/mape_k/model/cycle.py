"""One pass of the loop, as it is told and kept."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mape_k.model.decision import Assessment, Plan
from mape_k.model.execution import Ledger
from mape_k.model.reading import Snapshot


class Phase(StrEnum):
    """The four phases that a cycle passes, in order; the fifth letter, Knowledge, is what they share."""

    MONITOR = "monitor"
    ANALYZE = "analyze"
    PLAN = "plan"
    EXECUTE = "execute"


class CycleResult(StrEnum):
    """How a cycle ended: ``BLIND`` completed without a needed source, ``FAILED`` did not complete."""

    COMPLETED = "completed"
    BLIND = "blind"
    FAILED = "failed"


class WokenBy(StrEnum):
    """What started a cycle; it never changes what the cycle decides."""

    TICK = "tick"
    WEBHOOK = "webhook"
    DEADLINE = "deadline"
    OPERATOR = "operator"


@dataclass(slots=True, kw_only=True)
class PhaseTiming:
    """One phase of one cycle: how long, and against which budget (seconds)."""

    phase: Phase
    seconds: float
    budget_seconds: float

    @property
    def is_over(self) -> bool:
        """Whether the phase passed its budget."""
        return self.seconds > self.budget_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeTally:
    """What webhooks announced, held against the list of active alerts that the cycle pulled.

    Args:
        confirmed: active alerts that were announced.
        unconfirmed: alerts announced as firing a moment ago that are not active.
        unannounced: alerts, neither silenced nor inhibited, active for a while without having been announced.
    """

    confirmed: int = 0
    unconfirmed: int = 0
    unannounced: int = 0


@dataclass(slots=True, kw_only=True)
class CycleReport:
    """All that one cycle saw, concluded and did; filled as the cycle goes on.

    ``late_seconds`` is how long after its tick a periodic cycle began; None for one that was woken.
    ``is_store_up`` says whether Knowledge could be read and written throughout.
    ``notices`` is None where the alerts were not seen.
    ``audit_head`` is where the audit trail stood once the cycle was kept: a sequence and a hash.
    """

    cycle_id: str
    as_of: datetime
    woken_by: WokenBy
    late_seconds: float | None = None
    result: CycleResult = CycleResult.COMPLETED
    failure: str = ""
    is_store_up: bool = True
    seconds: float = 0.0
    timings: list[PhaseTiming] = field(default_factory=list)
    snapshot: Snapshot | None = None
    ledger: Ledger | None = None
    assessment: Assessment | None = None
    plan: Plan | None = None
    executed: tuple[str, ...] = ()
    notices: NoticeTally | None = None
    audit_head: str = ""

    @property
    def ledger_by_now(self) -> Ledger | None:
        """The ledger, with how packs look since this cycle."""
        if self.ledger is None or self.assessment is None:
            return self.ledger
        return self.ledger.seeing(self.assessment.outlooks)
