"""Whether the objectives are met, and what they rest on."""

from mape_k.packbuild.grafana import Board, Row, StateTimeline, TimeSeries

JOB = 'job="dawsos-backend"'
REQUESTS = f"sum(rate(dawsos_requests_total{{{JOB}}}[5m]))"

BOARD = Board(
    uid="dawsos-slo",
    title="SLO Overview",
    system="dawsos",
    description="Whether the objectives are met, and what they rest on: pricing packs, agents, breakers.",
    range="6h",
    runbooks=["APILatencyP99Breach", "APILatencyP95Breach", "PackBuildDurationExceeded", "PackInErrorState"],
    rows=[
        Row(
            "The API",
            [
                TimeSeries(
                    "API Latency P99",
                    {"{{pattern_id}}": "max by (pattern_id) (dawsos:api_request_duration_seconds:p99_5m)"},
                    unit="s",
                    thresholds=("green", 0.5, "red"),
                    description="By pattern, over five minutes; the objective is 500 ms.",
                    runbook="APILatencyP99Breach",
                ),
                TimeSeries(
                    "API Latency P95",
                    {"{{pattern_id}}": "max by (pattern_id) (dawsos:api_request_duration_seconds:p95_5m)"},
                    unit="s",
                    thresholds=("green", 0.3, "red"),
                    description="By pattern, over five minutes; the objective is 300 ms. It lies between two bounds "
                    "of the histogram, 250 and 500 ms: an estimate.",
                    runbook="APILatencyP95Breach",
                ),
                TimeSeries(
                    "Request Rate by Pattern",
                    {"{{pattern_id}}": "sum by (pattern_id) (dawsos:requests:rate5m)"},
                    unit="reqps",
                    stacked=True,
                    description="Requests a second. Where hardly anybody asks, a share of failures says little.",
                    runbook="LowRequestVolume",
                ),
                TimeSeries(
                    "Error Rate",
                    {"failed": f"max(dawsos:request_errors:ratio_rate5m >= 0) or 0 * {REQUESTS}"},
                    unit="percentunit",
                    thresholds=("green", 0.01, "orange", 0.05, "red"),
                    description="Requests that failed on the server's side, of all. Alerts fire above 1% and above 5%.",
                    runbook="HighErrorRate",
                ),
            ],
        ),
        Row(
            "The pricing pack",
            [
                StateTimeline(
                    "Pack Freshness Status",
                    {"{{pack_id}}": f"max by (pack_id) (dawsos_pack_freshness{{{JOB}}})"},
                    unit="short",
                    values={
                        0: ("warming", "yellow"),
                        1: ("fresh", "green"),
                        2: ("error", "red"),
                        3: ("stale", "orange"),
                    },
                    description="The current pack, and in the past those that were. In error nothing can be priced: "
                    "an alert pages after a minute. Everything but fresh raises one after thirty.",
                    runbook="PackNotFresh",
                    height=7,
                ),
                TimeSeries(
                    "Pack Build Duration",
                    {
                        "last build": f"max(dawsos_pack_last_build_duration_seconds{{{JOB}}}) / 60",
                        "mean of {{pack_id}}": "max by (pack_id) (dawsos:pack_build_duration_seconds:mean) / 60",
                    },
                    unit="m",
                    thresholds=("green", 10, "red"),
                    description="The objective is 10 minutes; the alert is about the last build. The mean is that of "
                    "all builds of the current pack.",
                    runbook="PackBuildDurationExceeded",
                    height=7,
                ),
            ],
        ),
        Row(
            "Agents",
            [
                TimeSeries(
                    "Agent Invocations by Capability",
                    {
                        "{{capability}}": (
                            f"topk(10, sum by (capability) (rate(dawsos_agent_invocations_total{{{JOB}}}[5m])))"
                        )
                    },
                    unit="ops",
                    description="Calls a second of the ten capabilities that are called most.",
                    runbook="CircuitBreakerOpen",
                ),
                StateTimeline(
                    "Circuit Breaker State",
                    {"{{agent_name}}": f"max by (agent_name) (dawsos_circuit_breaker_state{{{JOB}}})"},
                    unit="short",
                    values={0: ("closed", "green"), 1: ("open", "red"), 2: ("half open", "orange")},
                    description="Open: calls of the agent are refused, for a minute at a time. An alert fires at once.",
                    runbook="CircuitBreakerOpen",
                ),
            ],
        ),
    ],
)
