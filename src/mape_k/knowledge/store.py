"""One writer thread: functions are queued, each runs in a savepoint, and one commit makes the whole batch durable."""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from mape_k.errors import StoreError
from mape_k.model import Reason
from mape_k.ports import Clock

_BATCH = 256
_READERS = 2
T = TypeVar("T")


class Database(Protocol):
    """An engine's peculiarities, as far as the store needs them."""

    writer: Engine
    reader: Engine
    errors: tuple[type[Exception], ...]

    is_shared: bool
    """Whether several daemons may have it open."""

    damage: str
    """What is wrong with what was kept; while it says anything, nothing is written."""

    @property
    def reserve_bytes(self) -> int:
        """How much space is kept for a full disk."""
        ...

    @property
    def hold(self) -> Reason | None:
        """Why nothing may be begun; None: it may."""
        ...

    def translated(self, error: Exception) -> StoreError:
        """Return an error of the engine as ours, with words for a person."""
        ...

    def relieve(self, error: BaseException) -> bool:
        """Do what can be done about an error; return whether trying again makes sense."""
        ...

    def tend(self, now: datetime) -> None:
        """Do what is due between two cycles; never raises, never waits long."""
        ...

    def close(self) -> None:
        """Close all connections and let others in."""
        ...


@dataclass(slots=True)
class _Write:
    """A function that waits for its turn, and what became of it."""

    run: Callable[[Connection], Any]
    queued_at: float
    future: Future[Any] = field(default_factory=Future)
    result: Any = None
    error: Exception | None = None


class Store:
    """Where all writes of this daemon go through, and all reads.

    Args:
        database: what to write to.
        clock: measures how long writes take.
        limit: writes that may wait at once; more are refused.
        write_seconds: called, in the writer's thread, with the seconds from queueing to durable of each write.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        limit: int = 4096,
        write_seconds: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._write_seconds = write_seconds
        self._waiting: queue.Queue[_Write | None] = queue.Queue(limit)
        self._is_closed = False
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="knowledge-reader")
        self._writer = threading.Thread(target=self._write_batches, name="knowledge-writer", daemon=True)
        self._writer.start()

    @property
    def hold(self) -> Reason | None:
        """Why nothing may be begun; None: it may."""
        return self._database.hold

    @property
    def reserve_bytes(self) -> int:
        """How much space is kept for a full disk."""
        return self._database.reserve_bytes

    async def tend(self, now: datetime) -> None:
        """Do what is due between two cycles."""
        await asyncio.to_thread(self._database.tend, now)

    async def write(self, run: Callable[[Connection], T]) -> T:
        """Run a function inside a transaction; what it did is durable when this returns.

        After a full disk was relieved, ``run`` is called a second time, in a new transaction.

        Raises:
            StoreError: not written; nothing of it remains. Whatever ``run`` raises comes out unchanged.
        """
        self._refuse_when_closed()
        if self._database.damage:
            raise StoreError(self._database.damage)
        write = _Write(run, self._clock.monotonic())
        try:
            self._waiting.put_nowait(write)
        except queue.Full:
            raise StoreError(f"Knowledge cannot keep up: {self._waiting.maxsize} writes wait already") from None
        return await asyncio.wrap_future(write.future)

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Run a function on a connection that sees one state and can change nothing.

        Raises:
            StoreError: not readable. Whatever ``run`` raises comes out unchanged.
        """
        self._refuse_when_closed()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, run)

    async def close(self) -> None:
        """Finish what is queued, then close; a second time it does nothing."""
        if not self._is_closed:
            self._is_closed = True
            await asyncio.to_thread(self._drain)

    def _refuse_when_closed(self) -> None:
        if self._is_closed:
            raise StoreError("Knowledge is closed")

    def _drain(self) -> None:
        self._waiting.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._database.close()

    def _read(self, run: Callable[[Connection], T]) -> T:
        try:
            with self._database.reader.begin() as connection:
                return run(connection)
        except self._database.errors as error:
            raise self._database.translated(error) from error

    def _write_batches(self) -> None:
        batch: list[_Write | None] = []
        while not batch or batch[-1]:
            batch = self._next_batch()
            self._commit([write for write in batch if write and write.future.set_running_or_notify_cancel()])

    def _next_batch(self) -> list[_Write | None]:
        """Wait for a write, then take all that wait behind it; the end of everything is None, and comes last."""
        batch = [self._waiting.get()]
        with suppress(queue.Empty):
            while len(batch) < _BATCH:
                batch.append(self._waiting.get_nowait())
        return batch

    def _commit(self, writes: list[_Write]) -> None:
        failure = self._try(writes)
        if failure is not None and self._database.relieve(failure):
            self._try(writes)
        for write in writes:
            self._settle(write)

    def _try(self, writes: list[_Write]) -> Exception | None:
        """Run all writes in one transaction; return the error with which it was lost as a whole."""
        for write in writes:
            write.error = None
        try:
            with self._database.writer.begin() as connection:
                for write in writes:
                    _attempt(connection, write)
        except Exception as error:  # noqa: BLE001 - whatever it was, who waits must be told
            for write in writes:
                write.error = write.error or error
            return error
        return None

    def _settle(self, write: _Write) -> None:
        if write.error is None:
            self._write_seconds(self._clock.monotonic() - write.queued_at)
            write.future.set_result(write.result)
        else:
            write.future.set_exception(self._translated(write.error))

    def _translated(self, error: Exception) -> Exception:
        if not isinstance(error, self._database.errors):
            return error
        translated = self._database.translated(error)
        translated.__cause__ = error
        return translated


def _attempt(connection: Connection, write: _Write) -> None:
    """Run one write in its savepoint; raises only when the transaction as a whole is lost.

    The savepoint is spoken in SQL: the toolkit compiles it anew each time, which takes longer than most writes.
    """
    connection.exec_driver_sql("SAVEPOINT attempt")
    try:
        write.result = write.run(connection)
    except Exception as error:  # noqa: BLE001 - it belongs to who asked for this write
        write.error = error
        _undo(connection, error)
    connection.exec_driver_sql("RELEASE SAVEPOINT attempt")


def _undo(connection: Connection, error: Exception) -> None:
    try:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT attempt")
    except DBAPIError:  # a full disk, for one, makes the engine give up the whole transaction by itself
        raise error from None
