"""What ended long ago goes, a few rows at a time; what is open, learned, audited or still needed stays."""

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from knowledge_cases import NOON, a_cycle, admitted, opened
from mape_k.knowledge import schema
from mape_k.knowledge.retention import BATCH, Retention, take
from mape_k.model import LetterState, State

LATER = NOON + timedelta(days=40)
BEFORE = NOON + timedelta(days=10)


async def count(knowledge, table) -> int:
    return await knowledge.store.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar())


async def put(knowledge, table, *rows: dict) -> None:
    await knowledge.store.write(lambda c: c.execute(insert(table), list(rows)))


async def taken(knowledge, *, most: int = BATCH) -> dict[str, int]:
    found = await knowledge.store.write(lambda c: take(c, BEFORE, now=LATER, most=most))
    return {name: rows for name, rows in found.items() if rows}


async def ended(knowledge, name: str = "x-1", **values: object) -> None:
    execution = await admitted(knowledge.journal, name, incident_id=f"i-{name}")
    await knowledge.journal.move(execution, State.FAILED)
    if values:
        mine = schema.executions.c.execution_id == name
        await knowledge.store.write(lambda c: c.execute(update(schema.executions).where(mine).values(**values)))


def incident(name: str, state: str = "closed") -> dict:
    facts = {"incident_id": name, "state": state, "pack": "p", "symptom": "s", "target": "t", "opened_at": NOON}
    return facts | {"last_seen_at": NOON, "closed_at": NOON, "document": {}, "decision": None}


def letter(name: str, state: LetterState, about: str = "") -> dict:
    facts = {"letter_id": name, "kind": "notification", "about": about, "channel": "slack", "document": {}}
    return facts | {"error": "", "attempts": 5, "state": state, "written_at": NOON, "due_at": LATER, "tried_at": NOON}


def notice(number: int, received_at) -> dict:
    facts = {"fingerprint": f"f-{number}", "starts_at": "", "status": "firing", "name": "Ill", "labels": {}}
    return facts | {"group_key": "", "received_at": received_at, "first_received_at": received_at, "times": 1}


async def test_an_action_goes_with_its_history_and_its_incident_after_it(tmp_path):
    async with opened(tmp_path) as knowledge:
        await ended(knowledge)
        await put(knowledge, schema.incidents, incident("i-x-1"))
        assert await taken(knowledge) == {"executions": 1, "transitions": 2, "incidents": 1}
        assert await taken(knowledge) == {}


@pytest.mark.parametrize("expires_at", [LATER, None], ids=["policy in force", "incident open"])
async def test_an_action_stays_while_its_policy_may_be_in_force_or_its_incident_is_open(tmp_path, expires_at):
    async with opened(tmp_path) as knowledge:
        await ended(knowledge, expires_at=expires_at)
        await put(knowledge, schema.incidents, incident("i-x-1", "closed" if expires_at else "open"))
        assert await taken(knowledge) == {}


async def test_an_open_action_stays_with_its_incident_and_the_dead_letter_about_it(tmp_path):
    async with opened(tmp_path) as knowledge:
        await admitted(knowledge.journal)
        await put(knowledge, schema.incidents, incident("i-1"))
        await put(knowledge, schema.dead_letters, letter("about", LetterState.PARKED, "x-1"))
        assert await taken(knowledge) == {}


async def test_a_dead_letter_goes_when_nobody_tries_it_any_more(tmp_path):
    async with opened(tmp_path) as knowledge:
        rows = [letter(state, state) for state in (LetterState.PENDING, LetterState.PARKED)]
        await put(knowledge, schema.dead_letters, *rows)
        assert await taken(knowledge) == {"dead_letters": 1}
        assert await count(knowledge, schema.dead_letters) == 1


async def test_what_was_learned_and_the_trail_are_never_taken(tmp_path):
    async with opened(tmp_path) as knowledge:
        await ended(knowledge)
        rate = {"pack": "p", "remediation": "r", "symptom": "s", "successes": 3, "failures": 1}
        await put(knowledge, schema.success_rates, rate)
        trail = await count(knowledge, schema.audit)
        await taken(knowledge)
        assert (await count(knowledge, schema.success_rates), await count(knowledge, schema.audit)) == (1, trail)


async def test_no_more_rows_than_asked_go_at_once_and_the_oldest_first(tmp_path):
    async with opened(tmp_path, retention_days=365) as knowledge:
        for number in range(5):
            await knowledge.journal.close_cycle(a_cycle(f"c-{number}", NOON + timedelta(hours=number)))
        assert await taken(knowledge, most=2) == {"cycles": 2}
        left = await knowledge.store.read(lambda c: sorted(c.execute(select(schema.cycles.c.cycle_id)).scalars()))
        assert left == ["c-2", "c-3", "c-4"]


async def test_where_more_is_left_the_next_cycle_goes_on_and_else_an_hour_passes(tmp_path):
    async with opened(tmp_path, retention_days=365) as knowledge:
        old = [a_cycle(f"c-{number}", NOON + timedelta(seconds=number)) for number in range(BATCH + 1)]
        for report in old:
            await knowledge.store.write(lambda c, report=report: _keep(c, report))
        keeper = Retention(keep=timedelta(days=30), ring_bytes=1 << 20)
        for now, left in ((LATER, 1), (LATER + timedelta(seconds=30), 0)):
            await knowledge.store.write(lambda c, now=now: keeper.note(c, written_bytes=0, now=now))
            assert await count(knowledge, schema.cycles) == left
        assert keeper.pruned_at == LATER + timedelta(seconds=30)


def _keep(connection, report) -> None:
    row = {"cycle_id": report.cycle_id, "as_of": report.as_of, "woken_by": "tick", "result": "completed"}
    connection.execute(insert(schema.cycles).values(row | {"failure": "", "document": {}}))


async def test_notices_go_after_a_day(tmp_path):
    async with opened(tmp_path) as knowledge:
        await put(knowledge, schema.notices, notice(1, LATER - timedelta(hours=25)), notice(2, LATER))
        assert await taken(knowledge) == {"notices": 1}
