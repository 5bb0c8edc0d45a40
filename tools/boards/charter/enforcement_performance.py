"""How fast the Charter enforces."""

from mape_k.packbuild.grafana import Board, Gauge, Query, Row, Stat, TimeSeries

JOB = 'job="westworld-charter"'
LOADED_AT = f"westworld_charter_policy_last_load_timestamp{{{JOB}}}"
LOADS = f"westworld_charter_policy_load_duration_ms_count{{{JOB}}}"


def quantile(share: float, histogram: str, window: str = "5m") -> str:
    """Return a quantile of a histogram of the Charter, over all replicas."""
    return f"histogram_quantile({share}, sum by (le) (rate(westworld_charter_{histogram}_bucket{{{JOB}}}[{window}])))"


BOARD = Board(
    uid="enforcement-performance",
    title="Enforcement Performance",
    system="charter",
    description="How fast the Charter enforces, against what was promised.",
    runbooks=[
        "CharterTargetDown",
        "CharterMetricAbsent",
        "CharterStoreFailsInLogs",
        "ValidationLatencySLAViolation",
        "PolicyLoadFailure",
        "PolicyNeverLoaded",
        "PolicyLoadSlow",
        "CommitteeNotificationLatencySLA",
        "DataRevocationSLAViolation",
    ],
    rows=[
        Row(
            "Policies",
            [
                Stat(
                    "Policy Freshness",
                    {"since the last load": f"(time() - max({LOADED_AT} > 0)) / 3600"},
                    unit="h",
                    decimals=1,
                    thresholds=("green", 4, "orange", 24, "red"),
                    filled=True,
                    when_empty="Never loaded",
                    description="Hours since a policy was loaded. A stamp of 0 is none: it was never loaded then.",
                    runbook="PolicyLoadFailure",
                    height=8,
                ),
                TimeSeries(
                    "Policy Load Duration & Frequency",
                    {
                        "loads per hour": f"sum(increase({LOADS}[1h]))",
                        "p99 of the duration": Query(
                            quantile(0.99, "policy_load_duration_ms", "1h"), unit="ms", axis="right"
                        ),
                    },
                    unit="suffix: /h",
                    thresholds=("green", 5, "orange", 10, "red"),
                    description="Loads in the hour before (left), and the 99th percentile of how long they took "
                    "(right). About one a day is normal, above 5 an hour is suspicious, above 10 an alert fires.",
                    runbook="PolicyLoadFrequencyAnomaly",
                    width=18,
                ),
            ],
        ),
        Row(
            "Validation and response",
            [
                TimeSeries(
                    "Metric Validation Latency",
                    {
                        f"p{share * 100:g}": quantile(share, "metric_validation_latency_ns")
                        for share in (0.5, 0.95, 0.99)
                    },
                    unit="ns",
                    thresholds=("green", 10_000, "orange", 20_000, "red"),
                    zone="line+area",
                    description="Promised are 10 µs for 99 of 100; an alert fires above 20 µs. Between two bounds of "
                    "the histogram a percentile is an estimate.",
                    runbook="ValidationLatencySLAViolation",
                    height=9,
                ),
                TimeSeries(
                    "E2E Violation Response Time",
                    {"p99": quantile(0.99, "violation_report_latency_ms")},
                    unit="ms",
                    thresholds=("green", 1000, "red"),
                    description="From the detection of a violation to its report to the committee: within a second.",
                    runbook="ViolationReportLatencySLA",
                    height=9,
                ),
            ],
        ),
        Row(
            "Committee and data",
            [
                Gauge(
                    "Committee Notification Latency",
                    {"p99": quantile(0.99, "committee_notification_latency_ms")},
                    unit="ms",
                    minimum=0,
                    maximum=1000,
                    thresholds=("green", 500, "orange", 1000, "red"),
                    description="Promised are 500 ms. The histogram ends at 1000 ms: 1000 is 1000 or more, and red.",
                    runbook="CommitteeNotificationLatencySLA",
                ),
                Stat(
                    "Data Revocation",
                    {"events": f"sum(increase(westworld_charter_data_revocation_events_total{{{JOB}}}[1h]))"},
                    unit="suffix: /h",
                    decimals=0,
                    thresholds=("green", 60, "red"),
                    sparkline=True,
                    description="Revocations in the hour before. An alert fires above one a minute for half an hour.",
                    runbook="UnusualDataRevocationActivity",
                    width=8,
                    height=7,
                ),
                Stat(
                    "Investigation Initiation Rate",
                    {"started": f"sum(rate(westworld_charter_investigation_initiated_total{{{JOB}}}[5m]))"},
                    unit="cps",
                    decimals=2,
                    thresholds=("green", 5, "red"),
                    sparkline=True,
                    description="Investigations started per second, over five minutes; more than 5 are a flood.",
                    runbook="HighViolationInvestigationRate",
                    width=8,
                    height=7,
                ),
            ],
        ),
    ],
)
