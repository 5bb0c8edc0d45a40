# ruff: noqa: SLF001 - where a bug goes in there is no door
"""Bugs that a crash run must not miss, each put into the running daemon and nowhere else."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from integration import charter_client
from integration.charter_client import CharterClient
from mape_k import execute, knowledge, plan
from mape_k.execute import Executor
from mape_k.knowledge import Store, moves, store
from mape_k.model import Execution, Reason, State
from mape_k.ports import Applied

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
    async def resolve(self: Executor, execution: Execution) -> Execution:
        again = f"{execution.execution_id}#again"
        applied = await self._apply(execution, key=again, request=execution.request)
        return await self._in_force(execution, applied)

    Executor._resolve = resolve


def _outcome_before_effect() -> None:
    async def send(self: Executor, execution: Execution) -> Execution:
        believed = await self._in_force(execution, Applied(policy_id=""))
        applied = await self._apply(execution, key=execution.execution_id, request=execution.request)
        return await self._move(believed, State.VERIFYING, policy_id=applied.policy_id)

    Executor._send = send


def _undone_before_effect() -> None:
    async def roll_back(self: Executor, execution: Execution, remediation: Any) -> Execution:  # noqa: ANN401
        undone = await self._move(execution, State.ROLLED_BACK, expires_at=None)
        await self._effector.roll_back(
            execution.policy_id,
            execute._compensation(execution, remediation),
            key=f"{execution.execution_id}:rollback",
            epoch=execution.epoch,
            traceparent="",
            timeout_seconds=self._timeout,
        )
        return undone

    Executor._roll_back = roll_back


def _effect_before_intent() -> None:
    def sent_first(original: Any) -> Any:  # noqa: ANN401
        async def act(self: Executor, action: Any, *told: Any) -> Any:  # noqa: ANN401
            policy = {"key": action.execution_id, "epoch": self._journal.epoch, "traceparent": ""}
            await self._effector.apply(action.request, **policy, timeout_seconds=self._timeout)
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


def _not_resumed(state: State) -> None:
    plan._HALF_DONE -= {state}


def _nothing_taken_over() -> None:
    knowledge.read_open_executions = lambda _: []


def _old_epoch_kept() -> None:
    def kept(original: Callable[..., Execution]) -> Callable[..., Execution]:
        return lambda connection, execution, *, epoch, at: original(  # noqa: ARG005
            connection, execution, epoch=execution.epoch, at=at
        )

    _with(knowledge, "take_over", kept)


def _doubt_taken_for_failure() -> None:
    async def resolve(self: Executor, execution: Execution) -> Execution:
        return await self._move(execution, State.FAILED, reason=Reason.UNREACHABLE)

    Executor._resolve = resolve


def _doubt_taken_for_success() -> None:
    Executor._resolve = Executor._observe


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
    "renewal-not-resumed": Plant("a renewal that was cut is left", partial(_not_resumed, State.RENEWING)),
    "doubt-taken-for-failure": Plant("a request in doubt counts as never sent", _doubt_taken_for_failure),
    "doubt-taken-for-success": Plant("a request in doubt counts as received", _doubt_taken_for_success),
}
