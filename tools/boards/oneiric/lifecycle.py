"""Whether hot swaps succeed, how long they take, and whether what runs is healthy."""

from mape_k.packbuild.grafana import Board, Choice, Heatmap, Logs, Row, Stat, TimeSeries

DOMAIN = 'domain=~"$domain"'
LABELS = f'job="oneiric", {DOMAIN}'
SWAPS = "oneiric_lifecycle_swap_total"
LINE = '| line_format "{{.event}} {{.domain}}/{{.key}} {{.provider}} {{.error}}"'

BOARD = Board(
    uid="oneiric-lifecycle",
    title="Lifecycle",
    system="oneiric",
    description="Whether hot swaps succeed, how long they take, and whether what runs is healthy.",
    refresh="10s",
    range="1h",
    variables=[Choice("domain", "Domain", metric='oneiric_lifecycle_swap_total{job="oneiric"}', label="domain")],
    runbooks=[
        "OneiricLifecycleSwapFailureRateHigh",
        "OneiricSwapFailuresByDomain",
        "OneiricRollbackRateHigh",
        "OneiricActiveInstancesExtremelyHigh",
    ],
    rows=[
        Row(
            "Swaps",
            [
                Stat(
                    "Swap Success Rate",
                    {
                        "all": "oneiric:lifecycle_swap_success_rate:5m",
                        "{{domain}}": f"oneiric:lifecycle_swap_success_rate_by_domain:5m{{{DOMAIN}}}",
                    },
                    unit="percentunit",
                    decimals=1,
                    thresholds=("red", 0.9, "orange", 0.95, "green"),
                    sparkline=True,
                    shows="both",
                    when_empty="No swap in the time range",
                    description="Over five minutes, of the last time that there were swaps; the target is 95%. An "
                    "alert pages below 90% over fifteen minutes, from two failures on.",
                    runbook="OneiricLifecycleSwapFailureRateHigh",
                    width=24,
                    height=6,
                ),
                TimeSeries(
                    "Swap Operations Timeline",
                    {"{{outcome}}": f"60 * sum by (outcome) (rate({SWAPS}{{{LABELS}}}[5m]))"},
                    unit="suffix: /min",
                    stacked=True,
                    colours={"success": "green", "failed": "red", "rollback": "orange"},
                    when_empty="No swap so far",
                    description="Swaps a minute by outcome. Many that succeed are no good sign either: somebody swaps "
                    "in a circle.",
                    runbook="OneiricLifecycleSwapFailureRateHigh",
                ),
                TimeSeries(
                    "Rollback Events",
                    {"{{domain}}": f'sum by (domain) (increase({SWAPS}{{{LABELS}, outcome="rollback"}}[15m]))'},
                    unit="short",
                    bars=True,
                    thresholds=("green", 2.5, "red"),
                    when_empty="No swap was rolled back so far",
                    description="Roll-backs in the fifteen minutes before. An alert fires at the third of a domain.",
                    runbook="OneiricRollbackRateHigh",
                ),
                Logs(
                    "Swap Failure Reasons",
                    {
                        "failures": (
                            f'{{app="oneiric", {DOMAIN}}} |~ `swap-(failed|rollback)` | json '
                            f'| event=~"swap-(failed|rollback)" {LINE}'
                        )
                    },
                    description="What failed, and why: no metric has the reason.",
                    runbook="OneiricLifecycleSwapFailureRateHigh",
                    width=12,
                ),
                Logs(
                    "State Transitions",
                    {
                        "transitions": (
                            f'{{app="oneiric", {DOMAIN}}} |= `swap-` | json '
                            f'| event=~"swap-(complete|failed|rollback|cleanup-failed)" {LINE}'
                        )
                    },
                    description="How each swap ended: ready (swap-complete), failed, rolled back; swap-cleanup-failed "
                    "leaves an old instance in memory. No metric has the states between.",
                    runbook="OneiricSwapFailuresByDomain",
                    width=12,
                ),
            ],
        ),
        Row(
            "Duration of swaps",
            [
                TimeSeries(
                    "Swap Latency Percentiles",
                    {
                        f"p{share}": f"max(oneiric:lifecycle_swap_latency_p{share}:5m{{{DOMAIN}}})"
                        for share in (50, 95, 99)
                    },
                    unit="ms",
                    thresholds=("green", 5000, "red"),
                    when_empty="No swap in the time range",
                    description="Of the slowest of the chosen domains, over five minutes. The objective is a p95 of 5 "
                    "s; the alert looks back over fifteen minutes.",
                    runbook="OneiricSwapDurationHigh",
                ),
                Heatmap(
                    "Swap Duration Heatmap",
                    {"{{le}}": f"sum by (le) (rate(oneiric_lifecycle_swap_duration_ms_bucket{{{LABELS}}}[5m]))"},
                    unit="ms",
                    buckets=True,
                    scheme="Blues",
                    when_empty="No swap in the time range",
                    description="How many swaps took how long. What ends at 10 s was ended by a time-out or took "
                    "longer.",
                    runbook="OneiricSwapDurationHigh",
                ),
            ],
        ),
        Row(
            "What runs",
            [
                TimeSeries(
                    "Active Instances by Domain",
                    {"{{domain}}": f"oneiric:system_active_instances_by_domain:5m{{{DOMAIN}}}"},
                    unit="short",
                    stacked=True,
                    thresholds=("green", 100, "orange", 200, "red"),
                    description="Instances in memory, at 50 MiB each. Fewer than 100 are usual, above 200 an alert "
                    "pages: one domain that climbs alone leaks.",
                    runbook="OneiricActiveInstancesExtremelyHigh",
                ),
                TimeSeries(
                    "Health Check Failures",
                    {
                        "{{provider}} ({{domain}})": f"oneiric:lifecycle_health_failures_by_provider:5m{{{DOMAIN}}}",
                    },
                    unit="suffix: /s",
                    thresholds=("green", 0.1, "red"),
                    when_empty="No health check has failed so far",
                    description="Failed health checks a second by provider, all its components together. An alert "
                    "fires above 0.1, which is 30 in five minutes.",
                    runbook="OneiricHealthCheckFailuresHigh",
                ),
            ],
        ),
    ],
)
