"""The writer thread: batches, savepoints, and what happens when the engine says no."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, insert, select

from knowledge_cases import SteppingClock
from mape_k.errors import StoreError
from mape_k.knowledge.schema import meta, metadata
from mape_k.knowledge.sqlite import SqliteFile
from mape_k.knowledge.store import Store


@pytest.fixture
def file(tmp_path: Path) -> SqliteFile:
    database = SqliteFile(tmp_path / "knowledge.sqlite", busy_seconds=0.05)
    with database.writer.begin() as connection:
        metadata.create_all(connection)
    return database


@pytest.fixture
async def store(file: SqliteFile) -> AsyncIterator[Store]:
    opened = Store(file, clock=SteppingClock(), limit=300)
    yield opened
    await opened.close()


class Gate:
    """Holds the writer inside a write until it is opened, so that others pile up behind it."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, connection: Connection) -> None:  # noqa: ARG002
        self.reached.set()
        assert self.open.wait(10)


def keep(name: str) -> Callable[[Connection], str]:
    def run(connection: Connection) -> str:
        connection.execute(insert(meta).values(name=name, document=1))
        return name

    return run


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(meta.c.name).order_by(meta.c.name)).scalars())


def commits_of(engine: Engine) -> list[Connection]:
    seen: list[Connection] = []
    event.listen(engine, "commit", seen.append)
    return seen


async def behind_a_gate(store: Store, *runs: Callable[[Connection], object]) -> list[object]:
    """Run all in one batch; return results and errors."""
    gate = Gate()
    held = asyncio.create_task(store.write(gate))
    await asyncio.to_thread(gate.reached.wait, 10)
    waiting = [asyncio.create_task(store.write(run)) for run in runs]
    await asyncio.sleep(0)
    gate.open.set()
    await held
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_write_returns_what_it_made_and_readers_see_it(store):
    assert await store.write(keep("a")) == "a"
    assert await store.read(names) == ["a"]


async def test_two_hundred_concurrent_writes_share_one_commit(store, file):
    commits = commits_of(file.writer)
    results = await behind_a_gate(store, *(keep(f"n{n:03}") for n in range(200)))
    assert results == [f"n{n:03}" for n in range(200)]
    assert len(commits) == 2


async def test_a_write_that_fails_takes_back_its_own_rows_and_no_others(store):
    def half_done(connection: Connection) -> None:
        keep("half")(connection)
        raise LookupError("not what was expected")

    first, failed, doubled, last = await behind_a_gate(store, keep("a"), half_done, keep("a"), keep("z"))
    assert (first, last) == ("a", "z")
    assert isinstance(failed, LookupError)
    assert isinstance(doubled, StoreError)
    assert await store.read(names) == ["a", "z"]


async def test_a_transaction_that_the_engine_gave_up_fails_for_everyone_in_it(store):
    def lose(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")

    results = await behind_a_gate(store, keep("a"), lose, keep("b"))
    assert [type(result) for result in results] == [StoreError] * 3
    assert await store.read(names) == []
    assert await store.write(keep("c")) == "c"


async def test_when_too_many_wait_the_next_is_refused(file):
    store = Store(file, clock=SteppingClock(), limit=2)
    gate = Gate()
    held = asyncio.create_task(store.write(gate))
    await asyncio.to_thread(gate.reached.wait, 10)
    waiting = [asyncio.create_task(store.write(keep(name))) for name in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="2 writes wait"):
        await store.write(keep("c"))
    gate.open.set()
    assert await asyncio.gather(held, *waiting) == [None, "a", "b"]
    await store.close()


async def test_a_write_given_up_before_its_turn_is_not_made(store):
    gate = Gate()
    held = asyncio.create_task(store.write(gate))
    await asyncio.to_thread(gate.reached.wait, 10)
    given_up = asyncio.create_task(store.write(keep("a")))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    gate.open.set()
    await held
    assert await store.read(names) == []


async def test_closing_finishes_what_waits_and_refuses_what_comes(store, file):
    gate = Gate()
    held = asyncio.create_task(store.write(gate))
    await asyncio.to_thread(gate.reached.wait, 10)
    waiting = [asyncio.create_task(store.write(keep(name))) for name in "abc"]
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="closed"):
        await store.write(keep("d"))
    gate.open.set()
    await closing
    assert await asyncio.gather(held, *waiting) == [None, "a", "b", "c"]
    with pytest.raises(StoreError, match="closed"):
        await store.read(names)
    with sqlite3.connect(file.path) as plain:
        assert plain.execute("SELECT count(*) FROM meta").fetchone() == (3,)
    plain.close()


async def test_each_durable_write_tells_how_long_it_took(file):
    seconds: list[float] = []
    store = Store(file, clock=SteppingClock(), write_seconds=seconds.append)
    await store.write(keep("a"))
    await asyncio.gather(store.write(keep("a")), return_exceptions=True)
    await store.write(keep("b"))
    await store.close()
    assert seconds == [1.0, 1.0]


async def test_a_reader_cannot_change_anything(store):
    with pytest.raises(StoreError, match="may not be written"):
        await store.read(keep("a"))


async def test_readers_go_on_while_a_write_is_under_way(store):
    await store.write(keep("before"))
    gate = Gate()
    held = asyncio.create_task(store.write(gate))
    await asyncio.to_thread(gate.reached.wait, 10)
    assert await store.read(names) == ["before"]
    gate.open.set()
    await held


async def test_a_full_disk_refuses_writes_keeps_reads_and_ends_by_itself(store):
    def cap(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    def lift(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")

    await store.write(keep("a" * 10))
    await store.write(cap)
    with pytest.raises(StoreError, match="disk is full"):
        await store.write(keep("b" * 100_000))
    assert await store.read(names) == ["a" * 10]
    await store.write(lift)
    assert len(await store.write(keep("b" * 100_000))) == 100_000


async def test_a_file_locked_by_another_program_is_told_and_written_again_when_it_lets_go(store, file):
    other = sqlite3.connect(file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program holds a lock"):
        await store.write(keep("a"))
    other.execute("ROLLBACK")
    other.close()
    assert await store.write(keep("a")) == "a"


async def test_text_that_no_database_can_hold_fails_alone(store):
    good, bad = await behind_a_gate(store, keep("good"), keep("\ud800"))
    assert good == "good"
    assert isinstance(bad, StoreError)
    assert "utf-8" in str(bad)


@pytest.mark.parametrize("name", ["'); DROP TABLE meta; --", "a\x00b", "\u202e", "<script>", "x" * 100_000])
async def test_hostile_text_is_only_text(store, name):
    assert await store.write(keep(name)) == name
    assert await store.read(names) == [name]


async def test_no_one_is_told_of_success_before_the_commit_succeeded(store, file):
    def fail(_connection: Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    event.listen(file.writer, "commit", fail)
    results = await asyncio.gather(store.write(keep("a")), store.write(keep("b")), return_exceptions=True)
    assert [type(result) for result in results] == [StoreError] * 2
    event.remove(file.writer, "commit", fail)
    assert await store.read(names) == []
    assert await store.write(keep("c")) == "c"
