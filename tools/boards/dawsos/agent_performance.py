"""Whether the agents answer, how fast, and whether their circuit breakers hold."""

from mape_k.packbuild.grafana import Board, Choice, Query, Row, Stat, Table, TimeSeries

JOB = 'job="dawsos-backend"'
AGENT = 'agent_name=~"$agent"'
INVOCATIONS = f"dawsos_agent_invocations_total{{{JOB}, {AGENT}}}"
LATENCY = f"dawsos:agent_latency_seconds:p95_5m{{{AGENT}}}"
STATE = f"dawsos_circuit_breaker_state{{{JOB}, {AGENT}}}"
FAILURES = f"dawsos_circuit_breaker_failures_total{{{JOB}, {AGENT}}}"

BOARD = Board(
    uid="dawsos-agent-performance",
    title="Agent Performance",
    system="dawsos",
    description="Whether the agents answer, how fast, and whether their circuit breakers hold.",
    refresh="5s",
    range="1h",
    variables=[
        Choice("agent", "Agent", metric='dawsos_agent_invocations_total{job="dawsos-backend"}', label="agent_name"),
    ],
    runbooks=["CircuitBreakerOpen", "CircuitBreakerFailuresSpike"],
    rows=[
        Row(
            "Now",
            [
                Stat(
                    "Total Agent Invocations",
                    {"in the time range": f"sum(increase({INVOCATIONS}[$__range]))"},
                    unit="short",
                    decimals=1,
                    description="Of the chosen agents, in the time range shown.",
                    width=4,
                    height=6,
                ),
                Stat(
                    "Agent Error Rate",
                    {
                        "{{agent_name}}": (
                            f"max by (agent_name) (dawsos:agent_errors:ratio_rate5m{{{AGENT}}} >= 0)"
                            f" or 0 * sum by (agent_name) (rate({INVOCATIONS}[5m]))"
                        )
                    },
                    unit="percentunit",
                    decimals=2,
                    thresholds=("green", 0.01, "orange", 0.05, "red"),
                    shows="both",
                    description="Failed calls of all calls of each agent, over five minutes. Above 1% look at its "
                    "provider; its breaker opens after five failures in a row.",
                    runbook="CircuitBreakerFailuresSpike",
                    width=10,
                    height=6,
                ),
                Stat(
                    "Agent P95 Latency",
                    {"{{agent_name}}": f"max by (agent_name) ({LATENCY} >= 0)"},
                    unit="s",
                    thresholds=("green", 0.5, "orange", 1, "red"),
                    shows="both",
                    when_empty="No call in five minutes",
                    description="Of each agent's slowest capability, over five minutes. Above 500 ms it makes "
                    "patterns slow.",
                    runbook="APILatencyP95Breach",
                    width=10,
                    height=6,
                ),
            ],
        ),
        Row(
            "Circuit breakers and calls",
            [
                Table(
                    "Circuit Breaker Status",
                    {
                        "Now": f"max by (agent_name) ({STATE})",
                        "Within 5 minutes": f"max by (agent_name) (max_over_time(({STATE} == bool 1)[5m:15s]))",
                    },
                    unit="short",
                    values={0: ("closed", "green"), 1: ("open", "red"), 2: ("half open", "orange")},
                    columns={"agent_name": "Agent"},
                    description="An open breaker refuses calls for a minute, then lets one through: what it was "
                    "within five minutes says more than what it is now. Reset it only after a good probe.",
                    runbook="CircuitBreakerOpen",
                    width=10,
                ),
                TimeSeries(
                    "Invocation Rate by Agent",
                    {
                        "{{agent_name}}": f"sum by (agent_name) (rate({INVOCATIONS}[5m]))",
                        "breaker failures of {{agent_name}}": Query(
                            f"sum by (agent_name) (increase({FAILURES}[5m]))",
                            unit="suffix: in 5 min",
                            axis="right",
                        ),
                    },
                    unit="ops",
                    description="Calls a second (left); failures that the breaker counted in five minutes (right). An "
                    "alert fires above 10 of them; 25 are the most that a breaker lets through.",
                    runbook="CircuitBreakerFailuresSpike",
                    width=14,
                ),
            ],
        ),
        Row(
            "Capabilities",
            [
                TimeSeries(
                    "Latency P95 by Agent & Capability",
                    {
                        "{{agent_name}}: {{capability}}": f"topk(10, max by (agent_name, capability) ({LATENCY}))",
                    },
                    unit="s",
                    thresholds=("green", 0.5, "orange", 1, "red"),
                    description="The ten slowest capabilities, over five minutes.",
                    runbook="APILatencyP95Breach",
                    height=9,
                ),
                TimeSeries(
                    "Invocation Rate by Capability",
                    {"{{capability}}": f"topk(10, sum by (capability) (rate({INVOCATIONS}[5m])))"},
                    unit="ops",
                    description="The ten capabilities that are called most. One that falls to nothing while the "
                    "others go on: a pattern is disabled, or a breaker is open.",
                    runbook="CircuitBreakerOpen",
                    height=9,
                ),
            ],
        ),
    ],
)
