"""The audit trail: rows that are only ever added, each chained to the one before with a key kept outside the store."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from mape_k.knowledge.schema import audit
from mape_k.recording import to_document

START, TRANSITION, PAUSED, RESUMED, PRUNED = "start", "transition", "pause", "resume", "prune"
DEAD_LETTER = "dead_letter"
CONSENT, FEEDBACK = "consent", "feedback"
EPOCH_RAISED = "raise_epoch"
"""The kinds of events."""

_TRAIL = "audit_trail"


@dataclass(frozen=True, slots=True)
class Head:
    """Where a trail stands: the sequence of its newest row and that row's hash."""

    sequence: int = 0
    hash: str = "0" * 64

    def __str__(self) -> str:
        return f"{self.sequence} {self.hash}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the trail, as it is kept."""

    sequence: int
    at: str
    kind: str
    event: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """The first place at which a trail is not what was written: its sequence, and what is wrong there."""

    sequence: int
    what: str


def with_trail(key: bytes) -> Mapping[str, Any]:
    """Return the options of an engine whose connections may write the trail; no other can."""
    return {_TRAIL: key}


def note(connection: Connection, kind: str, event: Mapping[str, object], *, at: datetime) -> None:
    """Add a row, in the transaction that does what it tells."""
    key = connection.get_execution_options()[_TRAIL]
    _wait_for_turn(connection)
    head = read_head(connection)
    told = {
        "sequence": head.sequence + 1,
        "at": at.astimezone(UTC).isoformat(),
        "kind": kind,
        "event": _canonical(event).decode(),
        "previous": head.hash,
    }
    connection.execute(insert(audit).values(**told, hash=_seal(key, told)))


def _wait_for_turn(connection: Connection) -> None:
    """Let one transaction after the other go on from the head, where several replicas write."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE audit IN SHARE ROW EXCLUSIVE MODE")


def is_ours(connection: Connection, key: bytes) -> bool:
    """Return whether the newest row, if there is one, was written with this key."""
    row = connection.execute(select(audit).order_by(audit.c.sequence.desc()).limit(1)).mappings().first()
    return row is None or not _wrong(Row(**row), Head(row["sequence"] - 1, row["previous"]), key)


def read_head(connection: Connection) -> Head:
    """Return where the trail stands."""
    newest = select(audit.c.sequence, audit.c.hash).order_by(audit.c.sequence.desc()).limit(1)
    row = connection.execute(newest).first()
    return Head(*row) if row else Head()


def read_rows(connection: Connection) -> Iterator[Row]:
    """Yield all rows, oldest first, one by one, so that what cannot be read is known by the row before it.

    Raises:
        ValueError: a field is not what it must be.
    """
    query = select(audit).order_by(audit.c.sequence)
    for row in connection.execute(query, execution_options={"yield_per": 1}).mappings():
        yield msgspec.convert({field.name: row[field.name] for field in fields(Row)}, Row)


def unbroken(rows: Iterable[Row], *, key: bytes, anchored: Iterable[Head]) -> Iterator[Row | Break]:
    """Yield rows for as long as they are what was written, then the break, if there is one.

    Args:
        rows: oldest first.
        key: with which they were written.
        anchored: heads that were kept outside the store; rows taken from the end are missed by these alone.
    """
    last, hashes = Head(), _hashes(anchored)
    for row in rows:
        wrong = _wrong(row, last, key)
        if not wrong and hashes.get(row.sequence, {row.hash}) != {row.hash}:
            wrong = "the anchor has seen another row there"
        if wrong:
            yield Break(last.sequence + 1, wrong)
            return
        last = Head(row.sequence, row.hash)
        yield row
    newest = max(hashes, default=0)
    if newest > last.sequence:
        yield Break(last.sequence + 1, f"it is missing; the trail ends before it, and the anchor has seen row {newest}")


def _wrong(row: Row, last: Head, key: bytes) -> str:
    if row.sequence != last.sequence + 1:
        return f"it is missing; the next row is {row.sequence}"
    if row.previous != last.hash:
        return "it does not follow the row before it"
    told = {name: getattr(row, name) for name in ("sequence", "at", "kind", "event", "previous")}
    if not hmac.compare_digest(_seal(key, told).encode(), str(row.hash).encode()):
        return "it was altered, or written with another key"
    return ""


def _hashes(anchored: Iterable[Head]) -> dict[int, set[str]]:
    hashes: dict[int, set[str]] = {}
    for head in anchored:
        hashes.setdefault(head.sequence, set()).add(head.hash)
    return hashes


def _seal(key: bytes, told: Mapping[str, object]) -> str:
    """Return the HMAC-SHA256 of the hash before and all that the row tells."""
    content = _canonical([told["sequence"], told["at"], told["kind"], told["event"]])
    return hmac.new(key, str(told["previous"]).encode() + content, hashlib.sha256).hexdigest()


def _canonical(document: object) -> bytes:
    return msgspec.json.encode(to_document(document), order="sorted")
