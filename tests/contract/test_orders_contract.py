"""What people tell Knowledge is kept once, as it was told, and only about what they were shown."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from knowledge_cases import NOON, a_cycle, an_action, opened
from mape_k.errors import ConflictError
from mape_k.knowledge import Knowledge
from mape_k.knowledge.schema import audit, executions
from mape_k.model import (
    Consent,
    Execution,
    Feedback,
    FollowUp,
    Pause,
    Reason,
    State,
    Step,
    SuccessRate,
    Verdict,
    asked_hash,
)
from postgres_cases import opened_on

HASH = "c0ffee" * 10 + "beef"
RATE = ("charter", "block_source", "forbidden_metric_spike")
COUNTED = [
    (Verdict.IMPROVED, True, (1, 0)),
    (Verdict.IMPROVED, False, (0, 1)),
    (Verdict.WORSE, True, (1, 0)),
    (Verdict.WORSE, False, (0, 1)),
    (Verdict.UNKNOWN, True, (1, 0)),
    (Verdict.UNKNOWN, False, (0, 1)),
]


@pytest.fixture(params=["sqlite", "postgresql"])
async def knowledge(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Knowledge]:
    async with opened_on(request, tmp_path) as knowledge:
        yield knowledge


def an_answer(*, is_given: bool = True, plan_hash: str = HASH, **fields: object) -> Consent:
    facts: dict = {"by": "ada", "at": NOON + timedelta(seconds=30), "comment": "looks right"}
    return Consent(is_given=is_given, plan_hash=plan_hash, **(facts | fields))


def a_word(*, is_good: bool) -> Feedback:
    return Feedback(is_good=is_good, by="ada", at=NOON + timedelta(hours=1), comment="I was there")


async def proposed(knowledge: Knowledge) -> Execution:
    """Admit an execution about which a person is asked."""
    action = an_action(plan_hash=HASH)
    execution = await knowledge.journal.admit(
        action, check=lambda _: None, explanation={}, now=NOON, to=State.AWAITING_APPROVAL
    )
    assert isinstance(execution, Execution), execution
    return execution


async def moved(knowledge: Knowledge, *states: State) -> Execution:
    """Admit an execution and move it through these states."""
    execution = await proposed(knowledge)
    for state in states:
        execution = await knowledge.journal.move(execution, state)
    return execution


async def concluded(knowledge: Knowledge, verdict: Verdict) -> None:
    """Carry an action out and judge it."""
    await moved(knowledge, State.ADMITTED, State.APPLYING, State.VERIFYING)
    step = Step.CONFIRM if verdict is Verdict.IMPROVED else Step.ROLL_BACK
    told = FollowUp(execution_id="x-1", step=step, reason=Reason.VERIFIED, verdict=verdict)
    execution = await knowledge.journal.follow_up(told, now=NOON)
    if execution is not None and execution.state is State.ROLLING_BACK:
        await knowledge.journal.move(execution, State.ROLLED_BACK)


async def rate(knowledge: Knowledge) -> SuccessRate:
    rates = (await knowledge.journal.open_cycle(a_cycle("rates"))).success_rates
    return rates.get(RATE, SuccessRate())


async def trail(knowledge: Knowledge, kind: str) -> list[str]:
    query = select(audit.c.event).where(audit.c.kind == kind).order_by(audit.c.sequence)
    return list(await knowledge.store.read(lambda connection: connection.execute(query).scalars().all()))


# answers


async def test_an_answer_is_kept_with_who_when_and_why(knowledge):
    await proposed(knowledge)
    answered = await knowledge.orders.consent("x-1", an_answer())
    assert answered == await knowledge.journal.execution("x-1")
    assert (answered.state, answered.consent, answered.answer) == (State.AWAITING_APPROVAL, an_answer(), an_answer())
    (event,) = await trail(knowledge, "consent")
    assert HASH in event
    assert '"is_given":true' in event
    assert '"by":"ada"' in event


async def test_an_answer_is_still_there_after_a_restart(tmp_path):
    async with opened(tmp_path) as knowledge:
        await proposed(knowledge)
        await knowledge.orders.consent("x-1", an_answer(is_given=False))
    async with opened(tmp_path) as again:
        execution = await again.journal.execution("x-1")
    assert (execution.state, execution.epoch, execution.answer.is_given) == (State.AWAITING_APPROVAL, 2, False)


async def test_nobody_can_answer_about_what_is_not_there(knowledge):
    assert await knowledge.orders.consent("never", an_answer()) is None
    assert await knowledge.orders.feedback("never", a_word(is_good=True)) is None


async def test_an_answer_about_another_plan_is_refused_with_the_present_hash(knowledge):
    await proposed(knowledge)
    with pytest.raises(ConflictError, match=HASH):
        await knowledge.orders.consent("x-1", an_answer(plan_hash="0" * 64))
    assert (await knowledge.journal.execution("x-1")).consent is None
    assert await trail(knowledge, "consent") == []


async def test_the_same_answer_again_changes_nothing(knowledge):
    await proposed(knowledge)
    await knowledge.orders.consent("x-1", an_answer())
    again = await knowledge.orders.consent("x-1", an_answer(by="bob"))
    assert again.consent.by == "ada"
    assert len(await trail(knowledge, "consent")) == 1


async def test_the_same_answer_again_is_fine_also_after_the_action_has_begun(knowledge):
    execution = await proposed(knowledge)
    await knowledge.orders.consent("x-1", an_answer())
    await knowledge.journal.move(execution, State.ADMITTED)
    assert (await knowledge.orders.consent("x-1", an_answer())).state is State.ADMITTED


@pytest.mark.parametrize("first", [True, False])
async def test_of_two_different_answers_the_first_one_stands(knowledge, first):
    await proposed(knowledge)
    await knowledge.orders.consent("x-1", an_answer(is_given=first))
    with pytest.raises(ConflictError, match="by ada at 12:00:30 UTC; that stands"):
        await knowledge.orders.consent("x-1", an_answer(is_given=not first, by="bob"))
    assert (await knowledge.journal.execution("x-1")).consent.is_given is first


async def test_of_two_people_who_answer_at_the_same_time_one_is_heard(knowledge):
    await proposed(knowledge)
    answers = [an_answer(is_given=number % 2 == 0, by=f"person-{number}") for number in range(10)]
    told = await asyncio.gather(*(knowledge.orders.consent("x-1", a) for a in answers), return_exceptions=True)
    kept = (await knowledge.journal.execution("x-1")).consent
    refused = [t for t in told if isinstance(t, ConflictError)]
    assert kept in answers
    assert len(refused) == 5
    assert len(await trail(knowledge, "consent")) == 1


async def test_an_answer_after_the_time_for_it_is_refused(knowledge):
    await proposed(knowledge)
    end = NOON + timedelta(minutes=15)
    await knowledge.store.write(lambda connection: connection.execute(update(executions).values(due_at=end)).rowcount)
    with pytest.raises(ConflictError, match="ended at 12:15:00 UTC"):
        await knowledge.orders.consent("x-1", an_answer(at=end))
    in_time = an_answer(at=end - timedelta(seconds=1))
    assert (await knowledge.orders.consent("x-1", in_time)).answer == in_time


async def test_an_answer_about_what_was_withdrawn_says_why(knowledge):
    await knowledge.journal.move(await proposed(knowledge), State.FAILED, reason=Reason.WITHDRAWN)
    with pytest.raises(ConflictError, match="there was no need for it any more"):
        await knowledge.orders.consent("x-1", an_answer())


async def test_a_consent_to_an_action_is_none_to_undo_it(knowledge):
    path = (State.ADMITTED, State.APPLYING, State.VERIFYING, State.UNDO_WANTED)
    execution = await moved(knowledge, *path)
    undo = asked_hash(State.UNDO_WANTED, HASH)
    assert replace(execution, consent=an_answer()).answer is None
    with pytest.raises(ConflictError, match=undo):
        await knowledge.orders.consent("x-1", an_answer())
    assert (await knowledge.orders.consent("x-1", an_answer(plan_hash=undo))).answer.is_given


# feedback


@pytest.mark.parametrize(("verdict", "is_good", "counted"), COUNTED)
async def test_feedback_is_what_counts(knowledge, verdict, is_good, counted):
    await concluded(knowledge, verdict)
    told = await knowledge.orders.feedback("x-1", a_word(is_good=is_good))
    assert told.feedback == a_word(is_good=is_good)
    assert await rate(knowledge) == SuccessRate(successes=counted[0], failures=counted[1])


async def test_feedback_counts_once_however_often_it_is_given_and_the_last_one_stands(knowledge):
    await concluded(knowledge, Verdict.IMPROVED)
    for is_good in (True, True, False, False, True, False):
        await knowledge.orders.feedback("x-1", a_word(is_good=is_good))
    assert await rate(knowledge) == SuccessRate(successes=0, failures=1)
    assert (await knowledge.journal.execution("x-1")).feedback.is_good is False
    assert len(await trail(knowledge, "feedback")) == 6


async def test_a_verdict_after_a_persons_word_does_not_count_as_well(knowledge):
    execution = await moved(knowledge, State.ADMITTED, State.APPLYING, State.VERIFYING)
    confirm = FollowUp(execution_id="x-1", step=Step.CONFIRM, reason=Reason.VERIFIED, verdict=Verdict.IMPROVED)
    await knowledge.journal.move(execution, State.VERIFYING, expires_at=NOON + timedelta(hours=1))
    await knowledge.journal.follow_up(confirm, now=NOON)
    await knowledge.orders.feedback("x-1", a_word(is_good=False))
    relapse = FollowUp(execution_id="x-1", step=Step.ROLL_BACK, reason=Reason.RELAPSED, verdict=Verdict.WORSE)
    await knowledge.journal.follow_up(relapse, now=NOON)
    assert await rate(knowledge) == SuccessRate(successes=0, failures=1)


async def test_nothing_can_be_said_of_what_is_not_judged_yet(knowledge):
    await moved(knowledge, State.ADMITTED, State.APPLYING, State.VERIFYING)
    with pytest.raises(ConflictError, match="not judged yet"):
        await knowledge.orders.feedback("x-1", a_word(is_good=True))
    assert await rate(knowledge) == SuccessRate()


async def test_nothing_can_be_said_of_what_was_never_done(knowledge):
    await moved(knowledge, State.FAILED)
    with pytest.raises(ConflictError, match="nothing was done"):
        await knowledge.orders.feedback("x-1", a_word(is_good=True))


# pauses


async def test_pauses_of_different_scopes_stand_beside_each_other_and_are_lifted_one_by_one(knowledge):
    scopes = ("", "remediation:charter/block_source", "target:charter/node-7")
    for scope in scopes:
        await knowledge.orders.pause(Pause(since=NOON, by="ada", scope=scope))
    await knowledge.orders.resume(scopes[1], by="bob")
    assert [pause.scope for pause in await knowledge.archive.pauses()] == [scopes[0], scopes[2]]
    (event,) = await trail(knowledge, "resume")
    assert '"by":"bob","scope":"remediation:charter/block_source"' in event


async def test_a_pause_ends_by_itself_at_its_time(knowledge):
    await knowledge.orders.pause(Pause(since=NOON, by="ada", until=NOON + timedelta(hours=2)))
    before = await knowledge.journal.open_cycle(a_cycle("before", NOON + timedelta(minutes=119)))
    after = await knowledge.journal.open_cycle(a_cycle("after", NOON + timedelta(minutes=120)))
    assert (before.pause is not None, after.pauses) == (True, ())
