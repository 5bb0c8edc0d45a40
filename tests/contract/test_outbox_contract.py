"""What outbox and dead letters promise, on each engine."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from knowledge_cases import brought_to
from mape_k.knowledge import Knowledge
from mape_k.model import LetterKind, LetterState, Message, Standing, State, Urgency
from postgres_cases import opened_on

STRANGE = "näh'; DROP TABLE meta; --\u202e\x1b[2J\x00"
MESSAGE = Message(subject="Frozen", urgency=Urgency.CRITICAL, text=STRANGE, about="action x-1", facts={"a": STRANGE})


@pytest.fixture(params=["sqlite", "postgresql"])
async def knowledge(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Knowledge]:
    async with opened_on(request, tmp_path) as opened:
        yield opened


async def test_what_was_delivered_is_settled_on_that_channel_alone(knowledge):
    await knowledge.outbox.delivered("slack", MESSAGE)

    assert await knowledge.outbox.is_settled("slack", MESSAGE)
    assert not await knowledge.outbox.is_settled("email", MESSAGE)


async def test_what_failed_waits_is_tried_once_and_counts_as_delivered_then(knowledge):
    await knowledge.outbox.failed("slack", MESSAGE, STRANGE)
    await knowledge.outbox.failed("slack", MESSAGE, "told twice")
    (letter,) = await knowledge.dead_letters.listed()
    claims = await asyncio.gather(*(knowledge.dead_letters.claim(letter) for _ in range(5)))
    (claimed,) = [claim for claim in claims if claim]
    await knowledge.dead_letters.settled(claimed)

    assert letter.error == r"näh'; DROP TABLE meta; --\u202e\x1b[2J\x00"
    assert await knowledge.dead_letters.listed() == ()
    assert await knowledge.outbox.is_settled("slack", MESSAGE)


async def test_a_letter_that_failed_five_times_is_parked_until_a_person_decides(knowledge):
    await knowledge.outbox.failed("slack", MESSAGE, "503")
    for _ in range(5):
        (letter,) = await knowledge.dead_letters.listed()
        letter = await knowledge.dead_letters.failed(await knowledge.dead_letters.claim(letter), "503")
    assert (letter.state, letter.due_at, await knowledge.dead_letters.due()) == (LetterState.PARKED, None, ())
    await knowledge.dead_letters.retry(letter.letter_id, by="ada")

    assert [due.letter_id for due in await knowledge.dead_letters.due()] == [letter.letter_id]


async def test_a_dropped_roll_back_leaves_its_target_to_a_person(knowledge):
    execution = await brought_to(knowledge.journal, State.IN_FORCE)
    for state in (State.ROLLING_BACK, State.FROZEN):
        execution = await knowledge.journal.move(execution, state, detail="refused")
    (letter,) = await knowledge.dead_letters.listed()
    await knowledge.dead_letters.drop(letter.letter_id, by="ada")

    assert letter.kind is LetterKind.COMPENSATION
    assert (await knowledge.journal.execution("x-1")).state is State.DEAD
    assert await knowledge.dead_letters.listed() == ()


async def test_what_lasts_is_kept_as_it_was_composed(knowledge):
    (kept,) = standing = (Standing(message=MESSAGE, since=(await knowledge.journal.ledger()).as_of, is_told=True),)
    await knowledge.outbox.keep_standing(standing)

    assert await knowledge.outbox.standing() == (kept,)
