"""One thread that writes to SQLite: functions come in, one commit for all that wait, answers after the commit."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Thread
from typing import Any, TypeVar

from westworld.problems import overloaded

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Any]
_Job = tuple[Work, "Future[Any]"]
_ROOM = 2000
_MOST_AT_ONCE = 500


class Writer:
    """Group commit with ``synchronous=FULL``: what was answered survives a power cut.

    Args:
        path: of the database.
        after_commit: called in the writer's thread before any answer; its failure fails the answers.
    """

    def __init__(self, path: Path, after_commit: Callable[[sqlite3.Connection], None]) -> None:
        self._queue: Queue[_Job | None] = Queue(maxsize=_ROOM)
        self._path = path
        self._after_commit = after_commit
        self._thread = Thread(target=self._run, name="charter-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], Result]) -> "Future[Result]":
        """Queue one function; its changes are durable once the future has its result.

        Raises:
            Refusal: 503, too much is waiting already.
        """
        future: Future[Result] = Future()
        try:
            self._queue.put_nowait((work, future))
        except Full as error:
            raise overloaded("the store has no room for more writes") from error
        return future

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection = connect(self._path)
        try:
            while (batch := self._batch()) is not None:
                wanted = [(work, future) for work, future in batch if future.set_running_or_notify_cancel()]
                _commit(connection, wanted, self._after_commit)
        finally:
            connection.close()

    def _batch(self) -> list[_Job] | None:
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < _MOST_AT_ONCE:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                self._queue.put(None)
                break
            batch.append(job)
        return batch


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that commits by hand and waits for the disk."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _commit(
    connection: sqlite3.Connection, batch: list[_Job], after_commit: Callable[[sqlite3.Connection], None]
) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [(future, *_try(connection, work)) for work, future in batch]
        connection.execute("COMMIT")
        after_commit(connection)
    except (sqlite3.Error, OSError) as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        outcomes = [(future, None, error) for _, future in batch]
    for future, result, failure in outcomes:
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)


def _try(connection: sqlite3.Connection, work: Work) -> tuple[Any, Exception | None]:
    connection.execute("SAVEPOINT one")
    try:
        result = work(connection)
    except Exception as error:  # noqa: BLE001 whatever it is belongs to the caller
        connection.execute("ROLLBACK TO one")
        return None, error
    finally:
        connection.execute("RELEASE one")
    return result, None
