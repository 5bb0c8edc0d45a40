"""What people were told and what could not be told, on disk."""

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import a_call
from knowledge_cases import NOON, SteppingClock, admitted, an_action, brought_to, opened
from mape_k.knowledge import audit, dead_letters, deliveries
from mape_k.model import DeadLetter, LetterKind, LetterState, Message, Reason, Standing, State, Urgency

FROZEN = Message(subject="Frozen", urgency=Urgency.CRITICAL, text="A roll-back failed.", about="target charter/node-7")


async def a_compensation(knowledge, execution_id: str = "x-1") -> DeadLetter:
    facts: dict = {"kind": LetterKind.COMPENSATION, "about": execution_id, "error": "refused", "at": NOON}
    return await knowledge.store.write(lambda connection: dead_letters.write(connection, **facts))


async def test_what_was_delivered_is_settled_for_a_day_on_that_channel_alone(tmp_path):
    clock = SteppingClock()
    async with opened(tmp_path, clock=clock) as knowledge:
        assert not await knowledge.outbox.is_settled("slack", FROZEN)
        await knowledge.outbox.delivered("slack", FROZEN)
        assert await knowledge.outbox.is_settled("slack", FROZEN)
        assert not await knowledge.outbox.is_settled("email", FROZEN)
        clock.time += deliveries.LOOK_BACK
        assert not await knowledge.outbox.is_settled("slack", FROZEN)


@pytest.mark.parametrize("attempts", [0, 5])
async def test_what_a_dead_letter_holds_waiting_or_parked_is_not_sent_beside_it(tmp_path, attempts):
    async with opened(tmp_path) as knowledge:
        await knowledge.outbox.failed("slack", FROZEN, "503")
        for _ in range(attempts):
            (letter,) = await knowledge.dead_letters.listed()
            await knowledge.dead_letters.failed(await knowledge.dead_letters.claim(letter), "503")
        assert await knowledge.outbox.is_settled("slack", FROZEN)
        assert not await knowledge.outbox.is_settled("email", FROZEN)


async def test_a_letter_that_was_delivered_at_last_is_gone_and_counts_as_delivered_there(tmp_path):
    async with opened(tmp_path) as knowledge:
        await knowledge.outbox.failed("slack", FROZEN, "503")
        (letter,) = await knowledge.dead_letters.listed()
        await knowledge.dead_letters.settled(await knowledge.dead_letters.claim(letter))

        assert await knowledge.dead_letters.listed() == ()
        assert await knowledge.outbox.is_settled("slack", FROZEN)


async def test_a_dropped_notification_is_not_sent_anew(tmp_path):
    async with opened(tmp_path) as knowledge:
        await knowledge.outbox.failed("slack", FROZEN, "404")
        (letter,) = await knowledge.dead_letters.listed()
        dropped = await knowledge.dead_letters.drop(letter.letter_id, by="ada")

        assert dropped.state is LetterState.DROPPED
        assert await knowledge.outbox.is_settled("slack", FROZEN)


async def test_what_lasts_outlives_the_daemon(tmp_path):
    standing = (Standing(message=FROZEN, since=NOON, is_told=True),)
    async with opened(tmp_path) as knowledge:
        await knowledge.outbox.keep_standing(standing)
    async with opened(tmp_path) as knowledge:
        assert await knowledge.outbox.standing() == standing
        await knowledge.outbox.keep_standing(())
        assert await knowledge.outbox.standing() == ()


async def test_dropping_a_compensation_leaves_the_target_to_a_person(tmp_path):
    async with opened(tmp_path) as knowledge:
        execution = await brought_to(knowledge.journal, State.IN_FORCE)
        for state in (State.ROLLING_BACK, State.FROZEN):
            execution = await knowledge.journal.move(execution, state)
        (letter,) = await knowledge.dead_letters.listed()
        await knowledge.dead_letters.drop(letter.letter_id, by="ada")
        dead = await knowledge.journal.execution("x-1")

    assert (dead.state, dead.reason) == (State.DEAD, Reason.ROLL_BACK_FAILED)


async def test_orders_about_no_letter_do_nothing_and_those_about_one_are_in_the_audit_trail(tmp_path):
    async with opened(tmp_path) as knowledge:
        before = await knowledge.store.read(_told)
        assert await knowledge.dead_letters.retry("dl-none", by="ada") is None
        assert await knowledge.dead_letters.drop("dl-none", by="ada") is None
        assert await knowledge.store.read(_told) == before
        letter = await a_compensation(knowledge)
        await knowledge.dead_letters.retry(letter.letter_id, by="ada")
        told = await knowledge.store.read(_told)

    assert [('"what":"retry"' in event, '"by":"ada"' in event) for event in told[-1:]] == [(True, True)]


def _told(connection) -> list[str]:
    return [row.event for row in audit.read_rows(connection) if row.kind == audit.DEAD_LETTER]


async def test_old_deliveries_are_forgotten(tmp_path):
    async with opened(tmp_path) as knowledge:
        await knowledge.outbox.delivered("slack", FROZEN)
        await knowledge.store.write(lambda c: deliveries.prune(c, NOON + timedelta(days=1)))
        assert not await knowledge.outbox.is_settled("slack", FROZEN)


@pytest.mark.parametrize("path", [(State.FAILED,), (State.APPLYING, State.FAILED)])
async def test_an_action_that_failed_is_never_a_dead_letter(tmp_path, path):
    async with opened(tmp_path) as knowledge:
        execution = await admitted(knowledge.journal)
        for state in path:
            execution = await knowledge.journal.move(execution, state, reason=Reason.UNREACHABLE)

        assert await knowledge.dead_letters.listed() == ()


async def test_a_roll_back_that_failed_is_one(tmp_path):
    async with opened(tmp_path) as knowledge:
        execution = await brought_to(knowledge.journal, State.IN_FORCE)
        for state in (State.ROLLING_BACK, State.FROZEN):
            execution = await knowledge.journal.move(execution, state, detail="refused")
        (letter,) = await knowledge.dead_letters.listed()

    assert (letter.kind, letter.about, letter.error) == (LetterKind.COMPENSATION, "x-1", "refused")


@pytest.mark.parametrize(("call", "asked"), [(None, "charter"), (a_call(), "queue")])
async def test_what_is_to_be_undone_waits_under_the_name_of_who_is_asked(tmp_path, call, asked):
    async with opened(tmp_path) as knowledge:
        request = replace(an_action().request, call=call)
        execution = await brought_to(knowledge.journal, State.IN_FORCE, request=request)
        for state in (State.ROLLING_BACK, State.FROZEN):
            execution = await knowledge.journal.move(execution, state)
        (letter,) = await knowledge.dead_letters.listed()

    assert letter.channel == asked
