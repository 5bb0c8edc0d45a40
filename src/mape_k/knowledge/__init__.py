"""K: what we are committed to, what was done, and what was learned; durable in one SQLite file."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mape_k.errors import ConfigError, StoreError
from mape_k.knowledge import audit
from mape_k.knowledge.anchor import Anchor, AuditFiles, ensure_key
from mape_k.knowledge.archive import SqlArchive
from mape_k.knowledge.cycles import Retention, end_interrupted
from mape_k.knowledge.journal import SqlJournal
from mape_k.knowledge.ledger import EPOCH, KEYS_ECHOED, read_meta, read_open_executions, write_meta
from mape_k.knowledge.migrate import migrate
from mape_k.knowledge.moves import take_over
from mape_k.knowledge.notices import SqlNotices
from mape_k.knowledge.orders import SqlOrders
from mape_k.knowledge.outbox import SqlDeadLetters, SqlOutbox
from mape_k.knowledge.sqlite import SqliteFile, copy_database, database_file
from mape_k.knowledge.store import Store
from mape_k.model import Mode
from mape_k.ports import Clock

__all__ = [
    "AuditFiles",
    "Knowledge",
    "SqlArchive",
    "SqlDeadLetters",
    "SqlJournal",
    "SqlNotices",
    "SqlOrders",
    "SqlOutbox",
    "Store",
    "copy_database",
    "open_knowledge",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """Knowledge as it was opened; ``epoch`` is this daemon's, greater than that of every daemon before."""

    journal: SqlJournal
    archive: SqlArchive
    notices: SqlNotices
    orders: SqlOrders
    outbox: SqlOutbox
    dead_letters: SqlDeadLetters
    store: Store
    epoch: int
    anchor: Anchor

    async def keys_echoed(self, peer: str) -> bool:
        """Return whether the last answer of this peer showed that it honours idempotency keys.

        Raises:
            StoreError: not readable.
        """
        return await self.store.read(lambda connection: peer == read_meta(connection, KEYS_ECHOED))

    async def note_keys_echoed(self, peer: str, echoed: bool) -> None:
        """Keep that for later daemons; never raises: what could not be written is found out anew by the next one."""
        document = peer if echoed else None
        with suppress(StoreError):
            await self.store.write(lambda connection: write_meta(connection, KEYS_ECHOED, document))

    async def close(self) -> None:
        """Finish the writes that wait, anchor the audit trail, close the file and let the next daemon in."""
        with suppress(StoreError):  # then the next start anchors it
            self.anchor.note(await self.store.read(audit.read_head))
        await self.store.close()


async def open_knowledge(
    url: str,
    *,
    clock: Clock,
    mode: Mode,
    ring_bytes: int = 64 * 1024 * 1024,
    retention_days: float = 30.0,
    recent_notices_seconds: float = 90.0,
    write_seconds: Callable[[float], None] = lambda _seconds: None,
    audit_files: AuditFiles | None = None,
) -> Knowledge:
    """Open the file for this daemon alone, bring its tables up to date and take over what is open.

    Args:
        url: ``sqlite:////absolute/path``; folder and file are made when absent.
        clock: times of moves and durations of writes.
        mode: said to every reader of the ledger.
        ring_bytes: of all recorded snapshots together; the oldest give way.
        retention_days: age of the oldest cycle kept.
        recent_notices_seconds: within this time, what webhooks announce and what is seen must come to agree.
        write_seconds: called, from the writer's thread, with how long each write took to become durable.
        audit_files: key and anchor of the audit trail; in the folder of the file when None.

    Raises:
        ConfigError: the URL names no SQLite file, or the key of the audit trail cannot be used.
        StoreError: not to be opened, damaged, of a newer version, or held by another daemon.
    """
    files = audit_files or AuditFiles.within(database_file(url).parent)
    database = await asyncio.to_thread(prepare, url, files)
    store = Store(database, clock=clock, write_seconds=write_seconds)
    try:
        epoch, head = await store.write(lambda connection: _take_over_all(connection, mode, clock.now()))
        anchor = await asyncio.to_thread(Anchor, files.anchor)
        await asyncio.to_thread(anchor.note, head)
    except StoreError:
        await store.close()
        raise
    retention = Retention(keep=timedelta(days=retention_days), ring_bytes=ring_bytes)
    recent = timedelta(seconds=recent_notices_seconds)
    journal = SqlJournal(
        store, clock=clock, epoch=epoch, mode=mode, retention=retention, anchor=anchor, recent_notices=recent
    )
    archive, notices = SqlArchive(store, clock), SqlNotices(store, clock)
    orders = SqlOrders(store, clock)
    return Knowledge(
        journal=journal,
        archive=archive,
        notices=notices,
        orders=orders,
        store=store,
        epoch=epoch,
        anchor=anchor,
        outbox=SqlOutbox(store, clock),
        dead_letters=SqlDeadLetters(store, clock),
    )


def prepare(url: str, audit_files: AuditFiles) -> SqliteFile:
    """Return the file, held by this process alone, checked, with its tables up to date and its trail to write.

    Raises:
        ConfigError, StoreError: as :func:`open_knowledge`.
    """
    database = SqliteFile(database_file(url))
    try:
        options = audit.with_trail(ensure_key(audit_files.key))
        database.writer = database.writer.execution_options(**options)
        with database.writer.begin() as connection:
            database.check(connection)
            migrate(connection)
    except database.errors as error:
        database.close()
        raise StoreError(database.describe(error)) from error
    except (ConfigError, StoreError):
        database.close()
        raise
    return database


def _take_over_all(connection: Connection, mode: Mode, now: datetime) -> tuple[int, audit.Head]:
    """Begin a new epoch, in which everything that is still open is ours."""
    epoch = int(read_meta(connection, EPOCH) or 0) + 1
    write_meta(connection, EPOCH, epoch)
    audit.note(connection, audit.START, {"epoch": epoch, "mode": mode}, at=now)
    for execution in read_open_executions(connection):
        take_over(connection, execution, epoch=epoch, at=now)
    end_interrupted(connection)
    return epoch, audit.read_head(connection)
