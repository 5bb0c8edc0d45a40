"""The guards, one by one: what each refuses, and what it lets pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import BLOCK, LIMIT, NOON, a_ledger, a_remediation, an_execution, at
from mape_k.guards import GUARDS, Proposal, plan_refusal, question, refusal
from mape_k.guards.budgets import of_attempts
from mape_k.model import Limits, OnInhibited, Pause, Reason, State, Verdict

LONG_AGO = at(-7200)
OPEN_BUT_HELPFUL = {State.IN_FORCE, State.RENEWING}
UNSETTLED = {
    State.ADMITTED,
    State.APPLYING,
    State.UNCERTAIN,
    State.VERIFYING,
    State.ROLLING_BACK,
}


def a_proposal(remediation=BLOCK, **fields) -> Proposal:
    facts = {"incident_id": "inc-1", "remediation": remediation, "symptom": "spike", "target": "node-7", "since": at(-600)}
    return Proposal(**(facts | fields))


def done(state: State, *, seconds: float = -7200, **fields):
    """An execution of the same remediation on the same target, by default long enough ago."""
    return an_execution(state, admitted_at=at(seconds), **fields)


def test_an_empty_ledger_lets_everything_pass():
    assert refusal(a_proposal(), a_ledger()) is None


def test_while_paused_nothing_passes():
    assert refusal(a_proposal(), a_ledger(pauses=(Pause(since=NOON, by="dolores"),))) is Reason.PAUSED


@pytest.mark.parametrize("target", ["", " ", "*", ".*", ".+", "all", "ALL", " * "])
def test_an_empty_or_wildcard_target_is_refused(target):
    assert refusal(a_proposal(target=target), a_ledger()) is Reason.EMPTY_TARGET


@pytest.mark.parametrize("target", ["node-*", "overall", "a"])
def test_a_target_that_only_looks_like_a_wildcard_passes(target):
    assert refusal(a_proposal(target=target), a_ledger()) is None


def test_about_what_can_never_be_undone_a_person_is_asked():
    final = a_proposal(a_remediation(compensation=None))
    assert (refusal(final, a_ledger()), question(final, a_ledger())) == (None, Reason.IRREVERSIBLE)
    assert question(a_proposal(a_remediation(compensation=None, leaves_nothing=True)), a_ledger()) is None


@pytest.mark.parametrize("state", sorted(UNSETTLED))
def test_an_unsettled_action_keeps_every_other_one_off_its_target(state):
    ledger = a_ledger(done(state, remediation="limit"))
    assert refusal(a_proposal(), ledger) is Reason.IN_FLIGHT


@pytest.mark.parametrize("fields", [{"target": "node-8"}, {"pack": "other"}])
def test_an_action_elsewhere_keeps_nobody_off(fields):
    assert refusal(a_proposal(), a_ledger(done(State.VERIFYING, **fields))) is None


def test_a_frozen_target_is_left_alone_whatever_froze_it():
    ledger = a_ledger(done(State.FROZEN, remediation="limit", symptom="another"))
    assert refusal(a_proposal(), ledger) is Reason.TARGET_FROZEN


@pytest.mark.parametrize("state", sorted(OPEN_BUT_HELPFUL))
def test_a_policy_in_force_does_not_stand_in_the_way_of_putting_it_in_force_again(state):
    ledger = a_ledger(done(state, verdict=Verdict.IMPROVED))
    assert refusal(a_proposal(), ledger) is None


@pytest.mark.parametrize("verdict", [Verdict.UNCHANGED, Verdict.WORSE, Verdict.UNKNOWN])
def test_what_did_not_help_in_this_incident_is_not_tried_again(verdict):
    ledger = a_ledger(done(State.ROLLED_BACK, verdict=verdict))
    assert refusal(a_proposal(since=LONG_AGO), ledger) is Reason.ALREADY_TRIED


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"verdict": Verdict.IMPROVED}, id="it helped"),
        pytest.param({"verdict": Verdict.UNCHANGED, "admitted_at": at(-7201)}, id="before this incident"),
        pytest.param({"verdict": Verdict.UNCHANGED, "symptom": "another"}, id="for another symptom"),
        pytest.param({"verdict": Verdict.UNCHANGED, "remediation": "limit"}, id="another remediation"),
    ],
)
def test_what_may_help_now_may_be_tried(fields):
    ledger = a_ledger(an_execution(State.ROLLED_BACK, **({"admitted_at": LONG_AGO} | fields)))
    assert refusal(a_proposal(since=LONG_AGO), ledger) is None


@pytest.mark.parametrize("reason", [Reason.REJECTED, Reason.CONFLICT])
def test_what_the_charter_refuses_is_not_asked_again_in_this_incident(reason):
    ledger = a_ledger(done(State.FAILED, reason=reason))
    assert refusal(a_proposal(since=LONG_AGO), ledger) is Reason.ALREADY_TRIED


@pytest.mark.parametrize("reason", [Reason.UNREACHABLE, Reason.EXPIRED, Reason.FENCED])
def test_what_never_left_is_neither_tried_nor_an_attempt(reason):
    ledger = a_ledger(*(done(State.FAILED, seconds=-10, reason=reason) for _ in range(9)))
    assert refusal(a_proposal(since=LONG_AGO), ledger) is None
    assert of_attempts(BLOCK, "node-7", ledger).left == 3


@pytest.mark.parametrize(("seconds", "expected"), [(-599, Reason.COOLDOWN), (-600, None), (+30, Reason.COOLDOWN)])
def test_the_cooldown_ends_to_the_second_and_holds_when_the_clock_was_set_back(seconds, expected):
    ledger = a_ledger(done(State.SUCCEEDED, seconds=seconds, verdict=Verdict.IMPROVED))
    assert refusal(a_proposal(), ledger) is expected


def test_the_cooldown_is_of_one_remediation_on_one_target():
    ledger = a_ledger(done(State.SUCCEEDED, seconds=-10, verdict=Verdict.IMPROVED))
    assert refusal(a_proposal(LIMIT), ledger) is None
    assert refusal(a_proposal(target="node-8"), ledger) is None


def test_after_the_allowed_attempts_the_budget_is_used_up_until_the_oldest_leaves_the_window():
    past = [done(State.SUCCEEDED, seconds=-seconds, verdict=Verdict.IMPROVED) for seconds in (3599, 2000, 1000)]
    assert refusal(a_proposal(), a_ledger(*past)) is Reason.ATTEMPT_BUDGET
    assert refusal(a_proposal(), a_ledger(*past, as_of=at(1))) is None


def test_the_budget_left_never_goes_below_zero():
    past = [done(State.SUCCEEDED, seconds=-seconds) for seconds in range(700, 710)]
    assert of_attempts(BLOCK, "node-7", a_ledger(*past)).left == 0


@pytest.mark.parametrize(
    ("on_inhibited", "is_inhibited", "expected"),
    [
        (OnInhibited.WAIT, True, Reason.INHIBITED),
        (OnInhibited.WAIT, False, None),
        (OnInhibited.IGNORE, True, None),
    ],
)
def test_each_remediation_says_whether_it_waits_for_an_inhibition(on_inhibited, is_inhibited, expected):
    proposal = a_proposal(a_remediation(on_inhibited=on_inhibited), is_inhibited=is_inhibited)
    assert refusal(proposal, a_ledger()) is expected


def test_of_several_reasons_the_gravest_is_told():
    ledger = a_ledger(done(State.FROZEN), done(State.VERIFYING), pauses=(Pause(since=NOON, by="dolores"),))
    assert refusal(a_proposal(target="*"), ledger) is Reason.PAUSED
    assert next(iter(GUARDS)) is Reason.PAUSED


def blast(touched: dict[str, int], ledger=None, *, population: int = 0, **limits) -> Reason | None:
    return plan_refusal(touched, ledger or a_ledger(), pack="charter", limits=Limits(**limits), population=population)


@pytest.mark.parametrize(
    ("touched", "expected"),
    [
        pytest.param({"a": 1, "b": 1}, None, id="as many as allowed"),
        pytest.param({"a": 1, "b": 1, "c": 1}, Reason.BLAST_RADIUS, id="one more"),
        pytest.param({"a": 3}, Reason.BLAST_RADIUS, id="one with a wide radius"),
        pytest.param({}, None, id="nothing to be done"),
    ],
)
def test_a_plan_touches_at_most_so_many_targets(touched, expected):
    assert blast(touched, max_targets=2) is expected


def test_unsettled_actions_count_into_the_radius_once_and_settled_ones_do_not():
    ledger = a_ledger(an_execution(State.VERIFYING, target="b"), an_execution(State.IN_FORCE, target="c"))
    assert blast({"a": 1}, ledger, max_targets=1) is Reason.BLAST_RADIUS
    assert blast({"b": 1}, ledger, max_targets=1) is None
    assert blast({}, ledger, max_targets=0) is None


@pytest.mark.parametrize(("population", "expected"), [(4, None), (5, Reason.BLAST_RADIUS), (6, None)])
def test_a_share_counts_only_from_five_targets_up(population, expected):
    assert blast({"a": 1, "b": 1, "c": 1}, max_targets=9, population=population) is expected


@given(
    touched=st.dictionaries(st.text(max_size=3), st.integers(1, 4), max_size=8),
    busy=st.lists(st.text(max_size=3), max_size=8),
    population=st.integers(0, 20),
    limits=st.builds(Limits, max_targets=st.integers(0, 8), max_share=st.floats(0, 1), share_from=st.integers(0, 9)),
)
def test_what_passes_is_within_both_radii(touched, busy, population, limits):
    ledger = a_ledger(*(an_execution(State.VERIFYING, target=target) for target in busy))
    passed = plan_refusal(touched, ledger, pack="charter", limits=limits, population=population) is None
    if passed and touched:
        assert sum(touched.values()) <= limits.max_targets
        assert population < limits.share_from or sum(touched.values()) <= limits.max_share * population


@given(states=st.lists(st.sampled_from(list(State)), max_size=6), seconds=st.integers(-9000, 9000))
def test_what_passes_leaves_no_two_unsettled_actions_on_one_target(states, seconds):
    ledger = a_ledger(*(an_execution(state, admitted_at=at(seconds)) for state in states))
    if refusal(a_proposal(), ledger) is None:
        assert not any(state in UNSETTLED | {State.FROZEN} for state in states)
