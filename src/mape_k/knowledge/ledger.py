"""Reads what we are committed to and have learned."""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, delete, func, insert, select, tuple_, update

from mape_k.knowledge.schema import executions, incidents, meta, pauses, success_rates
from mape_k.model import TERMINAL, Execution, Ledger, Mode, OpenIncident, Outlook, Pause, SuccessRate

WINDOW = timedelta(hours=24)
"""How long closed executions stay in the ledger; the longest budget window that guards can look back over."""

_MOST_CLOSED = 1000  # the newest, so that short windows stay exact whatever happened in a day
_MOST_ECHOING = 100
T = TypeVar("T", Execution, OpenIncident)
_EXECUTION = [executions.c[field.name] for field in fields(Execution)]
_INCIDENT = [incidents.c[field.name] for field in fields(OpenIncident)]
_META = select(meta.c.document).where(meta.c.name == bindparam("wanted"))

EPOCH = "epoch"
KEYS_ECHOED = "keys_echoed"
SIGHT_LOST_AT = "sight_lost_at"
OUTLOOKS = "outlooks"
LOOKED_AT = "looked_at"


def read_ledger(connection: Connection, *, as_of: datetime, epoch: int, mode: Mode) -> Ledger:
    """Return the ledger as this transaction sees it."""
    return Ledger(
        as_of=as_of,
        epoch=epoch,
        mode=mode,
        pauses=read_pauses(connection, as_of),
        executions=_committed(connection, as_of),
        incidents=_open_incidents(connection),
        success_rates=read_success_rates(connection),
        sight_lost_at=read_sight_lost_at(connection),
        outlooks=read_outlooks(connection),
        openings=_openings(connection, as_of),
        looked_at=msgspec.convert(read_meta(connection, LOOKED_AT), datetime | None),
    )


def read_pauses(connection: Connection, at: datetime) -> tuple[Pause, ...]:
    """Return the pauses in force, that of everything first."""
    in_force = pauses.c.until.is_(None) | (pauses.c.until > at)
    rows = connection.execute(select(pauses).where(in_force).order_by(pauses.c.scope)).mappings()
    return tuple(Pause(**row) for row in rows)


def read_execution(connection: Connection, execution_id: str) -> Execution | None:
    """Return one execution as it stands."""
    return next(iter(_executions(connection, executions.c.execution_id == execution_id)), None)


def read_open_executions(connection: Connection) -> list[Execution]:
    """Return all executions that are not in a final state, oldest first."""
    return _executions(connection, is_open())


def is_open() -> ColumnElement[bool]:
    """Return the condition that an execution is not in a final state."""
    return executions.c.state.not_in([state.value for state in TERMINAL])


def read_success_rates(connection: Connection) -> dict[tuple[str, str, str], SuccessRate]:
    """Return outcomes counted so far, by (pack, remediation, symptom)."""
    return {
        (row.pack, row.remediation, row.symptom): SuccessRate(successes=row.successes, failures=row.failures)
        for row in connection.execute(select(success_rates).order_by(*success_rates.primary_key))
    }


def read_sight_lost_at(connection: Connection) -> dict[str, datetime]:
    """Return when each source was last not seen."""
    return msgspec.convert(read_meta(connection, SIGHT_LOST_AT) or {}, dict[str, datetime])


def read_outlooks(connection: Connection) -> dict[str, Outlook]:
    """Return how each pack looked as a whole in the last cycle."""
    return msgspec.convert(read_meta(connection, OUTLOOKS) or {}, dict[str, Outlook])


def read_meta(connection: Connection, name: str) -> Any:  # noqa: ANN401 - each name has a document of its own
    """Return the document kept under a name; None where there is none."""
    return connection.execute(_META, {"wanted": name}).scalar()


def read_echoing(connection: Connection) -> list[str]:
    """Return the addresses that were seen to honour idempotency keys; earlier versions kept one, as a text."""
    kept = read_meta(connection, KEYS_ECHOED) or []
    return [kept] if isinstance(kept, str) else msgspec.convert(kept, list[str])


def write_echoing(connection: Connection, peer: str, *, echoed: bool) -> None:
    """Keep whether an address honours idempotency keys; of addresses that are not used any more, the newest."""
    peers = [each for each in read_echoing(connection) if each != peer]
    write_meta(connection, KEYS_ECHOED, [*peers, peer][-_MOST_ECHOING:] if echoed else peers or None)


def write_meta(connection: Connection, name: str, document: object) -> None:
    """Keep a document under a name; None takes it away."""
    if document is None:
        connection.execute(delete(meta).where(meta.c.name == name))
    elif not connection.execute(update(meta).where(meta.c.name == name).values(document=document)).rowcount:
        connection.execute(insert(meta).values(name=name, document=document))


def _committed(connection: Connection, as_of: datetime) -> tuple[Execution, ...]:
    recent = executions.c.admitted_at >= as_of - WINDOW
    unfinished = executions.c.incident_id.in_(select(incidents.c.incident_id).where(incidents.c.state == "open"))
    closed = _executions(connection, ~is_open() & (recent | unfinished), limit=_MOST_CLOSED)
    return tuple(sorted(read_open_executions(connection) + closed, key=lambda e: (e.admitted_at, e.execution_id)))


def _executions(connection: Connection, condition: ColumnElement[bool], limit: int | None = None) -> list[Execution]:
    newest_first = (executions.c.admitted_at.desc(), executions.c.execution_id.desc())
    rows = connection.execute(select(*_EXECUTION).where(condition).order_by(*newest_first).limit(limit)).mappings()
    return [_value(row, Execution) for row in rows]


def _open_incidents(connection: Connection) -> tuple[OpenIncident, ...]:
    order = (incidents.c.opened_at, incidents.c.incident_id)
    rows = connection.execute(select(*_INCIDENT).where(incidents.c.state == "open").order_by(*order)).mappings()
    return tuple(_value(row, OpenIncident) for row in rows)


def _openings(connection: Connection, as_of: datetime) -> dict[tuple[str, str, str], tuple[datetime, ...]]:
    """Return when incidents about the same were opened, where that happened more than once lately."""
    about = (incidents.c.pack, incidents.c.symptom, incidents.c.target)
    lately = incidents.c.opened_at >= as_of - WINDOW
    again = select(*about).where(lately).group_by(*about).having(func.count() > 1)
    rows = connection.execute(
        select(*about, incidents.c.opened_at).where(lately & tuple_(*about).in_(again)).order_by(incidents.c.opened_at)
    )
    openings: dict[tuple[str, str, str], tuple[datetime, ...]] = {}
    for pack, symptom, target, opened_at in rows:
        key = pack, symptom, target
        openings[key] = (*openings.get(key, ()), opened_at)
    return openings


def _value(row: RowMapping, kind: type[T]) -> T:
    return msgspec.convert({field.name: row[field.name] for field in fields(kind)}, kind)
