"""The real outbox and dead letters on a database in memory, without threads, for tests in virtual time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from mape_k.errors import MapeKError, StoreError
from mape_k.knowledge import SqlDeadLetters, SqlOutbox, audit
from mape_k.knowledge.schema import metadata
from mape_k.model import Execution, Message, State
from mape_k.ports import Clock


class MemoryStore:
    """Runs each function at once, in a transaction of its own; ``is_down`` makes it fail."""

    def __init__(self) -> None:
        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        metadata.create_all(engine)
        self.engine, self.is_down = engine.execution_options(**audit.with_trail(b"key")), False

    async def write(self, run: Callable[[Connection], Any]) -> Any:
        if self.is_down:
            raise StoreError("the disk is full")
        with self.engine.begin() as connection:
            return run(connection)

    read = write


class Post:
    """Outbox and dead letters over one store in memory."""

    def __init__(self, clock: Clock) -> None:
        self.store = MemoryStore()
        self.outbox, self.dead_letters = SqlOutbox(self.store, clock), SqlDeadLetters(self.store, clock)


class FakeNotifier:
    """Keeps what it sent, with its key and time; ``failure`` is raised in its place for as long as it is set."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name, self.clock, self.failure, self.hangs = name, clock, None, False
        self.asked: list[datetime] = []
        self.sent: list[Message] = []
        self.keys: list[str] = []

    async def send(self, message: Message, *, key: str, timeout_seconds: float) -> None:
        self.asked.append(self.clock.now())
        self.keys.append(key)
        if self.failure:
            await self.clock.sleep(timeout_seconds if self.hangs else 0)
            raise self.failure
        self.sent.append(message)

    @property
    def subjects(self) -> list[str]:
        return [message.subject for message in self.sent]


class FakeCompensator:
    """Knows one execution, and what undoing it brings: a state, or an error."""

    def __init__(self, execution: Execution) -> None:
        self.execution, self.outcome = execution, State.FROZEN
        self.undone: list[str] = []
        self.given_up: list[str] = []

    async def undo_again(self, execution_id: str) -> Execution | None:
        self.undone.append(execution_id)
        if isinstance(self.outcome, MapeKError):
            raise self.outcome
        return replace(self.execution, state=self.outcome)

    async def give_up(self, execution_id: str) -> Execution | None:
        self.given_up.append(execution_id)
        return self.execution
