"""Knowledge as JSON Lines: a header, every row of every table, and an end that counts them."""

import base64
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

import msgspec
from sqlalchemy import Boolean, Column, Connection, Float, Integer, LargeBinary, String, Table, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from mape_k.errors import PermanentError, StoreError
from mape_k.knowledge import prepare
from mape_k.knowledge.anchor import AuditFiles
from mape_k.knowledge.engines import go_on_counting, looking, shown, unhurried
from mape_k.knowledge.migrate import HEAD, require_head
from mape_k.knowledge.schema import Document, Instant, metadata

VERSION = 1
MOST_BYTES = 64 * 1024 * 1024
"""Of a line that is read."""

_Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
T = TypeVar("T")
_TABLES = {str(table.name): table for table in metadata.sorted_tables}


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    mape_k_knowledge: int
    revision: str


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    table: str
    row: dict[str, Any]


class _End(msgspec.Struct, forbid_unknown_fields=True):
    rows: int


def exported(url: str) -> Iterator[bytes]:
    """Yield the lines of one state of a Knowledge, beside a running daemon too, without holding them all.

    Raises:
        StoreError: it cannot be read.
    """
    with looking(url) as connection:
        require_head(connection)
        yield _line(_Header(VERSION, HEAD))
        rows = 0
        for row in _rows(connection):
            yield _line(row)
            rows += 1
        yield _line(_End(rows))


def export_file(url: str, path: Path) -> int:
    """Write the lines to a file (mode 0600), whole or not at all; return the number of rows.

    Raises:
        StoreError: the Knowledge cannot be read. PermanentError: the file cannot be written.
    """
    lines = 0
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as draft:
            for lines, line in enumerate(exported(url), start=1):  # noqa: B007 - the last one is the count
                draft.write(line)
            draft.flush()
            os.fsync(draft.fileno())
            path.unlink(missing_ok=True)
            os.link(draft.name, path)
    except OSError as error:
        raise PermanentError(f"{path}: cannot be written: {error.strerror}") from error
    return lines - 2


def _rows(connection: Connection) -> Iterator[_Row]:
    for name, table in _TABLES.items():
        query = select(table).order_by(*table.primary_key)
        for row in connection.execute(query, execution_options={"yield_per": 100}).mappings():
            yield _Row(name, {str(column): value for column, value in row.items()})


def _line(value: msgspec.Struct) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def import_file(url: str, files: AuditFiles, path: Path) -> int:
    """Fill an empty Knowledge with the rows of a file, all of them or none; no daemon may run.

    Args:
        url: of the Knowledge, made when absent.
        files: key and anchor of its audit trail; the key must be the one with which the trail was written.
        path: as :func:`exported` wrote it.

    Returns:
        The number of rows.

    Raises:
        PermanentError: a line that cannot be used, with its number.
        StoreError: the Knowledge is not empty, cannot be written, or belongs to a running daemon.
    """
    database = prepare(url, files)
    try:
        with path.open("rb") as file, database.writer.begin() as connection:
            unhurried(connection)
            _refuse_unless_empty(connection, url)
            rows = _fill(connection, path, file)
            go_on_counting(connection)
            return rows
    except OSError as error:
        raise PermanentError(f"{path}: cannot be read: {error.strerror}") from error
    except SQLAlchemyError as error:
        raise database.translated(error) from error
    finally:
        database.close()


def _refuse_unless_empty(connection: Connection, url: str) -> None:
    for table in _TABLES.values():
        if connection.execute(select(func.count()).select_from(table)).scalar():
            remedy = "name an empty one in MAPE_K_KNOWLEDGE_URL"
            raise StoreError(f"{shown(url)} is not empty: {table.name} has rows; {remedy}")


def _fill(connection: Connection, path: Path, file: BinaryIO) -> int:
    filling = _Filling(connection)
    for number, line in enumerate(_bounded(file), start=1):
        try:
            filling.take(number, line)
        except (ValueError, SQLAlchemyError) as error:
            cause = getattr(error, "orig", None) or error
            raise PermanentError(f"{path}:{number}: {cause}; nothing was imported") from error
    if not filling.is_whole:
        raise PermanentError(f"{path}: the line at the end, which counts the rows, is missing; nothing was imported")
    return filling.rows


@dataclass(slots=True)
class _Filling:
    """How far an import has come."""

    connection: Connection
    rows: int = 0
    is_whole: bool = False

    def take(self, number: int, line: bytes) -> None:
        """Use a line; raises ValueError where it cannot be used, SQLAlchemyError where the tables refuse it."""
        if self.is_whole:
            raise ValueError("expected nothing after the line that counts the rows")
        if number == 1:
            _check_header(_decode(line, _Header))
        elif line.startswith(b'{"rows":'):
            self.is_whole = _check_end(_decode(line, _End), self.rows)
        else:
            _insert(self.connection, _decode(line, _Row))
            self.rows += 1


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MOST_BYTES + 1):
        yield line


def _decode(line: bytes, kind: type[T]) -> T:
    if len(line) > MOST_BYTES:
        raise ValueError(f"the line is longer than {MOST_BYTES} bytes")
    return msgspec.json.decode(line, type=kind)


def _check_header(header: _Header) -> None:
    if (header.mape_k_knowledge, header.revision) != (VERSION, HEAD):
        found = f"version {header.mape_k_knowledge}, revision {header.revision}"
        raise ValueError(
            f"expected version {VERSION}, revision {HEAD}, not {found}; import with the program that wrote it"
        )


def _check_end(end: _End, rows: int) -> bool:
    if end.rows != rows:
        raise ValueError(f"expected {end.rows} rows before it, not {rows}")
    return True


def _insert(connection: Connection, given: _Row) -> None:
    table = _TABLES.get(given.table)
    if table is None:
        raise ValueError(f"no such table: {given.table!r}")
    if strange := given.row.keys() ^ table.c.keys():
        raise ValueError(f"{given.table}: missing or unknown: {', '.join(sorted(strange))}")
    connection.execute(insert(table), {column.name: _value(table, column, given.row) for column in table.c})


def _value(table: Table, column: Column[Any], row: dict[str, Any]) -> object:
    given = row[column.name]
    if isinstance(column.type, Document) or (given is None and column.nullable):
        return given
    for kind, read in _READERS.items():
        if isinstance(column.type, kind):
            try:
                return read(given)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{table.name}.{column.name}: {error}") from error
    raise TypeError(f"{table.name}.{column.name} has a type that no line can hold")


def _instant(given: object) -> datetime:
    time = msgspec.convert(given, datetime)
    if time.tzinfo is None:
        raise ValueError("expected a time zone")
    return time


_READERS: Mapping[type, Callable[[Any], object]] = {
    Instant: _instant,
    LargeBinary: lambda given: base64.b64decode(msgspec.convert(given, str), validate=True),
    Boolean: lambda given: msgspec.convert(given, bool),
    Integer: lambda given: msgspec.convert(given, _Integer),
    Float: lambda given: msgspec.convert(given, float),
    String: lambda given: msgspec.convert(given, str),
}
