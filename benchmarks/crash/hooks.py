"""Makes the durable steps of the daemon points to die at, from outside: nothing of it is in the program."""

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from random import Random  # noqa: TID251 - seeded
from typing import Any

from sqlalchemy import Connection, Engine, event, inspect

from crash import points
from crash.reaper import Reaper
from integration.answers import Answer
from integration.http import Peer, Request
from mape_k import knowledge
from mape_k.knowledge import Lease, SqlDeadLetters, SqlJournal, SqlOrders, Store, lease, moves
from mape_k.knowledge.migrate import HEAD
from mape_k.model import Execution, State, Step

LONGEST_UNDER_WAY_SECONDS = 0.01
Work = Callable[[Connection], Any]

_doing = threading.local()
"""Per thread: ``batch``, the writes in the transaction under way, and ``name``, the one that runs."""
_asked: contextvars.ContextVar[str] = contextvars.ContextVar("asked", default="")
"""Who asked for a write; at what nobody asked for by a name nobody dies on purpose."""


def watch(reaper: Reaper, rng: Random) -> None:
    """Hook everything in."""
    _watch_journal(reaper)
    _watch_others(reaper)
    _watch_commits(reaper)
    _watch_opening(reaper)
    _wrap(Peer, "_exchange", lambda original: _sending(original, reaper, rng))


def _wrap(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:  # noqa: ANN401 - a module or a class
    setattr(owner, name, wrapper(getattr(owner, name)))


def _watch_journal(reaper: Reaper) -> None:
    def hook(method: str, name_of: Callable[..., str], is_move: Callable[..., bool]) -> None:
        _wrap(SqlJournal, method, lambda original: _named(original, name_of, is_move, reaper))

    hook("open_cycle", lambda _: points.OPEN_CYCLE, lambda _: False)
    hook("close_cycle", lambda _: points.CLOSE_CYCLE, lambda _: False)
    hook("admit", lambda _, to=State.ADMITTED: points.ADMIT if to is State.ADMITTED else points.PROPOSE, lambda _: True)
    hook("begin", lambda *_: points.BEGIN, lambda *_: True)
    hook("move", lambda execution, to: f"{execution.state}>{to}", lambda execution, to: to is not execution.state)
    hook("follow_up", lambda step: str(step.step), lambda step: step.step is not Step.RESUME)


def _watch_others(reaper: Reaper) -> None:
    for owner, names in OTHERS.items():
        for method, name in names.items():
            _wrap(owner, method, lambda original, name=name: _ordered(original, name, reaper))


OTHERS = {
    Lease: {"acquire": points.TAKE_OVER, "renew": points.RENEW_LEASE},
    SqlOrders: {
        "pause": points.PAUSE,
        "resume": points.LIFT,
        "consent": points.CONSENT,
        "feedback": points.FEEDBACK,
    },
    SqlDeadLetters: {"retry": points.RETRY, "claim": points.CLAIM, "settled": points.SETTLED},
}
"""Writes of others than the journal, by class and method."""


def _ordered(original: Callable[..., Awaitable[Any]], name: str, reaper: Reaper) -> Callable[..., Awaitable[Any]]:
    """Give a write its name; a person who was told that it is done may rely on it."""

    async def write(self: object, *told: Any, **more: Any) -> Any:  # noqa: ANN401
        token = _asked.set(name)
        try:
            result = await original(self, *told, **more)
        finally:
            _asked.reset(token)
        if name in points.ORDERS:
            reaper.ordered(name)
        return result

    return write


def _named(
    original: Callable[..., Awaitable[Any]], name_of: Callable[..., str], is_move: Callable[..., bool], reaper: Reaper
) -> Callable[..., Awaitable[Any]]:
    """Give a write its name, and note what was acknowledged to whom asked for it."""

    async def journaled(self: SqlJournal, *told: Any, **more: Any) -> Any:  # noqa: ANN401
        token = _asked.set(name_of(*told, **{"to": more["to"]} if more.get("to") else {}))
        try:
            result = await original(self, *told, **more)
        finally:
            _asked.reset(token)
        if isinstance(result, Execution) and is_move(*told):
            reaper.acknowledge(result.execution_id, result.state, result.epoch)
        return result

    return journaled


def _watch_commits(reaper: Reaper) -> None:
    _wrap(Store, "write", _carrying_its_name)
    _wrap(Store, "_commit", _noting_the_batch)
    _wrap(Store, "_settle", lambda original: _after_the_commit(original, reaper))
    _wrap(moves, "record", lambda original: _between_two_statements(original, reaper))
    event.listen(Engine, "commit", lambda _: _before_the_commit(reaper))


def _carrying_its_name(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def write(self: Store, work: Work) -> Any:  # noqa: ANN401
        name = _asked.get()

        def named(connection: Connection) -> Any:  # noqa: ANN401
            _doing.name = name
            return work(connection)

        named.point = name
        return await original(self, named)

    return write


def _noting_the_batch(original: Callable[..., None]) -> Callable[..., None]:
    def commit(self: Store, writes: list[Any]) -> None:
        _doing.batch = [write.run.point for write in writes]
        original(self, writes)

    return commit


def _before_the_commit(reaper: Reaper) -> None:
    for name in getattr(_doing, "batch", ()):
        reaper.reach(points.at(name, points.BEFORE))


def _after_the_commit(original: Callable[..., None], reaper: Reaper) -> Callable[..., None]:
    def settle(self: Store, write: Any) -> None:  # noqa: ANN401
        if write.error is None:
            reaper.reach(points.at(write.run.point, points.AFTER))
        original(self, write)

    return settle


def _between_two_statements(original: Callable[..., None], reaper: Reaper) -> Callable[..., None]:
    def record(*told: Any, **more: Any) -> None:  # noqa: ANN401
        reaper.reach(points.at(_doing.name, points.BETWEEN))
        original(*told, **more)

    return record


def _watch_opening(reaper: Reaper) -> None:
    _wrap(knowledge, "migrate", _noting_a_migration)
    _wrap(knowledge, "prepare", lambda original: _after_a_migration(original, reaper))
    _wrap(lease, "take_over", lambda original: _noting_what_is_taken(original, reaper))
    event.listen(Engine, "after_cursor_execute", lambda *told: _within_a_migration(told[2], reaper))


def _noting_a_migration(original: Callable[[Connection], None]) -> Callable[[Connection], None]:
    def migrate(connection: Connection) -> None:
        is_old = inspect(connection).has_table("alembic_version")
        stamps = connection.exec_driver_sql("SELECT version_num FROM alembic_version").all() if is_old else []
        _doing.batch = [] if stamps == [(HEAD,)] else [points.MIGRATE]
        original(connection)

    return migrate


def _within_a_migration(statement: str, reaper: Reaper) -> None:
    if getattr(_doing, "batch", ()) == [points.MIGRATE] and statement.lstrip().startswith("CREATE TABLE"):
        reaper.reach(points.at(points.MIGRATE, points.BETWEEN))


def _after_a_migration(original: Callable[..., Any], reaper: Reaper) -> Callable[..., Any]:
    def prepare(*told: Any, **more: Any) -> Any:  # noqa: ANN401
        database = original(*told, **more)
        for name in _doing.batch:
            reaper.reach(points.at(name, points.AFTER))
        _doing.batch = []
        return database

    return prepare


def _noting_what_is_taken(original: Callable[..., Execution], reaper: Reaper) -> Callable[..., Execution]:
    def take_over(*told: Any, **more: Any) -> Execution:  # noqa: ANN401
        execution = original(*told, **more)
        reaper.took_over(execution.execution_id, execution.state)
        return execution

    return take_over


def _sending(original: Callable[..., Awaitable[Answer]], reaper: Reaper, rng: Random) -> Callable[..., Any]:
    async def exchange(self: Peer, request: Request, sending: object) -> Answer:
        if not request.changes_world:
            return await original(self, request, sending)
        name = _kind(request.headers.get("Idempotency-Key", ""), reaper)
        reaper.reach(points.at(name, points.SENDING))
        seconds, under_way = rng.uniform(0.0, LONGEST_UNDER_WAY_SECONDS), points.at(name, points.UNDER_WAY)
        death = asyncio.get_running_loop().call_later(seconds, reaper.reach, under_way)
        try:
            answer = await original(self, request, sending)
        finally:
            death.cancel()
        reaper.reach(points.at(name, points.ANSWERED))
        return answer

    return exchange


def _kind(key: str, reaper: Reaper) -> str:
    execution_id, _, further = key.partition(":")
    if "rollback" in further or "renew" in further:
        return points.ROLL_BACK if "rollback" in further else points.RENEWAL
    if reaper.is_resumed(execution_id):
        return points.ASKED_AGAIN
    return points.FURTHER if further else points.POLICY
