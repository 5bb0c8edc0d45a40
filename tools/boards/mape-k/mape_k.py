"""The daemon itself: whether it looks, sees, decides, acts and remembers."""

from mape_k.packbuild.grafana import (
    AlertTimeline,
    BarGauge,
    Board,
    Choice,
    Heatmap,
    Query,
    Row,
    Stat,
    StateTimeline,
    Table,
    TimeSeries,
)

ALL = '{job="mape-k", instance=~"$instance"}'
YES_IS_BAD = {0: ("no", "green"), 1: ("yes", "red")}


def quantile(share: float, histogram: str, by: str = "") -> str:
    """Return a quantile of a histogram of the daemon, over fifteen minutes."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate(mape_k_{histogram}_bucket{ALL}[15m])))"


def per_minute(counter: str, by: str) -> str:
    """Return how often a counter rises, per minute over five minutes."""
    return f"60 * sum by ({by}) (rate(mape_k_{counter}{ALL}[5m]))"


GLANCE = Row(
    "At a glance",
    [
        Stat(
            "Mode",
            {"{{mode}}": f"max by (mode) (mape_k_mode{ALL} == 1)"},
            unit="short",
            thresholds=("blue",),
            shows="name",
            description="Shadow decides and records; approve asks a person before each action; enforce acts.",
            width=4,
        ),
        Stat(
            "Since the last completed cycle",
            {"{{instance}}": f"time() - (mape_k_last_cycle_timestamp_seconds{ALL} > 0)"},
            unit="s",
            decimals=0,
            thresholds=("green", 60, "orange", 120, "red"),
            when_empty="No cycle was completed yet",
            runbook="MapeKNoCompletedCycle",
            width=5,
        ),
        Stat(
            "In charge",
            {"replicas": f"sum(mape_k_leader{ALL})"},
            unit="short",
            thresholds=("red", 1, "green", 2, "red"),
            description="Replicas that say they are in charge: exactly one is right.",
            runbook="MapeKNoLeader",
            width=3,
        ),
        Stat(
            "Paused",
            {"by a person": f"max(mape_k_paused{ALL})"},
            unit="short",
            values={0: ("no", "green"), 1: ("yes", "orange")},
            runbook="MapeKPausedTooLong",
            width=3,
        ),
        Stat(
            "Knowledge",
            {"up": f"min(mape_k_knowledge_up{ALL})"},
            unit="short",
            values={0: ("down", "red"), 1: ("up", "green")},
            runbook="MapeKStoreFailing",
            width=3,
        ),
        Stat(
            "Damaged",
            {"": f"max(mape_k_knowledge_damaged{ALL})"},
            unit="short",
            values=YES_IS_BAD,
            description="Whether the file of Knowledge was found damaged; then nothing is written or sent.",
            runbook="MapeKKnowledgeDamaged",
            width=3,
        ),
        Stat(
            "Version",
            {"{{version}}": f"count by (version) (mape_k_build_info{ALL})"},
            unit="short",
            shows="name",
            width=3,
        ),
        AlertTimeline("Alerts", height=7),
    ],
)

LOOP = Row(
    "The loop",
    [
        TimeSeries(
            "Cycles",
            {"{{result}}": per_minute("cycles_total", "result")},
            unit="cpm",
            stacked=True,
            colours={"completed": "green", "blind": "orange", "failed": "red"},
            description="Cycles that ended, per minute. Blind: something was not seen.",
            runbook="MapeKBlind",
            width=8,
        ),
        TimeSeries(
            "Duration of a cycle",
            {
                "p50": quantile(0.5, "cycle_duration_seconds"),
                "p99": quantile(0.99, "cycle_duration_seconds"),
                "budget": f"max(mape_k_cycle_budget_seconds{ALL})",
            },
            unit="s",
            colours={"budget": "red"},
            runbook="MapeKOverBudget",
            width=8,
        ),
        TimeSeries(
            "Phases that passed their budget",
            {"{{phase}}": "mape_k:phase_overruns:ratio_rate15m"},
            unit="percentunit",
            thresholds=("green", 0.1, "red"),
            description="As a share of the cycles of fifteen minutes. An alert fires above a tenth.",
            runbook="MapeKOverBudget",
            width=8,
        ),
        Heatmap(
            "Durations of cycles",
            {"{{le}}": f"sum by (le) (rate(mape_k_cycle_duration_seconds_bucket{ALL}[5m]))"},
            unit="s",
            buckets=True,
            scheme="Blues",
        ),
        TimeSeries(
            "Duration of a phase, p99",
            {"{{phase}}": quantile(0.99, "phase_duration_seconds", "phase")},
            unit="s",
            width=6,
        ),
        TimeSeries(
            "How late a cycle starts",
            {"{{instance}}": f"mape_k_cycle_start_deviation_seconds{ALL}"},
            unit="s",
            description="Behind the interval, of the last periodic cycle.",
            width=6,
        ),
    ],
)

SIGHT = Row(
    "What it sees",
    [
        StateTimeline(
            "Sources",
            {"{{source}}": f"min by (source) (mape_k_source_up{ALL})"},
            unit="short",
            values={0: ("not seen in full", "red"), 1: ("seen in full", "green")},
            runbook="MapeKBlind",
            width=8,
        ),
        TimeSeries(
            "Requests to sources, p99",
            {"{{source}}": quantile(0.99, "source_request_duration_seconds", "source")},
            unit="s",
            width=8,
        ),
        TimeSeries(
            "Requests to sources",
            {
                "{{source}} {{outcome}}": per_minute("source_requests_total", "source, outcome"),
                "{{source}} not repeated": per_minute("retries_withheld_total", "source"),
            },
            unit="cpm",
            width=8,
        ),
        TimeSeries(
            "Readings", {"{{quality}}": f"max by (quality) (mape_k_readings{ALL})"}, unit="short", stacked=True, width=6
        ),
        TimeSeries(
            "Size of the snapshot",
            {"series": f"max(mape_k_snapshot_series{ALL})", "alerts": f"max(mape_k_snapshot_alerts{ALL})"},
            unit="short",
            width=6,
        ),
        TimeSeries(
            "Age of the snapshot",
            {"{{instance}}": f"mape_k_snapshot_age_seconds{ALL}"},
            unit="s",
            description="Of the newest sample of the stalest scrape job; nothing where none is known.",
            when_empty="No scrape job is known",
            width=6,
        ),
        TimeSeries(
            "Webhooks",
            {
                "{{result}}": per_minute("webhooks_total", "result"),
                "alerts left out": f"60 * sum(rate(mape_k_truncated_alerts_total{ALL}[5m]))",
                "{{state}} alerts": Query(f"max by (state) (mape_k_notices{ALL})", unit="short", axis="right"),
            },
            unit="cpm",
            description="Webhooks from Alertmanager; on the right, whether it shows the alerts that they announced.",
            width=6,
        ),
    ],
)

ACTS = Row(
    "What it decides and does",
    [
        TimeSeries(
            "Open incidents",
            {"{{pack}} {{severity}}": f"max by (pack, severity) (mape_k_incidents{ALL})"},
            unit="short",
            stacked=True,
            when_empty="None so far",
        ),
        TimeSeries(
            "Decisions, by reason",
            {"{{decision}}": per_minute("decisions_total", "decision")},
            unit="cpm",
            when_empty="None so far",
        ),
        TimeSeries(
            "Actions judged in an hour",
            {"{{verdict}}": f"sum by (verdict) (increase(mape_k_actions_total{ALL}[1h]))"},
            unit="short",
            stacked=True,
            colours={
                "improved": "green",
                "unchanged": "orange",
                "worse": "red",
                "unknown": "yellow",
                "failed": "purple",
            },
            when_empty="None so far",
            width=8,
        ),
        TimeSeries(
            "How long it took, p90",
            {
                "from an incident to a policy": quantile(0.9, "detection_to_action_seconds"),
                "from a policy to its verdict": quantile(0.9, "action_verification_seconds"),
            },
            unit="s",
            when_empty="Nothing in the last fifteen minutes",
            width=8,
        ),
        TimeSeries(
            "Refused by guards in an hour",
            {"{{guard}}": f"sum by (guard) (increase(mape_k_guard_refusals_total{ALL}[1h]))"},
            unit="short",
            when_empty="None so far",
            width=8,
        ),
        Stat("In flight", {"actions": f"sum(mape_k_actions_in_flight{ALL})"}, unit="short", width=4),
        Stat(
            "Left to a person",
            {"{{reason}}": f"sum by (reason) (mape_k_escalations{ALL})"},
            unit="short",
            thresholds=("green", 1, "orange"),
            runbook="MapeKPersonNeeded",
            width=8,
        ),
        Stat(
            "Overdue executions",
            {"executions": f"sum(mape_k_overdue_executions{ALL})"},
            unit="short",
            thresholds=("green", 1, "red"),
            runbook="MapeKExecutionOverdue",
            width=4,
        ),
        Stat(
            "Frozen targets",
            {"targets": f"max(mape_k_frozen_targets{ALL})"},
            unit="short",
            thresholds=("green", 1, "red"),
            runbook="MapeKTargetFrozen",
            width=4,
        ),
        Stat(
            "Packs held",
            {"{{guard}}": f"max by (guard) (mape_k_packs_held{ALL})"},
            unit="short",
            thresholds=("green", 1, "red"),
            runbook="MapeKPackHeld",
            width=4,
        ),
        Table(
            "What was learned",
            {
                "Success": f"max by (pack, remediation) (mape_k_remediation_success_probability{ALL})",
                "Judged in a day": Query(
                    f"sum by (pack, remediation) (increase(mape_k_actions_total{ALL}[1d]))", unit="short"
                ),
            },
            unit="percentunit",
            decimals=0,
            columns={"pack": "Pack", "remediation": "Remediation"},
            when_empty="Nothing so far",
            description="The probability of success, all symptoms together, and the actions judged in a day.",
            width=14,
        ),
        BarGauge(
            "What is left of budgets",
            {"{{budget}}": f"min by (budget) (mape_k_budget_remaining{ALL})"},
            unit="short",
            minimum=0,
            thresholds=("red", 1, "green"),
            description="The smallest remainder of each kind of budget anywhere; at 0 something is held back.",
            width=10,
            height=8,
        ),
    ],
)

MEMORY = Row(
    "People and Knowledge",
    [
        TimeSeries(
            "Messages to people in an hour",
            {"{{channel}} {{result}}": (f"sum by (channel, result) (increase(mape_k_notifications_total{ALL}[1h]))")},
            unit="short",
            width=8,
        ),
        TimeSeries(
            "Dead letters",
            {"waiting": f"max(mape_k_dead_letters{ALL})", "parked": f"max(mape_k_dead_letters_parked{ALL})"},
            unit="short",
            colours={"parked": "red"},
            runbook="MapeKDeadLettersParked",
            width=8,
        ),
        Stat(
            "Oldest dead letter",
            {"age": f"max(time() - (mape_k_dead_letter_oldest_timestamp_seconds{ALL} > 0))"},
            unit="dtdurations",
            thresholds=("green", 3600, "orange", 86400, "red"),
            when_empty="There is none",
            runbook="MapeKDeadLettersAgeing",
            width=4,
            height=8,
        ),
        Stat(
            "Reserve for a full disk",
            {"kept": f"min(mape_k_knowledge_reserve_bytes{ALL})"},
            unit="bytes",
            thresholds=("red", 1, "green"),
            runbook="MapeKDiskFull",
            width=4,
            height=8,
        ),
        TimeSeries(
            "Durable writes",
            {
                "p50": quantile(0.5, "knowledge_write_duration_seconds"),
                "p99": quantile(0.99, "knowledge_write_duration_seconds"),
            },
            unit="s",
            width=8,
        ),
        TimeSeries(
            "Audit trail",
            {"newest row": f"max(mape_k_audit_sequence{ALL})"},
            unit="short",
            description="It never goes back by itself.",
            width=8,
        ),
        StateTimeline(
            "Peers left alone",
            {"{{target}}": f"max by (target) (mape_k_circuit_state{ALL})"},
            unit="short",
            values={0: ("asked", "green"), 0.5: ("tried", "orange"), 1: ("left alone", "red")},
            description="Whether requests to a peer are held back because it does not answer.",
            width=8,
        ),
    ],
)

PROCESS = Row(
    "The process",
    [
        TimeSeries("Memory", {"{{instance}}": f"process_resident_memory_bytes{ALL}"}, unit="bytes", width=6),
        TimeSeries(
            "Processor",
            {"{{instance}}": f"rate(process_cpu_seconds_total{ALL}[5m])"},
            unit="percentunit",
            description="Share of one processor.",
            width=6,
        ),
        TimeSeries("Open files", {"{{instance}}": f"process_open_fds{ALL}"}, unit="short", width=4),
        Stat(
            "Runs for",
            {"{{instance}}": f"time() - process_start_time_seconds{ALL}"},
            unit="dtdurations",
            width=4,
            height=8,
        ),
        TimeSeries(
            "Spans",
            {"{{result}}": per_minute("spans_total", "result")},
            unit="cpm",
            description="Spans for the tracing backend, by what came of them.",
            when_empty="Nothing is traced",
            width=4,
        ),
    ],
)

BOARD = Board(
    uid="mape-k",
    title="MAPE-K",
    system="mape-k",
    description="The daemon itself: whether it looks, sees, decides, acts and remembers.",
    range="6h",
    variables=[Choice("instance", "Instance", metric='mape_k_build_info{job="mape-k"}', label="instance")],
    runbooks=[
        "MapeKNoCompletedCycle",
        "MapeKBlind",
        "MapeKPersonNeeded",
        "MapeKTargetDown",
        "MapeKMetricsAbsent",
        "MapeKEndedUnexpectedlyInLogs",
        "MapeKTwoLeaders",
        "MapeKWatchdog",
    ],
    rows=[GLANCE, LOOP, SIGHT, ACTS, MEMORY, PROCESS],
)
