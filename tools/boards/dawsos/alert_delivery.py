"""Whether alerts reach their users, and what waits in the dead letter queue."""

from mape_k.packbuild.grafana import Board, Logs, Query, Row, Stat, TimeSeries

JOB = 'job="dawsos-backend"'
DELIVERIES = f"dawsos_alert_deliveries_total{{{JOB}}}"
SENT = f'dawsos_alert_deliveries_total{{{JOB}, result=~"delivered|failed"}}'
BUCKETS = f"sum by (channel, le) (rate(dawsos_alert_delivery_duration_seconds_bucket{{{JOB}}}[15m]))"

BOARD = Board(
    uid="dawsos-alert-delivery",
    title="Alert Delivery & DLQ",
    system="dawsos",
    description="Whether alerts reach their users, and what waits in the dead letter queue.",
    refresh="10s",
    range="6h",
    runbooks=[
        "AlertDLQExhausted",
        "AlertDeliveryBroken",
        "AlertDLQFlooded",
        "AlertRetryWorkerStopped",
        "AlertDLQOverdue",
    ],
    rows=[
        Row(
            "Deliveries",
            [
                Stat(
                    "Alert Deliveries (5m)",
                    {
                        "{{channel}}": (
                            "sum by (channel) (increase("
                            f'dawsos_alert_deliveries_total{{{JOB}, result="delivered"}}[5m]))'
                        )
                    },
                    unit="none",
                    decimals=0,
                    shows="both",
                    when_empty="None so far",
                    description="Alerts delivered at the first attempt in five minutes, by channel; repeats of the "
                    "same alert are not sent and do not count.",
                    width=12,
                    height=6,
                ),
                Stat(
                    "Delivery Failure Rate",
                    {
                        "{{channel}}": (
                            "max by (channel) (dawsos:alert_delivery_failures:ratio_rate15m >= 0)"
                            f" or 0 * sum by (channel) (rate({SENT}[15m]))"
                        )
                    },
                    unit="percentunit",
                    decimals=2,
                    thresholds=("green", 0.05, "orange", 0.15, "red"),
                    shows="both",
                    when_empty="Nothing was sent so far",
                    description="Of what was really sent, over fifteen minutes, by channel. Alerts fire above 5% and "
                    "above 15%, from three failures on.",
                    runbook="AlertDeliveryBroken",
                    width=12,
                    height=6,
                ),
                TimeSeries(
                    "Delivery Rate",
                    {"{{channel}} {{result}}": f"60 * sum by (channel, result) (rate({DELIVERIES}[5m]))"},
                    unit="suffix: /min",
                    colours={
                        "inapp delivered": "green",
                        "inapp duplicate": "yellow",
                        "inapp failed": "red",
                        "email delivered": "blue",
                        "email duplicate": "purple",
                        "email failed": "orange",
                    },
                    when_empty="Nothing was sent so far",
                    description="First attempts a minute, by channel and what came of them.",
                    runbook="AlertDeliveryFailing",
                    height=9,
                ),
                TimeSeries(
                    "Delivery Latency P50/P95/P99",
                    {
                        "{{channel}} p50": f"histogram_quantile(0.5, {BUCKETS})",
                        "{{channel}} p95": "max by (channel) (dawsos:alert_delivery_duration_seconds:p95_15m)",
                        "{{channel}} p99": f"histogram_quantile(0.99, {BUCKETS})",
                    },
                    unit="s",
                    logarithmic=True,
                    when_empty="Nothing was sent in the time range",
                    description="Of an attempt, over fifteen minutes. What ends at 30 s was ended by a time-out or "
                    "took longer.",
                    runbook="AlertDeliveryFailing",
                    height=9,
                ),
            ],
        ),
        Row(
            "The dead letter queue",
            [
                TimeSeries(
                    "DLQ Size",
                    {
                        "{{state}}": f"max by (state) (dawsos_alert_dlq_entries{{{JOB}}})",
                        "age of the oldest": Query(
                            f"max(dawsos_alert_dlq_oldest_seconds{{{JOB}}}) / 3600", unit="h", axis="right"
                        ),
                    },
                    unit="short",
                    thresholds=("green", 10, "orange", 50, "red"),
                    colours={"pending": "blue", "exhausted": "red", "age of the oldest": "purple"},
                    description="Alerts fire above 10 and above 50 pending entries, at the first exhausted one (it is "
                    "never tried again: tell its user), and when the oldest is over 38 h 35 min.",
                    runbook="AlertDLQGrowing",
                    height=9,
                ),
                TimeSeries(
                    "Average Retry Count",
                    {
                        "retries of a pending entry": "dawsos:alert_dlq_retries:mean",
                        "since the worker's last run": Query(
                            f"(time() - max(dawsos_alert_retry_last_run_timestamp_seconds{{{JOB}}} > 0)) / 60",
                            unit="m",
                            axis="right",
                        ),
                    },
                    unit="short",
                    decimals=1,
                    thresholds=("green", 3, "red"),
                    colours={"retries of a pending entry": "blue", "since the worker's last run": "purple"},
                    description="After five retries an entry is given up: above 3 in the mean an alert fires. The "
                    "worker runs every 5 minutes (right); an alert fires after 15 without.",
                    runbook="AlertRetriesMany",
                    height=9,
                ),
            ],
        ),
        Row(
            "From the logs",
            [
                Logs(
                    "Failed Alerts",
                    {
                        "deliveries": '{app="dawsos"} |= `deliver` | json | level=~"warning|error"',
                        "retries": '{app="dawsos-retry-worker"} | json | level=~"warning|error"',
                        "dead letters": '{app="dawsos"} |~ `(?i)dlq|dead.letter` | json',
                    },
                    description="Which alerts failed, with their error: deliveries, retries, and what went to the "
                    "dead letters. No metric has an alert's id.",
                    runbook="AlertDLQExhausted",
                    width=14,
                    height=10,
                ),
                Logs(
                    "Recent Successful Deliveries",
                    {"delivered": '{app=~"dawsos|dawsos-retry-worker"} |= `deliver` | json | level="info"'},
                    description="The newest deliveries that went well, those of the retry worker too: after a repair "
                    "look for the channel here. A mail that was not sent for want of credentials counts as one, and "
                    "the log says so.",
                    runbook="DawsOSMailNotConfiguredInLogs",
                    width=10,
                    height=10,
                ),
            ],
        ),
    ],
)
