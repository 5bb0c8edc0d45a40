"""K: what we are committed to, what was done, and what was learned; durable in one SQLite file, or in PostgreSQL."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection

from mape_k.errors import ConfigError, StoreError
from mape_k.knowledge import audit
from mape_k.knowledge.anchor import Anchor, AuditFiles, ensure_key, keep_epoch, read_epoch
from mape_k.knowledge.archive import SqlArchive
from mape_k.knowledge.engines import copy_database, open_database
from mape_k.knowledge.journal import SqlJournal
from mape_k.knowledge.lease import Lease
from mape_k.knowledge.ledger import read_echoing, write_echoing
from mape_k.knowledge.migrate import migrate
from mape_k.knowledge.notices import SqlNotices
from mape_k.knowledge.orders import SqlOrders
from mape_k.knowledge.outbox import SqlDeadLetters, SqlOutbox
from mape_k.knowledge.postgresql import PostgresDatabase
from mape_k.knowledge.quarantine import begin_paused, kept_aside, set_aside
from mape_k.knowledge.retention import Retention
from mape_k.knowledge.sqlite import DamagedError, FileLock, SqliteFile, database_file
from mape_k.knowledge.store import Store
from mape_k.model import Bounds, Mode
from mape_k.ports import Clock

__all__ = [
    "AuditFiles",
    "Knowledge",
    "Lease",
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

_Database: TypeAlias = SqliteFile | PostgresDatabase
_Prepared: TypeAlias = Callable[[], _Database]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """Knowledge as it was opened."""

    journal: SqlJournal
    archive: SqlArchive
    notices: SqlNotices
    orders: SqlOrders
    outbox: SqlOutbox
    dead_letters: SqlDeadLetters
    store: Store
    lease: Lease
    anchor: Anchor

    @property
    def epoch(self) -> int:
        """The epoch in which this daemon leads, or led last."""
        return self.lease.epoch

    async def keys_echoed(self, peer: str) -> bool:
        """Return whether the last answer of this peer showed that it honours idempotency keys.

        Raises:
            StoreError: not readable.
        """
        return peer in await self.store.read(read_echoing)

    async def note_keys_echoed(self, peer: str, echoed: bool) -> None:
        """Keep that for later daemons; never raises: what could not be written is found out anew by the next one."""
        with suppress(StoreError):
            await self.store.write(lambda connection: write_echoing(connection, peer, echoed=echoed))

    async def close(self) -> None:
        """Finish the writes that wait, anchor the audit trail, and let the next daemon lead."""
        with suppress(StoreError):  # then the others wait until the lease ends
            await self.lease.release()
        with suppress(StoreError):  # then the next start anchors it
            self.anchor.note(await self.store.read(audit.read_head))
        await self.store.close()


async def open_knowledge(
    url: str,
    *,
    clock: Clock,
    mode: Mode,
    ring_bytes: int = 64 * 1024 * 1024,
    reserve_bytes: int = 0,
    retention_days: float = 30.0,
    recent_notices_seconds: float = 90.0,
    write_seconds: Callable[[float], None] = lambda _seconds: None,
    audit_files: AuditFiles | None = None,
    replica: str = "",
    lease_seconds: float = 10.0,
    bounds: Bounds | None = None,
) -> Knowledge:
    """Open Knowledge, bring its tables up to date and take over what is open, unless another replica leads.

    A file is this daemon's alone. A damaged one that daemons here have used is moved aside and kept; an empty one
    begins in its place, paused.

    Args:
        url: ``sqlite:////absolute/path``, folder and file are made when absent; or ``postgresql://…``.
        clock: times of moves and durations of writes.
        mode: said to every reader of the ledger.
        ring_bytes: of all recorded snapshots together; the oldest give way.
        reserve_bytes: kept beside the file for a full disk; 0: none.
        retention_days: age of the oldest that is kept of what has ended.
        recent_notices_seconds: within this time, what webhooks announce and what is seen must come to agree.
        write_seconds: called, from the writer's thread, with how long each write took to become durable.
        audit_files: key and anchor of the audit trail; in the folder of the file when None.
        replica: the name of this daemon, which no other one has.
        lease_seconds: how long a replica that went silent is waited for.
        bounds: said to every reader of the ledger.

    Raises:
        ConfigError: the URL names no database, or the key of the audit trail cannot be used.
        StoreError: not to be opened, no Knowledge, of a newer version, or held by another daemon.
    """
    files = audit_files or AuditFiles.within(database_file(url).parent)
    prepared = partial(prepare, url, files, reserve_bytes=reserve_bytes, replica=replica, lease_seconds=lease_seconds)
    database = await asyncio.to_thread(_prepare_whatever, url, files, clock.now(), prepared)
    store = Store(database, clock=clock, write_seconds=write_seconds)
    seconds = lease_seconds if database.is_shared else None
    make_lease = partial(Lease, store, clock=clock, holder=replica, seconds=seconds, mode=mode)
    try:
        anchor = await asyncio.to_thread(Anchor, files.anchor)
        lease = make_lease(
            floor=partial(read_epoch, files.epoch),
            begun=partial(_note_epoch, files, anchor),
            at_first=partial(_begin_in_place_of, _aside(database), clock),
        )
        with suppress(*(StoreError,) if database.is_shared else ()):  # a standby tries again
            await lease.acquire()
    except (ConfigError, StoreError):
        await store.close()
        raise
    journal = SqlJournal(
        store,
        clock=clock,
        lease=lease,
        mode=mode,
        retention=Retention(keep=timedelta(days=retention_days), ring_bytes=ring_bytes),
        anchor=anchor,
        recent_notices=timedelta(seconds=recent_notices_seconds),
        bounds=bounds,
    )
    return Knowledge(
        journal=journal,
        archive=SqlArchive(store, clock),
        notices=SqlNotices(store, clock),
        orders=SqlOrders(store, clock),
        store=store,
        lease=lease,
        anchor=anchor,
        outbox=SqlOutbox(store, clock),
        dead_letters=SqlDeadLetters(store, clock),
    )


def _note_epoch(files: AuditFiles, anchor: Anchor, epoch: int, head: audit.Head) -> None:
    """Keep on this host which epoch began, and where the audit trail stood."""
    keep_epoch(files.epoch, epoch)
    anchor.note(head)


def _aside(database: _Database) -> list[Path]:
    """Return the damaged file in whose place this one is, where there is one."""
    return kept_aside(database.path)[-1:] if isinstance(database, SqliteFile) else []


def _begin_in_place_of(aside: Sequence[Path], clock: Clock, connection: Connection) -> None:
    for path in aside:
        begin_paused(connection, path, clock.now())


def _prepare_whatever(url: str, files: AuditFiles, now: datetime, prepared: _Prepared) -> _Database:
    """Prepare the database; a damaged file is set aside first, where it is known to be ours."""
    try:
        return prepared()
    except DamagedError:
        if not (files.anchor.exists() or files.epoch.exists()):
            raise
    path = database_file(url)
    lock = FileLock(path)
    try:
        set_aside(path, files.anchor, now)
    finally:
        lock.release()
    return prepared()


def prepare(
    url: str, audit_files: AuditFiles, *, reserve_bytes: int = 0, replica: str = "", lease_seconds: float = 10.0
) -> _Database:
    """Return the database, checked, with its tables up to date and its trail to write; a file is held alone.

    Raises:
        ConfigError, StoreError: as :func:`open_knowledge`.
    """
    database = open_database(url, reserve_bytes=reserve_bytes, replica=replica, lease_seconds=lease_seconds)
    try:
        with database.writer.begin() as connection:
            database.check(connection)
            migrate(connection)
            key = _key_of(connection, audit_files.key)
        database.writer = database.writer.execution_options(**audit.with_trail(key))
    except database.errors as error:
        database.close()
        raise database.translated(error) from error
    except (ConfigError, StoreError):
        database.close()
        raise
    return database


def _key_of(connection: Connection, path: Path) -> bytes:
    """Return the key of the trail; a new one is made only for a new trail."""
    head = audit.read_head(connection)
    if head.sequence and not path.exists():
        lost = f"{path}: the key is gone with which {head.sequence} rows of the audit trail were written"
        remedy = f"put it back from your copy; without one, `openssl rand -hex 32 > {path}` begins another"
        raise ConfigError([f"{lost}: {remedy}"])
    key = ensure_key(path)
    if connection.dialect.name == "postgresql" and not audit.is_ours(connection, key):
        remedy = "give every replica the same one: copy it there, or name its file in MAPE_K_AUDIT_KEY_FILE"
        raise ConfigError([f"{path}: the audit trail is written with another key; {remedy}"])
    return key
