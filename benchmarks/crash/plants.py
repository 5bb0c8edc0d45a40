# ruff: noqa: SLF001 - where a bug goes in there is no door
"""Bugs that a crash run must not miss, each put into the running daemon and nowhere else."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection

from integration import charter_client
from integration.charter_client import CharterClient
from mape_k.execute import Executor
from mape_k.execute.parts import Part, named, next_part
from mape_k.execute.sending import Sending
from mape_k.execute.undoing import Undoing
from mape_k.knowledge import SqlOrders, Store, lease, moves, store
from mape_k.model import STARTS_FROM, Consent, Execution, Reason, State, Step
from mape_k.ports import Applied

SLOW_ORDER_SECONDS = 0.2
SLOW_COMMIT_SECONDS = 0.01
"""How long a commit takes where a promise that came too early must show."""


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug: what it does, in words, and how it gets in."""

    meaning: str
    plant: Callable[[], None]


def _with(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:  # noqa: ANN401 - a module or a class
    setattr(owner, name, wrapper(getattr(owner, name)))


def _no_header(name: str) -> None:
    def without(original: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
        return lambda *told: {header: value for header, value in original(*told).items() if header != name}

    _with(charter_client, "_headers", without)


def _key_per_attempt() -> None:
    def renamed(original: Any) -> Any:  # noqa: ANN401
        async def apply(self: CharterClient, request: Any, *, key: str, **more: Any) -> Applied:  # noqa: ANN401
            return await original(self, request, key=f"{key}#{uuid.uuid4().hex[:8]}", **more)

        return apply

    _with(CharterClient, "apply", renamed)


def _new_key_when_resumed() -> None:
    async def resolve(self: Sending, execution: Execution) -> Execution:
        part = next_part(execution)
        applied = await self._gate.apply(execution, key=f"{part.key}#again", request=part.request)
        return await self.send(await self._answered(execution, part, applied))

    Sending.resolve = resolve


def _outcome_before_effect() -> None:
    async def send(self: Sending, execution: Execution, part: Part) -> Execution:
        believed = await self._answered(execution, part, Applied(policy_id=""))
        applied = await self._gate.apply(execution, key=part.key, request=part.request)
        return await self._record.move(believed, believed.state, **named(execution, part.number, applied.policy_id))

    Sending._send = send


def _undone_before_effect() -> None:
    async def roll_back(self: Undoing, execution: Execution) -> Execution:
        undone = await self._record.move(execution, State.ROLLED_BACK, expires_at=None)
        for number in reversed(range(len(execution.further_ids) + 1)):
            await self._undo_part(execution, number)
        return undone

    Undoing.roll_back = roll_back


def _effect_before_intent() -> None:
    def sent_first(original: Any) -> Any:  # noqa: ANN401
        async def act(self: Executor, action: Any, *told: Any) -> Any:  # noqa: ANN401
            policy = {"key": action.execution_id, "epoch": self._journal.epoch, "traceparent": ""}
            await self._gate._effector_of(action.request).apply(action.request, **policy, timeout_seconds=self._timeout)
            return await original(self, action, *told)

        return act

    _with(Executor, "_act", sent_first)


def _acknowledged_before_commit() -> None:
    def commit(self: Store, writes: list[Any]) -> None:
        with self._database.writer.begin() as connection:
            for write in writes:
                store._attempt(connection, write)
                self._settle(write)
            time.sleep(SLOW_COMMIT_SECONDS)

    Store._commit = commit


def _torn_move() -> None:
    def torn(original: Callable[..., None]) -> Callable[..., None]:
        def record(connection: Connection, *told: Any, **more: Any) -> None:  # noqa: ANN401
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql("SAVEPOINT attempt")
            original(connection, *told, **more)

        return record

    _with(moves, "record", torn)


def _not_resumed(*states: State) -> None:
    STARTS_FROM[Step.RESUME] -= set(states)  # type: ignore[index] # a bug may write where nobody else does


def _nothing_taken_over() -> None:
    lease.read_open_executions = lambda _: []


def _old_epoch_kept() -> None:
    def kept(original: Callable[..., Execution]) -> Callable[..., Execution]:
        return lambda connection, execution, *, epoch, at: original(  # noqa: ARG005
            connection, execution, epoch=execution.epoch, at=at
        )

    _with(lease, "take_over", kept)


def _compare_and_set_dropped() -> None:
    def whatever_it_is(original: Callable[..., Execution]) -> Callable[..., Execution]:
        def put(connection: Connection, execution: Execution, *told: Any) -> Execution:  # noqa: ANN401
            now = moves._reread(connection, execution.execution_id)
            known = replace(execution, state=now.state, epoch=now.epoch)
            return original(connection, known, *told)

        return put

    _with(moves, "_set", whatever_it_is)


def _doubt_taken_for_failure() -> None:
    async def resolve(self: Sending, execution: Execution) -> Execution:
        return await self._record.move(execution, State.FAILED, reason=Reason.UNREACHABLE)

    Sending.resolve = resolve


def _doubt_taken_for_success() -> None:
    async def resolve(self: Sending, execution: Execution) -> Execution:
        return await self._observe(execution, replace(next_part(execution), is_last=True))

    Sending.resolve = resolve


def _further_parts_forgotten() -> None:
    def first_is_last(original: Any) -> Any:  # noqa: ANN401
        async def answered(self: Sending, execution: Execution, part: Part, applied: Applied) -> Execution:
            is_resumed = execution.state is State.UNCERTAIN
            return await original(self, execution, replace(part, is_last=part.is_last or is_resumed), applied)

        return answered

    _with(Sending, "_answered", first_is_last)


def _only_the_first_undone() -> None:
    def without_further(original: Any) -> Any:  # noqa: ANN401
        async def undo(self: Undoing, execution: Execution) -> Execution:
            return await original(self, replace(execution, further_ids=()))

        return undo

    _with(Undoing, "_undo", without_further)


def _orders_acknowledged_before_commit() -> None:
    async def consent(self: SqlOrders, execution_id: str, answer: Consent) -> None:
        later = asyncio.get_running_loop().call_later
        later(SLOW_ORDER_SECONDS, lambda: asyncio.ensure_future(keep(self, execution_id, answer)))

    keep = SqlOrders.consent
    SqlOrders.consent = consent


PLANTS: Mapping[str, Plant] = {
    "no-key": Plant("no idempotency key is sent", partial(_no_header, "Idempotency-Key")),
    "key-per-attempt": Plant("each attempt has a key of its own", _key_per_attempt),
    "new-key-when-resumed": Plant("what is in doubt is sent again under another key", _new_key_when_resumed),
    "no-epoch": Plant("no fencing token is sent", partial(_no_header, "X-Fencing-Token")),
    "effect-before-intent": Plant("the request leaves before its intent is durable", _effect_before_intent),
    "outcome-before-effect": Plant("the outcome is written down before the request leaves", _outcome_before_effect),
    "undone-before-effect": Plant("a roll-back is called done before it was asked for", _undone_before_effect),
    "acknowledged-before-commit": Plant("a write is acknowledged before it is durable", _acknowledged_before_commit),
    "torn-move": Plant("a move and its history are two transactions", _torn_move),
    "nothing-taken-over": Plant("what an earlier daemon left open is left alone", _nothing_taken_over),
    "old-epoch-kept": Plant("what is taken over stays in the epoch of the earlier daemon", _old_epoch_kept),
    "doubt-not-resumed": Plant("a request in doubt is never asked about", partial(_not_resumed, State.UNCERTAIN)),
    "roll-back-not-resumed": Plant("a roll-back that was cut is left", partial(_not_resumed, State.ROLLING_BACK)),
    "reconciler-off": Plant("nothing that was cut is ever taken up", partial(_not_resumed, *STARTS_FROM[Step.RESUME])),
    "renewal-not-resumed": Plant("a renewal that was cut is left", partial(_not_resumed, State.RENEWING)),
    "doubt-taken-for-failure": Plant("a request in doubt counts as never sent", _doubt_taken_for_failure),
    "doubt-taken-for-success": Plant("a request in doubt counts as received", _doubt_taken_for_success),
    "further-parts-forgotten": Plant("what is resumed counts as whole after one part", _further_parts_forgotten),
    "only-the-first-undone": Plant("of several parts only the first one is undone", _only_the_first_undone),
    "compare-and-set-dropped": Plant("a move goes on from whatever state there is", _compare_and_set_dropped),
    "orders-before-commit": Plant(
        "a person is thanked before an answer is durable", _orders_acknowledged_before_commit
    ),
}
