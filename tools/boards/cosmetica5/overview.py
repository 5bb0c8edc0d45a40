"""Whether the clinic's system answers, how fast, and what it does."""

from mape_k.packbuild.grafana import Board, Row, Stat, Table, Text, TimeSeries

JOB = 'job="cosmetica5"'
REQUESTS = f"http_requests_total{{{JOB}}}"
BUCKETS = f"rate(http_request_duration_seconds_bucket{{{JOB}}}[5m])"


def share_of(status: str) -> str:
    """Return the share of the requests that were answered with such a status; none of them is 0."""
    answered = f'sum(rate(http_requests_total{{{JOB}, status=~"{status}"}}[5m]))'
    return f"({answered} or 0 * sum(rate({REQUESTS}[5m]))) / sum(rate({REQUESTS}[5m]))"


def a_minute(metric: str) -> str:
    """Return how many events a minute there were."""
    return f"60 * sum(rate({metric}{{{JOB}}}[5m]))"


CORRELATION = """\
Every answer carries `X-Request-ID`; the same id is in each log line of that request.

1. Take the id from the answer, or from the log line of an error: `{app="cosmetica5", level="error"} | json`

2. Read the request from end to end: `{app="cosmetica5"} | json | request_id="…"`

3. A sale, a refund or a lead is named in those lines, never in a metric.
"""

BOARD = Board(
    uid="cosmetica5-overview",
    title="System Overview",
    system="cosmetica5",
    description="Whether the clinic's system answers, how fast, and what it does.",
    runbooks=[
        "APIHigh5xxRate",
        "APILatencyP95High",
        "CosmeticaTargetDown",
        "CosmeticaMetricAbsent",
        "CosmeticaUnhandledExceptionsInLogs",
    ],
    rows=[
        Row(
            "Interface",
            [
                Stat(
                    "Request Throughput",
                    {"requests": f"sum(rate({REQUESTS}[$__rate_interval]))"},
                    unit="reqps",
                    thresholds=("green", 50, "orange", 100, "red"),
                    sparkline=True,
                    description="Below 50 a second is normal, to 100 busy, above that high.",
                    width=8,
                    height=8,
                ),
                TimeSeries(
                    "Error Rate 4xx vs 5xx",
                    {"4xx": share_of("4.."), "5xx": share_of("5..")},
                    unit="percentunit",
                    thresholds=("green", 0.01, "orange", 0.1, "red"),
                    colours={"4xx": "orange", "5xx": "red"},
                    description="Shares of all requests. Above 1% of 5xx an alert fires; above 10% of 4xx look at who "
                    "asks, and for what.",
                    runbook="APIHigh5xxRate",
                    width=16,
                ),
                TimeSeries(
                    "Latency p50/p95/p99",
                    {
                        "p50": f"histogram_quantile(0.5, sum by (le) ({BUCKETS}))",
                        "p95": f"histogram_quantile(0.95, sum by (le) ({BUCKETS}))",
                        "p99": f"histogram_quantile(0.99, sum by (le) ({BUCKETS}))",
                    },
                    unit="s",
                    thresholds=("green", 0.1, "yellow", 0.5, "orange", 1, "red"),
                    description="The lines are the aims: 100 ms for p50, 500 ms for p95, 1 s for p99. An alert fires "
                    "when p95 stays above 1 s for ten minutes: that is where people wait.",
                    runbook="APILatencyP95High",
                    width=24,
                ),
            ],
        ),
        Row(
            "What it does",
            [
                TimeSeries(
                    "Domain Events Activity",
                    {
                        "transitions of sales": a_minute("sales_transition_total"),
                        "stock moves": a_minute("stock_moves_total"),
                        "refunds": a_minute("sale_refunds_total"),
                        "leads": a_minute("public_leads_requests_total"),
                        "clinical audit entries": a_minute("clinical_auditlog_created_total"),
                        "refused looks at the audit log": a_minute("clinical_auditlog_access_denied_total"),
                    },
                    unit="suffix: /min",
                    description="Events a minute, over five minutes. A flow that falls to nothing while the others go "
                    "on is broken, or closed.",
                    width=24,
                ),
                Table(
                    "Top Errors",
                    {
                        "Errors": (
                            "topk(10, sum by (path, status) "
                            f'(increase(http_requests_total{{{JOB}, status=~"[45].."}}[1h])) > 0 '
                            "or sum by (exception_type, location) "
                            f"(increase(exceptions_total{{{JOB}}}[1h])) > 0)"
                        )
                    },
                    unit="none",
                    decimals=0,
                    columns={
                        "path": "Path",
                        "status": "Status",
                        "exception_type": "Exception",
                        "location": "Where",
                    },
                    when_empty="No error in the last hour",
                    description="The ten most frequent errors of the last hour: answers by path, exceptions by place.",
                    runbook="APIHigh5xxRate",
                    width=14,
                    height=9,
                ),
                Text("Request Correlation Guide", content=CORRELATION, width=10, height=9),
            ],
        ),
    ],
)
