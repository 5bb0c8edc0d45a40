"""What is peculiar to PostgreSQL: its address, its connections, their deadlines and its errors."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import Timer
from types import ModuleType
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from mape_k.errors import ConfigError, StoreError
from mape_k.model import Reason

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 5.0
"""Shorter than the time after which a leader that cannot renew its lease stops acting."""
LOCK_SECONDS = 3.0
GIVEN_UP_HERE, GIVEN_UP_THERE = 0.8, 0.5
"""Shares of the lease after which a transaction that stands still is given up: by this side, as a connection that was
cut without a word never answers; and by the server, as its locks would keep the next leader out."""

_DEADLINE = "deadline"
_MIGRATING = 0x6D6170656B  # "mapek": the number of the lock under which tables are made and changed
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
_LOOKING_SECONDS = 10.0
_UNACKNOWLEDGED_MS = 5000

_CAUSES = {
    "40": "another transaction came between; the next try goes through",
    "42501": "the user may not do that; see the rights that the guide lists",
    "53": "the server lacks disk, memory or connections",
    "55P03": "somebody else holds a lock on it for too long",
    "57": "the server ended the statement or is going down",
    "XX": "the server says that its data are damaged",
}


def is_postgresql(url: str) -> bool:
    """Return whether a URL names a PostgreSQL database."""
    return url.partition("://")[0] == "postgresql"


def shown(url: str) -> str:
    """Return a URL as people may see it."""
    return make_url(url).render_as_string(hide_password=True) if is_postgresql(url) else url


class PostgresDatabase:
    """A database that several replicas share, with connections to write and to read.

    Args:
        url: ``postgresql://user@host:port/database``, with what libpq takes after a question mark.
        replica: how this daemon is called in the server's list of connections.
        lease_seconds: how long a replica that went silent is waited for.

    Raises:
        ConfigError: the driver is not installed, or not a URL.
    """

    is_shared = True
    damage = ""
    hold: Reason | None = None
    reserve_bytes = 0

    def __init__(self, url: str, *, replica: str = "", lease_seconds: float = 10.0) -> None:
        driver = _driver()
        self._shown = shown(url)
        self.errors: tuple[type[Exception], ...] = (SQLAlchemyError, driver.Error, UnicodeEncodeError)
        name = f"mape-k {replica}".strip()
        self.writer = _engine(url, name, lease_seconds, connections=1)
        self.reader = _engine(url, name, lease_seconds, connections=2, is_reader=True)
        for engine in (self.writer, self.reader):
            _give_up_in_time(engine, driver, GIVEN_UP_HERE * lease_seconds)

    def check(self, connection: Connection) -> None:
        """Make tables under a lock, one replica after the other; the server itself looks after its pages."""
        unhurried(connection)
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATING})

    def describe(self, error: BaseException) -> str:
        """Return what an error means, with the server and the remedy, for a person."""
        return _described(self._shown, error)

    def translated(self, error: Exception) -> StoreError:
        """Return an error of the engine as ours."""
        return StoreError(self.describe(error))

    def relieve(self, error: BaseException) -> bool:
        """Return whether trying again makes sense at once: never, since whether a lost commit happened is unknown."""
        del error
        return False

    def tend(self, now: datetime) -> None:
        """Do nothing: what a file needs between two cycles, the server does by itself."""

    def close(self) -> None:
        """Close all connections."""
        self.reader.dispose()
        self.writer.dispose()


def _described(shown_url: str, error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    state = getattr(cause, "sqlstate", None) or ""
    known = next((words for code, words in _CAUSES.items() if state.startswith(code)), "")
    first = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    return f"{shown_url}: {known} ({first})" if known else f"{shown_url}: {first}"


def _driver() -> ModuleType:
    try:
        import psycopg  # noqa: PLC0415 - only who uses PostgreSQL needs it
    except ImportError as error:
        raise ConfigError(
            ["MAPE_K_KNOWLEDGE_URL names PostgreSQL, whose driver is not installed: pip install 'mape-k[postgres]'"]
        ) from error
    return psycopg


def _engine(url: str, name: str, lease_seconds: float, *, connections: int, is_reader: bool = False) -> Engine:
    return create_engine(
        _parsed(url),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=lease_seconds,
        isolation_level="REPEATABLE READ" if is_reader else "READ COMMITTED",
        connect_args=_options(name, lease_seconds, is_reader=is_reader),
    )


def _parsed(url: str) -> URL:
    try:
        return make_url(url).set(drivername="postgresql+psycopg")
    except ArgumentError as error:
        expected = "expected postgresql://user@host:port/database"
        raise ConfigError([f"MAPE_K_KNOWLEDGE_URL is not a database URL: {expected}"]) from error


def _options(name: str, lease_seconds: float, *, is_reader: bool) -> dict[str, Any]:
    """Return how to connect: who goes silent is given up, and an acknowledged row is on the server's disk."""
    server = {
        "synchronous_commit": "on",
        "statement_timeout": f"{STATEMENT_SECONDS * 1000:.0f}",
        "lock_timeout": f"{LOCK_SECONDS * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{GIVEN_UP_THERE * lease_seconds * 1000:.0f}",
        "default_transaction_read_only": "on" if is_reader else "off",
        "timezone": "UTC",
    }
    return {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": _UNACKNOWLEDGED_MS,
        "application_name": name[:63],
        "options": " ".join(f"-c {setting}={value}" for setting, value in server.items()),
        **_KEEPALIVE,
    }


def _give_up_in_time(engine: Engine, driver: ModuleType, seconds: float) -> None:
    """Cut connections that are in use for too long: behind a proxy, no timeout of TCP ever fires.

    Each is tried out before its use, within that time, so that a server which was started again is found again.
    """

    @event.listens_for(engine, "checkout")
    def begin(connection: Any, record: ConnectionPoolEntry, _fairy: object) -> None:  # noqa: ANN401 - the driver's
        timer = record.info[_DEADLINE] = Timer(seconds, _cut, (connection,))
        timer.daemon = True
        timer.start()
        try:
            engine.dialect.do_ping(connection)
        except driver.Error as error:
            timer.cancel()
            raise DisconnectionError from error

    @event.listens_for(engine, "checkin")
    def end(_connection: object, record: ConnectionPoolEntry) -> None:
        if timer := record.info.pop(_DEADLINE, None):
            timer.cancel()


def _cut(connection: Any) -> None:  # noqa: ANN401 - the driver's own
    """End what waits for an answer on a connection; whoever waits is told that the connection is gone."""
    with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def unhurried(connection: Connection) -> None:
    """Let this transaction take as long as it needs."""
    if timer := connection.info.pop(_DEADLINE, None):
        timer.cancel()
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


@contextmanager
def looking(url: str) -> Iterator[Connection]:
    """Yield a connection that sees one state and can change nothing.

    Raises:
        ConfigError: as :class:`PostgresDatabase`. StoreError: it cannot be read.
    """
    driver = _driver()
    options = _options("mape-k looking", _LOOKING_SECONDS, is_reader=True)
    engine = create_engine(_parsed(url), poolclass=NullPool, isolation_level="REPEATABLE READ", connect_args=options)
    try:
        with engine.begin() as connection:
            unhurried(connection)
            yield connection
    except (SQLAlchemyError, driver.Error) as error:
        raise StoreError(_described(shown(url), error)) from error
