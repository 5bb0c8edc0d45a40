"""Whether the public form takes leads, and keeps floods out."""

from mape_k.packbuild.grafana import Board, Row, Stat, TimeSeries

JOB = 'job="cosmetica5"'
LEADS = f"public_leads_requests_total{{{JOB}}}"
REFUSED = f"public_leads_429_total{{{JOB}}}"
ANSWERED_429 = f"sum(rate({REFUSED}[5m]))"
THROTTLED = f"public_leads_throttled_total{{{JOB}}}"

BOARD = Board(
    uid="cosmetica5-public-leads",
    title="Public Leads",
    system="cosmetica5",
    description="Whether the public form takes leads, and keeps floods out.",
    refresh="10s",
    runbooks=["PublicLeads429Spike", "PublicLeadsCreationFailures", "ThrottleDisabledOrNotWorking"],
    rows=[
        Row(
            "Submissions",
            [
                TimeSeries(
                    "Lead Submission Rate",
                    {"{{result}}": f"60 * sum by (result) (rate({LEADS}[5m]))"},
                    unit="suffix: /min",
                    stacked=True,
                    colours={"accepted": "green", "rejected": "orange"},
                    when_empty="No submission so far",
                    description="Submissions a minute that passed the throttle.",
                    runbook="ThrottleDisabledOrNotWorking",
                    width=16,
                ),
                Stat(
                    "Acceptance Rate",
                    {"accepted": "1 - (cosmetica5:lead_rejections:ratio_rate5m >= 0)"},
                    unit="percentunit",
                    decimals=1,
                    thresholds=("red", 0.5, "orange", 0.8, "green"),
                    filled=True,
                    when_empty="No submission in five minutes",
                    description="Of what passed the throttle, over five minutes. Above 80% is good; an alert fires "
                    "below 50%.",
                    runbook="PublicLeadsCreationFailures",
                    width=8,
                    height=8,
                ),
                TimeSeries(
                    "Validation Failures",
                    {"rejected": "cosmetica5:lead_rejections:ratio_rate5m >= 0"},
                    unit="percentunit",
                    thresholds=("green", 0.05, "orange", 0.5, "red"),
                    colours={"rejected": "orange"},
                    when_empty="No submission in the time range",
                    description="Share of the submissions that were refused as invalid. Beyond 5% the error budget "
                    "burns; an alert about the form itself fires above a half.",
                    runbook="PublicLeadsCreationFailures",
                    width=24,
                ),
            ],
        ),
        Row(
            "Throttle",
            [
                TimeSeries(
                    "Throttling Activity",
                    {
                        "{{scope}}": f"60 * sum by (scope) (rate({THROTTLED}[5m]))",
                        "answered 429": f"60 * {ANSWERED_429}",
                    },
                    unit="suffix: /min",
                    description="What the throttle stopped a minute, by its two limits (burst: 2 a minute, hourly: 10 "
                    "an hour, for each address), and what was answered 429; the two together are as much as the third.",
                    runbook="PublicLeads429Spike",
                    width=16,
                ),
                Stat(
                    "Throttle Health Check",
                    {
                        "throttle": (
                            f"1 - ((sum(rate({LEADS}[5m])) > bool 0.5) * on () "
                            f"((sum(increase({THROTTLED}[1h])) or vector(0)) == bool 0) * on () "
                            f"((sum(increase({REFUSED}[1h])) or vector(0)) == bool 0))"
                        )
                    },
                    unit="short",
                    values={1: ("works", "green"), 0: ("does not stop anybody", "red")},
                    filled=True,
                    when_empty="No submission so far",
                    description="Red when more than one submission in two seconds passes and nothing was stopped for "
                    "an hour.",
                    runbook="ThrottleDisabledOrNotWorking",
                    width=8,
                    height=8,
                ),
                TimeSeries(
                    "HTTP 429 Rate",
                    {"429": f"{ANSWERED_429} / ({ANSWERED_429} + (sum(rate({LEADS}[5m])) or vector(0)) > 0)"},
                    unit="percentunit",
                    thresholds=("green", 0.5, "red"),
                    when_empty="No submission in the time range",
                    description="Share of all submissions that were answered 429, of those that passed and those that "
                    "did not. An alert fires above a half.",
                    runbook="PublicLeads429Spike",
                    width=24,
                ),
            ],
        ),
    ],
)
