"""What a person was asked about is decided anew in every cycle, and begun only as it was shown."""

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import (
    BLOCK,
    LIMIT,
    NOON,
    a_catalogue,
    a_finding,
    a_ledger,
    a_snapshot,
    an_assessment,
    an_execution,
    an_incident,
    an_open_incident,
    at,
)
from mape_k.analyze import Analyst
from mape_k.model import (
    Bounds,
    Compensation,
    Consent,
    DatedFreeze,
    Execution,
    FollowUp,
    Mode,
    Pause,
    Plan,
    Reason,
    State,
    Step,
)
from mape_k.plan import make_plan

ASSESSMENT = an_assessment(an_incident())
OPEN = (an_open_incident(),)
DUE = at(900)


def planned(*executions, assessment=ASSESSMENT, catalogue=None, **fields) -> Plan:
    ledger = a_ledger(*executions, mode=Mode.APPROVE, incidents=OPEN, **fields)
    return make_plan(assessment, catalogue or a_catalogue(), ledger)


def asked(**fields) -> Execution:
    """Return the execution about which the plan of noon asks."""
    (action,) = planned().proposals
    facts = {
        "execution_id": action.execution_id,
        "remediation": action.remediation,
        "request": action.request,
        "plan_hash": action.plan_hash,
        "applied_at": None,
        "expires_at": None,
        "policy_id": None,
        "due_at": DUE,
    }
    return an_execution(State.AWAITING_APPROVAL, **(facts | fields))


def answered(*, is_given: bool = True, **fields) -> Execution:
    execution = asked(**fields)
    said = Consent(is_given=is_given, by="ada", at=at(60), plan_hash=asked().plan_hash)
    return replace(execution, consent=said)


def steps(plan: Plan) -> list[tuple[Step, Reason]]:
    return [(step.step, step.reason) for step in plan.follow_ups]


def held(plan: Plan) -> list[Reason]:
    return [decision.reason for decision in plan.decisions]


# asking


def test_in_approve_the_best_action_is_proposed_and_nothing_is_begun():
    plan = planned()

    assert [action.remediation for action in plan.proposals] == ["limit"]
    assert (plan.actions, held(plan)) == ((), [Reason.APPROVAL_WANTED])


def test_the_hash_is_the_same_however_the_measured_number_moves_and_however_late_it_is():
    (first,) = planned().proposals
    later = an_assessment(an_incident(a_finding(rate=99.0)), as_of=at(300))
    (second,) = planned(assessment=later).proposals

    assert (first.plan_hash, len(first.plan_hash)) == (second.plan_hash, 64)


def test_while_nobody_has_answered_it_waits_and_is_not_asked_again():
    plan = planned(asked())

    assert (steps(plan), plan.proposals, plan.actions) == ([], (), ())
    assert held(plan) == [Reason.AWAITING_APPROVAL]


def test_who_may_think_for_how_long_is_part_of_the_terms():
    (action,) = planned(bounds=Bounds(approval_seconds=120.0)).proposals

    assert action.terms.approval_seconds == 120.0


# beginning


def test_what_a_person_agreed_to_begins():
    plan = planned(answered())

    assert plan.follow_ups == (FollowUp(execution_id=asked().execution_id, step=Step.BEGIN, reason=Reason.APPROVED),)
    assert held(plan) == [Reason.APPROVED]


def test_the_mode_may_have_changed_meanwhile():
    ledger = a_ledger(answered(), mode=Mode.ENFORCE, incidents=OPEN)

    assert steps(make_plan(ASSESSMENT, a_catalogue(), ledger)) == [(Step.BEGIN, Reason.APPROVED)]


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        (Reason.PAUSED, {"pauses": (Pause(since=NOON, by="bob"),)}),
        (Reason.PAUSED, {"pauses": (Pause(since=NOON, by="bob", scope="remediation:charter/limit"),)}),
        (Reason.CHANGE_FREEZE, {"bounds": Bounds(freezes=(DatedFreeze(begin=at(-60), end=at(60)),))}),
        (Reason.FENCED, {"hold": Reason.FENCED}),
        (Reason.SETTLING, {"sight_lost_at": {"prometheus": at(-10)}}),
    ],
)
def test_a_guard_that_says_no_now_makes_it_wait_and_is_told(reason, fields):
    plan = planned(answered(), **fields)

    assert steps(plan) == []
    assert held(plan) == [reason]


def test_a_budget_that_others_used_up_meanwhile_makes_it_wait_and_is_told():
    others = [an_execution(State.SUCCEEDED, execution_id=f"act-{n}", target=f"node-{n}") for n in range(20, 30)]

    plan = planned(answered(), *others, bounds=Bounds(max_actions=10))

    assert (steps(plan), held(plan)) == ([], [Reason.GLOBAL_BUDGET])


def test_its_own_asking_does_not_stand_in_its_way():
    plan = planned(answered(admitted_at=NOON), bounds=Bounds(max_actions=1))

    assert steps(plan) == [(Step.BEGIN, Reason.APPROVED)]


@pytest.mark.parametrize("hold", [Reason.RESIDUAL, Reason.STALE_EVIDENCE, Reason.SILENCED])
def test_evidence_that_is_not_good_enough_now_makes_it_wait(hold):
    plan = planned(answered(), assessment=an_assessment(an_incident(a_finding(hold=hold))))

    assert steps(plan) == []


def test_while_the_cause_is_not_there_it_waits_and_when_it_is_back_it_begins():
    assert steps(planned(answered(), assessment=an_assessment())) == []
    assert steps(planned(answered())) == [(Step.BEGIN, Reason.APPROVED)]


def test_in_blindness_it_waits():
    plan = planned(answered(), assessment=an_assessment(blind=("prometheus",)))

    assert steps(plan) == []


# withdrawing


@pytest.mark.parametrize("execution", [asked(), answered()], ids=["not answered", "agreed to"])
def test_what_nobody_needs_any_more_is_withdrawn(execution):
    plan = planned(execution, assessment=an_assessment(closed=("inc-1",)))

    assert steps(plan) == [(Step.WITHDRAW, Reason.WITHDRAWN)]


def test_what_a_person_said_no_to_is_withdrawn():
    assert steps(planned(answered(is_given=False))) == [(Step.WITHDRAW, Reason.REJECTED_BY_PERSON)]


def test_what_nobody_answered_in_time_is_withdrawn():
    last = an_assessment(an_incident(), as_of=DUE - timedelta(seconds=1))
    late = an_assessment(an_incident(), as_of=DUE)

    assert steps(planned(asked(), assessment=last)) == []
    assert steps(planned(asked(), assessment=late)) == [(Step.WITHDRAW, Reason.APPROVAL_EXPIRED)]


def test_what_guards_held_back_until_its_time_was_over_is_withdrawn_as_too_old():
    late = an_assessment(an_incident(), as_of=DUE)

    assert steps(planned(answered(), assessment=late)) == [(Step.WITHDRAW, Reason.EXPIRED)]


@pytest.mark.parametrize(
    "limit",
    [
        replace(LIMIT, parameters={"per_second": 1}),
        replace(LIMIT, kind="limit_harder"),
        replace(LIMIT, compensation=Compensation(kind="unlimit_twice")),
        replace(LIMIT, lifetime=None),
    ],
    ids=["parameters", "kind", "what undoes it", "lifetime"],
)
@pytest.mark.parametrize("execution", [asked(), answered()], ids=["not answered", "agreed to"])
def test_what_would_be_done_otherwise_now_is_withdrawn(execution, limit):
    plan = planned(execution, catalogue=a_catalogue(remediations=(limit, BLOCK)))

    assert steps(plan) == [(Step.WITHDRAW, Reason.PLAN_CHANGED)]


def test_what_the_pack_does_not_know_any_more_is_withdrawn():
    pack = a_catalogue().packs["charter"]
    symptom = replace(pack.symptoms["spike"], remediations=("block",))

    plan = planned(answered(), catalogue=a_catalogue(symptoms=(symptom,), remediations=(BLOCK,)))

    assert steps(plan) == [(Step.WITHDRAW, Reason.PLAN_CHANGED)]


def test_an_answer_about_another_plan_is_no_answer():
    about_another = replace(asked(), consent=Consent(is_given=True, by="ada", at=at(60), plan_hash="0" * 64))

    plan = planned(about_another)

    assert (steps(plan), held(plan)) == ([], [Reason.AWAITING_APPROVAL])


# afterwards


@pytest.mark.parametrize("reason", [Reason.REJECTED_BY_PERSON, Reason.APPROVAL_EXPIRED])
def test_the_same_is_not_asked_again_before_the_cooldown_has_passed(reason):
    ended = replace(asked(), state=State.FAILED, reason=reason, updated_at=NOON)
    within = planned(ended, assessment=an_assessment(an_incident(), as_of=at(599)), as_of=at(599))
    after = planned(ended, assessment=an_assessment(an_incident(), as_of=at(600)), as_of=at(600))

    assert [c.refusal for c in within.decisions[0].candidates if c.remediation == "limit"] == [reason]
    assert [action.remediation for action in within.proposals] == ["block"]
    assert [action.remediation for action in after.proposals] == ["limit"]


def test_what_was_withdrawn_for_another_plan_is_asked_about_at_once():
    ended = replace(asked(), state=State.FAILED, reason=Reason.PLAN_CHANGED, updated_at=NOON)

    (action,) = planned(ended).proposals

    assert action.remediation == "limit"
    assert action.execution_id != ended.execution_id


def test_an_incident_about_which_a_person_is_asked_is_closed_once_its_cause_is_gone():
    known = (an_open_incident(last_seen_at=at(-300)),)
    ledger = a_ledger(asked(), mode=Mode.APPROVE, incidents=known)

    assessment = Analyst(close_after_seconds=60).assess(a_snapshot(0.0, alerts=()), ledger, a_catalogue())

    assert assessment.closed == ("inc-1",)
    assert steps(make_plan(assessment, a_catalogue(), ledger)) == [(Step.WITHDRAW, Reason.WITHDRAWN)]
