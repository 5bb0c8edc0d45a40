"""How much is kept: what ended long ago goes, a few rows at a time; what is open and what was learned stays."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, exists, func, or_, select

from mape_k.knowledge.dead_letters import prune as forget_dropped
from mape_k.knowledge.deliveries import prune as forget_delivered
from mape_k.knowledge.ledger import WINDOW, is_open
from mape_k.knowledge.notices import KEEP
from mape_k.knowledge.schema import (
    cycles,
    dead_letters,
    executions,
    incidents,
    notices,
    outcomes,
    snapshots,
    transitions,
)
from mape_k.model import LetterState

SHORTEST = WINDOW
"""What is younger is never taken: budgets and cooldowns count it."""

BATCH = 500
"""Rows taken from one table in one transaction, so that no other write waits long."""

EVERY = timedelta(hours=1)


@dataclass(slots=True, kw_only=True)
class Retention:
    """How much is kept, and when it was last cut down to that: hourly, and before the ring overflows.

    Args:
        keep: age of the oldest.
        ring_bytes: of all recorded snapshots together.
    """

    keep: timedelta
    ring_bytes: int
    pruned_at: datetime | None = None
    written_bytes: int = 0

    def note(self, connection: Connection, *, written_bytes: int, now: datetime) -> None:
        """Count what was written, and prune when it is time."""
        self.written_bytes += written_bytes
        is_due = self.pruned_at is None or now - self.pruned_at >= EVERY
        if is_due or self.written_bytes > self._slack_bytes:
            self.prune(connection, now)

    def prune(self, connection: Connection, now: datetime) -> None:
        """Take a batch of each table, with room to spare in the ring; where more is left, the next cycle goes on."""
        taken = take(connection, now - self.keep, now=now, most=BATCH)
        self._prune_ring(connection)
        self.pruned_at = None if max(taken.values()) >= BATCH else now

    def _prune_ring(self, connection: Connection) -> None:
        newest_first = (snapshots.c.as_of.desc(), snapshots.c.cycle_id.desc())
        total = func.sum(snapshots.c.size_bytes).over(order_by=newest_first).label("total")
        ring = select(snapshots.c.cycle_id, total).subquery()
        beyond = select(ring.c.cycle_id).where(ring.c.total > self.ring_bytes - self._slack_bytes)
        connection.execute(delete(snapshots).where(snapshots.c.cycle_id.in_(beyond)))
        self.written_bytes = 0

    @property
    def _slack_bytes(self) -> int:
        return self.ring_bytes // 8


def take(connection: Connection, before: datetime, *, now: datetime, most: int) -> dict[str, int]:
    """Delete what ended before a time, the oldest first; the audit trail and what was learned are never touched.

    Args:
        connection: to write on.
        before: of incidents, actions and what people were told never less than :data:`SHORTEST` ago.
        now: the time.
        most: rows of each table.

    Returns:
        Rows taken, by table.
    """
    taken = dict(_take_executions(connection, min(before, now - SHORTEST), most))
    taken["notices"] = _take_notices(connection, now, most)
    forget_delivered(connection, min(before, now - SHORTEST))
    forget_dropped(connection, now)
    for key, oldest, rows in _ended(before, now):
        taken[key.table.name] = _delete(connection, key, select(key).where(rows).order_by(oldest).limit(most))
    return taken


def _ended(before: datetime, now: datetime) -> Iterator[tuple[Column[Any], Column[Any], ColumnElement[bool]]]:
    """Yield, for each table: its key, the time by which it is ordered, and which of its rows may go."""
    long_ago = min(before, now - SHORTEST)
    has_actions = exists().where(executions.c.incident_id == incidents.c.incident_id)
    is_over = (incidents.c.state == "closed") & (incidents.c.closed_at < long_ago) & ~has_actions
    yield incidents.c.incident_id, incidents.c.closed_at, is_over
    yield cycles.c.cycle_id, cycles.c.as_of, (cycles.c.as_of < before) & cycles.c.result.is_not(None)
    yield dead_letters.c.letter_id, dead_letters.c.written_at, _is_given_up(long_ago)


def _is_given_up(before: datetime) -> ColumnElement[bool]:
    """Return which dead letters may go: nobody tries them any more, and no open action waits for them."""
    waits = exists().where((executions.c.execution_id == dead_letters.c.about) & is_open())
    return (dead_letters.c.state == LetterState.PARKED.value) & (dead_letters.c.written_at < before) & ~waits


def _take_executions(connection: Connection, before: datetime, most: int) -> Iterator[tuple[str, int]]:
    """Take actions that are over, with their history; not those of open incidents, nor with a policy in force."""
    unfinished = select(incidents.c.incident_id).where(incidents.c.state == "open")
    has_lapsed = or_(executions.c.expires_at.is_(None), executions.c.expires_at < before)
    is_over = ~is_open() & (executions.c.updated_at < before) & has_lapsed & executions.c.incident_id.not_in(unfinished)
    oldest = select(executions.c.execution_id).where(is_over).order_by(executions.c.updated_at).limit(most)
    gone = list(connection.execute(oldest).scalars())
    for table in (transitions, outcomes, executions):
        yield table.name, connection.execute(delete(table).where(table.c.execution_id.in_(gone))).rowcount


def _take_notices(connection: Connection, now: datetime, most: int) -> int:
    """Take what was announced last more than a day ago: about ``most`` rows, since one webhook goes as a whole."""
    old = notices.c.received_at < now - KEEP
    last = select(notices.c.received_at).where(old).order_by(notices.c.received_at).offset(most - 1).limit(1)
    until = connection.execute(last).scalar()
    chosen = old if until is None else notices.c.received_at <= until
    return connection.execute(delete(notices).where(chosen)).rowcount


def _delete(connection: Connection, key: Column[Any], chosen: Any) -> int:  # noqa: ANN401 - a select of one column
    table: Table = key.table
    return connection.execute(delete(table).where(key.in_(chosen.scalar_subquery()))).rowcount
