"""Whether Knowledge is what was written: pages, references, the audit trail, and the tables against the trail."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from mape_k.knowledge.anchor import AuditFiles, read_anchor, read_key
from mape_k.knowledge.audit import TRANSITION, Break, Head, Row, read_rows, unbroken
from mape_k.knowledge.engines import looking
from mape_k.knowledge.migrate import require_head
from mape_k.knowledge.quarantine import kept_aside
from mape_k.knowledge.schema import executions
from mape_k.model import TERMINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong; ``sequence`` is the place in the audit trail, where it has one."""

    check: str
    what: str
    sequence: int | None = None


@dataclass(slots=True, kw_only=True)
class Inspection:
    """What was found: the whole rows of the trail, the heads it was held against, and the problems.

    ``set_aside`` names damaged files in whose place this Knowledge began, each with a trail of its own.
    """

    rows: int = 0
    anchored: int = 0
    head: Head = field(default_factory=Head)
    set_aside: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def inspect_knowledge(url: str, files: AuditFiles) -> Inspection:
    """Look at everything, beside a running daemon too.

    Args:
        url: of the Knowledge.
        files: key and anchor of its audit trail.

    Raises:
        ConfigError: the key cannot be used. StoreError: the Knowledge or the anchor cannot be read.
    """
    key, anchored = read_key(files.key), read_anchor(files.anchor)  # before the rows, which may grow meanwhile
    with looking(url) as connection:
        require_head(connection)
        found = Inspection(anchored=len(anchored))
        if connection.dialect.name == "sqlite":
            found.problems += [*_pages(connection), *_references(connection)]
            found.set_aside = [str(each) for each in kept_aside(_file_of(connection))]
        states = _walk(connection, found, key, anchored)
        found.problems += _disagreements(connection, states)
        if found.rows and not anchored:
            found.problems.append(Problem(check="anchor", what=f"{files.anchor}: no head is kept there; {_BLIND}"))
    return found


_BLIND = "whether rows were taken from the end of the trail cannot be told"


def _file_of(connection: Connection) -> Path:
    query = "SELECT file FROM pragma_database_list WHERE name = 'main'"
    return Path(connection.exec_driver_sql(query).scalar_one())


def _pages(connection: Connection) -> Iterator[Problem]:
    if connection.dialect.name != "sqlite":
        return  # a server looks after its pages itself, and lets no reference break
    for (found,) in connection.exec_driver_sql("PRAGMA quick_check(10)"):
        if found != "ok":
            yield Problem(check="pages", what=found)


def _references(connection: Connection) -> Iterator[Problem]:
    if connection.dialect.name != "sqlite":
        return
    for table, number, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(10):
        yield Problem(check="references", what=f"row {number} of {table} belongs to no row of {parent}")


def _walk(connection: Connection, found: Inspection, key: bytes, anchored: list[Head]) -> dict[str, str]:
    """Go along the trail to its end or its first break; return the state to which each execution came last."""
    states: dict[str, str] = {}
    try:
        for row in unbroken(read_rows(connection), key=key, anchored=anchored):
            if isinstance(row, Break):
                found.problems.append(Problem(check="trail", what=row.what, sequence=row.sequence))
            else:
                found.rows, found.head = row.sequence, Head(row.sequence, row.hash)
                states |= _moved(row)
    except (SQLAlchemyError, ValueError) as error:
        found.problems.append(Problem(check="trail", what=f"cannot be read: {error}", sequence=found.rows + 1))
    return states


def _moved(row: Row) -> dict[str, str]:
    if row.kind != TRANSITION:
        return {}
    event = msgspec.json.decode(row.event)
    return {event["execution_id"]: event["to_state"]}


def _disagreements(connection: Connection, states: dict[str, str]) -> Iterator[Problem]:
    """Hold executions against the trail; neither those older than it nor closed ones that were pruned."""
    kept = {
        row.execution_id: row.state for row in connection.execute(select(executions.c.execution_id, executions.c.state))
    }
    for execution_id, state in states.items():
        is_gone = execution_id not in kept and state not in TERMINAL
        if is_gone or kept.get(execution_id, state) != state:
            said = kept.get(execution_id, "gone")
            yield Problem(check="executions", what=f"{execution_id} is {said}; the trail left it {state}")
