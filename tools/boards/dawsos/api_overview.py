"""Whether the API answers, how fast, and which pattern fails."""

from mape_k.packbuild.grafana import Board, Choice, Query, Row, Stat, TimeSeries

JOB = 'job="dawsos-backend"'
PATTERN = 'pattern_id=~"$pattern"'
REQUESTS = f"sum(rate(dawsos_requests_total{{{JOB}}}[5m]))"
EXECUTIONS = f"dawsos_pattern_executions_total{{{JOB}, {PATTERN}}}"
BUCKETS = f"sum by (pattern_id, le) (rate(dawsos_api_request_duration_seconds_bucket{{{JOB}, {PATTERN}}}[5m]))"
STEP = "pattern_id, step_index, capability"

BOARD = Board(
    uid="dawsos-api-overview",
    title="API Overview",
    system="dawsos",
    description="Whether the API answers, how fast, and which pattern fails.",
    refresh="5s",
    range="1h",
    variables=[
        Choice("pattern", "Pattern", metric='dawsos_requests_total{job="dawsos-backend"}', label="pattern_id"),
    ],
    runbooks=[
        "BackendServiceDown",
        "CriticalErrorRate",
        "HighErrorRate",
        "APILatencyP95Breach",
        "LowRequestVolume",
        "DawsosMetricAbsent",
    ],
    rows=[
        Row(
            "All patterns, now",
            [
                Stat(
                    "Request Rate",
                    {
                        "requests": "sum(dawsos:requests:rate5m)",
                        "backends that answer": Query(f"sum(up{{{JOB}}}) or vector(0)", unit="short"),
                    },
                    unit="reqps",
                    thresholds=("red", 0.01, "green"),
                    shows="both",
                    description="Requests a second over five minutes. Below 0.01 nobody asks: send a request of your "
                    "own. No backend that answers: everything here is blind.",
                    runbook="LowRequestVolume",
                    width=9,
                ),
                Stat(
                    "Error Rate",
                    {"failed": f"max(dawsos:request_errors:ratio_rate5m >= 0) or 0 * {REQUESTS}"},
                    unit="percentunit",
                    decimals=2,
                    thresholds=("green", 0.01, "orange", 0.05, "red"),
                    filled=True,
                    description="Requests that failed on the server's side, of all; refusals (4xx) and a pack that "
                    "warms are none. Alerts fire above 1% and above 5%, from three errors on.",
                    runbook="CriticalErrorRate",
                    width=5,
                ),
                Stat(
                    "P95 Latency",
                    {"slowest pattern": "max(dawsos:api_request_duration_seconds:p95_5m >= 0)"},
                    unit="s",
                    thresholds=("green", 0.3, "orange", 1, "red"),
                    filled=True,
                    when_empty="No request in five minutes",
                    description="Of the slowest pattern, over five minutes. The objective is 300 ms, where an alert "
                    "fires; from 1 s on people give up.",
                    runbook="APILatencyP95Breach",
                    width=5,
                ),
                Stat(
                    "Total Pattern Executions",
                    {"in the time range": f"sum(increase({EXECUTIONS}[$__range]))"},
                    unit="short",
                    decimals=1,
                    description="Of the chosen patterns, in the time range shown.",
                    width=5,
                ),
            ],
        ),
        Row(
            "Requests",
            [
                TimeSeries(
                    "Request Rate by Status",
                    {"{{status}}": f"sum by (status) (dawsos:requests:rate5m{{{PATTERN}}})"},
                    unit="reqps",
                    stacked=True,
                    colours={"success": "green", "error": "red"},
                    description="Requests a second for the chosen patterns, by what came of them.",
                    runbook="HighErrorRate",
                ),
                TimeSeries(
                    "API Latency Percentiles",
                    {
                        "p50": f"max(histogram_quantile(0.5, {BUCKETS}))",
                        "p95": f"max(dawsos:api_request_duration_seconds:p95_5m{{{PATTERN}}})",
                        "p99": f"max(dawsos:api_request_duration_seconds:p99_5m{{{PATTERN}}})",
                    },
                    unit="s",
                    thresholds=("green", 0.3, "orange", 0.5, "red"),
                    description="Of the slowest of the chosen patterns. Alerts fire when p95 is above 300 ms or p99 "
                    "above 500 ms for five minutes. 300 ms lie between two bounds of the histogram: an estimate.",
                    runbook="APILatencyP99Breach",
                ),
            ],
        ),
        Row(
            "Patterns",
            [
                TimeSeries(
                    "Pattern Execution Rate",
                    {
                        "success": f'sum(dawsos:pattern_executions:rate5m{{{PATTERN}, status="success"}})',
                        "error: {{pattern_id}}": (
                            f'sum by (pattern_id) (dawsos:pattern_executions:rate5m{{{PATTERN}, status="error"}})'
                        ),
                    },
                    unit="ops",
                    logarithmic=True,
                    colours={"success": "green"},
                    description="Executions a second that succeeded, and the pattern of each that did not: the "
                    "highest line of these is the one to disable.",
                    runbook="CriticalErrorRate",
                    height=9,
                ),
                TimeSeries(
                    "Pattern Step Duration P95",
                    {
                        "{{pattern_id}} {{step_index}}: {{capability}}": (
                            f"topk(10, max by ({STEP}) (dawsos:pattern_step_duration_seconds:p95_5m{{{PATTERN}}}))"
                        )
                    },
                    unit="s",
                    description="The ten slowest steps of the chosen patterns, numbered from 0. A pattern is as slow "
                    "as its steps together.",
                    runbook="APILatencyP95Breach",
                    height=9,
                ),
            ],
        ),
    ],
)
