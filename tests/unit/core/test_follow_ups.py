"""What becomes of open executions: who may undo, in which order, and what a person said."""

from dataclasses import replace

import pytest

from builders import NOON, a_catalogue, a_ledger, an_assessment, an_execution, at
from mape_k.model import (
    Consent,
    Expiring,
    Judgement,
    Observation,
    Reason,
    RollbackRule,
    State,
    Step,
    Verdict,
    asked_hash,
)
from mape_k.plan.follow_ups import follow_ups


def steps_of(*executions, as_of=NOON, **found):
    told = follow_ups(an_assessment(as_of=as_of, **found), a_catalogue(), a_ledger(*executions))
    return [(step.execution_id, step.step, step.reason) for step in told]


def judged(verdict, reason=Reason.NOT_IMPROVED, execution_id="act-1"):
    return Judgement(execution_id=execution_id, observation=Observation(), reason=reason, verdict=verdict)


def by_rule(rule, state=State.VERIFYING, **fields):
    execution = an_execution(state, **fields)
    return replace(execution, terms=replace(execution.terms, rollback=rule))


@pytest.mark.parametrize("state", [State.VERIFYING, State.PROBATION, State.IN_FORCE])
@pytest.mark.parametrize(
    ("rule", "step"),
    [
        (RollbackRule.AUTO, Step.ROLL_BACK),
        (RollbackRule.APPROVE, Step.ASK_TO_UNDO),
        (RollbackRule.NEVER, Step.KEEP),
    ],
)
@pytest.mark.parametrize("verdict", [Verdict.UNCHANGED, Verdict.WORSE, Verdict.UNKNOWN])
def test_what_did_not_help_is_undone_by_the_rule_it_was_admitted_with(state, rule, step, verdict):
    told = steps_of(by_rule(rule, state), judgements=(judged(verdict),))
    assert told == [("act-1", step, Reason.NOT_IMPROVED)]


@pytest.mark.parametrize(("state", "step"), [(State.VERIFYING, Step.CONFIRM), (State.PROBATION, Step.SETTLE)])
def test_a_success_is_confirmed_and_when_it_lasted_settled(state, step):
    told = steps_of(an_execution(state), judgements=(judged(Verdict.IMPROVED, Reason.LASTED),))
    assert told == [("act-1", step, Reason.LASTED)]


def asked(*, is_given=None, **fields):
    execution = an_execution(State.UNDO_WANTED, verdict=Verdict.UNCHANGED, due_at=at(900), **fields)
    if is_given is None:
        return execution
    about = asked_hash(execution.state, execution.plan_hash)
    return replace(execution, consent=Consent(is_given=is_given, by="dolores", at=NOON, plan_hash=about))


@pytest.mark.parametrize(
    ("execution", "expected"),
    [
        pytest.param(asked(is_given=True), (Step.ROLL_BACK, Reason.APPROVED), id="agreed"),
        pytest.param(asked(is_given=False), (Step.KEEP, Reason.REJECTED_BY_PERSON), id="refused"),
    ],
)
def test_a_person_decides_whether_it_is_undone(execution, expected):
    assert steps_of(execution) == [("act-1", *expected)]


def test_the_consent_to_begin_is_none_to_undo():
    begun = Consent(is_given=True, by="dolores", at=NOON, plan_hash="h1")
    assert steps_of(asked(consent=begun)) == []


@pytest.mark.parametrize(
    ("seconds", "expected"), [(899, []), (900, [("act-1", Step.GIVE_UP, Reason.APPROVAL_EXPIRED)])]
)
def test_what_nobody_answers_in_time_is_left_to_whoever_resumes_the_target(seconds, expected):
    assert steps_of(asked(), as_of=at(seconds)) == expected


def test_what_was_applied_last_is_undone_first():
    executions = [
        an_execution(execution_id=name, target=f"node-{name}", applied_at=at(seconds))
        for name, seconds in (("b", 20), ("c", 30), ("a", 10))
    ]
    undoing = an_execution(State.ROLLING_BACK, execution_id="d", target="node-d", applied_at=at(25))
    judgements = tuple(judged(Verdict.WORSE, execution_id=name) for name in "abc")
    told = steps_of(*executions, undoing, judgements=judgements)
    assert [execution_id for execution_id, *_ in told] == ["c", "d", "b", "a"]


def test_what_goes_on_comes_before_what_is_undone():
    helped = an_execution(execution_id="helped", target="node-8")
    told = steps_of(
        an_execution(),
        helped,
        judgements=(judged(Verdict.WORSE), judged(Verdict.IMPROVED, execution_id="helped")),
    )
    assert [step for _, step, _ in told] == [Step.CONFIRM, Step.ROLL_BACK]


def test_an_execution_takes_one_step_at_a_time():
    harmful = an_execution(State.IN_FORCE)
    expiring = (Expiring(execution_id="act-1", is_needed=True),)
    told = steps_of(harmful, judgements=(judged(Verdict.WORSE, Reason.MADE_WORSE),), expiring=expiring)
    assert told == [("act-1", Step.ROLL_BACK, Reason.MADE_WORSE)]


@pytest.mark.parametrize("state", [State.PROBATION, State.IN_FORCE])
def test_a_policy_that_a_newer_action_shares_is_undone_with_that_one_alone(state):
    newer = an_execution(execution_id="newer", applied_at=at(60))
    told = steps_of(an_execution(state), newer, judgements=(judged(Verdict.WORSE),))
    assert told == [("act-1", Step.LET_LAPSE, Reason.SUPERSEDED)]
