"""The reserve for a full disk: kept, given up once, and made again when there is room."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from knowledge_cases import NOON, a_cycle, admitted, an_action, opened
from mape_k.errors import StoreError
from mape_k.knowledge.reserve import Reserve
from mape_k.model import Reason, State
from sample_reports import a_report

SIZE = 64 * 1024


def full_disk() -> OperationalError:
    cause = sqlite3.OperationalError("database or disk is full")
    cause.sqlite_errorcode = sqlite3.SQLITE_FULL
    return OperationalError("COMMIT", None, cause)


def test_it_takes_up_space_and_gives_it_back_once(tmp_path):
    reserve = Reserve(tmp_path / "k.reserve", SIZE)
    assert reserve.is_given_up
    reserve.restore()
    assert (reserve.is_given_up, reserve.held_bytes) == (False, SIZE)
    assert (tmp_path / "k.reserve").stat().st_blocks * 512 >= SIZE
    assert [reserve.give_up(), reserve.give_up()] == [True, False]
    assert not (tmp_path / "k.reserve").exists()


def test_it_is_not_made_where_no_room_would_be_left(tmp_path):
    reserve = Reserve(tmp_path / "k.reserve", 1 << 60)
    reserve.restore()
    assert reserve.is_given_up
    assert list(tmp_path.iterdir()) == []


def test_it_may_be_done_without(tmp_path):
    reserve = Reserve(tmp_path / "k.reserve", 0)
    reserve.restore()
    assert not reserve.is_given_up
    assert not reserve.give_up()
    assert list(tmp_path.iterdir()) == []


class FullOnce:
    """Fails a write as a full disk does, until told otherwise."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __call__(self, connection: object) -> str:
        if self.times:
            self.times -= 1
            connection.exec_driver_sql("ROLLBACK")
            raise full_disk()
        return "written"


async def test_a_write_that_meets_a_full_disk_goes_through_on_the_reserve(tmp_path):
    async with opened(tmp_path, reserve_bytes=SIZE) as knowledge:
        assert await knowledge.store.write(FullOnce(1)) == "written"
        assert (knowledge.store.hold, knowledge.store.reserve_bytes) == (Reason.STORE_FULL, 0)
        with pytest.raises(StoreError, match="the disk is full"):
            await knowledge.store.write(FullOnce(1))


async def test_without_a_reserve_it_is_told_at_once(tmp_path):
    async with opened(tmp_path) as knowledge:
        with pytest.raises(StoreError, match="the disk is full"):
            await knowledge.store.write(FullOnce(1))


async def given_up(knowledge, folder: Path) -> None:
    """Give the reserve up, and put something in its place that keeps it from being made again."""
    await knowledge.store.write(FullOnce(1))
    (folder / "knowledge.sqlite.reserve").mkdir()


async def test_on_the_reserve_outcomes_are_written_and_nothing_is_begun(tmp_path):
    async with opened(tmp_path, reserve_bytes=SIZE) as knowledge:
        under_way = await admitted(knowledge.journal)
        await given_up(knowledge, tmp_path)
        assert (await knowledge.journal.move(under_way, State.APPLYING)).state is State.APPLYING
        refused = await knowledge.journal.admit(an_action("x-2"), check=lambda _: None, explanation={}, now=NOON)
        assert refused is Reason.STORE_FULL
        assert (await knowledge.journal.open_cycle(a_cycle())).hold is Reason.STORE_FULL


async def test_on_the_reserve_no_webhook_is_taken_so_that_it_is_sent_again(tmp_path):
    async with opened(tmp_path, reserve_bytes=SIZE) as knowledge:
        await given_up(knowledge, tmp_path)
        with pytest.raises(StoreError, match="is not for webhooks"):
            await knowledge.notices.take([], group_key="g")


async def test_on_the_reserve_no_snapshots_are_recorded(tmp_path):
    async with opened(tmp_path, reserve_bytes=SIZE) as knowledge:
        await given_up(knowledge, tmp_path)
        report = await knowledge.journal.close_cycle(a_report())
        assert report.is_store_up
        assert await knowledge.archive.snapshot(report.cycle_id) is None


async def test_when_there_is_room_again_it_is_made_again_within_a_cycle_and_work_goes_on(tmp_path):
    async with opened(tmp_path, reserve_bytes=SIZE) as knowledge:
        await given_up(knowledge, tmp_path)
        await knowledge.journal.close_cycle(a_cycle("c-1"))
        assert knowledge.store.hold is Reason.STORE_FULL
        (tmp_path / "knowledge.sqlite.reserve").rmdir()
        await knowledge.journal.close_cycle(a_cycle("c-2"))
        assert (knowledge.store.hold, knowledge.store.reserve_bytes) == (None, SIZE)
        await admitted(knowledge.journal)
