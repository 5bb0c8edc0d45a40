"""Letters that wait: written once, tried by schedule, parked after the fifth attempt."""

from datetime import timedelta

import pytest

from knowledge_cases import NOON, opened
from mape_k.knowledge import dead_letters
from mape_k.model import LETTER_SCHEDULE as SCHEDULE
from mape_k.model import DeadLetter, LetterKind, LetterState


def written(connection, **fields: object) -> DeadLetter:
    facts: dict = {"kind": LetterKind.COMPENSATION, "about": "x-1", "error": "the Charter refused it", "at": NOON}
    return dead_letters.write(connection, **(facts | fields))


async def in_knowledge(folder, run):
    async with opened(folder) as knowledge:
        return await knowledge.store.write(run)


async def test_the_first_attempt_waits_five_minutes_and_each_other_longer_until_the_fifth_parks_it(tmp_path):
    def run(connection):
        letter, at, waits = written(connection), NOON, []
        while letter.due_at:
            waits.append(letter.due_at - at)
            at = letter.due_at
            assert dead_letters.read_due(connection, at - timedelta(seconds=1)) == []
            (due,) = dead_letters.read_due(connection, at)
            letter = dead_letters.fail(connection, dead_letters.claim(connection, due, at), "again", at)
        return waits, letter, dead_letters.read_due(connection, at + timedelta(days=365))

    waits, letter, due = await in_knowledge(tmp_path, run)

    assert waits == list(SCHEDULE)
    assert [wait.total_seconds() / 60 for wait in SCHEDULE] == [5, 30, 120, 720, 1440]
    assert (letter.state, letter.attempts, letter.error, due) == (LetterState.PARKED, 5, "again", [])


async def test_the_same_failure_told_twice_is_one_letter_that_keeps_its_schedule(tmp_path):
    def run(connection):
        first = written(connection)
        return first, written(connection, at=NOON + timedelta(hours=1)), dead_letters.read_letters(connection)

    first, second, kept = await in_knowledge(tmp_path, run)

    assert first == second == kept[0]
    assert len(kept) == 1


async def test_letters_for_other_channels_or_contents_are_other_letters(tmp_path):
    def run(connection):
        for channel, document in (("slack", {"a": 1}), ("email", {"a": 1}), ("slack", {"a": 2})):
            written(connection, kind=LetterKind.NOTIFICATION, channel=channel, document=document)
        return [(letter.channel, letter.document) for letter in dead_letters.read_letters(connection)]

    kept = await in_knowledge(tmp_path, run)

    assert sorted(kept, key=str) == [("email", {"a": 1}), ("slack", {"a": 1}), ("slack", {"a": 2})]


async def test_only_one_of_two_workers_gets_an_attempt(tmp_path):
    def run(connection):
        letter = written(connection)
        at = letter.due_at
        return dead_letters.claim(connection, letter, at), dead_letters.claim(connection, letter, at)

    first, second = await in_knowledge(tmp_path, run)

    assert first.attempts == 1
    assert second is None


async def test_an_attempt_that_never_ended_is_due_again_at_the_next_step(tmp_path):
    def run(connection):
        letter = written(connection)
        claimed = dead_letters.claim(connection, letter, letter.due_at)
        return claimed, dead_letters.read_due(connection, claimed.due_at)

    claimed, due = await in_knowledge(tmp_path, run)

    assert claimed.due_at - claimed.tried_at == SCHEDULE[1]
    assert due == [claimed]


async def test_what_succeeded_is_gone(tmp_path):
    def run(connection):
        letter = written(connection)
        dead_letters.settle(connection, dead_letters.claim(connection, letter, NOON), NOON)
        return dead_letters.read_letters(connection)

    assert await in_knowledge(tmp_path, run) == []


async def test_a_person_makes_a_parked_letter_due_at_once_and_one_more_failure_parks_it_again(tmp_path):
    def run(connection):
        letter = written(connection)
        for _ in SCHEDULE:
            letter = dead_letters.fail(connection, dead_letters.claim(connection, letter, NOON), "no", NOON)
        wanted = dead_letters.retry_now(connection, letter, by="ada", at=NOON)
        assert dead_letters.read_due(connection, NOON) == [wanted]
        return wanted, dead_letters.fail(connection, dead_letters.claim(connection, wanted, NOON), "no", NOON)

    wanted, again = await in_knowledge(tmp_path, run)

    assert (wanted.state, wanted.attempts) == (LetterState.PENDING, 5)
    assert (again.state, again.attempts) == (LetterState.PARKED, 6)


async def test_a_dropped_letter_is_remembered_for_a_day_and_not_listed(tmp_path):
    def run(connection):
        letter = written(connection)
        dead_letters.drop(connection, letter, by="ada", at=NOON)
        listed = dead_letters.read_letters(connection)
        kept = []
        for hours in (23, 24):
            dead_letters.prune(connection, NOON + timedelta(hours=hours))
            kept.append(dead_letters.read_letter(connection, letter.letter_id) is not None)
        return listed, kept

    assert await in_knowledge(tmp_path, run) == ([], [True, False])


@pytest.mark.parametrize("order", [dead_letters.retry_now, dead_letters.drop])
async def test_an_order_about_a_letter_that_moved_on_changes_nothing(tmp_path, order):
    def run(connection):
        letter = written(connection)
        claimed = dead_letters.claim(connection, letter, NOON)
        return order(connection, letter, by="ada", at=NOON), claimed, dead_letters.read_letter(connection, "x-1")

    outcome, claimed, _ = await in_knowledge(tmp_path, run)

    assert outcome is None
    assert claimed.state is LetterState.TRYING
