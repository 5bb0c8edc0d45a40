"""What people tell Knowledge: pauses, answers to what they are asked, and what they say became of an action."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from mape_k.errors import ConflictError
from mape_k.knowledge import audit
from mape_k.knowledge.learning import correct
from mape_k.knowledge.ledger import LOOKED_AT, read_execution, write_meta
from mape_k.knowledge.moves import thaw
from mape_k.knowledge.schema import executions, pauses
from mape_k.knowledge.store import Store
from mape_k.model import Consent, Execution, Feedback, Pause, State, asked_hash
from mape_k.ports import Clock
from mape_k.recording import to_document


class SqlOrders:
    """Orders in a database; satisfies :class:`mape_k.ports.Orders`, where its methods are described."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def pause(self, pause: Pause) -> None:
        """Pause; one of the same scope takes the place of another."""
        await self._store.write(lambda connection: _pause(connection, pause, self._clock.now()))

    async def resume(self, scope: str, *, by: str) -> None:
        """Lift the pause of a scope. Everything (``""``), or a target, also thaws what is frozen there."""
        await self._store.write(lambda connection: _resume(connection, scope, by, self._clock.now()))

    async def consent(self, execution_id: str, consent: Consent) -> Execution | None:
        """Keep a person's answer; the first one stands, and the same one again changes nothing.

        Raises:
            ConflictError: nobody is asked about it (any more), about another plan, or it was answered otherwise.
        """
        return await self._told(execution_id, lambda connection, e: _consent(connection, e, consent))

    async def feedback(self, execution_id: str, feedback: Feedback) -> Execution | None:
        """Keep what a person says became of an action, and count that instead of what was counted.

        Raises:
            ConflictError: its effect is not judged yet, or nothing was done.
        """
        return await self._told(execution_id, lambda connection, e: _feedback(connection, e, feedback))

    async def _told(self, execution_id: str, tell: Callable[[Connection, Execution], None]) -> Execution | None:
        """Tell something about an execution that nobody else changes meanwhile."""

        def run(connection: Connection) -> Execution | None:
            mine = executions.c.execution_id == execution_id
            connection.execute(select(executions.c.execution_id).where(mine).with_for_update())
            execution = read_execution(connection, execution_id)
            if execution is not None:
                tell(connection, execution)
            return read_execution(connection, execution_id)

        return await self._store.write(run)


def _pause(connection: Connection, pause: Pause, at: datetime) -> None:
    audit.note(connection, audit.PAUSED, to_document(pause), at=at)  # first: then replicas take turns
    connection.execute(delete(pauses).where(pauses.c.scope == pause.scope))
    row = {column.name: getattr(pause, column.name) for column in pauses.c}
    connection.execute(insert(pauses).values(row))


def _resume(connection: Connection, scope: str, by: str, at: datetime) -> None:
    connection.execute(delete(pauses).where(pauses.c.scope == scope))
    audit.note(connection, audit.RESUMED, {"scope": scope, "by": by}, at=at)
    if not scope:
        write_meta(connection, LOOKED_AT, at)
    kind, _, name = scope.partition(":")
    if kind in ("", "target"):
        thaw(connection, name, at=at)


def _consent(connection: Connection, execution: Execution, consent: Consent) -> None:
    known = execution.consent
    if known is not None and (known.is_given, known.plan_hash) == (consent.is_given, consent.plan_hash):
        return
    if refusal := _not_to_be_answered(execution, consent):
        raise ConflictError(refusal)
    _keep(connection, execution, audit.CONSENT, consent.at, consent=consent)


def _not_to_be_answered(execution: Execution, consent: Consent) -> str:
    """Return why this answer cannot be taken; empty when it can."""
    name, asked = execution.execution_id, asked_hash(execution.state, execution.plan_hash)
    if not asked:
        why = f": {execution.reason.sentence}" if execution.state is State.FAILED and execution.reason else ""
        return f"nobody is asked about {name} any more; it is {execution.state}{why}"
    if execution.answer is not None:
        given = "approved" if execution.answer.is_given else "rejected"
        return f"{name} was {given} by {execution.answer.by} at {execution.answer.at:%H:%M:%S} UTC; that stands"
    if consent.plan_hash != asked:
        return f"the plan of {name} is another one now: its hash is {asked}"
    if execution.due_at is not None and consent.at >= execution.due_at:
        return f"the time to answer about {name} ended at {execution.due_at:%H:%M:%S} UTC"
    return ""


def _feedback(connection: Connection, execution: Execution, feedback: Feedback) -> None:
    if execution.state is State.FAILED:
        raise ConflictError(f"nothing was done with {execution.execution_id}, so nothing became of it")
    if execution.is_unsettled:
        raise ConflictError(f"what became of {execution.execution_id} is not judged yet; it is {execution.state}")
    correct(connection, execution, success=feedback.is_good)
    _keep(connection, execution, audit.FEEDBACK, feedback.at, feedback=feedback)


def _keep(connection: Connection, execution: Execution, kind: str, at: datetime, **said: Consent | Feedback) -> None:
    mine = executions.c.execution_id == execution.execution_id
    connection.execute(update(executions).where(mine).values(said))
    told = {name: value for each in said.values() for name, value in to_document(each).items() if name != "at"}
    audit.note(connection, kind, {"execution_id": execution.execution_id, **told}, at=at)
