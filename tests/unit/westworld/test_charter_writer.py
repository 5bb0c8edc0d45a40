import sqlite3
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from threading import Event

import pytest

from westworld.problems import Refusal
from westworld.writer import Writer, connect


@contextmanager
def writer_on(path, after_commit=lambda _connection: None):
    writer = Writer(path, after_commit)
    try:
        yield writer
    finally:
        writer.close()


def insert(number):
    return lambda c: c.execute("INSERT INTO numbers VALUES (?)", (number,)).rowcount


@pytest.fixture
def path(tmp_path):
    connection = connect(tmp_path / "db")
    connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
    connection.close()
    return tmp_path / "db"


def kept(path):
    connection = connect(path)
    rows = connection.execute("SELECT n FROM numbers ORDER BY n").fetchall()
    connection.close()
    return [n for (n,) in rows]


def test_what_waits_together_is_committed_together(path):
    commits, gate = [], Event()
    with writer_on(path, lambda c: commits.append(c.total_changes)) as writer:
        first = writer.submit(lambda _c: gate.wait(10))
        others = [writer.submit(insert(n)) for n in range(100)]
        gate.set()
        wait([first, *others], timeout=10)
        assert {future.result() for future in others} == {1}
    assert len(commits) <= 2
    assert kept(path) == list(range(100))


def test_a_writer_with_a_full_queue_refuses_and_keeps_what_it_took(path):
    gate = Event()
    with writer_on(path) as writer:
        writer.submit(lambda _c: gate.wait(10))
        taken = fill(writer)
        gate.set()
    assert 1999 <= taken <= 2501
    assert kept(path) == list(range(taken))


def fill(writer):
    taken = 0
    with suppress(Refusal):
        for number in range(5000):
            writer.submit(insert(number))
            taken += 1
    return taken


def test_nobody_is_answered_when_what_follows_the_commit_fails(path):
    def fail(_connection):
        raise OSError("the journal's disk is full")

    with writer_on(path, fail) as writer, pytest.raises(OSError, match="disk is full"):
        writer.submit(insert(1)).result(timeout=10)


def test_a_commit_that_fails_is_rolled_back_and_the_next_one_works(path):
    with writer_on(path) as writer:
        with pytest.raises(sqlite3.OperationalError):
            writer.submit(lambda c: c.execute("COMMIT")).result(timeout=10)
        assert writer.submit(insert(7)).result(timeout=10) == 1
    assert kept(path) == [7]


def test_the_disk_is_waited_for(path):
    with writer_on(path) as writer:
        pragmas = writer.submit(
            lambda c: [c.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")]
        )
        assert pragmas.result(timeout=10) == [2, "wal"]


def test_a_write_that_nobody_waits_for_any_more_is_left_out_and_ends_nothing(path):
    begun, gate = Event(), Event()
    with writer_on(path) as writer:
        writer.submit(lambda _c: begun.set() or gate.wait(10))
        assert begun.wait(10)
        abandoned = [writer.submit(insert(number)) for number in (1, 2)]
        assert abandoned[0].cancel()
        gate.set()
        assert abandoned[1].result(timeout=10) == 1
        assert writer.submit(insert(3)).result(timeout=10) == 1
    assert kept(path) == [2, 3]
