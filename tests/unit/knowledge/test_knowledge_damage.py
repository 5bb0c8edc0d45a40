"""A damaged file: found, held, kept, and a way back that a person has to take."""

import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from knowledge_cases import NOON, SteppingClock, a_cycle, admitted, an_action, brought_to, opened
from mape_k.errors import ConfigError, StoreError
from mape_k.knowledge import AuditFiles, Knowledge
from mape_k.knowledge.inspection import inspect_knowledge
from mape_k.knowledge.keeping import back_up
from mape_k.knowledge.lines import export_file, import_file
from mape_k.knowledge.quarantine import kept_aside
from mape_k.model import CycleResult, Reason, State

FILE = "knowledge.sqlite"
PAGE = 4096


def smash(path: Path) -> None:
    """Overwrite all pages but the first two and the last two, as a bad disk would, under whoever has the file open."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(2 * PAGE)
        file.write(os.urandom(size - 4 * PAGE))


async def used_and_smashed(folder: Path) -> None:
    """Leave a damaged Knowledge behind, whose third daemon has used it."""
    for _ in range(2):
        async with opened(folder):
            pass
    async with opened(folder) as knowledge:
        await brought_to(knowledge.journal, State.VERIFYING)
        await knowledge.orders.resume("", by="operator")
    smash(folder / FILE)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / FILE}"


def problems(folder: Path) -> list[str]:
    return [problem.check for problem in inspect_knowledge(url(folder), AuditFiles.within(folder)).problems]


async def test_what_is_damaged_at_the_start_is_kept_aside_and_an_empty_one_begins_paused(tmp_path):
    await used_and_smashed(tmp_path)
    damaged = (tmp_path / FILE).read_bytes()
    async with opened(tmp_path) as knowledge:
        ledger = await knowledge.journal.open_cycle(a_cycle())
    (aside,) = kept_aside(tmp_path / FILE)
    assert aside.read_bytes() == damaged
    assert (ledger.executions, ledger.pause.by) == ((), "mape-k")
    assert str(aside) in ledger.pause.comment
    assert "mape-k resume" in ledger.pause.comment


async def test_the_epoch_goes_on_from_the_highest_there_was_though_the_file_is_lost(tmp_path):
    await used_and_smashed(tmp_path)
    async with opened(tmp_path) as knowledge:
        assert knowledge.epoch == 4


async def test_the_epoch_does_not_go_back_with_an_old_copy(tmp_path):
    async with opened(tmp_path):
        pass
    old = (tmp_path / FILE).read_bytes()
    for _ in range(3):
        async with opened(tmp_path):
            pass
    (tmp_path / FILE).write_bytes(old)
    async with opened(tmp_path) as knowledge:
        assert knowledge.epoch == 5


async def test_the_pause_stays_until_a_person_lifts_it(tmp_path):
    await used_and_smashed(tmp_path)
    for _ in range(2):
        async with opened(tmp_path) as knowledge:
            assert (await knowledge.journal.ledger()).pause is not None
    async with opened(tmp_path) as knowledge:
        await knowledge.orders.resume("", by="operator")
    async with opened(tmp_path) as knowledge:
        assert (await knowledge.journal.ledger()).pause is None


async def test_a_crash_between_setting_aside_and_beginning_anew_does_not_lose_the_pause(tmp_path):
    await used_and_smashed(tmp_path)
    (tmp_path / FILE).rename(tmp_path / f"{FILE}.damaged-20260301T120000.000000Z")
    async with opened(tmp_path) as knowledge:
        assert (await knowledge.journal.ledger()).pause is not None


async def test_the_new_trail_verifies_and_tells_of_the_old_one(tmp_path):
    await used_and_smashed(tmp_path)
    async with opened(tmp_path):
        pass
    found = inspect_knowledge(url(tmp_path), AuditFiles.within(tmp_path))
    assert found.problems == []
    assert found.set_aside == [str(each) for each in kept_aside(tmp_path / FILE)]
    assert len(list(tmp_path.glob("audit.anchor.damaged-*"))) == 1


async def test_a_copy_that_is_put_back_goes_on_where_it_was_taken(tmp_path):
    async with opened(tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.IN_FORCE)
        back_up(url(tmp_path), tmp_path / "copy")
    smash(tmp_path / FILE)
    async with opened(tmp_path):
        pass
    for part in ("", "-wal", "-shm"):
        (tmp_path / f"{FILE}{part}").unlink(missing_ok=True)
    (tmp_path / "audit.anchor").unlink()
    (tmp_path / "copy").rename(tmp_path / FILE)
    async with opened(tmp_path) as knowledge:
        assert (await knowledge.journal.execution("x-1")).state is State.IN_FORCE
        assert ((await knowledge.journal.ledger()).pause, knowledge.epoch) == (None, 3)
    assert problems(tmp_path) == []


async def test_an_import_into_the_place_of_a_damaged_one_is_not_paused(tmp_path):
    async with opened(tmp_path) as knowledge:
        await admitted(knowledge.journal)
    export_file(url(tmp_path), tmp_path / "lines")
    smash(tmp_path / FILE)
    async with opened(tmp_path):
        pass
    (tmp_path / FILE).unlink()
    import_file(url(tmp_path), AuditFiles.within(tmp_path), tmp_path / "lines")
    async with opened(tmp_path) as knowledge:
        assert (await knowledge.journal.ledger()).pause is None
        assert await knowledge.journal.execution("x-1")


async def damaged_while_running(knowledge: Knowledge, folder: Path) -> None:
    smash(folder / FILE)
    knowledge.store._database._checkup.begin()
    knowledge.store._database._checkup.wait()


async def test_damage_found_at_run_time_holds_everything_and_keeps_a_copy(tmp_path):
    async with opened(tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.VERIFYING)
        with closing(sqlite3.connect(tmp_path / FILE)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await damaged_while_running(knowledge, tmp_path)
        assert knowledge.journal.hold is Reason.STORE_DAMAGED
        refused = await knowledge.journal.admit(an_action("x-2"), check=lambda _: None, explanation={}, now=NOON)
        assert refused is Reason.STORE_DAMAGED
        with pytest.raises(StoreError, match="it is damaged"):
            await knowledge.orders.resume("", by="operator")
        report = await knowledge.journal.close_cycle(a_cycle())
        assert (report.result, report.is_store_up) == (CycleResult.BLIND, False)
        assert "it is damaged" in report.failure
        (copy,) = kept_aside(tmp_path / FILE)
        assert copy.read_bytes() == (tmp_path / FILE).read_bytes()
        assert copy.stat().st_mode & 0o777 == 0o600


async def test_where_any_page_is_damaged_none_is_written_any_more(tmp_path):
    async with opened(tmp_path) as knowledge:
        execution = await admitted(knowledge.journal)
        knowledge.store._database.note_damage("page 7")
        with pytest.raises(StoreError, match="page 7"):
            await knowledge.journal.move(execution, State.APPLYING)
        assert (await knowledge.journal.execution("x-1")).state is State.ADMITTED


async def test_pages_are_looked_at_once_a_day(tmp_path):
    clock = SteppingClock()
    async with opened(tmp_path, clock=clock) as knowledge:
        await brought_to(knowledge.journal, State.VERIFYING)
        await knowledge.journal.close_cycle(a_cycle("c-1", clock.now()))
        with closing(sqlite3.connect(tmp_path / FILE)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        smash(tmp_path / FILE)
        for hours, found in ((23, None), (24, Reason.STORE_DAMAGED)):
            await knowledge.store.tend(NOON + timedelta(hours=hours, minutes=1))
            knowledge.store._database._checkup.wait()
            assert knowledge.store.hold is found


async def test_a_page_that_cannot_be_read_is_noticed_by_whoever_reads_it(tmp_path):
    async with opened(tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.VERIFYING)
    async with opened(tmp_path) as knowledge:
        with closing(sqlite3.connect(tmp_path / FILE)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        smash(tmp_path / FILE)
        with pytest.raises(StoreError, match="it is damaged"):
            await knowledge.store.read(lambda c: c.exec_driver_sql("SELECT * FROM transitions, audit").fetchall())
        assert knowledge.store.hold is Reason.STORE_DAMAGED


async def test_a_lost_key_is_not_replaced_where_a_trail_was_written_with_it(tmp_path):
    async with opened(tmp_path):
        pass
    key = (tmp_path / "audit.key").read_bytes()
    (tmp_path / "audit.key").unlink()
    with pytest.raises(ConfigError, match="put it back from your copy"):
        async with opened(tmp_path):
            pass
    assert not (tmp_path / "audit.key").exists()
    (tmp_path / "audit.key").write_bytes(key)
    async with opened(tmp_path):
        pass
    assert problems(tmp_path) == []


async def test_an_epoch_file_that_holds_no_number_is_told(tmp_path):
    (tmp_path / "epoch").write_text("seven")
    with pytest.raises(ConfigError, match="epoch: expected one whole number"):
        async with opened(tmp_path):
            pass


async def test_a_backup_is_whole_private_and_refused_of_what_is_damaged(tmp_path):
    await used_and_smashed(tmp_path / "home")
    with pytest.raises(StoreError, match="it is damaged"):
        back_up(url(tmp_path / "home"), tmp_path / "copy")
    assert [each.name for each in tmp_path.iterdir()] == ["home"]
    async with opened(tmp_path / "home"):
        size = back_up(url(tmp_path / "home"), tmp_path / "copy")
    assert ((tmp_path / "copy").stat().st_size, (tmp_path / "copy").stat().st_mode & 0o777) == (size, 0o600)
