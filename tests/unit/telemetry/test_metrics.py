import math
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fakes_letters import a_letter
from mape_k.model import (
    Budget,
    BudgetKind,
    CycleResult,
    Decision,
    Ledger,
    LetterState,
    Mode,
    NoticeTally,
    OpenIncident,
    Pause,
    Phase,
    Plan,
    Reason,
    Snapshot,
    State,
    SuccessRate,
    Verdict,
)
from mape_k.telemetry import TABLE, Kind, Metrics
from mape_k.telemetry.metrics import MAX_CHILDREN, MAX_KNOWN
from sample_reports import NOON, a_catalogue, a_report, an_execution

PROMISED = """
cycles_total cycle_duration_seconds phase_duration_seconds phase_overruns_total cycle_budget_seconds
last_cycle_timestamp_seconds cycle_start_deviation_seconds source_up source_request_duration_seconds readings
snapshot_series snapshot_alerts snapshot_age_seconds incidents decisions_total actions_total actions_in_flight
detection_to_action_seconds action_verification_seconds remediation_success_probability guard_refusals_total
budget_remaining circuit_state dead_letters dead_letter_oldest_timestamp_seconds knowledge_write_duration_seconds mode
paused leader build_info frozen_targets webhooks_total knowledge_up knowledge_damaged
knowledge_reserve_bytes audit_sequence
"""
ACTIONS = {"pack": "charter", "remediation": "block_source"}


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics()
    metrics.catalogue_loaded(a_catalogue())
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"mape_k_{name}", labels)


def a_budget(kind: BudgetKind, used: int) -> Budget:
    return Budget(budget=kind, of=f"charter/{used}", limit=10, used=used)


def a_ledger(**fields: object) -> Ledger:
    return Ledger(as_of=NOON, **fields)


def test_dead_letters_are_counted_with_the_age_of_the_oldest_and_none_reads_zero(metrics):
    letters = [
        a_letter("dl-1", written_at=NOON),
        a_letter("dl-2", written_at=NOON + timedelta(hours=1), state=LetterState.PARKED),
    ]
    metrics.dead_letters(letters)
    assert (value(metrics, "dead_letters"), value(metrics, "dead_letters_parked")) == (2, 1)
    assert value(metrics, "dead_letter_oldest_timestamp_seconds") == NOON.timestamp()

    metrics.dead_letters([])
    assert (value(metrics, "dead_letters"), value(metrics, "dead_letters_parked")) == (0, 0)
    assert value(metrics, "dead_letter_oldest_timestamp_seconds") == 0


def test_messages_to_people_and_withheld_repetitions_are_counted(metrics):
    metrics.notified("slack", "failed")
    metrics.notified("carrier-pigeon", "delivered")
    metrics.retry_withheld("prometheus")
    metrics.retry_withheld("slack")
    assert value(metrics, "notifications_total", channel="slack", result="failed") == 1
    assert value(metrics, "notifications_total", channel="other", result="delivered") == 1
    assert value(metrics, "retries_withheld_total", source="prometheus") == 1


def test_the_table_has_every_metric_that_was_promised_once():
    names = [metric.name for metric in TABLE]

    assert len(names) == len(set(names))
    assert set(PROMISED.split()) <= set(names)


def test_what_is_scraped_is_exactly_what_the_table_says(metrics):
    metrics.build_info("1.0")
    families = text_string_to_metric_families(metrics.exposition().decode())

    scraped = {f.name: f.type for f in families if f.name.startswith("mape_k_")}

    assert scraped == {m.full_name.removesuffix("_total"): m.kind.value for m in TABLE}


def test_every_name_carries_its_unit_or_counts_things():
    for metric in TABLE:
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total"), metric.name
        assert metric.kind is not Kind.HISTOGRAM or metric.name.endswith("_seconds"), metric.name


@pytest.mark.parametrize("phase", list(Phase))
def test_a_phase_within_its_budget_is_no_overrun(metrics, phase):
    metrics.phase_done(phase, 1.0, 1.0)

    assert value(metrics, "phase_overruns_total", phase=phase) == 0
    assert value(metrics, "phase_duration_seconds_count", phase=phase) == 1


def test_a_phase_over_its_budget_is_counted(metrics):
    metrics.phase_done(Phase.MONITOR, 1.01, 1.0)

    assert value(metrics, "phase_overruns_total", phase="monitor") == 1


def test_a_completed_cycle_tells_what_it_saw(metrics):
    metrics.cycle_closed(a_report())

    assert value(metrics, "cycles_total", result="completed") == 1
    assert value(metrics, "last_cycle_timestamp_seconds") == NOON.timestamp() + 1.7
    assert value(metrics, "readings", quality="value") == 2
    assert value(metrics, "readings", quality="not_a_number") == 1
    assert value(metrics, "readings", quality="unreachable") == 1
    assert value(metrics, "snapshot_series") == 3
    assert value(metrics, "snapshot_alerts") == 1
    assert value(metrics, "snapshot_age_seconds") == 12
    assert value(metrics, "source_up", source="prometheus") == 1
    assert value(metrics, "source_up", source="charter") == 0


def test_a_closed_cycle_counts_its_phases_against_their_budgets(metrics):
    metrics.cycle_closed(a_report())

    assert value(metrics, "phase_overruns_total", phase="monitor") == 1
    assert value(metrics, "phase_overruns_total", phase="execute") == 0
    assert value(metrics, "phase_duration_seconds_sum", phase="execute") == 0.4


def test_a_closed_cycle_takes_over_what_its_ledger_says(metrics):
    metrics.cycle_closed(a_report(ledger=a_ledger(mode=Mode.ENFORCE, executions=(an_execution(),))))

    assert value(metrics, "mode", mode="enforce") == 1
    assert value(metrics, "actions_in_flight") == 1


def test_a_ledger_older_than_a_move_does_not_undo_it(metrics):
    metrics.action_moved(an_execution(State.VERIFYING))
    metrics.action_moved(an_execution(State.SUCCEEDED, verdict=Verdict.IMPROVED))

    metrics.ledger_opened(a_ledger(executions=(an_execution(State.VERIFYING),)))
    metrics.action_moved(an_execution(State.SUCCEEDED, verdict=Verdict.IMPROVED))

    assert value(metrics, "actions_total", **ACTIONS, verdict="improved") == 1
    assert value(metrics, "actions_in_flight") == 0


def test_settled_executions_are_forgotten_before_those_under_way(metrics):
    metrics.action_moved(an_execution(State.VERIFYING, execution_id="under-way"))
    for number in range(MAX_KNOWN + 5):
        metrics.action_moved(an_execution(State.SUCCEEDED, execution_id=f"x-{number}", verdict=Verdict.IMPROVED))

    assert len(metrics._known) == MAX_KNOWN
    assert value(metrics, "actions_in_flight") == 1


def test_a_failed_cycle_does_not_move_the_last_cycles_time(metrics):
    metrics.cycle_closed(a_report(result=CycleResult.FAILED, snapshot=None, assessment=None, plan=None))

    assert value(metrics, "cycles_total", result="failed") == 1
    assert value(metrics, "last_cycle_timestamp_seconds") == 0


def test_an_unknown_age_is_not_zero(metrics):
    metrics.cycle_closed(a_report(snapshot=Snapshot(as_of=NOON)))

    assert math.isnan(value(metrics, "snapshot_age_seconds"))


def test_decisions_are_counted_by_reason(metrics):
    metrics.cycle_closed(a_report())

    assert value(metrics, "decisions_total", **ACTIONS, decision="best_candidate") == 1
    assert value(metrics, "decisions_total", pack="charter", remediation="none", decision="cooldown") == 1


def test_a_refusal_is_counted_once_though_candidate_and_decision_name_it(metrics):
    metrics.cycle_closed(a_report())

    assert value(metrics, "guard_refusals_total", guard=Reason.COOLDOWN) == 1


def test_incidents_that_closed_leave_the_gauge(metrics):
    metrics.cycle_closed(a_report())
    opened = value(metrics, "incidents", pack="charter", severity="critical")

    metrics.cycle_closed(a_report(assessment=a_report().assessment.__class__(as_of=NOON)))

    assert opened == 2
    assert value(metrics, "incidents", pack="charter", severity="critical") == 0


def test_an_action_is_timed_from_the_opening_of_its_incident(metrics):
    opened = OpenIncident(
        incident_id="i-1",
        pack="charter",
        symptom="s",
        target="node-7",
        opened_at=NOON - timedelta(seconds=40),
        last_seen_at=NOON,
    )
    metrics.ledger_opened(a_ledger(incidents=(opened,)))

    metrics.action_moved(an_execution(State.ADMITTED, applied_at=None))
    metrics.action_moved(an_execution(State.VERIFYING))
    metrics.action_moved(an_execution(State.VERIFYING))

    assert value(metrics, "detection_to_action_seconds_count") == 1
    assert value(metrics, "detection_to_action_seconds_sum") == 42
    assert value(metrics, "actions_in_flight") == 1


def test_a_verdict_counts_once_however_long_the_action_lives(metrics):
    metrics.action_moved(an_execution(State.VERIFYING))

    for state in (State.IN_FORCE, State.RENEWING, State.IN_FORCE, State.SUCCEEDED):
        metrics.action_moved(an_execution(state, verdict=Verdict.IMPROVED))

    assert value(metrics, "actions_total", **ACTIONS, verdict="improved") == 1
    assert value(metrics, "action_verification_seconds_sum") == 58
    assert value(metrics, "actions_in_flight") == 0


def test_a_verdict_from_before_a_restart_is_not_counted_again(metrics):
    metrics.ledger_opened(a_ledger(executions=(an_execution(State.IN_FORCE, verdict=Verdict.IMPROVED),)))

    metrics.action_moved(an_execution(State.SUCCEEDED, verdict=Verdict.IMPROVED))

    assert value(metrics, "actions_total", **ACTIONS, verdict="improved") == 0


def test_an_action_that_was_never_applied_counts_as_failed(metrics):
    metrics.action_moved(an_execution(State.FAILED, applied_at=None))

    assert value(metrics, "actions_total", **ACTIONS, verdict="failed") == 1
    assert value(metrics, "detection_to_action_seconds_count") == 0


def test_the_success_probability_starts_at_the_prior_and_learns(metrics):
    prior = value(metrics, "remediation_success_probability", **ACTIONS)
    rates = {
        ("charter", "block_source", "a"): SuccessRate(successes=2),
        ("charter", "block_source", "b"): SuccessRate(failures=1),
    }

    metrics.ledger_opened(a_ledger(success_rates=rates))

    assert prior == pytest.approx(0.7)
    assert value(metrics, "remediation_success_probability", **ACTIONS) == pytest.approx(2.7 / 4)


def test_the_ledger_tells_mode_pause_and_frozen_targets(metrics):
    frozen = an_execution(State.FROZEN, execution_id="x-0", target="node-3")
    pause = Pause(since=NOON, by="operator")

    metrics.ledger_opened(a_ledger(mode=Mode.ENFORCE, pauses=(pause,), executions=(frozen, an_execution())))

    assert (value(metrics, "mode", mode="enforce"), value(metrics, "mode", mode="shadow")) == (1, 0)
    assert value(metrics, "paused") == 1
    assert value(metrics, "frozen_targets") == 1


def test_of_each_kind_of_budget_the_one_nearest_to_its_end_is_told(metrics):
    metrics.budgets(a_budget(BudgetKind.TARGET, used) for used in (1, 4, 2))

    assert value(metrics, "budget_remaining", budget="target") == 6
    assert value(metrics, "budget_remaining", budget="attempts") == 0


def test_packs_held_are_counted_by_guard_until_they_are_free_again(metrics):
    metrics.packs_held([Reason.STORM, Reason.STORM])
    assert value(metrics, "packs_held", guard="storm") == 2

    metrics.packs_held([])
    assert value(metrics, "packs_held", guard="storm") == 0


def test_a_refusal_at_admission_is_counted_and_a_mere_hold_is_not(metrics):
    metrics.action_refused(Reason.EXPIRED)
    metrics.action_refused(Reason.STANDBY)

    assert value(metrics, "guard_refusals_total", guard="expired") == 1
    assert value(metrics, "guard_refusals_total", guard="other") is None


def test_names_that_the_catalogue_does_not_know_share_one_series(metrics):
    for number in range(50):
        metrics.action_moved(an_execution(State.FAILED, execution_id=f"x-{number}", remediation=f"invented_{number}"))

    assert value(metrics, "actions_total", pack="charter", remediation="other", verdict="failed") == 50


def test_label_values_outside_a_closed_set_are_folded(metrics):
    metrics.source_asked("http://user:secret@host", 0.1, "weird")

    assert value(metrics, "source_requests_total", source="other", outcome="other") == 1
    assert b"secret" not in metrics.exposition()


def test_the_number_of_series_of_one_metric_is_capped(metrics):
    for number in range(MAX_CHILDREN + 10):
        metrics.build_info(str(number))

    lines = [line for line in metrics.exposition().splitlines() if line.startswith(b"mape_k_build_info{")]
    assert len(lines) == MAX_CHILDREN + 1


def test_setters_show_on_the_scrape(metrics):
    metrics.leader(is_leader=True)
    metrics.knowledge_up(is_up=True)
    metrics.knowledge_disk(is_damaged=True, reserve_bytes=4096)
    metrics.cycle_budget(15)
    metrics.cycle_started(0.25)
    metrics.circuit("charter", held_back=1)
    metrics.knowledge_written(0.004)
    metrics.webhook("accepted")

    assert value(metrics, "leader") == 1
    assert value(metrics, "knowledge_up") == 1
    assert value(metrics, "knowledge_damaged") == 1
    assert value(metrics, "knowledge_reserve_bytes") == 4096
    assert value(metrics, "cycle_budget_seconds") == 15
    assert value(metrics, "cycle_start_deviation_seconds") == 0.25
    assert value(metrics, "circuit_state", target="charter") == 1
    assert value(metrics, "knowledge_write_duration_seconds_count") == 1
    assert value(metrics, "webhooks_total", result="accepted") == 1


def test_what_waits_for_a_person_is_told_until_it_is_over(metrics):
    out_of_remedies = Plan(as_of=NOON, decisions=(Decision(incident_id="i-1", reason=Reason.EXHAUSTED),))
    ending = an_execution(State.SUCCEEDED, reason=Reason.RENEWALS_USED_UP, expires_at=NOON + timedelta(seconds=60))
    ended = an_execution(State.SUCCEEDED, execution_id="x-2", reason=Reason.RENEWALS_USED_UP, expires_at=NOON)

    metrics.cycle_closed(a_report(plan=out_of_remedies, ledger=a_ledger(executions=(ending, ended))))

    assert value(metrics, "escalations", reason="exhausted") == 1
    assert value(metrics, "escalations", reason="renewals_used_up") == 1
    assert value(metrics, "escalations", reason="person_decides") == 0

    metrics.cycle_closed(a_report(plan=Plan(as_of=NOON + timedelta(seconds=60)), ledger=a_ledger(executions=(ending,))))

    assert value(metrics, "escalations", reason="exhausted") == 0
    assert value(metrics, "escalations", reason="renewals_used_up") == 0


def test_what_was_announced_is_told_by_state_and_stays_while_alerts_are_not_seen(metrics):
    metrics.cycle_closed(a_report(notices=NoticeTally(confirmed=3, unconfirmed=2, unannounced=1)))
    metrics.cycle_closed(a_report(notices=None))

    states = ("confirmed", "unconfirmed", "unannounced")
    assert [metrics.registry.get_sample_value("mape_k_notices", {"state": s}) for s in states] == [3, 2, 1]
