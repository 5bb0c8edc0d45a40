"""What every journal promises, held against the one in memory and the one on disk."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from builders import a_call
from fakes_journal import FakeJournal
from knowledge_cases import NOON, SteppingClock, a_cycle, admitted, an_action, brought_to
from mape_k.errors import FencedError
from mape_k.model import (
    TRANSITIONS,
    Assessment,
    CycleResult,
    Execution,
    FollowUp,
    Judgement,
    Mode,
    Observation,
    Quality,
    Reason,
    Snapshot,
    SourceHealth,
    State,
    Step,
    SuccessRate,
    Terms,
    Verdict,
)
from mape_k.ports import Journal
from postgres_cases import opened_on
from sample_reports import an_incident

RATE = ("charter", "block_source", "forbidden_metric_spike")
LATER = NOON + timedelta(hours=1)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    if request.param == "memory":
        yield FakeJournal(SteppingClock())
        return
    async with opened_on(request, tmp_path) as knowledge:
        yield knowledge.journal


def a_step(step: Step, verdict: Verdict | None = None, reason: Reason = Reason.VERIFIED) -> FollowUp:
    return FollowUp(execution_id="x-1", step=step, reason=reason, verdict=verdict)


async def rates_of(journal: Journal) -> dict:
    return dict((await journal.open_cycle(a_cycle("rates"))).success_rates)


async def test_an_admitted_intent_carries_the_action_whole(journal):
    action = an_action()
    execution = await admitted(journal)
    assert execution.state is State.ADMITTED
    assert execution.request == action.request
    assert (execution.baseline, execution.target, execution.admitted_at) == (31.4, "node-7", NOON)
    assert await journal.execution("x-1") == execution


async def test_a_call_is_kept_whole_with_all_that_belongs_to_it(journal):
    call = a_call(headers={"X-A": "{reason}"}, body={"who": "{target}", "n": [1, None, 0.5]}, action_id="x-1")
    request = replace(an_action().request, call=call)
    terms = Terms(further=(request,), undo=(replace(request, call=a_call("/off", action_id="x-1")), request))
    await admitted(journal, request=request, terms=terms)
    kept = await journal.execution("x-1")
    assert (kept.request, kept.terms) == (request, terms)
    assert kept.request.written() == request.written()


async def test_an_unknown_execution_is_none(journal):
    assert await journal.execution("never") is None


@pytest.mark.parametrize("to", [State.ADMITTED, State.AWAITING_APPROVAL])
async def test_the_incident_for_which_something_is_admitted_is_open_also_when_its_cycle_never_closes(journal, to):
    incident = an_incident()
    whom = {"check": lambda _: None, "explanation": {}, "to": to, "incident": incident}
    await journal.admit(an_action(incident_id=incident.incident_id), now=LATER, **whom)
    (known,) = (await journal.open_cycle(a_cycle("c-2", LATER))).incidents
    assert (known.incident_id, known.opened_at) == (incident.incident_id, incident.opened_at)
    assert (known.symptom, known.target) == (incident.root.symptom, incident.root.target)


async def test_what_is_not_admitted_opens_no_incident(journal):
    whom = {"check": lambda _: Reason.COOLDOWN, "explanation": {}, "incident": an_incident()}
    await journal.admit(an_action(), now=NOON, **whom)
    assert (await journal.open_cycle(a_cycle("c-2"))).incidents == ()


async def test_the_same_intent_is_not_admitted_while_it_is_open(journal):
    await admitted(journal)
    again = await journal.admit(an_action(), check=lambda _: None, explanation={}, now=NOON)
    assert again is Reason.IN_FLIGHT


async def test_the_same_intent_is_not_admitted_after_it_has_ended(journal):
    await journal.move(await admitted(journal), State.FAILED, reason=Reason.REJECTED)
    again = await journal.admit(an_action(), check=lambda _: None, explanation={}, now=NOON)
    assert again is Reason.ALREADY_TRIED


async def test_the_guards_last_word_keeps_the_intent_out(journal):
    refused = await journal.admit(an_action(), check=lambda _: Reason.COOLDOWN, explanation={}, now=NOON)
    assert refused is Reason.COOLDOWN
    assert await journal.execution("x-1") is None


async def test_the_guards_see_what_was_admitted_a_moment_ago(journal):
    seen = []

    def one_at_a_time(ledger):
        seen.append([e.execution_id for e in ledger.open_executions])
        return Reason.IN_FLIGHT if ledger.open_executions else None

    answers = await asyncio.gather(
        *(journal.admit(an_action(f"x-{n}"), check=one_at_a_time, explanation={}, now=NOON) for n in range(5))
    )
    assert [isinstance(answer, Execution) for answer in answers] == [True, False, False, False, False]
    assert seen == [[], ["x-0"], ["x-0"], ["x-0"], ["x-0"]]


async def test_the_guards_are_asked_at_the_time_of_the_admission_in_the_journals_mode(journal):
    asked = []
    await journal.admit(an_action(), check=asked.append, explanation={}, now=LATER)
    assert (asked[0].as_of, asked[0].mode, asked[0].epoch) == (LATER, Mode.ENFORCE, 1)


async def test_a_move_sets_the_named_fields_and_leaves_the_others(journal):
    execution = await journal.move(await admitted(journal), State.APPLYING)
    moved = await journal.move(execution, State.VERIFYING, policy_id="p-9", applied_at=LATER, detail="went well")
    assert (moved.state, moved.policy_id, moved.applied_at) == (State.VERIFYING, "p-9", LATER)
    assert (moved.reason, moved.detail) == (Reason.BEST_CANDIDATE, "went well")
    assert moved.updated_at > execution.updated_at
    assert await journal.execution("x-1") == moved


@pytest.mark.parametrize("to", sorted(set(State) - TRANSITIONS[State.ADMITTED] - {State.ADMITTED}))
async def test_no_move_leaves_the_table_of_states(journal, to):
    execution = await admitted(journal)
    with pytest.raises(ValueError, match="no execution moves"):
        await journal.move(execution, to)
    assert await journal.execution("x-1") == execution


async def test_a_move_cannot_rewrite_what_was_intended(journal):
    execution = await admitted(journal)
    with pytest.raises(ValueError, match="target"):
        await journal.move(execution, State.APPLYING, target="another")


async def test_of_two_who_move_the_same_execution_one_is_fenced(journal):
    execution = await admitted(journal)
    await journal.move(execution, State.APPLYING)
    with pytest.raises(FencedError, match="x-1"):
        await journal.move(execution, State.FAILED)
    assert (await journal.execution("x-1")).state is State.APPLYING


async def test_a_move_with_another_epoch_is_fenced(journal):
    execution = await admitted(journal)
    with pytest.raises(FencedError):
        await journal.move(replace(execution, epoch=execution.epoch + 1), State.APPLYING)


async def test_a_confirmed_policy_with_a_lifetime_is_in_force_and_counts_once_as_success(journal):
    await brought_to(journal, State.VERIFYING, expires_at=LATER)
    confirmed = await journal.follow_up(a_step(Step.CONFIRM, Verdict.IMPROVED), now=NOON)
    assert (confirmed.state, confirmed.verdict, confirmed.reason) == (
        State.IN_FORCE,
        Verdict.IMPROVED,
        Reason.VERIFIED,
    )
    assert await journal.follow_up(a_step(Step.CONFIRM, Verdict.IMPROVED), now=NOON) is None
    assert await rates_of(journal) == {RATE: SuccessRate(successes=1)}


async def test_a_confirmed_one_time_act_is_over(journal):
    await brought_to(journal, State.VERIFYING)
    assert (await journal.follow_up(a_step(Step.CONFIRM, Verdict.IMPROVED), now=NOON)).state is State.SUCCEEDED


@pytest.mark.parametrize("verdict", [None, Verdict.UNKNOWN, Verdict.UNCHANGED, Verdict.WORSE])
async def test_nothing_is_confirmed_without_an_observed_improvement(journal, verdict):
    await brought_to(journal, State.VERIFYING)
    with pytest.raises(ValueError, match="confirm"):
        await journal.follow_up(a_step(Step.CONFIRM, verdict), now=NOON)
    assert (await journal.execution("x-1")).state is State.VERIFYING
    assert await rates_of(journal) == {}


@pytest.mark.parametrize("verdict", [Verdict.UNCHANGED, Verdict.WORSE, Verdict.IMPROVED])
async def test_a_roll_back_counts_as_a_failure_never_as_a_success(journal, verdict):
    await brought_to(journal, State.VERIFYING)
    rolling = await journal.follow_up(a_step(Step.ROLL_BACK, verdict, Reason.NOT_IMPROVED), now=NOON)
    assert (rolling.state, rolling.reason, rolling.verdict) == (State.ROLLING_BACK, Reason.NOT_IMPROVED, verdict)
    await journal.move(rolling, State.ROLLED_BACK)
    assert await rates_of(journal) == {RATE: SuccessRate(failures=1)}


@pytest.mark.parametrize("verdict", [None, Verdict.UNKNOWN])
async def test_a_roll_back_that_nobody_could_judge_teaches_nothing(journal, verdict):
    await brought_to(journal, State.VERIFYING)
    rolling = await journal.follow_up(a_step(Step.ROLL_BACK, verdict, Reason.NEVER_SEEN), now=NOON)
    assert rolling.state is State.ROLLING_BACK
    assert await rates_of(journal) == {}


async def test_a_harm_seen_after_a_success_counts_too(journal):
    await brought_to(journal, State.VERIFYING, expires_at=LATER)
    await journal.follow_up(a_step(Step.CONFIRM, Verdict.IMPROVED), now=NOON)
    await journal.follow_up(a_step(Step.ROLL_BACK, Verdict.WORSE, Reason.MADE_WORSE), now=NOON)
    assert await rates_of(journal) == {RATE: SuccessRate(successes=1, failures=1)}


@pytest.mark.parametrize(
    ("step", "to"),
    [(Step.RENEW, State.RENEWING), (Step.LET_LAPSE, State.SUCCEEDED), (Step.ESCALATE, State.SUCCEEDED)],
)
async def test_the_end_of_a_lifetime_is_decided_and_keeps_the_verdict(journal, step, to):
    await brought_to(journal, State.VERIFYING, expires_at=LATER)
    await journal.follow_up(a_step(Step.CONFIRM, Verdict.IMPROVED), now=NOON)
    ended = await journal.follow_up(a_step(step, reason=Reason.STILL_NEEDED), now=NOON)
    assert (ended.state, ended.verdict, ended.reason) == (to, Verdict.IMPROVED, Reason.STILL_NEEDED)
    assert await rates_of(journal) == {RATE: SuccessRate(successes=1)}


@pytest.mark.parametrize("step", sorted(set(Step) - {Step.RESUME}))
async def test_no_step_begins_on_what_was_not_sent_yet(journal, step):
    execution = await admitted(journal)
    assert await journal.follow_up(a_step(step, Verdict.IMPROVED), now=NOON) is None
    assert await journal.execution("x-1") == execution


async def test_no_step_begins_on_an_unknown_execution(journal):
    assert await journal.follow_up(a_step(Step.ROLL_BACK), now=NOON) is None


@pytest.mark.parametrize("path", [(), (State.APPLYING,), (State.APPLYING, State.UNCERTAIN)])
async def test_what_a_failing_store_interrupted_can_be_taken_up_again(journal, path):
    left = await admitted(journal)
    for state in path:
        left = await journal.move(left, state)
    assert await journal.follow_up(a_step(Step.RESUME), now=NOON) == left


async def test_what_was_left_half_done_is_returned_as_it_stands(journal):
    await brought_to(journal, State.VERIFYING)
    rolling = await journal.follow_up(a_step(Step.ROLL_BACK, Verdict.WORSE), now=NOON)
    assert await journal.follow_up(a_step(Step.RESUME), now=NOON) == rolling
    assert await rates_of(journal) == {RATE: SuccessRate(failures=1)}


async def test_the_ledger_holds_the_open_and_the_lately_closed(journal):
    await admitted(journal, "open")
    await journal.move(await admitted(journal, "closed"), State.FAILED)
    soon = await journal.open_cycle(a_cycle("soon", NOON + timedelta(hours=1)))
    late = await journal.open_cycle(a_cycle("late", NOON + timedelta(hours=25)))
    assert [e.execution_id for e in soon.executions] == ["closed", "open"]
    assert [e.execution_id for e in late.executions] == ["open"]


async def test_an_incident_is_in_the_ledger_until_it_is_closed(journal):
    seen = Assessment(as_of=NOON, incidents=(an_incident("node-7", "i-1"), an_incident("node-8", "i-2")))
    await journal.close_cycle(a_cycle("first", assessment=seen))
    again = Assessment(as_of=LATER, incidents=(an_incident("node-8", "i-2"),), closed=("i-1",))
    await journal.close_cycle(a_cycle("second", LATER, assessment=again))
    (left,) = (await journal.open_cycle(a_cycle("third"))).incidents
    assert (left.incident_id, left.target, left.last_seen_at) == ("i-2", "node-8", LATER)
    assert left.opened_at == an_incident().opened_at


async def test_what_was_seen_of_an_execution_is_kept_with_it(journal):
    await brought_to(journal, State.VERIFYING)
    observation = Observation(good=2, good_since=NOON, last_sample_at=LATER, last_value=3.5)
    judgement = Judgement(execution_id="x-1", observation=observation, reason=Reason.UNDER_VERIFICATION)
    await journal.close_cycle(a_cycle(assessment=Assessment(as_of=NOON, judgements=(judgement,))))
    kept = await journal.execution("x-1")
    assert (kept.observation, kept.state) == (observation, State.VERIFYING)


async def test_the_loss_of_sight_is_remembered_by_source(journal):
    up = SourceHealth(name="prometheus", quality=Quality.VALUE)
    down = SourceHealth(name="charter", quality=Quality.UNREACHABLE)
    snapshot = Snapshot(as_of=NOON, sources={"prometheus": up, "charter": down})
    await journal.close_cycle(a_cycle("blind", snapshot=snapshot))
    sighted = Snapshot(as_of=LATER, sources={"prometheus": up, "charter": replace(down, quality=Quality.VALUE)})
    await journal.close_cycle(a_cycle("sighted", LATER, snapshot=sighted))
    assert (await journal.open_cycle(a_cycle("third"))).sight_lost_at == {"charter": NOON}


async def test_a_closed_cycle_comes_back_as_it_was(journal):
    report = a_cycle(result=CycleResult.BLIND, failure="charter was not seen")
    await journal.open_cycle(report)
    closed = await journal.close_cycle(report)
    assert (closed.result, closed.failure) == (CycleResult.BLIND, "charter was not seen")


# deadlines, attempts and probation


TERMS = Terms(undo=(an_action().request,), verify_seconds=1234.0, probation_seconds=300.0, approval_seconds=600.0)


async def test_what_an_action_was_admitted_with_stays_with_it(journal):
    execution = await admitted(journal, terms=TERMS, plan_hash="h1")
    assert (execution.terms, execution.plan_hash) == (TERMS, "h1")


async def test_every_state_brings_its_deadline_and_a_fresh_count_of_attempts(journal):
    execution = await brought_to(journal, State.APPLYING)
    tried = await journal.move(execution, State.APPLYING, tries=3)
    assert (tried.tries, tried.due_at) == (3, execution.due_at)
    moved = await journal.move(tried, State.VERIFYING, applied_at=NOON)
    assert (moved.tries, moved.due_at) == (0, moved.updated_at + timedelta(seconds=moved.terms.verify_seconds))
    assert (await journal.move(moved, State.SUCCEEDED)).due_at is None


async def test_a_success_is_on_probation_first_and_then_holds_as_long_as_its_policy(journal):
    execution = await admitted(journal, terms=TERMS)
    for state, fields in ((State.APPLYING, {}), (State.VERIFYING, {"expires_at": LATER})):
        execution = await journal.move(execution, state, **fields)
    confirmed = await journal.follow_up(a_step(Step.CONFIRM, Verdict.IMPROVED), now=NOON)
    assert (confirmed.state, confirmed.verdict) == (State.PROBATION, Verdict.IMPROVED)
    assert confirmed.probation_until == confirmed.updated_at + timedelta(seconds=300)
    settled = await journal.follow_up(a_step(Step.SETTLE, Verdict.IMPROVED, Reason.LASTED), now=NOON)
    assert (settled.state, settled.reason) == (State.IN_FORCE, Reason.LASTED)
    assert await rates_of(journal) == {RATE: SuccessRate(successes=1)}


async def test_a_relapse_counts_as_a_failure_besides_the_success(journal):
    await brought_to_probation(journal)
    await journal.follow_up(a_step(Step.ROLL_BACK, Verdict.UNCHANGED, Reason.RELAPSED), now=NOON)
    assert await rates_of(journal) == {RATE: SuccessRate(successes=1, failures=1)}


async def brought_to_probation(journal: Journal) -> None:
    execution = await admitted(journal, terms=TERMS)
    for state in (State.APPLYING, State.VERIFYING):
        execution = await journal.move(execution, state)
    await journal.follow_up(a_step(Step.CONFIRM, Verdict.IMPROVED), now=NOON)


@pytest.mark.parametrize("step", [Step.KEEP, Step.ASK_TO_UNDO])
async def test_what_did_not_help_is_learned_when_it_is_seen_also_where_it_is_not_undone(journal, step):
    await brought_to(journal, State.VERIFYING)
    await journal.follow_up(a_step(step, Verdict.UNCHANGED, Reason.NOT_IMPROVED), now=NOON)
    assert await rates_of(journal) == {RATE: SuccessRate(failures=1)}


async def test_what_a_person_answers_later_is_not_learned_a_second_time(journal):
    await brought_to(journal, State.VERIFYING)
    await journal.follow_up(a_step(Step.ASK_TO_UNDO, Verdict.UNCHANGED, Reason.NOT_IMPROVED), now=NOON)
    rolling = await journal.follow_up(a_step(Step.ROLL_BACK, Verdict.UNCHANGED, Reason.APPROVED), now=NOON)
    assert rolling.state is State.ROLLING_BACK
    assert await rates_of(journal) == {RATE: SuccessRate(failures=1)}


# what a person agreed to


async def test_what_was_agreed_to_is_admitted_with_fresh_time_unless_the_guards_say_no_by_now(journal):
    asked = await admitted(journal, to=State.AWAITING_APPROVAL, terms=TERMS)
    assert asked.due_at == NOON + timedelta(seconds=600)
    request = replace(asked.request, not_after=LATER)
    step = a_step(Step.BEGIN, reason=Reason.APPROVED)
    assert await journal.begin(step, request, check=lambda _: Reason.COOLDOWN, now=NOON) is Reason.COOLDOWN
    assert (await journal.execution("x-1")).state is State.AWAITING_APPROVAL
    begun = await journal.begin(step, request, check=lambda _: None, now=NOON)
    assert (begun.state, begun.request, begun.reason) == (State.ADMITTED, request, Reason.APPROVED)


async def test_nothing_begins_twice_or_without_having_been_asked_about(journal):
    execution = await admitted(journal)
    begun = await journal.begin(a_step(Step.BEGIN), execution.request, check=lambda _: None, now=NOON)
    assert begun is None
    assert await journal.execution("x-1") == execution
