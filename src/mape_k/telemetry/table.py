"""Every metric of the daemon in one table; rules, dashboards and the documentation are held against it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mape_k.model import (
    DEADLINES,
    PACK_HOLDS,
    REFUSALS,
    BudgetKind,
    CycleResult,
    Mode,
    Phase,
    Quality,
    Reason,
    Severity,
    Verdict,
)

PREFIX = "mape_k_"

SOURCES = ("prometheus", "alertmanager", "charter")
"""Who is looked at in every cycle; the servers that packs act through come with the settings."""
OF_SOURCES = (
    "source_request_duration_seconds",
    "source_requests_total",
    "circuit_state",
    "retries_withheld_total",
)
"""The metrics about everybody who is asked, by name."""
CHANNELS = ("slack", "pagerduty", "email", "webhook")
FAILED = "failed"
"""Stands in for a verdict where nothing was ever applied."""

ESCALATIONS = (Reason.EXHAUSTED, Reason.RENEWALS_USED_UP, Reason.PERSON_DECIDES)
"""Reasons with which the daemon leaves something to a person."""

WEBHOOK_RESULTS = ("accepted", "unauthorized", "malformed", "wrong_version", "too_large", "refused")
NOTICE_STATES = ("confirmed", "unconfirmed", "unannounced")


class Kind(StrEnum):
    """The kinds of metrics in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric.

    Args:
        name: without the prefix.
        labels: the values that each label may take; an empty tuple: names from the catalogue or the settings, capped
            in number.
        buckets: upper limits of a histogram, in the unit of its name.
    """

    name: str
    kind: Kind
    help: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """The name as it is scraped."""
        return PREFIX + self.name


def _values(members: Iterable[StrEnum]) -> tuple[str, ...]:
    return tuple(member.value for member in members)


def _counter(name: str, text: str, **labels: tuple[str, ...]) -> Metric:
    return Metric(name=name, kind=Kind.COUNTER, help=text, labels=labels)


def _gauge(name: str, text: str, **labels: tuple[str, ...]) -> Metric:
    return Metric(name=name, kind=Kind.GAUGE, help=text, labels=labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], **labels: tuple[str, ...]) -> Metric:
    return Metric(name=name, kind=Kind.HISTOGRAM, help=text, labels=labels, buckets=buckets)


_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)
_SLOW = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

TABLE: tuple[Metric, ...] = (
    _counter("cycles_total", "Cycles ended, by how they ended.", result=_values(CycleResult)),
    _histogram("cycle_duration_seconds", "Duration of a cycle.", _QUICK),
    _histogram("phase_duration_seconds", "Duration of a phase of a cycle.", _QUICK, phase=_values(Phase)),
    _counter("phase_overruns_total", "Phases that passed their budget.", phase=_values(Phase)),
    _gauge("cycle_budget_seconds", "Seconds after which a cycle is cut."),
    _gauge("last_cycle_timestamp_seconds", "When the last cycle that did not fail ended."),
    _gauge("cycle_start_deviation_seconds", "How late the last periodic cycle started."),
    _gauge("source_up", "Whether the source answered in full in the last cycle.", source=SOURCES),
    _histogram("source_request_duration_seconds", "Duration of a request to a source.", _QUICK, source=()),
    _counter(
        "source_requests_total",
        "Requests to a source, by outcome.",
        source=(),
        outcome=("ok", "refused", "failed"),
    ),
    _gauge("readings", "Readings of the last snapshot, by how they were seen.", quality=_values(Quality)),
    _gauge("snapshot_series", "Series in the last snapshot."),
    _gauge("snapshot_alerts", "Alerts in the last snapshot, silenced and inhibited ones included."),
    _gauge("snapshot_age_seconds", "Age of the newest sample of the stalest scrape job; NaN where none is known."),
    _gauge("incidents", "Open incidents.", pack=(), severity=_values(Severity)),
    _counter(
        "decisions_total",
        "Decisions about incidents, by reason.",
        pack=(),
        remediation=(),
        decision=_values(Reason),
    ),
    _counter(
        "actions_total",
        "Actions that were judged, by verdict; failed: never applied.",
        pack=(),
        remediation=(),
        verdict=(*_values(Verdict), FAILED),
    ),
    _gauge("actions_in_flight", "Actions whose effect is not judged yet."),
    _gauge("escalations", "Incidents and ending policies left to a person, by reason.", reason=_values(ESCALATIONS)),
    _gauge("overdue_executions", "Executions past the deadline of their state.", state=_values(DEADLINES)),
    _gauge("frozen_targets", "Targets left to a person because a roll-back failed."),
    _histogram("detection_to_action_seconds", "From the opening of an incident to a policy in force.", _SLOW),
    _histogram("action_verification_seconds", "From a policy in force to its verdict.", _SLOW),
    _gauge(
        "remediation_success_probability",
        "Success probability learned so far, all symptoms together.",
        pack=(),
        remediation=(),
    ),
    _counter("guard_refusals_total", "Candidates and plans that a guard refused.", guard=_values(REFUSALS)),
    _gauge("budget_remaining", "The smallest remainder of a kind of budget anywhere.", budget=_values(BudgetKind)),
    _gauge("packs_held", "Packs in which a guard on all of them holds everything back.", guard=_values(PACK_HOLDS)),
    _gauge(
        "circuit_state",
        "Whether requests to a peer are held back: 0 no, 1 yes, 0.5 all but one that sees whether it is back.",
        target=(),
    ),
    _counter("retries_withheld_total", "Requests not repeated, because too many were.", source=()),
    _counter(
        "notifications_total",
        "Messages to people, by channel and by what came of sending them.",
        channel=CHANNELS,
        result=("delivered", "failed"),
    ),
    _gauge("dead_letters", "Dead letters waiting, parked ones included."),
    _gauge("dead_letters_parked", "Dead letters whose every attempt failed; a person decides."),
    _gauge("dead_letter_oldest_timestamp_seconds", "When the oldest dead letter was written; 0 without any."),
    _histogram("knowledge_write_duration_seconds", "Duration of a durable write.", _QUICK),
    _gauge("knowledge_up", "Whether Knowledge could be read and written in the last cycle."),
    _gauge("knowledge_damaged", "Whether the file of Knowledge was found damaged; then nothing is written or sent."),
    _gauge("knowledge_reserve_bytes", "Space kept for a full disk; 0 when it was given up, or none is configured."),
    _gauge("audit_sequence", "The newest row of the audit trail after the last cycle; it never goes back by itself."),
    _counter("webhooks_total", "Webhooks received, by result.", result=WEBHOOK_RESULTS),
    _counter("truncated_alerts_total", "Alerts that Alertmanager left out of webhooks; the next look finds them."),
    _gauge(
        "notices",
        "Alerts of the last cycle: active and announced, announced and not active, active and not announced.",
        state=NOTICE_STATES,
    ),
    _counter("spans_total", "Spans for the trace collector, by whether it took them.", result=("exported", "lost")),
    _gauge("mode", "1 for the mode in force.", mode=_values(Mode)),
    _gauge("paused", "Whether a person paused the daemon."),
    _gauge("leader", "Whether this daemon is in charge."),
    _gauge("build_info", "Always 1, with the version.", version=()),
)
