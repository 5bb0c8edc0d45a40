"""What webhooks announced: kept before they are answered, and held against what the loop sees for itself."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import chain

import msgspec
from sqlalchemy import Connection, delete, exists, func, select, tuple_

from mape_k.errors import StoreError
from mape_k.knowledge import bulk
from mape_k.knowledge.schema import notices
from mape_k.knowledge.store import Store
from mape_k.model import Alert, NoticeTally, Quality, Reason, Snapshot
from mape_k.ports import Clock, Notice

KEEP = timedelta(days=1)
"""Longer than Alertmanager waits, by default, before it announces an alert again."""

MOST_ROWS = 1_000_000
"""More are not kept: the oldest give way, so that a flood of made-up alerts cannot fill the disk."""

_LONGEST_TEXT = 1024
_LONGEST_LABELS = 8192
_LOOKED_UP_AT_ONCE = 500
_MOST_COMPARED = 20_000

_KEY = ("fingerprint", "starts_at", "status")
_COLUMNS = (*_KEY, "name", "labels", "group_key", "received_at", "first_received_at", "times")
_AGAIN = "times = notices.times + excluded.times, received_at = excluded.received_at"

_Key = tuple[str, ...]
_Row = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Webhook:
    """One webhook that waits for its turn; ``kept`` becomes the number of its notices that were new."""

    notices: Sequence[Notice]
    group_key: str
    kept: asyncio.Future[int]

    def answer(self, outcome: int | Exception) -> None:
        """Tell who waits, unless he has gone away meanwhile."""
        if self.kept.done():
            return
        if isinstance(outcome, Exception):
            self.kept.set_exception(outcome)
        else:
            self.kept.set_result(outcome)


class SqlNotices:
    """Notices in a database; satisfies :class:`mape_k.ports.Notices`.

    What arrives while a write is under way waits, and goes into the next one together: a flood costs few writes.

    Args:
        limit: webhooks that may wait at once; more are refused.
        most_rows: beyond them the oldest are deleted, a hundredth more than needed, so that it happens seldom.
    """

    def __init__(self, store: Store, clock: Clock, *, limit: int = 1024, most_rows: int = MOST_ROWS) -> None:
        self._store = store
        self._clock = clock
        self._limit = limit
        self._most_rows = most_rows
        self._rows_at_most = most_rows  # how many there are is found out with the first write
        self._waiting: list[_Webhook] = []
        self._writing: asyncio.Task[None] | None = None

    async def take(self, notices: Sequence[Notice], *, group_key: str) -> int:
        """Keep what one webhook announces; return how many of it were new."""
        if len(self._waiting) >= self._limit:
            raise StoreError(f"Knowledge cannot keep up: {self._limit} webhooks wait already")
        if self._store.hold is Reason.STORE_FULL:
            raise StoreError(f"{Reason.STORE_FULL.sentence} What is left of it is not for webhooks.")
        kept: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Webhook(notices=notices, group_key=group_key, kept=kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await kept

    async def _write_all(self) -> None:
        while self._waiting:
            webhooks, self._waiting = self._waiting, []
            await self._write(webhooks)

    def _keep(self, connection: Connection, webhooks: Sequence[_Webhook]) -> list[int]:
        counts = _keep(connection, webhooks, self._clock.now())
        self._rows_at_most += sum(counts)
        if self._rows_at_most > self._most_rows:
            self._rows_at_most = cut(connection, self._most_rows)
        return counts

    async def _write(self, webhooks: Sequence[_Webhook]) -> None:
        try:
            counts = await self._store.write(lambda connection: self._keep(connection, webhooks))
        except Exception as error:  # noqa: BLE001 - whatever it was, who waits must be told
            for webhook in webhooks:
                webhook.answer(error)
        else:
            for webhook, count in zip(webhooks, counts, strict=True):
                webhook.answer(count)


def _keep(connection: Connection, webhooks: Sequence[_Webhook], now: datetime) -> list[int]:
    """Write what webhooks announce, each alert and status once for each; return how many were new in each."""
    parts = [_rows(webhook) for webhook in webhooks]
    times = Counter(chain.from_iterable(parts))
    rows = {key: row for part in parts for key, row in part.items()}
    known = _known(connection, list(rows))
    at = bulk.binder(notices.c.received_at, connection.dialect)(now)
    kept = [(*key, *row, at, at, times[key]) for key, row in rows.items()]
    bulk.upsert(connection, notices, _COLUMNS, kept, changes=_AGAIN)
    return [_count_new(part, known) for part in parts]


def _known(connection: Connection, keys: Sequence[_Key]) -> set[_Key]:
    found: set[_Key] = set()
    for some in bulk.batches(keys):
        statement = _looking_up(connection.dialect.paramstyle, len(some))
        found.update(map(tuple, connection.exec_driver_sql(statement, bulk.flat(some))))
    return found


@cache
def _looking_up(paramstyle: str, keys: int) -> str:
    return f"""
WITH sent (fingerprint, starts_at, status) AS (VALUES {bulk.marks(paramstyle, keys, len(_KEY))})
SELECT kept.fingerprint, kept.starts_at, kept.status FROM sent CROSS JOIN notices AS kept
WHERE kept.fingerprint = sent.fingerprint AND kept.starts_at = sent.starts_at AND kept.status = sent.status
"""  # noqa: S608 (made of marks)


def _count_new(rows: Mapping[_Key, _Row], known: set[_Key]) -> int:
    """Return how many are not known, and know them from now on."""
    new = rows.keys() - known
    known |= new
    return len(new)


def _rows(webhook: _Webhook) -> dict[_Key, _Row]:
    """Return name, labels and group by key; of more labels than anybody reads only the name."""
    group_key = _text(webhook.group_key)
    rows: dict[_Key, _Row] = {}
    for notice in webhook.notices:
        name, labels = _text(notice.labels.get("alertname", "")), _json(notice.labels)
        kept = labels if len(labels) <= _LONGEST_LABELS else _json({"alertname": name})
        rows[_fingerprint(notice), _text(notice.starts_at), notice.status] = (name, kept, group_key)
    return rows


def _text(text: str) -> str:
    """Return a text as every engine takes it."""
    return text[:_LONGEST_TEXT].replace("\0", "")


def _json(labels: Mapping[str, str]) -> str:
    return msgspec.json.encode(labels).decode()


def _fingerprint(notice: Notice) -> str:
    """Return what names the alert; an Alertmanager before 0.20 sends none, then its labels do."""
    labels = sorted(notice.labels.items()) if not notice.fingerprint else ()
    return _text(notice.fingerprint) or hashlib.sha256(msgspec.json.encode(labels)).hexdigest()[:16]


def cut(connection: Connection, most_rows: int) -> int:
    """Delete the oldest rows where there are too many; return how many are left.

    What still fires is announced again and so never among the oldest, unless somebody makes alerts up.
    """
    rows = connection.execute(select(func.count()).select_from(notices)).scalar_one()
    if rows <= most_rows:
        return rows
    too_many = rows - most_rows + most_rows // 100
    key = [notices.c[name] for name in _KEY]
    oldest = select(*key).order_by(notices.c.received_at).limit(too_many)
    connection.execute(delete(notices).where(tuple_(*key).in_(oldest)))
    return rows - too_many


def tally(connection: Connection, snapshot: Snapshot, *, recent: timedelta) -> NoticeTally | None:
    """Hold what was announced against the alerts that were seen; None where they were not.

    Alerts are told apart by fingerprint alone: Alertmanager's list rounds their times to milliseconds.

    Args:
        connection: to Knowledge.
        snapshot: with the list of alerts.
        recent: a notice younger than that must be seen active; an alert older than that must have been announced.
    """
    if snapshot.alerts_quality is not Quality.VALUE:
        return None
    since = snapshot.as_of - recent
    active = {alert.fingerprint: alert for alert in snapshot.alerts}
    announced = _announced(connection, list(active))
    return NoticeTally(
        confirmed=len(announced),
        unconfirmed=len(_firing(connection, since, snapshot.as_of) - active.keys()),
        unannounced=sum(_is_due(alert, since) for name, alert in active.items() if name not in announced),
    )


def _is_due(alert: Alert, since: datetime) -> bool:
    """Return whether Alertmanager should have announced the alert by now."""
    return alert.starts_at < since and not alert.silenced_by and not alert.inhibited_by


def _announced(connection: Connection, fingerprints: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(fingerprints), _LOOKED_UP_AT_ONCE):
        some = fingerprints[start : start + _LOOKED_UP_AT_ONCE]
        asked = notices.c.fingerprint.in_(some) & (notices.c.status == "firing")
        found.update(connection.execute(select(notices.c.fingerprint).where(asked)).scalars())
    return found


def _firing(connection: Connection, since: datetime, until: datetime) -> set[str]:
    """Return what was announced as firing, and not as resolved after that; of a flood only the newest."""
    later = notices.alias("later")
    resolved = exists().where(
        later.c.fingerprint == notices.c.fingerprint,
        later.c.starts_at == notices.c.starts_at,
        later.c.status == "resolved",
        later.c.received_at >= notices.c.received_at,
    )
    is_recent = notices.c.received_at.between(since, until)
    query = select(notices.c.fingerprint).where(is_recent, notices.c.status == "firing", ~resolved)
    newest = query.order_by(notices.c.received_at.desc()).limit(_MOST_COMPARED)
    return set(connection.execute(newest).scalars())
