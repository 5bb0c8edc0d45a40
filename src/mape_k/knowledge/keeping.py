"""What is kept, what it taught, and how the oldest of it is taken away."""

import math
import os
import tempfile
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, select
from sqlalchemy.exc import OperationalError

from mape_k.errors import PermanentError
from mape_k.knowledge import audit, prepare
from mape_k.knowledge.anchor import Anchor, AuditFiles
from mape_k.knowledge.engines import is_postgresql, looking, shown
from mape_k.knowledge.lease import refuse_when_led
from mape_k.knowledge.ledger import EPOCH, read_meta, read_success_rates
from mape_k.knowledge.migrate import require_head
from mape_k.knowledge.quarantine import sync_folder
from mape_k.knowledge.retention import BATCH, SHORTEST, take
from mape_k.knowledge.schema import metadata
from mape_k.knowledge.sqlite import checked_copy
from mape_k.model import SuccessRate

LEVEL = 0.9
"""The share of cases in which an interval holds the true rate."""

_QUANTILE = 1.6448536269514722  # of the standard normal distribution at (1 + LEVEL) / 2


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
    if connection.dialect.name == "postgresql":
        return connection.execute(select(func.pg_total_relation_size(table.name))).scalar()
    if connection.dialect.name == "postgresql":
        return int(connection.execute(select(func.pg_total_relation_size(str(table.name)))).scalar_one())
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
        older_than: of what budgets and cooldowns count, never less than a day is kept.
        now: the time.

    Returns:
        Rows taken, by table.

    Raises:
        StoreError: it cannot be written, or belongs to a running daemon.
    """
    database = prepare(url, files)
    try:
        taken = _take_all(database.writer, now - max(older_than, SHORTEST), now)
        with database.writer.begin() as connection:
            audit.note(connection, audit.PRUNED, {"older_than": str(older_than), "rows": taken}, at=now)
            head = audit.read_head(connection)
        Anchor(files.anchor).note(head)
    except database.errors as error:
        raise database.translated(error) from error
    finally:
        database.close()
    return taken


def _take_all(engine: Engine, before: datetime, now: datetime) -> dict[str, int]:
    """Take batch after batch, each in a transaction of its own, until nothing is left to take."""
    taken: Counter[str] = Counter()
    while True:
        with engine.begin() as connection:
            refuse_when_led(connection, now)
            batch = take(connection, before, now=now, most=BATCH)
        taken.update(batch)
        if not any(batch.values()):
            return dict(taken)


def back_up(url: str, path: Path) -> int:
    """Copy a Knowledge as it is now into a file (mode 0600), whole and checked or not at all; a daemon may run.

    Args:
        url: of the Knowledge.
        path: replaced when it exists.

    Returns:
        The size in bytes.

    Raises:
        StoreError: it cannot be read, or is damaged. PermanentError: the file cannot be written.
    """
    if is_postgresql(url):
        raise PermanentError(f"{shown(url)}: a copy of it is made with pg_dump, as the guide says")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            copy = checked_copy(url, Path(folder))
            with copy.open("rb") as file:
                os.fsync(file.fileno())
            copy.chmod(0o600)
            copy.replace(path)
        sync_folder(path.parent)
        return path.stat().st_size
    except OSError as error:
        raise PermanentError(f"{path}: cannot be written: {error.strerror}") from error
