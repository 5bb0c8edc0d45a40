"""What people tell Knowledge: pauses."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert

from mape_k.knowledge import audit
from mape_k.knowledge.moves import thaw
from mape_k.knowledge.schema import pauses
from mape_k.knowledge.store import Store
from mape_k.model import Pause
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


def _pause(connection: Connection, pause: Pause, at: datetime) -> None:
    connection.execute(delete(pauses).where(pauses.c.scope == pause.scope))
    row = {column.name: getattr(pause, column.name) for column in pauses.c}
    connection.execute(insert(pauses).values(row))
    audit.note(connection, audit.PAUSED, to_document(pause), at=at)


def _resume(connection: Connection, scope: str, by: str, at: datetime) -> None:
    connection.execute(delete(pauses).where(pauses.c.scope == scope))
    audit.note(connection, audit.RESUMED, {"scope": scope, "by": by}, at=at)
    kind, _, name = scope.partition(":")
    if kind in ("", "target"):
        thaw(connection, name, at=at)
