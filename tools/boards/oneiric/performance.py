"""Whether the objectives are met, and what is left for more."""

from mape_k.packbuild.grafana import BarGauge, Board, Query, Row, Stat, StateTimeline, Table, TimeSeries

JOB = 'job="oneiric"'
COMPONENT = "domain, key"
DURATION = "oneiric_resolution_duration_seconds"
BUCKETS = f"sum by ({COMPONENT}, le) (rate({DURATION}_bucket{{{JOB}}}[5m]))"
SLOWEST = f"topk(20, histogram_quantile(0.99, {BUCKETS}) >= 0)"
SUM = f"sum by ({COMPONENT}) (rate({DURATION}_sum{{{JOB}}}[5m]))"
COUNT = f"sum by ({COMPONENT}) (rate({DURATION}_count{{{JOB}}}[5m]))"


def trend(recording: str) -> str:
    """Return the last value of what is recorded every five minutes."""
    return f"sum(last_over_time(oneiric:{recording}[10m]))"


BOARD = Board(
    uid="oneiric-performance",
    title="Performance",
    system="oneiric",
    description="Whether the objectives are met, and what is left for more.",
    refresh="10s",
    range="1h",
    runbooks=["OneiricResolutionSLOBreach", "OneiricLifecycleSLOBreach", "OneiricRemoteSyncSLOBreach"],
    rows=[
        Row(
            "Objectives",
            [
                Stat(
                    "SLO Health Score",
                    {"of the last hour": "avg_over_time(oneiric:sli_system_health:5m[1h])"},
                    unit="percentunit",
                    decimals=1,
                    thresholds=("red", 0.9, "yellow", 0.95, "green"),
                    filled=True,
                    description="Share of the last hour in which all six objectives were met at once. Above 95% is "
                    "good, below 90% bad.",
                    runbook="OneiricResolutionSLOBreach",
                    height=8,
                ),
                StateTimeline(
                    "SLI Compliance",
                    {
                        "resolution: success over 99%": "oneiric:sli_resolution_success:5m",
                        "resolution: p99 under 0.1 s": "min(oneiric:sli_resolution_latency:5m)",
                        "swaps: success over 95%": "oneiric:sli_lifecycle_swap_success:5m",
                        "swaps: p95 under 5 s": "min(oneiric:sli_lifecycle_swap_latency:5m)",
                        "syncs: success over 99%": "oneiric:sli_remote_sync_success:5m",
                        "syncs: p99 under 30 s": "min(oneiric:sli_remote_sync_latency:5m)",
                    },
                    unit="short",
                    values={1: ("met", "green"), 0: ("missed", "red")},
                    description="Each over five minutes, of the worst domain or source. A gap: nothing happened, so "
                    "nothing was met or missed.",
                    runbook="OneiricResolutionSLOBreach",
                    width=18,
                ),
            ],
        ),
        Row(
            "Budgets and latency",
            [
                BarGauge(
                    "Error Budget Consumption",
                    {"{{slo}}": '1 - slo:error_budget_left:ratio30d{system="oneiric"}'},
                    unit="percentunit",
                    decimals=0,
                    minimum=0,
                    maximum=1,
                    thresholds=("green", 0.75, "orange", 1, "red"),
                    description="What of the error budget of 30 days is used up; at 100% the objective is missed. The "
                    "board of the objectives has the burn rates.",
                    runbook="OneiricResolutionSuccessBudgetLeak",
                    width=9,
                    height=10,
                ),
                TimeSeries(
                    "Latency Breakdown",
                    {
                        "resolution, {{domain}}": "max by (domain) (oneiric:resolution_latency_avg:5m)",
                        "swap, slowest domain": "max(oneiric:lifecycle_swap_latency_avg:5m) / 1000",
                        "sync": "oneiric:remote_sync_latency_avg:5m",
                    },
                    unit="s",
                    logarithmic=True,
                    description="Means over five minutes, of what is done often and what is done rarely. The "
                    "percentiles are on the boards of each part.",
                    runbook="OneiricResolutionLatencyHigh",
                    width=15,
                    height=10,
                ),
            ],
        ),
        Row(
            "Load and capacity",
            [
                TimeSeries(
                    "Throughput Metrics",
                    {
                        "resolutions": trend("resolution_throughput:1h"),
                        "swaps": trend("lifecycle_swap_throughput:1h"),
                        "resolutions a day": Query(
                            trend("resolution_daily_volume:24h"), unit="suffix: /d", axis="right"
                        ),
                        "swaps a day": Query(trend("lifecycle_swap_daily_volume:24h"), unit="suffix: /d", axis="right"),
                    },
                    unit="suffix: /s",
                    description="Means of an hour (left), and what a day brings at the mean of the last 24 hours "
                    "(right).",
                    runbook="OneiricHighThroughput",
                    width=8,
                ),
                TimeSeries(
                    "Capacity Metrics",
                    {
                        "instances": "oneiric:system_active_instances_total:5m",
                        "shadowed candidates": f"sum(oneiric_resolution_shadowed_total{{{JOB}}})",
                        "artifacts cached": f"sum(oneiric_remote_artifacts_cached{{{JOB}}})",
                    },
                    unit="short",
                    description="Limits: 200 instances (fewer than 100 are usual), 50 shadowed candidates.",
                    runbook="OneiricActiveInstancesExtremelyHigh",
                    width=8,
                ),
                TimeSeries(
                    "Resource Utilization",
                    {
                        "memory of the instances, estimated": "oneiric:system_memory_usage_estimate_bytes:5m",
                        "cache on disk": f"max(oneiric_system_cache_size_bytes{{{JOB}}})",
                    },
                    unit="bytes",
                    description="50 MiB are assumed for an instance; Oneiric exports neither its processor time nor "
                    "its network. Ask the host's exporter for those.",
                    runbook="OneiricCacheSizeMilestone",
                    width=8,
                ),
                Table(
                    "Query Performance",
                    {
                        "p99": SLOWEST,
                        "Mean": f"{SUM} / {COUNT} and {SLOWEST}",
                    },
                    unit="s",
                    thresholds=("green", 0.1, "orange", 0.5, "red"),
                    columns={"domain": "Domain", "key": "Key"},
                    description="The twenty slowest components, by the 99th percentile of their resolutions.",
                    runbook="OneiricResolutionLatencyHigh",
                    width=24,
                ),
            ],
        ),
    ],
)
