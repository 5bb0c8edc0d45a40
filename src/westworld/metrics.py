"""The fifteen metrics of the Charter. Every label is capped, and every child that matters exists from the start."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from westworld.happenings import Happenings, Latency
from westworld.vocabulary import (
    ATTEMPT_STATUSES,
    FORBIDDEN_METRICS,
    INITIATORS,
    OTHER,
    OVERRIDE_PEOPLE,
    OVERRIDE_REASONS,
    RECIPIENTS,
    REVOCATION_REASONS,
    SEVERITIES,
    SEVERITY_OF_TYPE,
    VIOLATION_TYPES,
)
from westworld.world import REVOKING, World

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "westworld_charter_"
_HISTOGRAMS: Mapping[Latency, tuple[str, str, tuple[float, ...]]] = {
    "validation_ns": (
        "metric_validation_latency_ns",
        "Time to validate one metric, in nanoseconds",
        (100, 1000, 10_000, 100_000, 1_000_000, 10_000_000),
    ),
    "policy_load_ms": (
        "policy_load_duration_ms",
        "Time to load the policy document, in milliseconds",
        (10, 50, 100, 200, 500, 1000),
    ),
    "report_ms": (
        "violation_report_latency_ms",
        "Time from the detection of a violation to its report, in milliseconds",
        (50, 100, 250, 500, 1000, 2000),
    ),
    "notification_ms": (
        "committee_notification_latency_ms",
        "Time to notify the audit committee, in milliseconds",
        (10, 50, 100, 250, 500, 1000),
    ),
    "revocation_ms": (
        "data_revocation_latency_ms",
        "Time to revoke access to data, in milliseconds",
        (50, 100, 250, 500, 1000, 5000),
    ),
}


class Metrics:
    """The registry of one Charter.

    Args:
        nodes: whose names may be label values; all others are counted as ``other``.
    """

    def __init__(self, nodes: Collection[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._nodes = frozenset(nodes)
        self._violations = self._counter(
            "violations_total", "Violations detected", "severity", "violation_type", "node_or_service"
        )
        self._attempts = self._counter(
            "forbidden_metric_attempts_total",
            "Attempts to collect a forbidden metric",
            "metric_name",
            "node_or_service",
            "status",
        )
        self._revocations = self._counter(
            "data_revocation_events_total", "Revocations of access to data", "reason", "node_or_service"
        )
        self._notifications = self._counter(
            "audit_committee_notifications_total",
            "Notifications to the audit committee",
            "severity",
            "recipient_count",
        )
        self._investigations = self._counter(
            "investigation_initiated_total", "Investigations started", "violation_type", "initiated_by"
        )
        self._overrides = self._counter(
            "emergency_override_total", "Emergency overrides activated", "reason", "who_triggered"
        )
        self._histograms = {
            latency: Histogram(_PREFIX + name, text, buckets=buckets, registry=self._registry)
            for latency, (name, text, buckets) in _HISTOGRAMS.items()
        }
        self._under_investigation = self._gauge("violations_under_investigation", "Open investigations", "severity")
        self._committee_size = self._gauge("audit_committee_size", "Members of the audit committee")
        self._last_load = self._gauge(
            "policy_last_load_timestamp", "When the policy document in force was loaded, in Unix seconds"
        )
        self._overrides_active = self._gauge("emergency_override_active_count", "Emergency overrides active now")
        self._begin_at_zero()
        self.observe_validation_ns = self._histograms["validation_ns"].observe

    def record(self, happened: Happenings) -> None:
        """Count what one step brought forth."""
        for (severity, violation_type, node), count in happened.counted.items():
            self._violations.labels(severity, _cap(violation_type, VIOLATION_TYPES), self._node(node)).inc(count)
        for (metric, node, status), count in happened.attempts.items():
            self._attempts.labels(_cap(metric, FORBIDDEN_METRICS), self._node(node), status).inc(count)
        for (violation_type, initiator), count in happened.investigations.items():
            self._investigations.labels(_cap(violation_type, VIOLATION_TYPES), initiator).inc(count)
        for (reason, node), count in happened.revocations.items():
            self._revocations.labels(_cap(reason, REVOCATION_REASONS), _cap(node, (REVOKING,))).inc(count)
        for severity, count in happened.notifications.items():
            self._notifications.labels(severity, str(RECIPIENTS[severity])).inc(count)
        for (reason, who), count in happened.overrides.items():
            self._overrides.labels(_cap(reason, OVERRIDE_REASONS), _cap(who, OVERRIDE_PEOPLE)).inc(count)
        for latency, values in happened.latencies.items():
            _observe(self._histograms[latency], values)

    def show(self, world: World) -> None:
        """Set the gauges to what the world is now."""
        for severity, count in world.committee.open_cases().items():
            self._under_investigation.labels(severity).set(count)
        self._committee_size.set(world.quantities["committee.members"])
        self._last_load.set(world.publisher.loaded_at)
        self._overrides_active.set(len(world.overrides))

    def exposition(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(_PREFIX + name, text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(_PREFIX + name, text, labels, registry=self._registry)

    def _node(self, name: str) -> str:
        return name if name in self._nodes else OTHER

    def _begin_at_zero(self) -> None:
        """A child that is born with its first event hides it from ``increase()``."""
        nodes = (*sorted(self._nodes - {OTHER}), OTHER)
        _be_born(self._violations, SEVERITIES, tuple(SEVERITY_OF_TYPE), nodes)
        _be_born(self._violations, ("WARNING",), (OTHER,), nodes)
        _be_born(self._attempts, FORBIDDEN_METRICS, nodes, ATTEMPT_STATUSES)
        _be_born(self._revocations, (*REVOCATION_REASONS, OTHER), (REVOKING,))
        _be_born(self._investigations, VIOLATION_TYPES, INITIATORS)
        _be_born(self._overrides, (*OVERRIDE_REASONS, OTHER), (*OVERRIDE_PEOPLE, OTHER))
        for severity, recipients in RECIPIENTS.items():
            self._notifications.labels(severity, str(recipients))


def _be_born(counter: Counter, *values: Sequence[str]) -> None:
    for labels in product(*values):
        counter.labels(*labels)


def _cap(name: str, known: Collection[str]) -> str:
    return name if name in known else OTHER


def _observe(histogram: Histogram, values: Iterable[float]) -> None:
    for value in values:
        histogram.observe(value)
