"""What is peculiar to SQLite: its file, the lock beside it, its pragmas and its errors."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from mape_k.errors import ConfigError, StoreError
from mape_k.knowledge.quarantine import Checkup, copy_aside, is_damage, sync_folder
from mape_k.knowledge.reserve import Reserve
from mape_k.model import Reason

log = structlog.get_logger(__name__)

_JOURNAL_BYTES = 64 * 1024 * 1024

_CAUSES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, writing goes on by itself",
    sqlite3.SQLITE_BUSY: "another program holds a lock on it; end that program's transaction",
    sqlite3.SQLITE_LOCKED: "another program holds a lock on it; end that program's transaction",
    sqlite3.SQLITE_READONLY: "it may not be written; check the owner, the mode and the mount of file and folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the folder, its owner and its mode",
    sqlite3.SQLITE_IOERR: "the disk does not read or write; check the disk and the limits on file size",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_NOTADB: "it is damaged, or not a SQLite file at all",
}
_REMEDY = "move it away with its -wal and -shm files, then put back a copy or start with an empty Knowledge"


def database_file(url: str) -> Path:
    """Return the file that a ``sqlite:///`` URL names.

    Raises:
        ConfigError: another engine, no file, or not a URL.
    """
    expected = "expected sqlite:////absolute/path or sqlite:///relative/path"
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError([f"MAPE_K_KNOWLEDGE_URL is not a database URL: {expected}"]) from error
    if parsed.drivername != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise ConfigError([f"MAPE_K_KNOWLEDGE_URL={parsed.render_as_string()} names no SQLite file: {expected}"])
    return Path(str(parsed.database)).absolute()


class DamagedError(StoreError):
    """The file is not what was written; it is kept as it is."""


class FileLock:
    """One daemon at a time: held as long as this process lives, and let go by the kernel when it dies.

    Raises:
        StoreError: another process holds it, named by its process id.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StoreError(
                f"{database} belongs to a running daemon, process {holder}: "
                "stop that one, or give this one a MAPE_K_KNOWLEDGE_URL of its own"
            ) from error
        self._sign()

    def _sign(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others in; the file stays, since removing it would race with the next holder."""
        os.close(self._descriptor)


class SqliteFile:
    """A SQLite file held by this process alone, with an engine to write and one to read.

    Args:
        path: made when absent, readable by its owner alone.
        busy_seconds: how long to wait while another program holds a lock on the file.
        reserve_bytes: kept beside it for a full disk.

    Raises:
        StoreError: it cannot be created, or belongs to another daemon.
    """

    errors: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, UnicodeEncodeError)
    is_shared = False

    def __init__(self, path: Path, *, busy_seconds: float = 1.0, reserve_bytes: int = 0) -> None:
        self.path = path
        self.damage = ""
        self._copy: Path | None = None
        _create(path)
        self._lock = FileLock(path)
        self.reserve = Reserve(path.with_name(path.name + ".reserve"), reserve_bytes)
        self.reserve.restore()
        self._checkup = Checkup(path, self.note_damage)
        options = {"timeout": busy_seconds, "check_same_thread": False}
        self.writer = _engine(path, "BEGIN IMMEDIATE", options, connections=1, query_only=False)
        self.reader = _engine(path, "BEGIN", options, connections=2, query_only=True)
        for engine in (self.writer, self.reader):
            event.listen(engine, "handle_error", self._heed)

    @property
    def hold(self) -> Reason | None:
        """Why nothing may be begun; None: it may."""
        if self.damage:
            return Reason.STORE_DAMAGED
        return Reason.STORE_FULL if self.reserve.is_given_up else None

    @property
    def reserve_bytes(self) -> int:
        """How much space is kept for a full disk."""
        return self.reserve.held_bytes

    def check(self, connection: Connection) -> None:
        """Look at every page.

        Raises:
            DamagedError: the file is damaged.
        """
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise DamagedError(f"{self.path}: it is damaged ({found}); {_REMEDY}")

    def describe(self, error: BaseException) -> str:
        """Return what an error of the engine means, with the file and the remedy, for a person."""
        return _described(self.path, error)

    def translated(self, error: Exception) -> StoreError:
        """Return an error of the engine as ours."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        return (DamagedError if is_damage(cause) else StoreError)(self.describe(error))

    def relieve(self, error: BaseException) -> bool:
        """Do what can be done about an error; return whether trying again makes sense."""
        is_full = getattr(getattr(error, "orig", error), "sqlite_errorcode", -1) & 0xFF == sqlite3.SQLITE_FULL
        if not (is_full and self.reserve.give_up()):
            return False
        log.error("knowledge_disk_full", file=str(self.path), meaning=Reason.STORE_FULL.sentence)
        return True

    def note_damage(self, found: str) -> None:
        """Remember that the file is damaged: from now on nothing is written to it."""
        if not self.damage:
            self.damage = f"{self.path}: it is damaged ({found}); {_REMEDY}"
            log.critical("knowledge_damaged", file=str(self.path), found=found)

    def tend(self, now: datetime) -> None:
        """Do what is due between two cycles: a look at all pages, the reserve, a copy of what is damaged."""
        if not self.damage:
            self._checkup.tend(now)
            self.reserve.restore()
        elif self._copy is None:
            self._keep_copy(now)

    def close(self) -> None:
        """Close all connections, then let the next daemon in."""
        self._checkup.stop()
        self.reader.dispose()
        self.writer.dispose()
        self._lock.release()

    def _heed(self, context: ExceptionContext) -> None:
        if is_damage(context.original_exception):
            self.note_damage(str(context.original_exception))

    def _keep_copy(self, now: datetime) -> None:
        try:
            self._copy = copy_aside(self.path, now)
        except OSError as error:
            log.error("knowledge_not_copied", file=str(self.path), error=error.strerror)  # noqa: TRY400 - said in full
        else:
            log.critical("knowledge_copied", copy=str(self._copy))


def _described(path: Path, error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    code = getattr(cause, "sqlite_errorcode", -1) & 0xFF
    known = _CAUSES.get(code, "")
    remedy = f"; {_REMEDY}" if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else ""
    return f"{path}: {known or type(cause).__name__} ({cause}){remedy}"


def _create(path: Path) -> None:
    """Create the file before SQLite does, so that nobody else may read it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync_folder(path.parent)  # else a power cut may take the name, and everything with it
    except OSError as error:
        raise StoreError(f"{path} cannot be opened for writing: {error.strerror}") from error


def _engine(path: Path, begin: str, options: dict[str, Any], *, connections: int, query_only: bool) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        connect_args=options,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
        connection.isolation_level = None  # else the driver begins transactions by itself, late and deferred
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # with NORMAL, a power cut loses acknowledged rows
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA journal_size_limit={_JOURNAL_BYTES}")
        connection.execute(f"PRAGMA query_only={int(query_only)}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@contextmanager
def looking(url: str) -> Iterator[Connection]:
    """Yield a connection that sees one state and can change nothing, beside a daemon that may be writing.

    Raises:
        ConfigError: as :func:`database_file`. StoreError: there is none, or it cannot be read.
    """
    path = database_file(url)
    if not path.exists():
        raise StoreError(f"{path}: there is no Knowledge; MAPE_K_KNOWLEDGE_URL names another file, or start the daemon")
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True), poolclass=NullPool
    )
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
    except SqliteFile.errors as error:
        raise StoreError(_described(path, error)) from error


def copy_database(url: str, folder: Path) -> str:
    """Return the URL of a copy of a database as it is now, made beside a daemon that may be writing; none copies none.

    Raises:
        ConfigError: as :func:`database_file`. StoreError: it cannot be read.
    """
    source, copy = database_file(url), folder / "knowledge.db"
    if source.exists():
        _copy(source, copy)
    return f"sqlite:///{copy}"


def checked_copy(url: str, folder: Path) -> Path:
    """Return a copy of a database, every page of which was looked at; made beside a daemon that may be writing.

    Raises:
        ConfigError: as :func:`database_file`. StoreError: there is none, it cannot be read, or it is damaged.
    """
    with looking(url):
        source, copy = database_file(url), folder / "knowledge.db"
    _copy(source, copy)
    try:
        with closing(sqlite3.connect(copy)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise DamagedError(f"{source}: it is damaged ({found}), and was not copied; {_REMEDY}")
    return copy


def _copy(source: Path, copy: Path) -> None:
    try:
        read_only = f"{source.as_uri()}?mode=ro"
        with closing(sqlite3.connect(read_only, uri=True)) as original, closing(sqlite3.connect(copy)) as target:
            original.backup(target)
    except sqlite3.Error as error:
        raise StoreError(f"{source}: cannot be copied: {error}") from error
