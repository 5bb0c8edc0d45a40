"""Whether sales are paid and their stock is consumed."""

from mape_k.packbuild.grafana import BarGauge, Board, Query, Row, Stat, Table, TimeSeries

JOB = 'job="cosmetica5"'
CONSUMED = "sales_paid_stock_consume_total"
BUCKETS = f"rate(sales_paid_stock_consume_duration_seconds_bucket{{{JOB}}}[5m])"

BOARD = Board(
    uid="cosmetica5-sales-stock",
    title="Sales & Stock",
    system="cosmetica5",
    description="Whether sales are paid and their stock is consumed, first expired first out.",
    refresh="15s",
    runbooks=["SalePaidTransitionFailures", "StockConsumeFailures", "SalePaidSLOFastBurn"],
    rows=[
        Row(
            "Sales",
            [
                TimeSeries(
                    "Sale Transitions",
                    {"to {{to_status}}": f"60 * sum by (to_status) (rate(sales_transition_total{{{JOB}}}[5m]))"},
                    unit="suffix: /min",
                    stacked=True,
                    colours={"to paid": "green", "to cancelled": "orange", "to refunded": "purple"},
                    when_empty="No sale so far",
                    description="Transitions a minute, by the state that a sale came to or was refused for; to paid "
                    "is what earns.",
                    runbook="SalePaidTransitionFailures",
                    width=14,
                ),
                BarGauge(
                    "Transition Failures",
                    {
                        "{{result}}": (
                            "sum by (result) (increase(sales_transition_total"
                            f'{{{JOB}, to_status="paid", result!="success"}}[1h]))'
                        )
                    },
                    unit="none",
                    decimals=0,
                    thresholds=("green", 1, "orange", 10, "red"),
                    when_empty="No failure in the last hour",
                    description="Sales of the last hour that did not become paid. The first three are refusals of the "
                    "business; error is an exception that nobody expected. An alert fires at 5% of all, over five "
                    "minutes.",
                    runbook="SalePaidTransitionFailures",
                    width=10,
                    height=8,
                ),
            ],
        ),
        Row(
            "Stock",
            [
                Stat(
                    "Stock Consumption Success Rate",
                    {
                        "success": (
                            f'1 - (sum(increase({CONSUMED}{{{JOB}, result!~"success|idempotent"}}[10m])) or vector(0))'
                            f' / (sum(increase({CONSUMED}{{{JOB}, result!="idempotent"}}[10m])) > 0)'
                        )
                    },
                    unit="percentunit",
                    thresholds=("red", 0.95, "orange", 0.99, "green"),
                    filled=True,
                    when_empty="Nothing to take in ten minutes",
                    description="Of all that was to be taken in ten minutes; repeats of what was done already do not "
                    "count. Above 99% is good; an alert fires below.",
                    runbook="StockConsumeFailures",
                    width=8,
                    height=8,
                ),
                TimeSeries(
                    "Stock Consumption Latency",
                    {
                        "p95": f"histogram_quantile(0.95, sum by (le) ({BUCKETS}))",
                        "p99": f"histogram_quantile(0.99, sum by (le) ({BUCKETS}))",
                    },
                    unit="s",
                    thresholds=("green", 0.5, "red"),
                    when_empty="Nothing was taken in the time range",
                    description="The objective: 95% within 500 ms; an alert fires when p95 stays above it. Only what "
                    "succeeded is timed.",
                    runbook="StockConsumeLatencyHigh",
                    width=16,
                ),
                TimeSeries(
                    "Idempotency Events",
                    {
                        "of all attempts": (
                            f'sum(increase({CONSUMED}{{{JOB}, result="idempotent"}}[1h]))'
                            f" / (sum(increase({CONSUMED}{{{JOB}}}[1h])) > 0)"
                        ),
                        "in an hour": Query(
                            f'sum(increase({CONSUMED}{{{JOB}, result="idempotent"}}[1h]))',
                            unit="suffix: /h",
                            axis="right",
                        ),
                    },
                    unit="percentunit",
                    decimals=1,
                    thresholds=("green", 0.01, "orange"),
                    when_empty="No repeat so far",
                    description="Repeats of what was taken already, in the hour before: their share of all attempts, "
                    "and how many (right). Below 1% is normal; more means that somebody sends twice.",
                    runbook="StockConsumeFailures",
                    width=10,
                ),
                Table(
                    "Exception Hotspots",
                    {
                        "In an hour": (
                            f"topk(5, sum by (exception_type, location) (increase(exceptions_total{{{JOB}}}[1h])) > 0)"
                        )
                    },
                    unit="none",
                    decimals=0,
                    columns={"exception_type": "Exception", "location": "Where"},
                    when_empty="No exception in the last hour",
                    description="The five most frequent exceptions of the last hour.",
                    runbook="StockConsumeFailures",
                    width=14,
                    height=8,
                ),
            ],
        ),
    ],
)
