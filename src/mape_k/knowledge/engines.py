"""Which engine a URL means, and what both can do."""

from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Connection, create_engine, func, insert, select

from mape_k.knowledge import postgresql, sqlite
from mape_k.knowledge.migrate import migrate, require_head
from mape_k.knowledge.postgresql import PostgresDatabase, is_postgresql, shown
from mape_k.knowledge.schema import audit, metadata
from mape_k.knowledge.sqlite import SqliteFile, database_file

__all__ = ["copy_database", "go_on_counting", "is_postgresql", "looking", "open_database", "shown", "unhurried"]

_ROWS_AT_ONCE = 500
"""Rows that are copied together."""


def open_database(
    url: str, *, replica: str = "", lease_seconds: float = 10.0, reserve_bytes: int = 0
) -> SqliteFile | PostgresDatabase:
    """Return the database of a URL, open: a file for this process alone, a server's for all replicas.

    Raises:
        ConfigError, StoreError: as :class:`SqliteFile` and :class:`PostgresDatabase`.
    """
    if is_postgresql(url):
        return PostgresDatabase(url, replica=replica, lease_seconds=lease_seconds)
    return SqliteFile(database_file(url), reserve_bytes=reserve_bytes)


def looking(url: str) -> AbstractContextManager[Connection]:
    """Return a connection that sees one state and can change nothing, beside daemons that may be writing.

    Raises:
        ConfigError: not a URL of Knowledge. StoreError: there is none, or it cannot be read.
    """
    return postgresql.looking(url) if is_postgresql(url) else sqlite.looking(url)


def unhurried(connection: Connection) -> None:
    """Let a transaction take as long as it needs, where the engine would give it up."""
    if connection.dialect.name == "postgresql":
        postgresql.unhurried(connection)


def go_on_counting(connection: Connection) -> None:
    """Let rows that are numbered by the engine go on after the highest number that is there."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        for column in table.primary_key:
            if column is table.autoincrement_column:
                sequence = func.pg_get_serial_sequence(str(table.name), str(column.name))
                highest = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
                connection.execute(select(func.setval(sequence, highest, False)))  # noqa: FBT003 - not used up yet


def copy_database(url: str, folder: Path) -> str:
    """Return the URL of a copy, in a file, of a database as it is now; of none there is an empty copy.

    Raises:
        ConfigError, StoreError: as :func:`looking`.
    """
    if not is_postgresql(url):
        return sqlite.copy_database(url, folder)
    copy = f"sqlite:///{folder / 'knowledge.db'}"
    engine = create_engine(copy)
    try:
        with looking(url) as source, engine.begin() as target:
            require_head(source)
            migrate(target)
            _copy_rows(source, target)
    finally:
        engine.dispose()
    return copy


def _copy_rows(source: Connection, target: Connection) -> None:
    for table in metadata.sorted_tables:
        if table is audit:
            continue  # a copy begins a trail of its own, with a key of its own
        rows = source.execute(select(table), execution_options={"yield_per": _ROWS_AT_ONCE}).mappings()
        for some in rows.partitions():
            target.execute(insert(table), [dict(row) for row in some])
