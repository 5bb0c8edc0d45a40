"""Did it help? Verdicts on open executions, and policies that near their end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    JOB,
    READY,
    SETTLE,
    SIGNAL,
    a_catalogue,
    a_ledger,
    a_lifetime,
    a_remediation,
    a_scrape,
    a_signal,
    a_snapshot,
    a_vector,
    a_verification,
    an_execution,
    at,
)
from mape_k.analyze.judge import expiring, judge, ready_at
from mape_k.model import PATIENCE, Bound, Job, Observation, OnExpiry, Quality, Reason, State, Verdict

GOOD, BAD, WORSE = 2.0, 30.0, 50.0
DEADLINE = 900
LATEST = PATIENCE * DEADLINE + READY
CATALOGUE = a_catalogue(remediations=(a_remediation(verification=a_verification(worse_ratio=1.5)),))


def looks(*seen, execution=None, catalogue=CATALOGUE):
    """Judge an execution at each (seconds, rate of node-7 or quality) in turn; return all judgements."""
    execution = execution or an_execution()
    judgements = []
    for seconds, rate in seen:
        rows = rate if isinstance(rate, Quality) else {"node-7": rate}
        judgements.append(judge(execution, a_snapshot(rows, seconds=seconds), catalogue))
        execution = an_execution(
            **{"observation": judgements[-1].observation, "applied_at": execution.applied_at}
            | {"baseline": execution.baseline}
        )
    return judgements


def verdicts(*seen, **fields):
    return [judgement.verdict for judgement in looks(*seen, **fields)]


def row_of(rate, *, count=4, start=READY, step=30):
    return [(start + number * step, rate) for number in range(count)]


# when a look counts


def test_a_look_may_judge_from_window_and_one_scrape_and_settle_time_after_the_action():
    assert ready_at(an_execution(), CATALOGUE) == at(300 + 15 + 60)


def test_with_several_bounds_the_longest_reach_decides():
    signals = (a_signal(), a_signal("hourly", window_seconds=3600))
    bounds = (Bound(signal=SIGNAL, below=10), Bound(signal="charter/hourly", below=1))
    remediation = a_remediation(verification=a_verification(bounds=bounds))
    catalogue = a_catalogue(signals=signals, remediations=(remediation,))
    assert ready_at(an_execution(), catalogue) == at(3600 + 15 + 60)


@pytest.mark.parametrize(("seconds", "counted"), [(READY - 1, 0), (READY, 1)])
def test_an_early_look_counts_neither_way(seconds, counted):
    (judgement,) = looks((seconds, GOOD))
    assert judgement.observation.good == counted
    assert (judgement.verdict, judgement.reason) == (None, Reason.UNDER_VERIFICATION)


def test_the_same_sample_seen_twice_counts_once():
    stuck = {"scrapes": {JOB: a_scrape(at(READY))}}
    first = judge(an_execution(), a_snapshot({"node-7": GOOD}, seconds=READY, **stuck), CATALOGUE)
    again = an_execution(observation=first.observation)
    second = judge(again, a_snapshot({"node-7": GOOD}, seconds=READY + 30, **stuck), CATALOGUE)
    assert first.observation.good == second.observation.good == 1


@pytest.mark.parametrize(("newest", "counted"), [(SETTLE - 1, 0), (SETTLE, 1)])
def test_a_late_look_at_a_sample_from_before_the_effect_counts_neither_way(newest, counted):
    signals = (a_signal(window_seconds=0),)
    catalogue = a_catalogue(signals=signals, remediations=(a_remediation(),))
    snapshot = a_snapshot({"node-7": GOOD}, seconds=SETTLE + 15, scrapes={JOB: a_scrape(at(newest))})
    assert judge(an_execution(), snapshot, catalogue).observation.good == counted


@pytest.mark.parametrize("scrapes", [{}, {JOB: a_scrape(None, Quality.EMPTY)}])
def test_without_a_sample_time_no_look_counts(scrapes):
    snapshot = a_snapshot({"node-7": GOOD}, seconds=READY, scrapes=scrapes)
    assert judge(an_execution(), snapshot, CATALOGUE).observation == Observation()


@pytest.mark.parametrize("quality", sorted(set(Quality) - {Quality.VALUE}))
def test_what_cannot_be_seen_counts_neither_way_and_leaves_the_row_of_good_looks_unbroken(quality):
    seen = looks((READY, GOOD), (READY + 30, quality), (READY + 60, GOOD))
    assert [judgement.observation.good for judgement in seen] == [1, 1, 2]
    assert seen[2].observation.good_since == at(READY)


# verdicts


def test_enough_good_looks_over_enough_time_are_a_success():
    assert verdicts(*row_of(GOOD)) == [None, None, Verdict.IMPROVED, Verdict.IMPROVED]


def test_enough_good_looks_in_too_short_a_time_are_no_success_yet():
    assert verdicts(*row_of(GOOD, count=5, step=15)) == [None, None, None, None, Verdict.IMPROVED]


def test_a_bad_look_starts_the_row_of_good_ones_anew():
    rates = [GOOD, GOOD, BAD, GOOD, GOOD, GOOD]
    seen = [(READY + 30 * number, rate) for number, rate in enumerate(rates)]
    assert verdicts(*seen) == [None, None, None, None, None, Verdict.IMPROVED]


def test_the_limit_itself_is_not_good():
    assert looks((READY, 10.0))[0].observation == Observation(bad=1, last_sample_at=at(READY), last_value=10.0)


def test_every_bound_must_hold_at_once():
    bounds = (Bound(signal=SIGNAL, below=10), Bound(signal="charter/other", below=1))
    catalogue = a_catalogue(
        signals=(a_signal(), a_signal("other")),
        remediations=(a_remediation(verification=a_verification(bounds=bounds)),),
    )
    snapshot = a_snapshot({"node-7": GOOD}, seconds=READY, others=[a_vector({"node-7": 5.0}, "charter/other")])
    assert judge(an_execution(), snapshot, catalogue).observation.bad == 1


def test_what_does_not_get_better_until_the_deadline_is_unchanged():
    assert verdicts(*row_of(BAD, count=4)) == [None] * 4
    late = looks(*row_of(BAD, count=2), (DEADLINE, BAD))[-1]
    assert (late.verdict, late.reason) == (Verdict.UNCHANGED, Reason.NOT_IMPROVED)


def test_a_row_of_good_looks_under_way_at_the_deadline_may_be_finished():
    seen = [*row_of(BAD, count=3), (DEADLINE - 30, GOOD), (DEADLINE, GOOD), (DEADLINE + 30, GOOD)]
    assert verdicts(*seen)[-2:] == [None, Verdict.IMPROVED]


@pytest.mark.parametrize("unseen", sorted(set(Quality) - {Quality.VALUE}))
def test_never_seen_is_never_a_success(unseen):
    start = READY
    seen = [(start, unseen), (DEADLINE, unseen), (LATEST - 1, unseen), (LATEST, unseen)]
    judgements = looks(*seen)
    assert [judgement.verdict for judgement in judgements] == [None, None, None, Verdict.UNKNOWN]
    assert judgements[-1].reason is Reason.NEVER_SEEN


def test_one_good_look_and_then_darkness_is_not_a_success():
    assert verdicts((READY, GOOD), (LATEST, Quality.STALE)) == [None, Verdict.UNKNOWN]


@pytest.mark.parametrize(("baseline", "expected"), [(31.0, Verdict.WORSE), (40.0, None), (None, None)])
def test_what_grows_beyond_the_ratio_to_its_baseline_is_worse_at_once(baseline, expected):
    execution = an_execution(baseline=baseline)
    assert verdicts(*row_of(WORSE, count=3), execution=execution) == [None, None, expected]


def test_what_should_rise_and_falls_is_worse():
    rule = a_verification(bounds=(Bound(signal=SIGNAL, above=10),), worse_ratio=2)
    catalogue = a_catalogue(remediations=(a_remediation(verification=rule),))
    execution = an_execution(baseline=8.0)
    assert verdicts(*row_of(3.0, count=3), execution=execution, catalogue=catalogue)[-1] is Verdict.WORSE
    assert verdicts(*row_of(5.0, count=3), execution=execution, catalogue=catalogue)[-1] is None


def test_without_a_ratio_nothing_is_called_worse():
    catalogue = a_catalogue(remediations=(a_remediation(),))
    assert verdicts(*row_of(1e9, count=3), catalogue=catalogue)[-1] is None


def test_an_action_that_no_pack_knows_any_more_cannot_be_judged():
    judgement = judge(an_execution(remediation="gone"), a_snapshot(seconds=READY), CATALOGUE)
    assert (judgement.verdict, judgement.reason) == (Verdict.UNKNOWN, Reason.NEVER_SEEN)


def test_a_clock_that_was_set_back_only_postpones():
    assert verdicts(*row_of(GOOD, start=-7200)) == [None] * 4


def test_a_pack_without_its_job_judges_without_a_scrape_interval():
    catalogue = a_catalogue(jobs=(Job(name="another", scrape_interval_seconds=99),), remediations=(a_remediation(),))
    assert ready_at(an_execution(), catalogue) == at(300 + 60)


RATES = st.sampled_from(sorted(set(Quality) - {Quality.VALUE})) | st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(st.integers(-600, 4000), RATES), max_size=12))
def test_success_is_never_without_enough_good_looks(seen):
    in_order = sorted(seen, key=lambda look: look[0])
    judgements = looks(*in_order)
    for judgement in judgements:
        if judgement.verdict is Verdict.IMPROVED:
            assert judgement.observation.good >= 3
            assert judgement.observation.last_value < 10
    for (seconds, _), judgement in zip(in_order, judgements, strict=True):
        if seconds < READY:
            assert judgement.verdict is None


# policies that near their end

TTL = 3600


def ending(seconds, rows=None, *, lifetime=None, state=State.IN_FORCE, **fields):
    catalogue = a_catalogue(remediations=(a_remediation(lifetime=lifetime or a_lifetime()),))
    ledger = a_ledger(an_execution(state, **fields))
    return [e.is_needed for e in expiring(ledger, a_snapshot(rows or {"node-7": 3.0}, seconds=seconds), catalogue)]


@pytest.mark.parametrize(("seconds", "told"), [(TTL * 0.75 - 1, []), (TTL * 0.75, [True]), (TTL + 99, [True])])
def test_a_policy_is_decided_about_from_a_quarter_of_its_lifetime_before_its_end(seconds, told):
    assert ending(seconds) == told


@pytest.mark.parametrize(
    ("rows", "is_needed"),
    [
        pytest.param({"node-7": 3.0}, True, id="the cause is there"),
        pytest.param({"node-7": 0.0}, False, id="the cause is gone"),
        pytest.param({"node-8": 3.0}, None, id="its row is gone"),
        pytest.param(Quality.STALE, None, id="not seen"),
    ],
)
def test_whether_a_policy_is_needed_is_looked_at_and_not_guessed(rows, is_needed):
    assert ending(TTL, rows) == [is_needed]


def test_where_no_signal_tells_whether_it_is_needed_nobody_knows():
    assert ending(TTL, lifetime=a_lifetime(needed=None)) == [None]


@pytest.mark.parametrize("on_expiry", [OnExpiry.LAPSE, OnExpiry.ESCALATE])
def test_what_is_not_to_be_renewed_is_not_needed(on_expiry):
    assert ending(TTL, lifetime=a_lifetime(on_expiry=on_expiry)) == [False]


def test_a_policy_that_no_pack_knows_any_more_is_told_when_it_ended():
    assert ending(TTL - 1, remediation="gone") == []
    assert ending(TTL, remediation="gone") == [False]


@pytest.mark.parametrize(
    "fields", [{"expires_at": None}, {"state": State.VERIFYING}, {"state": State.RENEWING}, {"state": State.SUCCEEDED}]
)
def test_only_what_is_in_force_for_a_time_nears_an_end(fields):
    assert ending(TTL, **fields) == []
