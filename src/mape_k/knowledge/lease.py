"""Who leads: one row, times by the database's clock, and an epoch that goes up whenever somebody begins to lead."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select, update

from mape_k.errors import FencedError, StoreError
from mape_k.knowledge import audit
from mape_k.knowledge.cycles import end_interrupted
from mape_k.knowledge.ledger import EPOCH, read_meta, read_open_executions, write_meta
from mape_k.knowledge.moves import take_over
from mape_k.knowledge.schema import leases, meta
from mape_k.knowledge.store import Store
from mape_k.model import Mode
from mape_k.ports import Clock

LEADER = "leader"
FENCES_ITSELF_AFTER = 0.7
"""The share of the lease after which a leader that could not renew it stops acting, by its own clock."""
_NOBODY = ""
_OURS = leases.c.name == LEADER
_EPOCH = select(meta.c.document).where(meta.c.name == EPOCH).with_for_update()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """Who leads, as the row says; ``is_in_force`` by the database's clock."""

    holder: str
    epoch: int
    is_in_force: bool


class Lease:
    """The right to act, and the epoch in which this daemon has it.

    Args:
        store: where the row is.
        clock: measures how long ago a renewal was sent.
        holder: the name of this replica, which no other one has.
        seconds: how long the lease lasts; None where nobody else can have it, since a file lock is held.
        mode: of this daemon; told in the audit trail.
        floor: returns the highest epoch known outside the store, which may have been lost or put back since.
        begun: called, in a thread, with each epoch that is durable, and where the audit trail stood then.
        at_first: called within the transaction that begins the first epoch of a store.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        holder: str,
        seconds: float | None,
        mode: Mode,
        floor: Callable[[], int] = lambda: 0,
        begun: Callable[[int, audit.Head], None] = lambda _epoch, _head: None,
        at_first: Callable[[Connection], None] = lambda _connection: None,
    ) -> None:
        self.holder = holder
        self.seconds = seconds
        self.epoch = 0
        self._store = store
        self._clock = clock
        self._mode = mode
        self._floor = floor
        self._begun = begun
        self._at_first = at_first
        self._held_until = 0.0

    @property
    def is_held(self) -> bool:
        """Whether this daemon may act; goes false by itself, before the lease ends for the others."""
        if self.seconds is None:
            return bool(self.epoch)
        return self._clock.monotonic() < self._held_until

    async def acquire(self) -> bool:
        """Begin to lead in a new epoch, in which everything open is ours; False while another one leads.

        Raises:
            StoreError, ConfigError: it cannot be written, here or on this host.
        """
        sent = self._clock.monotonic()
        won = await self._store.write(self._acquire)
        if won is None:
            return False
        await self._begin(*won)
        self._hold(sent)
        return True

    async def renew(self) -> bool:
        """Go on leading; False: another one has begun to, and this one must stop.

        Raises:
            StoreError: it cannot be told; the lease lasts as long as it would have.
        """
        if self.seconds is None:
            return bool(self.epoch)
        sent = self._clock.monotonic()  # before the request leaves: what is slow counts against us
        if not await self._store.write(self._renew):
            self.give_up()
            return False
        self._hold(sent)
        return True

    def give_up(self) -> None:
        """Act no more, whatever the row says."""
        self._held_until = 0.0

    async def release(self) -> None:
        """Let another one lead at once.

        Raises:
            StoreError: it cannot be written; the others wait until the lease ends.
        """
        was_held = self.is_held
        self.give_up()
        if was_held and self.seconds is not None:
            await self._store.write(self._release)

    async def leader(self) -> Leader | None:
        """Return who leads, or led last; None where nobody ever did.

        Raises:
            StoreError: not readable.
        """
        return await self._store.read(lambda connection: read_leader(connection, self._clock.now()))

    async def raise_epoch(self, above: int, *, by: str) -> int:
        """Go on in an epoch higher than ``above``, in which everything open is ours; return it.

        Raises:
            FencedError: another daemon leads. StoreError: not written.
        """
        await self._begin(*await self._store.write(lambda connection: self._raise(connection, above, by)))
        return self.epoch

    def require(self, connection: Connection) -> None:
        """Hold off whoever begins to lead until this transaction ends, or say that somebody has.

        Raises:
            FencedError: this daemon's epoch is over.
        """
        current = _epoch(connection)
        if current != self.epoch:
            raise FencedError(f"epoch {self.epoch} is over: the one of {current} leads", current_epoch=current)

    async def _begin(self, epoch: int, head: audit.Head) -> None:
        self.epoch = epoch
        await asyncio.to_thread(self._begun, epoch, head)

    def _hold(self, sent: float) -> None:
        if self.seconds is not None:
            self._held_until = sent + FENCES_ITSELF_AFTER * self.seconds

    def _acquire(self, connection: Connection) -> tuple[int, audit.Head] | None:
        known = _epoch(connection)  # locks: of two who try, one waits for what becomes of the other
        now = _now(connection, self._clock.now())
        leader = read_leader(connection, now)
        if leader is not None and leader.is_in_force and leader.holder != self.holder and self.seconds is not None:
            return None
        if not known:
            self._at_first(connection)
        epoch = max(known, self._floor()) + 1
        return self._begin_epoch(connection, epoch, now, audit.START, {"mode": self._mode})

    def _raise(self, connection: Connection, above: int, by: str) -> tuple[int, audit.Head]:
        self.require(connection)
        now = _now(connection, self._clock.now())
        return self._begin_epoch(connection, max(above, self.epoch) + 1, now, audit.EPOCH_RAISED, {"by": by})

    def _begin_epoch(
        self, connection: Connection, epoch: int, now: datetime, kind: str, event: dict[str, object]
    ) -> tuple[int, audit.Head]:
        write_meta(connection, EPOCH, epoch)
        self._write(connection, epoch, now)
        at = self._clock.now()
        who = {} if self.seconds is None else {"replica": self.holder}
        audit.note(connection, kind, {"epoch": epoch, **who, **event}, at=at)
        for execution in read_open_executions(connection):
            take_over(connection, execution, epoch=epoch, at=at)
        end_interrupted(connection)
        return epoch, audit.read_head(connection)

    def _write(self, connection: Connection, epoch: int, now: datetime) -> None:
        row = {"holder": self.holder, "epoch": epoch, **self._times(now)}
        if not connection.execute(update(leases).where(_OURS).values(row)).rowcount:
            connection.execute(insert(leases).values(row | {"name": LEADER}))

    def _renew(self, connection: Connection) -> bool:
        ours = _OURS & (leases.c.holder == self.holder) & (leases.c.epoch == self.epoch)
        now = _now(connection, self._clock.now())
        return bool(connection.execute(update(leases).where(ours).values(self._times(now))).rowcount)

    def _release(self, connection: Connection) -> None:
        ours = _OURS & (leases.c.holder == self.holder) & (leases.c.epoch == self.epoch)
        now = _now(connection, self._clock.now())
        connection.execute(update(leases).where(ours).values(holder=_NOBODY, expires_at=now))

    def _times(self, now: datetime) -> dict[str, datetime]:
        return {"renewed_at": now, "expires_at": now + timedelta(seconds=self.seconds or 0.0)}


def read_leader(connection: Connection, now: datetime) -> Leader | None:
    """Return who leads, or led last; ``now`` counts where the database has no clock of its own."""
    row = connection.execute(select(leases).where(_OURS)).first()
    if row is None:
        return None
    return Leader(holder=row.holder, epoch=row.epoch, is_in_force=row.expires_at > _now(connection, now))


def refuse_when_led(connection: Connection, now: datetime) -> None:
    """Hold off whoever begins to lead until this transaction ends; a file is locked by its one daemon anyway.

    Raises:
        StoreError: somebody leads already.
    """
    if connection.dialect.name != "postgresql":
        return
    _epoch(connection)
    leader = read_leader(connection, now)
    if leader is not None and leader.is_in_force:
        raise StoreError(f"a daemon is running: {leader.holder} leads; stop all replicas first")


def _epoch(connection: Connection) -> int:
    """Return the epoch, and keep its row as it is until the transaction ends, where several may write."""
    epoch = connection.execute(_EPOCH).scalar()
    if epoch is None and connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE meta IN SHARE ROW EXCLUSIVE MODE")  # nobody led yet: there is no row
        epoch = read_meta(connection, EPOCH)
    return int(epoch or 0)


def _now(connection: Connection, own: datetime) -> datetime:
    """Return the time by which leases are told: the database's, where several daemons share it."""
    if connection.dialect.name != "postgresql":
        return own
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now
