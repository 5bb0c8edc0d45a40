"""Whether refunds succeed, and whether their stock comes back."""

from mape_k.packbuild.grafana import Board, Query, Row, Stat, TimeSeries

JOB = 'job="cosmetica5"'


def in_an_hour(metric: str) -> str:
    """Return how many there were in the last hour."""
    return f"sum(increase({metric}{{{JOB}}}[1h]))"


BOARD = Board(
    uid="cosmetica5-refunds",
    title="Refunds",
    system="cosmetica5",
    description="Whether refunds succeed, and whether their stock comes back.",
    runbooks=["RefundFailures", "OverRefundBlockedSpike", "IdempotencyConflictsSpike"],
    rows=[
        Row(
            "Refunds",
            [
                TimeSeries(
                    "Refund Creation Rate",
                    {
                        "{{type}}": f"3600 * sum by (type) (rate(sale_refunds_total{{{JOB}}}[15m]))",
                        "lines of refunds": f"3600 * sum(rate(sale_refund_lines_total{{{JOB}}}[15m]))",
                    },
                    unit="suffix: /h",
                    when_empty="No refund so far",
                    description="Refunds an hour at the pace of the last fifteen minutes: whole sales, parts of them, "
                    "and the lines that they have together.",
                    runbook="RefundFailures",
                    width=16,
                ),
                Stat(
                    "Refund Success Rate",
                    {
                        "success": (
                            f'1 - (sum(increase(sale_refunds_total{{{JOB}, result="failure"}}[15m])) or vector(0))'
                            f" / (sum(increase(sale_refunds_total{{{JOB}}}[15m])) > 0)"
                        )
                    },
                    unit="percentunit",
                    thresholds=("red", 0.9, "orange", 0.98, "green"),
                    filled=True,
                    when_empty="No refund in fifteen minutes",
                    description="Over fifteen minutes. Above 98% is good; an alert fires below 90%.",
                    runbook="RefundFailures",
                    width=8,
                    height=8,
                ),
            ],
        ),
        Row(
            "What was stopped",
            [
                TimeSeries(
                    "Over-Refund Blocked",
                    {"blocked": in_an_hour("sale_refund_over_refund_attempts_total")},
                    unit="suffix: /h",
                    thresholds=("green", 10, "red"),
                    description="Attempts in the hour before to give back more than was sold. An alert fires above "
                    "10, as long as it goes on.",
                    runbook="OverRefundBlockedSpike",
                    width=12,
                ),
                TimeSeries(
                    "Idempotency Conflicts",
                    {"conflicts": in_an_hour("sale_refund_idempotency_conflicts_total")},
                    unit="suffix: /h",
                    thresholds=("green", 20, "red"),
                    description="Keys that came with another content, in the hour before. An alert fires above 20, as "
                    "long as it goes on.",
                    runbook="IdempotencyConflictsSpike",
                    width=12,
                ),
            ],
        ),
        Row(
            "Stock",
            [
                TimeSeries(
                    "Stock Refund IN",
                    {
                        "put back": in_an_hour("stock_refund_in_total"),
                        "moves created": in_an_hour("sale_refund_stock_moves_created_total"),
                        "mismatches": Query(
                            f"({in_an_hour('stock_refund_in_mismatch_total')} or vector(0)) / "
                            f"({in_an_hour('stock_refund_in_total')} > 0)",
                            unit="percentunit",
                            axis="right",
                        ),
                    },
                    unit="suffix: /h",
                    colours={"mismatches": "red"},
                    when_empty="No goods came back so far",
                    description="Goods put back in the hour before, the moves that refunds created for them (as "
                    "many), and on the right the share that does not match the move that took them: above 1% look at "
                    "the moves.",
                    runbook="RefundFailures",
                    width=12,
                ),
                TimeSeries(
                    "Rollbacks",
                    {"{{reason}}": f"sum by (reason) (increase(sale_refund_rollback_total{{{JOB}}}[1h]))"},
                    unit="suffix: /h",
                    bars=True,
                    thresholds=("green", 5, "red"),
                    when_empty="No rollback in the time range",
                    description="Refunds that were rolled back in the hour before, by reason. More than 5 are too "
                    "many.",
                    runbook="RefundFailures",
                    width=12,
                ),
            ],
        ),
    ],
)
