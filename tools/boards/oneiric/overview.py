"""Whether Oneiric is well, at a glance."""

from mape_k.packbuild.grafana import Board, Gauge, Pie, Query, Row, Stat, Table, TimeSeries

JOB = 'job="oneiric"'
INSTANCES = f"sum(oneiric_lifecycle_active_instances{{{JOB}}})"
SWAPS = f"rate(oneiric_lifecycle_swap_total{{{JOB}}}[5m])"
ALERT = "alertname, severity, component"
FIRING = 'ALERTS{system="oneiric", alertstate="firing"}'


def in_an_hour(events: str, state: str) -> str:
    """Return how many components of each domain came into a state within an hour."""
    return f'sum by (domain) (increase(oneiric_activity_{events}_total{{{JOB}, state="{state}"}}[1h]))'


BOARD = Board(
    uid="oneiric-overview",
    title="Overview",
    system="oneiric",
    description="Whether Oneiric is well: what it does, what fails, how long it takes, and what it holds.",
    range="1h",
    runbooks=["OneiricDown", "OneiricRestarted", "OneiricErrorsInLogs", "OneiricMetricAbsent"],
    rows=[
        Row(
            "At a glance",
            [
                Stat(
                    "System Status",
                    {
                        "answers scrapes": f"min(up{{{JOB}}}) or vector(0)",
                        "runs for": Query(f"min(oneiric_system_uptime_seconds{{{JOB}}})", unit="dtdurations"),
                        "instances": Query("oneiric:system_active_instances_total:5m", unit="short"),
                        "objectives met, last hour": "avg_over_time(oneiric:sli_system_health:5m[1h])",
                    },
                    unit="percentunit",
                    decimals=0,
                    thresholds=("red", 0.9, "yellow", 0.95, "green"),
                    shows="both",
                    description="0% of scrapes answered: Oneiric is down, and every other panel is blind. The last "
                    "number is the share of the last hour in which all six objectives were met at once.",
                    runbook="OneiricDown",
                    width=24,
                    height=4,
                ),
            ],
        ),
        Row(
            "Traffic, errors, latency",
            [
                TimeSeries(
                    "Traffic Overview",
                    {
                        "resolutions": "oneiric:resolution_throughput_global:5m",
                        "swaps": Query(f"60 * sum({SWAPS})", unit="suffix: /min", axis="right"),
                        "syncs": Query("oneiric:remote_sync_throughput:1h / 60", unit="suffix: /min", axis="right"),
                    },
                    unit="suffix: /s",
                    thresholds=("green", 100, "orange"),
                    description="Resolutions a second (left), swaps and syncs a minute (right). Above 100 resolutions "
                    "a second an alert tells of it.",
                    runbook="OneiricHighThroughput",
                    width=8,
                    height=9,
                ),
                TimeSeries(
                    "Error Rates",
                    {
                        "resolutions": "1 - oneiric:resolution_success_rate_global:5m",
                        "swaps": "1 - oneiric:lifecycle_swap_success_rate:5m",
                        "syncs": "1 - oneiric:remote_sync_success_rate:5m",
                        "health checks": Query("oneiric:lifecycle_health_failures:5m", unit="suffix: /s", axis="right"),
                    },
                    unit="percentunit",
                    thresholds=("green", 0.05, "orange", 0.1, "red"),
                    description="Shares that failed over five minutes; failed health checks a second (right). "
                    "Critical are 5% of the resolutions and 10% of the swaps.",
                    runbook="OneiricResolutionFailureRateHigh",
                    width=8,
                    height=9,
                ),
                TimeSeries(
                    "Latency P99",
                    {
                        "resolution": "max(oneiric:resolution_latency_p99:5m)",
                        "swap": "max(oneiric:lifecycle_swap_latency_p99:5m) / 1000",
                        "sync": "max(oneiric:remote_sync_latency_p99:5m)",
                    },
                    unit="s",
                    logarithmic=True,
                    description="Of the slowest domain or source, over five minutes. The objectives: 0.1 s for a "
                    "resolution, 30 s for a sync; of swaps 95% within 5 s.",
                    runbook="OneiricResolutionLatencySLABreach",
                    width=8,
                    height=9,
                ),
            ],
        ),
        Row(
            "Alerts and states",
            [
                Table(
                    "Recent Alerts",
                    {
                        "Last began": (
                            f"1000 * max by ({ALERT}) ("
                            'max_over_time(ALERTS_FOR_STATE{system="oneiric"}[24h]) '
                            f"and on ({ALERT}) max_over_time({FIRING}[24h]))"
                        ),
                        "Firing now": Query(f"count by ({ALERT}) ({FIRING})", unit="short"),
                    },
                    unit="dateTimeFromNow",
                    columns={"alertname": "Alert", "severity": "Severity", "component": "Component"},
                    when_empty="No alert in 24 hours",
                    description="Alerts that fired in the last 24 hours, the newest first. Where the last column is "
                    "empty, it is over.",
                    width=14,
                    height=9,
                ),
                Table(
                    "Activity State",
                    {
                        "Paused": f"sum by (domain) (oneiric_activity_paused_components{{{JOB}}})",
                        "Draining": f"sum by (domain) (oneiric_activity_draining_components{{{JOB}}})",
                        "Pauses in an hour": in_an_hour("pause_events", "paused"),
                        "Drains in an hour": in_an_hour("drain_events", "draining"),
                    },
                    unit="short",
                    decimals=0,
                    columns={"domain": "Domain"},
                    description="Components that are paused or draining now, and how often that began in the hour "
                    "before.",
                    runbook="OneiricComponentsPaused",
                    width=10,
                    height=9,
                ),
            ],
        ),
        Row(
            "Resources",
            [
                Gauge(
                    "Resource Usage",
                    {
                        "instances, of 200": f"{INSTANCES} / 200",
                        "cache, of 5 GiB": f"max(oneiric_system_cache_size_bytes{{{JOB}}}) / (5 * 1024 * 1024 * 1024)",
                        "memory estimate, of 10 GiB": (
                            "oneiric:system_memory_usage_estimate_bytes:5m / (10 * 1024 * 1024 * 1024)"
                        ),
                    },
                    unit="percentunit",
                    decimals=0,
                    minimum=0,
                    maximum=1.2,
                    thresholds=("green", 0.5, "orange", 1, "red"),
                    description="Shares of the limits at which alerts fire: 200 instances, 5 GiB of cache. Fewer than "
                    "100 instances are usual. The memory is an estimate, 50 MiB for each instance.",
                    runbook="OneiricActiveInstancesExtremelyHigh",
                    width=14,
                    height=8,
                ),
                Pie(
                    "Component Distribution",
                    {
                        "{{domain}}": f"sum by (domain) (oneiric_lifecycle_active_instances{{{JOB}}})",
                        "shadowed candidates": f"sum(oneiric_resolution_shadowed_total{{{JOB}}})",
                    },
                    unit="short",
                    description="Instances in memory by domain, beside the candidates that others of higher rank "
                    "hide; more than 50 of these are too many.",
                    runbook="OneiricShadowedComponentsHigh",
                    width=10,
                ),
            ],
        ),
    ],
)
