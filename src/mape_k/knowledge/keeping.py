"""What is kept, what it taught, and how the oldest of it is taken away."""

import math
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select
from sqlalchemy.exc import OperationalError

from mape_k.knowledge import audit, prepare
from mape_k.knowledge.anchor import Anchor, AuditFiles
from mape_k.knowledge.ledger import EPOCH, WINDOW, is_open, read_meta, read_success_rates
from mape_k.knowledge.migrate import require_head
from mape_k.knowledge.schema import cycles, executions, incidents, metadata, outcomes, transitions
from mape_k.knowledge.sqlite import looking
from mape_k.model import SuccessRate

LEVEL = 0.9
"""The share of cases in which an interval holds the true rate."""

_QUANTILE = 1.6448536269514722  # of the standard normal distribution at (1 + LEVEL) / 2
SHORTEST = WINDOW
"""What is younger is not pruned: budgets and cooldowns count it."""


def count(url: str) -> dict[str, Any]:
    """Return the success rates with their intervals, and rows and bytes of each table.

    Raises:
        StoreError: it cannot be read.
    """
    with looking(url) as connection:
        require_head(connection)
        rates = read_success_rates(connection)
        names = ("pack", "remediation", "symptom")
        return {
            "epoch": read_meta(connection, EPOCH),
            "success_rates": [dict(zip(names, key, strict=True)) | _rate(rate) for key, rate in rates.items()],
            "tables": [_size(connection, table) for table in metadata.sorted_tables],
        }


def _rate(rate: SuccessRate) -> dict[str, Any]:
    low, high = wilson(rate.successes, rate.successes + rate.failures)
    share = rate.successes / (rate.successes + rate.failures)
    return {"successes": rate.successes, "failures": rate.failures, "rate": share, "low": low, "high": high}


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 90 % score interval of a rate (Wilson 1927), which holds also for few trials and near 0 and 1.

    Args:
        successes: 0 to ``trials``.
        trials: at least 1.
    """
    share, square = successes / trials, _QUANTILE**2 / trials
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def _size(connection: Connection, table: Table) -> dict[str, Any]:
    rows = connection.execute(select(func.count()).select_from(table)).scalar()
    return {"table": table.name, "rows": rows, "bytes": _bytes(connection, table)}


def _bytes(connection: Connection, table: Table) -> int | None:
    """Return what table and indices take on the disk; None where the engine was built without counting it."""
    query = "SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?)"
    try:
        return int(connection.exec_driver_sql(query, (table.name,)).scalar() or 0)
    except OperationalError:
        return None


def prune(url: str, files: AuditFiles, *, older_than: timedelta, now: datetime) -> dict[str, int]:
    """Take away what ended long ago; what is open, what was learned and the audit trail stay. No daemon may run.

    Args:
        url: of the Knowledge.
        files: key and anchor of its audit trail, which tells of this too.
        older_than: at least :data:`SHORTEST`.
        now: the time.

    Returns:
        Rows taken, by table.

    Raises:
        StoreError: it cannot be written, or belongs to a running daemon.
    """
    database = prepare(url, files)
    try:
        with database.writer.begin() as connection:
            taken = _take(connection, now - max(older_than, SHORTEST))
            audit.note(connection, audit.PRUNED, {"older_than": str(older_than), "rows": taken}, at=now)
            head = audit.read_head(connection)
        Anchor(files.anchor).note(head)
    finally:
        database.close()
    return taken


def _take(connection: Connection, before: datetime) -> dict[str, int]:
    busy = select(executions.c.incident_id).where(is_open() | (executions.c.updated_at >= before))
    ended = (incidents.c.state == "closed") & (incidents.c.closed_at < before) & incidents.c.incident_id.not_in(busy)
    gone = select(incidents.c.incident_id).where(ended)
    theirs = select(executions.c.execution_id).where(executions.c.incident_id.in_(gone))
    old = {
        transitions: transitions.c.execution_id.in_(theirs),
        outcomes: outcomes.c.execution_id.in_(theirs),
        executions: executions.c.incident_id.in_(gone),
        incidents: ended,
        cycles: (cycles.c.as_of < before) & cycles.c.result.is_not(None),
    }
    return {table.name: connection.execute(delete(table).where(rows)).rowcount for table, rows in old.items()}
