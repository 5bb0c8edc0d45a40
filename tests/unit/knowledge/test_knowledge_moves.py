"""What a move does beyond its row: it heeds pauses, and keeps what froze for another try."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from knowledge_cases import NOON, SteppingClock, admitted, brought_to, opened
from mape_k.knowledge.schema import dead_letters, executions
from mape_k.model import LetterKind, Pause, Reason, State

SCOPES = ["", "remediation:charter/block_source", "target:charter/node-7"]


@pytest.mark.parametrize("scope", SCOPES)
async def test_what_is_paused_between_admission_and_sending_is_not_sent(tmp_path, scope):
    async with opened(tmp_path) as knowledge:
        execution = await admitted(knowledge.journal)
        await knowledge.orders.pause(Pause(since=NOON, by="dolores", scope=scope))
        moved = await knowledge.journal.move(execution, State.APPLYING)
    assert (moved.state, moved.reason) == (State.FAILED, Reason.PAUSED)


@pytest.mark.parametrize(
    "pause",
    [
        Pause(since=NOON, by="dolores", scope="target:charter/node-8"),
        Pause(since=NOON, by="dolores", until=NOON),
    ],
    ids=["of another target", "that is over"],
)
async def test_any_other_pause_changes_nothing(tmp_path, pause):
    async with opened(tmp_path) as knowledge:
        execution = await admitted(knowledge.journal)
        await knowledge.orders.pause(pause)
        assert (await knowledge.journal.move(execution, State.APPLYING)).state is State.APPLYING


async def test_what_is_on_its_way_already_is_not_stopped_by_a_pause(tmp_path):
    async with opened(tmp_path) as knowledge:
        execution = await brought_to(knowledge.journal, State.APPLYING)
        await knowledge.orders.pause(Pause(since=NOON, by="dolores"))
        assert (await knowledge.journal.move(execution, State.VERIFYING)).state is State.VERIFYING


async def test_what_freezes_is_kept_for_another_try_in_the_same_transaction(tmp_path):
    async with opened(tmp_path) as knowledge:
        execution = await brought_to(knowledge.journal, State.IN_FORCE)
        for state, fields in ((State.ROLLING_BACK, {}), (State.FROZEN, {"detail": "422: unknown"})):
            execution = await knowledge.journal.move(execution, state, **fields)
        await knowledge.journal.move(execution, State.FROZEN, undone=1)
        kept = await knowledge.store.read(lambda c: c.execute(select(dead_letters)).mappings().all())
    assert [(row["kind"], row["about"], row["error"]) for row in kept] == [
        (LetterKind.COMPENSATION, "x-1", "422: unknown")
    ]


async def test_an_execution_of_an_earlier_version_gets_its_deadline_when_it_is_taken_over(tmp_path):
    async with opened(tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.IN_FORCE, expires_at=NOON + timedelta(hours=1))
        await knowledge.store.write(lambda c: c.execute(executions.update().values(due_at=None)))
    async with opened(tmp_path, clock=SteppingClock()) as knowledge:
        (left,) = (await knowledge.journal.ledger()).executions
    assert left.due_at == NOON + timedelta(hours=1, minutes=5)
