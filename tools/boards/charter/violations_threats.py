"""Who breaks the Charter, how, and what is being done about it."""

from mape_k.packbuild.grafana import Board, Choice, Gauge, Heatmap, Pie, Row, Stat, Table, TimeSeries

JOB = 'job="westworld-charter"'
VIOLATIONS = f'westworld_charter_violations_total{{{JOB}, node_or_service=~"$node"}}'
ATTEMPTS = f'westworld_charter_forbidden_metric_attempts_total{{{JOB}, node_or_service=~"$node"}}'
EVENT = "severity, violation_type, node_or_service"

BOARD = Board(
    uid="violations-threats",
    title="Violations & Threats",
    system="charter",
    description="Who breaks the Charter, how, and what is being done about it.",
    variables=[Choice("node", "Node or service", metric="westworld_charter_violations_total", label="node_or_service")],
    runbooks=[
        "CriticalViolationDetected",
        "ForbiddenMetricSpike",
        "ForbiddenMetricSpread",
        "CommitteeOverloaded",
        "CommitteeBelowQuorum",
    ],
    rows=[
        Row(
            "Now",
            [
                Stat(
                    "Emergency Override Status",
                    {"overrides in force": f"max(westworld_charter_emergency_override_active_count{{{JOB}}})"},
                    unit="short",
                    thresholds=("green", 1, "orange", 2, "red"),
                    filled=True,
                    description="Emergency overrides in force; normal is none. "
                    "An alert fires when one stays for 30 minutes.",
                    runbook="EmergencyOverrideStayingActive",
                    width=6,
                    height=7,
                ),
                Gauge(
                    "Violations Under Investigation",
                    {"{{severity}}": f"max by (severity) (westworld_charter_violations_under_investigation{{{JOB}}})"},
                    unit="short",
                    minimum=0,
                    maximum=12,
                    thresholds=("green", 3, "orange", 6, "red"),
                    description="Open investigations by severity: to 2 normal, from 6 on too many of one severity. "
                    "An alert fires above 10 of all severities together.",
                    runbook="CommitteeOverloaded",
                    width=18,
                ),
            ],
        ),
        Row(
            "Violations",
            [
                TimeSeries(
                    "Violations Timeline",
                    {"{{severity}}": f"sum by (severity) (rate({VIOLATIONS}[5m]))"},
                    unit="eps",
                    stacked=True,
                    colours={
                        "WARNING": "yellow",
                        "SUSPENSION": "orange",
                        "BAN_1YEAR": "light-red",
                        "PERMANENT_BAN": "red",
                        "CRIMINAL_REFERRAL": "purple",
                    },
                    description="Violations per second over five minutes. PERMANENT_BAN and CRIMINAL_REFERRAL are of "
                    "critical weight: one is enough for an alert.",
                    runbook="CriticalViolationDetected",
                    width=16,
                    height=9,
                ),
                Pie(
                    "Violation Types Distribution",
                    {"{{violation_type}}": f"sum by (violation_type) (increase({VIOLATIONS}[$__range]))"},
                    unit="short",
                    description="Shares of the types among the violations of the time range shown.",
                    height=9,
                ),
                Heatmap(
                    "Top 10 Violating Nodes",
                    {
                        "{{node_or_service}} · {{violation_type}}": (
                            f"sum by (node_or_service, violation_type) (increase({VIOLATIONS}[1h])) > 0 "
                            "and on (node_or_service) "
                            f"topk(10, sum by (node_or_service) (increase({VIOLATIONS}[$__range] @ end())))"
                        )
                    },
                    unit="short",
                    scheme="RdYlGn",
                    reverse=True,
                    minimum=0,
                    maximum=100,
                    description="Violations in the hour before, by node and type, of the ten nodes with the most in "
                    "the time range shown. Red from 100 on.",
                    when_empty="No violation in the time range",
                    width=24,
                    height=11,
                ),
                Table(
                    "Recent Violations",
                    {
                        "Count": (
                            f"topk(20, (sum by ({EVENT}) (increase({VIOLATIONS}[1h])) > 0) "
                            f"or (sum by ({EVENT}) ({VIOLATIONS}) "
                            f"unless sum by ({EVENT}) ({VIOLATIONS.replace('}', '} offset 1h')})) > 0)"
                        )
                    },
                    unit="short",
                    decimals=0,
                    columns={
                        "severity": "Severity",
                        "violation_type": "Type",
                        "node_or_service": "Node or service",
                    },
                    when_empty="No violation in the last hour",
                    description="The 20 greatest numbers of the last hour; the first event of a new series counts too.",
                    width=24,
                ),
            ],
        ),
        Row(
            "Threats",
            [
                Heatmap(
                    "Forbidden Metric Access Attempts",
                    {
                        "{{metric_name}} · {{node_or_service}}": (
                            f"60 * sum by (metric_name, node_or_service) (rate({ATTEMPTS}[5m])) > 0"
                        )
                    },
                    unit="cpm",
                    scheme="RdYlGn",
                    reverse=True,
                    minimum=0,
                    maximum=10,
                    description="Attempts per minute over five minutes, by forbidden metric and by who reached for it. "
                    "Red, from 10 a minute on, is worth a look; the alert fires above 10 a second.",
                    when_empty="No attempt in the time range",
                    runbook="ForbiddenMetricSpike",
                    width=24,
                    height=11,
                ),
            ],
        ),
    ],
)
