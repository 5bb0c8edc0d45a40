"""Many rows in a statement, in the driver's own form.

The toolkit's care for each row would cost more than the engine, and so would the driver's, which gives the interpreter
away and asks for it back with each row.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, TypeAlias

from sqlalchemy import Column, Connection, Dialect, Table

ROWS_AT_ONCE = 100

Row: TypeAlias = tuple[object, ...]


def upsert(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row], *, changes: str
) -> None:
    """Insert rows, or change those whose key is there already.

    Args:
        connection: to write on.
        table: where to.
        columns: the names of those that each row has a value for.
        rows: values as the driver takes them; no key twice.
        changes: what is set in a row that is there, in SQL; ``excluded`` is the one that was to be inserted.
    """
    for some in batches(rows):
        statement = _upserting(connection.dialect.paramstyle, table, columns, changes, len(some))
        connection.exec_driver_sql(statement, flat(some))


def binder(column: Column[Any], dialect: Dialect) -> Callable[[Any], object]:
    """Return what turns a value of a column into one that the driver takes."""
    return column.type.dialect_impl(dialect).bind_processor(dialect) or _unchanged


def marks(paramstyle: str, rows: int, columns: int) -> str:
    """Return the places for the values of so many rows."""
    row = ", ".join(["?" if paramstyle == "qmark" else "%s"] * columns)
    return ", ".join([f"({row})"] * rows)


def batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield the rows, as many at once as go into a statement."""
    return (rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE))


def flat(rows: Sequence[Row]) -> Row:
    """Return the values of all rows in a row."""
    return tuple(chain.from_iterable(rows))


@cache
def _upserting(paramstyle: str, table: Table, columns: tuple[str, ...], changes: str, rows: int) -> str:
    key = ", ".join(column.name for column in table.primary_key)
    return f"""
INSERT INTO {table.name} ({", ".join(columns)}) VALUES {marks(paramstyle, rows, len(columns))}
ON CONFLICT ({key}) DO UPDATE SET {changes}
"""  # noqa: S608 (made of names and marks)


def _unchanged(value: object) -> object:
    return value
