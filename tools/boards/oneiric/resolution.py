"""Whether components are found, how fast, and which are not."""

from mape_k.packbuild.grafana import BarGauge, Board, Choice, Heatmap, Query, Row, Stat, Table, TimeSeries

DOMAIN = 'domain=~"$domain"'
LABELS = f'{{job="oneiric", {DOMAIN}}}'
COMPONENT = "domain, key, provider"
RATE = f"sum by ({COMPONENT}) (rate(oneiric_resolution_total{LABELS}[5m]))"
DURATION = "oneiric_resolution_duration_seconds"
MEAN = (
    f"sum by (domain, key) (rate({DURATION}_sum{LABELS}[5m]))"
    f" / (sum by (domain, key) (rate({DURATION}_count{LABELS}[5m])) > 0)"
)

BOARD = Board(
    uid="oneiric-resolution",
    title="Resolution",
    system="oneiric",
    description="Whether components are found, how fast, and which are not.",
    refresh="10s",
    range="1h",
    variables=[Choice("domain", "Domain", metric='oneiric_resolution_total{job="oneiric"}', label="domain")],
    runbooks=[
        "OneiricResolutionFailureRateHigh",
        "OneiricResolutionFailuresByDomain",
        "OneiricResolutionLatencySLABreach",
        "OneiricShadowedComponentsHigh",
    ],
    rows=[
        Row(
            "Success",
            [
                Stat(
                    "Success Rate",
                    {
                        "all": "oneiric:resolution_success_rate_global:5m",
                        "{{domain}}": f"oneiric:resolution_success_rate:5m{{{DOMAIN}}}",
                    },
                    unit="percentunit",
                    decimals=1,
                    thresholds=("red", 0.95, "orange", 0.99, "green"),
                    sparkline=True,
                    shows="both",
                    description="Over five minutes; the target is 99%. An alert pages when all together fall below "
                    "95%, and tells of a domain below 90%.",
                    runbook="OneiricResolutionFailureRateHigh",
                    width=24,
                    height=6,
                ),
                TimeSeries(
                    "Errors Over Time",
                    {
                        "{{domain}} / {{key}} by {{provider}}": (
                            f"sum by ({COMPONENT}) (rate(oneiric_resolution_total"
                            f'{{job="oneiric", {DOMAIN}, outcome="failed"}}[5m]))'
                        )
                    },
                    unit="suffix: /s",
                    when_empty="No resolution has failed so far",
                    description="Failed resolutions a second by component. Why they failed, the log tells: the event "
                    "resolver-decision with the outcome failed.",
                    runbook="OneiricResolutionFailureRateHigh",
                    width=16,
                ),
                BarGauge(
                    "Failures by Domain",
                    {"{{domain}}": f"1 - oneiric:resolution_success_rate:5m{{{DOMAIN}}}"},
                    unit="percentunit",
                    decimals=1,
                    minimum=0,
                    maximum=0.2,
                    thresholds=("green", 0.01, "orange", 0.1, "red"),
                    description="Share of each domain that failed over five minutes; a bar is full at 20%. An alert "
                    "fires above 10%.",
                    runbook="OneiricResolutionFailuresByDomain",
                    height=8,
                ),
            ],
        ),
        Row(
            "Latency",
            [
                TimeSeries(
                    "Latency Percentiles",
                    {f"p{share}": f"max(oneiric:resolution_latency_p{share}:5m{{{DOMAIN}}})" for share in (50, 95, 99)},
                    unit="s",
                    thresholds=("green", 0.1, "orange", 0.5, "red"),
                    description="Of the slowest of the chosen domains. The objective is a p99 of 100 ms, where the "
                    "first alert fires; 500 ms break the agreement.",
                    runbook="OneiricResolutionLatencyHigh",
                ),
                Heatmap(
                    "Latency Heatmap",
                    {"{{le}}": f"sum by (le) (rate({DURATION}_bucket{LABELS}[5m]))"},
                    unit="s",
                    buckets=True,
                    scheme="Blues",
                    description="How many resolutions fell between which bounds. Two bands far apart: one component "
                    "is slow, not all.",
                    runbook="OneiricResolutionLatencyHigh",
                ),
            ],
        ),
        Row(
            "Components",
            [
                TimeSeries(
                    "Throughput by Domain",
                    {"{{domain}}": f"oneiric:resolution_throughput:5m{{{DOMAIN}}}"},
                    unit="suffix: /s",
                    stacked=True,
                    thresholds=("green", 100, "orange"),
                    description="Resolutions a second; above 100 of all domains together an alert tells of it.",
                    runbook="OneiricHighThroughput",
                    width=24,
                ),
                Table(
                    "Top Resolved Components",
                    {
                        "Rate": f"topk(20, {RATE})",
                        "Mean latency": Query(
                            f"(0 * topk(20, {RATE}) + on (domain, key) group_left () ({MEAN}))",
                            unit="s",
                        ),
                    },
                    unit="suffix: /s",
                    decimals=2,
                    columns={"domain": "Domain", "key": "Key", "provider": "Provider"},
                    description="The twenty most resolved components. The latency is that of the domain and key, over "
                    "all their providers: it is not measured by provider.",
                    runbook="OneiricHighThroughput",
                    width=14,
                    height=9,
                ),
                Table(
                    "Shadowed Components",
                    {"Shadowed": f"sum by ({COMPONENT}) (oneiric_resolution_shadowed_total{LABELS}) > 0"},
                    unit="short",
                    decimals=0,
                    thresholds=("green", 50, "orange"),
                    columns={"domain": "Domain", "key": "Key", "provider": "Provider"},
                    when_empty="Nothing is shadowed",
                    description="Candidates that others of higher rank hide; an alert fires above 50 altogether. "
                    "Their level and priority in the stack, `oneiric explain` and the log tell.",
                    runbook="OneiricShadowedComponentsHigh",
                    width=10,
                    height=9,
                ),
            ],
        ),
    ],
)
