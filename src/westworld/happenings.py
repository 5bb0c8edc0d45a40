"""What one step of the world brings forth, for the metrics and the store."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Literal

Latency = Literal["validation_ns", "policy_load_ms", "report_ms", "notification_ms", "revocation_ms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One violation of the Charter.

    Args:
        detected_at: Unix seconds.
        level: 1 to 4, by repetition of the same node or service.
        response: what the policy document answers to that level.
    """

    violation_id: str
    detected_at: float
    severity: str
    violation_type: str
    node_or_service: str
    level: int
    response: str
    metric_name: str | None = None


@dataclass(slots=True)
class Happenings:
    """Everything that happened since the last step.

    Args:
        violations: detected by the world itself, not yet stored.
        counted: (severity, type, node) of each violation, stored or not.
        attempts: by (metric, node, status).
        investigations: started, by (type, initiator).
        notified: violation id and time of each notification that reached the committee about one.
        notifications: delivered, by severity.
        revocations: by (reason, node).
        overrides: activated, by (reason, person).
        latencies: single observations, in the unit of their name.
        acted: ids of the influences that began to act.
    """

    violations: list[Violation] = field(default_factory=list)
    counted: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    attempts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    investigations: Counter[tuple[str, str]] = field(default_factory=Counter)
    notified: list[tuple[str, float]] = field(default_factory=list)
    notifications: Counter[str] = field(default_factory=Counter)
    revocations: Counter[tuple[str, str]] = field(default_factory=Counter)
    overrides: Counter[tuple[str, str]] = field(default_factory=Counter)
    latencies: defaultdict[Latency, list[float]] = field(default_factory=lambda: defaultdict(list))
    acted: list[str] = field(default_factory=list)
