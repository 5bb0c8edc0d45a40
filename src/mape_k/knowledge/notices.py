"""What webhooks announced: kept before they are answered, and held against what the loop sees for itself."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import msgspec
from sqlalchemy import Connection, Dialect, delete, exists, select

from mape_k.errors import StoreError
from mape_k.knowledge.schema import Instant, notices
from mape_k.knowledge.store import Store
from mape_k.model import Alert, NoticeTally, Quality, Snapshot
from mape_k.ports import Clock, Notice

KEEP = timedelta(days=1)
"""Longer than Alertmanager waits, by default, before it announces an alert again."""

_LONGEST_TEXT = 1024
_LOOKED_UP_AT_ONCE = 500
_MOST_COMPARED = 20_000

# In the driver's own form: the toolkit's care for each row would cost more than SQLite does.
_KEEP = """
INSERT INTO notices (fingerprint, starts_at, status, name, labels, group_key, received_at, first_received_at, times)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (fingerprint, starts_at, status)
DO UPDATE SET times = notices.times + 1, received_at = excluded.received_at
"""
_KEYS_AT_ONCE = 100
_KNOWN = f"""
WITH sent (fingerprint, starts_at, status) AS (VALUES {", ".join(["(?, ?, ?)"] * _KEYS_AT_ONCE)})
SELECT kept.fingerprint, kept.starts_at, kept.status FROM sent CROSS JOIN notices AS kept
WHERE kept.fingerprint = sent.fingerprint AND kept.starts_at = sent.starts_at AND kept.status = sent.status
"""  # noqa: S608 (made of question marks)
_NO_KEY = (None, None, None)

_Key = tuple[str, ...]
_Rows = Mapping[_Key, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Webhook:
    """One webhook that waits for its turn; ``kept`` becomes the number of its notices that were new."""

    notices: Sequence[Notice]
    group_key: str
    received_at: datetime
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
    """

    def __init__(self, store: Store, clock: Clock, *, limit: int = 1024) -> None:
        self._store = store
        self._clock = clock
        self._limit = limit
        self._waiting: list[_Webhook] = []
        self._writing: asyncio.Task[None] | None = None

    async def take(self, notices: Sequence[Notice], *, group_key: str) -> int:
        """Keep what one webhook announces; return how many of it were new."""
        if len(self._waiting) >= self._limit:
            raise StoreError(f"Knowledge cannot keep up: {self._limit} webhooks wait already")
        kept: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        received_at, group_key = self._clock.now(), group_key[:_LONGEST_TEXT]
        self._waiting.append(_Webhook(notices=notices, group_key=group_key, received_at=received_at, kept=kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await kept

    async def _write_all(self) -> None:
        while self._waiting:
            webhooks, self._waiting = self._waiting, []
            await self._write(webhooks)

    async def _write(self, webhooks: Sequence[_Webhook]) -> None:
        try:
            counts = await self._store.write(lambda connection: _keep(connection, webhooks))
        except Exception as error:  # noqa: BLE001 - whatever it was, who waits must be told
            for webhook in webhooks:
                webhook.answer(error)
        else:
            for webhook, count in zip(webhooks, counts, strict=True):
                webhook.answer(count)


def _keep(connection: Connection, webhooks: Sequence[_Webhook]) -> list[int]:
    """Write what webhooks announce, each alert and status once for each; return how many were new in each."""
    parts = [_rows(webhook, connection.dialect) for webhook in webhooks]
    known = _known(connection, list(chain.from_iterable(parts)))
    rows = [row for part in parts for row in part.values()]
    if rows:
        connection.exec_driver_sql(_KEEP, rows)
    return [_count_new(part, known) for part in parts]


def _known(connection: Connection, keys: Sequence[_Key]) -> set[_Key]:
    found: set[_Key] = set()
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        some = keys[start : start + _KEYS_AT_ONCE]
        padding = [_NO_KEY] * (_KEYS_AT_ONCE - len(some))
        asked = tuple(chain.from_iterable((*some, *padding)))
        found.update(map(tuple, connection.exec_driver_sql(_KNOWN, asked)))
    return found


def _count_new(rows: _Rows, known: set[_Key]) -> int:
    """Return how many are not known, and know them from now on."""
    new = rows.keys() - known
    known |= new
    return len(new)


def _rows(webhook: _Webhook, dialect: Dialect) -> _Rows:
    """Return the values of ``_KEEP`` by their key."""
    now = _instant(webhook.received_at, dialect)
    keyed = {(_fingerprint(notice), notice.starts_at, notice.status): notice.labels for notice in webhook.notices}
    return {
        key: (*key, labels.get("alertname", "")[:_LONGEST_TEXT], _json(labels), webhook.group_key, now, now)
        for key, labels in keyed.items()
    }


def _instant(time: datetime, dialect: Dialect) -> str:
    """Return a time as the driver is given it."""
    written = Instant().bind_processor(dialect)
    return str(written(time) if written else time)


def _json(labels: Mapping[str, str]) -> str:
    return msgspec.json.encode(labels).decode()


def _fingerprint(notice: Notice) -> str:
    """Return what names the alert; an Alertmanager before 0.20 sends none, then its labels do."""
    labels = sorted(notice.labels.items()) if not notice.fingerprint else ()
    return notice.fingerprint or hashlib.sha256(msgspec.json.encode(labels)).hexdigest()[:16]


def prune(connection: Connection, now: datetime) -> None:
    """Delete what was announced last more than a day ago."""
    connection.execute(delete(notices).where(notices.c.received_at < now - KEEP))


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
