"""The guards, one by one: what each refuses, and what it lets pass."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import BLOCK, LIMIT, NOON, a_catalogue, a_ledger, a_remediation, an_execution, at
from mape_k.guards import GUARDS, HOLDS, QUESTIONS, Proposal, budgets, question, refusal
from mape_k.guards.budgets import of_attempts
from mape_k.model import (
    LEFT_ALONE,
    PACK_HOLDS,
    REFUSALS,
    Bounds,
    BudgetKind,
    DatedFreeze,
    Ledger,
    Limits,
    OnInhibited,
    Pause,
    Reason,
    State,
    Verdict,
    WeeklyFreeze,
)
from mape_k.settings.freezes import DAYS

LONG_AGO = at(-7200)
OPEN_BUT_HELPFUL = {State.IN_FORCE, State.RENEWING}
OPEN_TO_A_PERSON = {State.AWAITING_APPROVAL, State.UNDO_WANTED}
UNSETTLED = {
    State.ADMITTED,
    State.APPLYING,
    State.UNCERTAIN,
    State.VERIFYING,
    State.ROLLING_BACK,
}


def a_proposal(remediation=BLOCK, **fields) -> Proposal:
    facts = {
        "incident_id": "inc-1",
        "remediation": remediation,
        "symptom": "spike",
        "target": "node-7",
        "since": at(-600),
    }
    facts |= {"limits": Limits()}
    return Proposal(**(facts | fields))


def weekly(begin_day: str, begin: str, end_day: str, end: str, zone: str = "UTC") -> WeeklyFreeze:
    def minute(day: str, clock: str) -> int:
        return DAYS.index(day) * 1440 + int(clock[:2]) * 60 + int(clock[3:])

    return WeeklyFreeze(begin_minute=minute(begin_day, begin), end_minute=minute(end_day, end), zone=zone)


def done(state: State, *, seconds: float = -7200, **fields):
    """An execution of the same remediation on the same target, by default long enough ago."""
    return an_execution(state, admitted_at=at(seconds), **fields)


def test_an_empty_ledger_lets_everything_pass():
    assert refusal(a_proposal(), a_ledger()) is None


def test_while_paused_nothing_passes():
    assert refusal(a_proposal(), a_ledger(pauses=(Pause(since=NOON, by="dolores"),))) is Reason.PAUSED


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("remediation:charter/block", Reason.PAUSED),
        ("remediation:charter/limit", None),
        ("target:charter/node-7", Reason.PAUSED),
        ("target:charter/node-8", None),
        ("target:other/node-7", None),
    ],
)
def test_a_pause_of_something_holds_that_alone(scope, expected):
    assert refusal(a_proposal(), a_ledger(pauses=(Pause(since=NOON, by="dolores", scope=scope),))) is expected


@pytest.mark.parametrize(("until", "expected"), [(1, Reason.PAUSED), (0, None)])
def test_a_pause_ends_when_it_was_to_end(until, expected):
    assert refusal(a_proposal(), a_ledger(pauses=(Pause(since=NOON, by="dolores", until=at(until)),))) is expected


@pytest.mark.parametrize(
    ("freeze", "expected"),
    [
        pytest.param(DatedFreeze(begin=NOON, end=at(60)), Reason.CHANGE_FREEZE, id="begins now"),
        pytest.param(DatedFreeze(begin=at(-60), end=NOON), None, id="ends now"),
        pytest.param(weekly("Sun", "11:30", "Sun", "12:30"), Reason.CHANGE_FREEZE, id="this hour of the week"),
        pytest.param(weekly("Sun", "12:01", "Sun", "12:30"), None, id="later today"),
        pytest.param(weekly("Fri", "16:00", "Mon", "06:00"), Reason.CHANGE_FREEZE, id="over the end of the week"),
        pytest.param(weekly("Sun", "12:30", "Sun", "12:00"), None, id="the whole week but half an hour"),
        pytest.param(weekly("Sun", "13:00", "Sun", "13:30", "Europe/Berlin"), Reason.CHANGE_FREEZE, id="elsewhere"),
        pytest.param(weekly("Sun", "12:00", "Sun", "12:30", "Europe/Berlin"), None, id="not there"),
    ],
)
def test_in_a_change_freeze_nothing_is_begun(freeze, expected):
    assert refusal(a_proposal(), a_ledger(bounds=Bounds(freezes=(freeze,)))) is expected


@pytest.mark.parametrize(("month", "expected"), [(1, None), (7, Reason.CHANGE_FREEZE)])
def test_a_weekly_freeze_keeps_to_the_clocks_of_its_place_in_summer_and_winter(month, expected):
    moment = datetime(2026, month, 6, 4, 30, tzinfo=UTC)  # a Monday: half past five there in winter, past six in summer
    freeze = weekly("Mon", "06:00", "Mon", "07:00", "Europe/Berlin")
    assert refusal(a_proposal(), a_ledger(as_of=moment, bounds=Bounds(freezes=(freeze,)))) is expected


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


@pytest.mark.parametrize("state", sorted(OPEN_TO_A_PERSON))
def test_where_a_person_is_asked_nothing_else_is_begun(state):
    assert refusal(a_proposal(), a_ledger(done(state, remediation="limit"))) is Reason.AWAITING_APPROVAL


@pytest.mark.parametrize("state", sorted(LEFT_ALONE))
def test_a_frozen_target_is_left_alone_whatever_froze_it(state):
    ledger = a_ledger(done(state, remediation="limit", symptom="another"))
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


@pytest.mark.parametrize(("seconds", "expected"), [(-3599, Reason.INHIBITED), (-3600, None)])
def test_no_inhibition_makes_anything_wait_for_ever(seconds, expected):
    assert refusal(a_proposal(is_inhibited=True, since=at(seconds)), a_ledger()) is expected


def test_of_several_reasons_the_gravest_is_told():
    ledger = a_ledger(done(State.FROZEN), done(State.VERIFYING), pauses=(Pause(since=NOON, by="dolores"),))
    assert refusal(a_proposal(target="*"), ledger) is Reason.PAUSED
    assert next(iter(GUARDS)) is Reason.PAUSED


def test_every_guard_has_its_reason_among_those_that_are_counted():
    assert tuple(HOLDS) == PACK_HOLDS
    assert {*HOLDS, *GUARDS, *QUESTIONS} <= set(REFUSALS)


# budgets

FEW = Limits(max_of_remediation=2, max_on_target=2, budget_window_seconds=3600)
ELSEWHERE = {"target": "node-9", "incident_id": "inc-9"}


def lately(count: int, **fields):
    """So many successes, long enough ago for every cooldown, within the hour."""
    facts = {"verdict": Verdict.IMPROVED} | fields
    return [done(State.SUCCEEDED, seconds=-1800, execution_id=f"act-{n}", **facts) for n in range(count)]


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        pytest.param(lately(2, **ELSEWHERE), Reason.REMEDIATION_BUDGET, id="the same elsewhere"),
        pytest.param(lately(2, remediation="limit"), Reason.TARGET_BUDGET, id="something else here"),
        pytest.param(lately(2, remediation="limit", **ELSEWHERE), None, id="something else elsewhere"),
        pytest.param(lately(1, **ELSEWHERE), None, id="one less"),
        pytest.param(lately(2, pack="other", **ELSEWHERE), None, id="another pack"),
    ],
)
def test_budgets_are_of_a_remediation_wherever_and_of_a_target_whatever(past, expected):
    assert refusal(a_proposal(limits=FEW), a_ledger(*past)) is expected


@pytest.mark.parametrize(("seconds", "expected"), [(-3599, Reason.GLOBAL_BUDGET), (-3600, None)])
def test_the_budget_of_everything_counts_every_pack_until_the_oldest_leaves_the_window(seconds, expected):
    past = [done(State.SUCCEEDED, seconds=seconds, pack="other"), *lately(1, remediation="limit", **ELSEWHERE)]
    assert refusal(a_proposal(), a_ledger(*past, bounds=Bounds(max_actions=2))) is expected


def test_what_never_left_uses_up_no_budget():
    never = [replace(e, state=State.FAILED, reason=Reason.UNREACHABLE) for e in lately(9, **ELSEWHERE)]
    assert refusal(a_proposal(limits=FEW), a_ledger(*never, bounds=Bounds(max_actions=2))) is None


def test_every_budget_is_told_with_what_is_left_of_it():
    ledger = a_ledger(done(State.VERIFYING, seconds=-60), bounds=Bounds(max_actions=5))
    told = {(b.budget, b.of): (b.left, b.limit) for b in budgets(ledger, a_catalogue(limits=FEW))}
    assert told == {
        (BudgetKind.ACTIONS, ""): (4, 5),
        (BudgetKind.TARGETS, "charter"): (5, 6),
        (BudgetKind.TARGET, "charter/node-7"): (1, 2),
        (BudgetKind.REMEDIATION, "charter/limit"): (2, 2),
        (BudgetKind.ATTEMPTS, "charter/limit"): (3, 3),
        (BudgetKind.REMEDIATION, "charter/block"): (1, 2),
        (BudgetKind.ATTEMPTS, "charter/block/node-7"): (2, 3),
    }


# what a person is asked about


@pytest.mark.parametrize(
    ("openings", "expected"),
    [
        pytest.param((-3599, -2000, -1000, -1), Reason.FLAPPING, id="often"),
        pytest.param((-3600, -2000, -1000, -1), None, id="the first is too long ago"),
        pytest.param((-10, -5, -1), None, id="not often enough"),
    ],
)
def test_about_what_comes_and_goes_a_person_is_asked(openings, expected):
    ledger = a_ledger(openings={("charter", "spike", "node-7"): tuple(map(at, openings))})
    assert (refusal(a_proposal(), ledger), question(a_proposal(), ledger)) == (None, expected)
    assert question(a_proposal(target="node-8"), ledger) is None


# whatever the past: Hypothesis tells the story

_TARGETS, _REMEDIATIONS = ("a", "b", "c"), ("limit", "block")
_STATES = (State.VERIFYING, State.SUCCEEDED, State.ROLLED_BACK, State.FAILED, State.FROZEN, State.AWAITING_APPROVAL)
_wishes = st.lists(
    st.tuples(st.integers(0, 900), st.sampled_from(_REMEDIATIONS), st.sampled_from(_TARGETS), st.sampled_from(_STATES)),
    max_size=40,
)


def begun_in_turn(wishes) -> list[Ledger]:
    """Begin every wish that no guard refuses, one after the other; return the ledger after each beginning."""
    limits, bounds = Limits(max_of_remediation=4, max_on_target=3), Bounds(max_actions=6)
    seconds, begun, ledgers = 0, [], []
    for wait, name, target, outcome in wishes:
        seconds += wait
        ledger = a_ledger(*begun, as_of=at(seconds), bounds=bounds)
        proposal = a_proposal(a_remediation(name), target=target, limits=limits, since=at(seconds))
        if refusal(proposal, ledger) is None:
            facts = {"execution_id": f"act-{len(begun)}", "remediation": name, "target": target}
            begun.append(an_execution(State.ADMITTED, admitted_at=at(seconds), **facts))
            ledgers.append(replace(ledger, executions=tuple(begun)))
            verdict = Verdict.IMPROVED if outcome is State.SUCCEEDED else None
            begun[-1] = replace(begun[-1], state=outcome, verdict=verdict)
    return ledgers


@given(wishes=_wishes)
def test_no_target_ever_has_two_actions_whose_effect_is_not_known(wishes):
    for ledger in begun_in_turn(wishes):
        unsettled = [e.target for e in ledger.executions if e.is_unsettled or e.state in LEFT_ALONE]
        assert len(unsettled) == len(set(unsettled))


@given(wishes=_wishes)
def test_no_budget_is_ever_exceeded(wishes):
    catalogue = a_catalogue(limits=Limits(max_of_remediation=4, max_on_target=3))
    for ledger in begun_in_turn(wishes):
        assert all(b.used <= b.limit for b in budgets(ledger, catalogue) if b.budget is not BudgetKind.TARGETS)
