"""Knowledge as people read it: JSON-ready documents, newest first."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Select, Table, and_, func, or_, select, true

from mape_k.knowledge.ledger import EPOCH, is_open, read_meta, read_pauses, read_success_rates
from mape_k.knowledge.schema import cycles, executions, incidents, metadata, outcomes, snapshots, transitions
from mape_k.knowledge.store import Store
from mape_k.model import Execution, Pause, PolicyRequest, Snapshot, State, asked_hash
from mape_k.ports import FILTERS, LONGEST_PAGE, Clock, Kind, Page
from mape_k.recording import decode_snapshot, to_document

_LONGEST_CURSOR = 1024
_SHOWN = ("kind", "scope", "parameters", "ttl_seconds", "reason")
_PLACE = tuple[Annotated[datetime, msgspec.Meta(tz=True)], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shelf:
    """One kind of document: where it lies, what orders it, and how a row becomes a document."""

    table: Table
    time: Column[Any]
    key: Column[Any]
    document: Callable[[RowMapping], dict[str, Any]]
    listed: ColumnElement[bool]


def _cycle(row: RowMapping) -> dict[str, Any]:
    return {**row["document"], "result": row["result"], "failure": row["failure"]}


def _incident(row: RowMapping) -> dict[str, Any]:
    return {**row["document"], **to_document({k: v for k, v in row.items() if k != "document"})}


def _action(row: RowMapping) -> dict[str, Any]:
    document = {field.name: to_document(row[field.name]) for field in fields(Execution)}
    sent = [row["request"], *row["terms"].get("further", [])]
    return document | {"asked": _asked(row), "sends": [_request(each).title for each in sent]}


def _request(document: Mapping[str, Any]) -> PolicyRequest:
    return msgspec.convert(document, PolicyRequest)


def _asked(row: RowMapping) -> dict[str, Any] | None:
    """Return what a person is asked about an action: the hash to answer with, and what an approval lets leave."""
    plan_hash, terms = asked_hash(row["state"], row["plan_hash"]), row["terms"]
    if not plan_hash:
        return None
    is_undo = row["state"] == State.UNDO_WANTED
    requests = reversed(terms.get("undo", [])) if is_undo else [row["request"], *terms.get("further", [])]
    shown = [_shown(request) for request in requests]
    return {"question": "undo" if is_undo else "do", "plan_hash": plan_hash, "requests": shown}


def _shown(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a request what a person decides about: a policy, or a call as it is sent."""
    request = _request(document)
    if request.call is None:
        return {name: document[name] for name in _SHOWN if document.get(name)}
    written, reason = request.shown, {"reason": request.reason} if request.reason else {}
    parts = {"call": request.title, "headers": written.headers, "body": written.body}
    return {name: to_document(each) for name, each in parts.items() if each} | reason


_SHELVES: Mapping[Kind, _Shelf] = {
    "cycles": _Shelf(
        table=cycles,
        time=cycles.c.as_of,
        key=cycles.c.cycle_id,
        document=_cycle,
        listed=cycles.c.result.is_not(None),
    ),
    "incidents": _Shelf(
        table=incidents,
        time=incidents.c.opened_at,
        key=incidents.c.incident_id,
        document=_incident,
        listed=true(),
    ),
    "actions": _Shelf(
        table=executions,
        time=executions.c.admitted_at,
        key=executions.c.execution_id,
        document=_action,
        listed=true(),
    ),
}


class SqlArchive:
    """The archive in a database; satisfies :class:`mape_k.ports.Archive`, where its methods are described."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def page(
        self, kind: Kind, *, limit: int, cursor: str | None = None, where: Mapping[str, str] | None = None
    ) -> Page:
        """Return a page of documents, newest first.

        Args:
            kind: cycles (those that ended), incidents, or actions.
            limit: 1 to 500.
            cursor: ``next_cursor`` of the page before.
            where: fields and the values they must have; ``state=open`` of actions means every state but the final.

        Raises:
            ValueError: not a cursor, a limit out of range, or no such field. StoreError: not readable.
        """
        if not 1 <= limit <= LONGEST_PAGE:
            raise ValueError(f"limit={limit}: expected 1 to {LONGEST_PAGE}")
        shelf = _SHELVES[kind]
        conditions = [_equal(kind, name, value) for name, value in (where or {}).items()]
        if cursor is not None:
            conditions.append(_after(shelf, cursor))
        query = select(shelf.table).where(shelf.listed, *conditions)
        query = query.order_by(shelf.time.desc(), shelf.key.desc()).limit(limit + 1)
        rows = await self._store.read(lambda connection: connection.execute(query).mappings().all())
        more = _cursor(shelf, rows[limit - 1]) if len(rows) > limit else None
        return Page(items=tuple(map(shelf.document, rows[:limit])), next_cursor=more)

    async def item(self, kind: Kind, item_id: str) -> Mapping[str, Any] | None:
        """Return one document whole; an action with its explanation, its transitions and its outcomes."""
        return await self._store.read(lambda connection: _item(connection, kind, item_id))

    async def snapshot(self, cycle_id: str) -> Snapshot | None:
        """Return what a cycle saw; None where it was not recorded or has left the ring.

        Raises:
            ValueError: it is damaged. StoreError: not readable.
        """
        query = select(snapshots.c.recorded).where(snapshots.c.cycle_id == cycle_id)
        recorded = await self._store.read(lambda connection: connection.execute(query).scalar())
        return decode_snapshot(recorded) if recorded else None

    async def knowledge(self) -> Mapping[str, Any]:
        """Return the epoch, the success rates and how many rows of each kind are kept."""
        return await self._store.read(_knowledge)

    async def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses in force."""
        return await self._store.read(lambda connection: read_pauses(connection, self._clock.now()))


def _item(connection: Connection, kind: Kind, item_id: str) -> Mapping[str, Any] | None:
    shelf = _SHELVES[kind]
    row = connection.execute(select(shelf.table).where(shelf.key == item_id)).mappings().first()
    if row is None:
        return None
    document = shelf.document(row)
    return document | _history(connection, row) if kind == "actions" else document


def _history(connection: Connection, row: RowMapping) -> dict[str, Any]:
    return {
        "explanation": row["explanation"],
        "transitions": _rows_of(connection, transitions, row["execution_id"]),
        "outcomes": _rows_of(connection, outcomes, row["execution_id"]),
    }


def _rows_of(connection: Connection, table: Table, execution_id: str) -> list[dict[str, Any]]:
    columns = [column for column in table.c if column.name not in ("number", "execution_id")]
    query: Select[Any] = select(*columns).where(table.c.execution_id == execution_id).order_by(table.c.number)
    return [to_document(row) for row in connection.execute(query).mappings()]


def _knowledge(connection: Connection) -> Mapping[str, Any]:
    rates = read_success_rates(connection)
    names = ("pack", "remediation", "symptom")
    return {
        "epoch": read_meta(connection, EPOCH),
        "success_rates": [dict(zip(names, key, strict=True)) | to_document(rate) for key, rate in rates.items()],
        "rows": {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar()
            for table in metadata.sorted_tables
        },
    }


def _equal(kind: Kind, name: str, value: str) -> ColumnElement[bool]:
    if name not in FILTERS[kind]:
        raise ValueError(f"{kind} have no filter {name!r}: expected one of {', '.join(FILTERS[kind])}")
    if (kind, name, value) == ("actions", "state", "open"):
        return is_open()
    return _SHELVES[kind].table.c[name] == value


def _cursor(shelf: _Shelf, row: RowMapping) -> str:
    place = msgspec.json.encode((row[shelf.time], row[shelf.key]))
    return base64.urlsafe_b64encode(place).decode()


def _after(shelf: _Shelf, cursor: str) -> ColumnElement[bool]:
    try:
        place = base64.b64decode(cursor[:_LONGEST_CURSOR], altchars=b"-_", validate=True)
        time, key = msgspec.json.decode(place, type=_PLACE)
    except ValueError as error:
        raise ValueError(f"not a cursor: {cursor[:40]!r}; take next_cursor of the page before") from error
    return or_(shelf.time < time, and_(shelf.time == time, shelf.key < key))
