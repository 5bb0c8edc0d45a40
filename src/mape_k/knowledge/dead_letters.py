"""What failed for good and may be repeated: notifications and compensations, and when each is tried again."""

import hashlib
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, select, update

from mape_k.knowledge import audit
from mape_k.knowledge.schema import dead_letters
from mape_k.model import LETTER_SCHEDULE, DeadLetter, LetterKind, LetterState
from mape_k.recording import to_document
from mape_k.text import printable

REMEMBERED = timedelta(hours=24)
"""How long a dropped letter is remembered, so that nobody sends the same anew meanwhile."""

LONGEST_ATTEMPT = timedelta(minutes=2)
"""An attempt that has been under way for longer was cut."""

LONGEST_ERROR = 2000
_WAITING = (LetterState.PENDING.value, LetterState.TRYING.value)
_LEFT = (*_WAITING, LetterState.PARKED.value)


def write(
    connection: Connection,
    *,
    kind: LetterKind,
    about: str,
    channel: str = "",
    document: object = None,
    error: str,
    at: datetime,
) -> DeadLetter:
    """Keep what failed, to be tried again by :data:`mape_k.model.LETTER_SCHEDULE`; what is kept already stays as it is.

    Args:
        connection: of the transaction in which it failed.
        kind: what repeats it.
        about: the execution of a compensation, or what a message is about.
        channel: of a notification.
        document: what is needed to repeat it.
        error: why it failed, for a person.
        at: when it failed.

    Returns:
        The letter as it is kept.
    """
    letter_id = letter_name(kind, about, channel, document)
    if (known := read_letter(connection, letter_id)) and known.state is not LetterState.DROPPED:
        return known
    letter = DeadLetter(
        letter_id=letter_id,
        kind=kind,
        about=about,
        channel=channel,
        document=to_document(document),
        error=printable(error, LONGEST_ERROR),
        written_at=at,
        due_at=at + LETTER_SCHEDULE[0],
    )
    connection.execute(delete(dead_letters).where(dead_letters.c.letter_id == letter_id))
    connection.execute(insert(dead_letters).values(_row(letter)))
    _note(connection, letter, "written", at)
    return letter


def letter_name(kind: LetterKind, about: str, channel: str, document: object) -> str:
    """Return the id that the same failure always has."""
    content = msgspec.json.encode([kind, about, channel, to_document(document)], order="sorted")
    return f"dl-{hashlib.sha256(content).hexdigest()[:16]}"


def read_letter(connection: Connection, letter_id: str) -> DeadLetter | None:
    """Return one letter as it stands."""
    return next(iter(_read(connection, dead_letters.c.letter_id == letter_id)), None)


def read_letters(connection: Connection) -> list[DeadLetter]:
    """Return all letters that wait or are parked, oldest first."""
    return _read(connection, dead_letters.c.state.in_(_LEFT))


def read_due(connection: Connection, at: datetime) -> list[DeadLetter]:
    """Return the letters whose next attempt is due, oldest first; also those whose last attempt never ended."""
    return _read(connection, dead_letters.c.state.in_(_WAITING) & (dead_letters.c.due_at <= at))


def claim(connection: Connection, letter: DeadLetter, at: datetime) -> DeadLetter | None:
    """Begin an attempt by compare-and-set; None when somebody else did, or it is not what it was.

    Should the attempt never end, the letter is due again as if it had failed.
    """
    begun = replace(letter, state=LetterState.TRYING, attempts=letter.attempts + 1, tried_at=at)
    claimed = replace(begun, due_at=at + begun.next_wait)
    return claimed if _set(connection, letter, claimed) else None


def fail(connection: Connection, letter: DeadLetter, error: str, at: datetime) -> DeadLetter | None:
    """End an attempt that failed: the next one waits longer; after the last the letter waits for a person."""
    state, due_at = (LetterState.PARKED, None) if letter.is_used_up else (LetterState.PENDING, at + letter.next_wait)
    failed = replace(letter, state=state, error=printable(error, LONGEST_ERROR), due_at=due_at)
    if not _set(connection, letter, failed):
        return None
    if failed.state is LetterState.PARKED:
        _note(connection, failed, "parked", at)
    return failed


def settle(connection: Connection, letter: DeadLetter, at: datetime) -> None:
    """Take away a letter whose attempt succeeded."""
    if connection.execute(delete(dead_letters).where(_as_said(letter))).rowcount:
        _note(connection, letter, "settled", at)


def retry_now(connection: Connection, letter: DeadLetter, *, by: str, at: datetime) -> DeadLetter | None:
    """Make a letter due now, at a person's word; the attempts made so far still count. None while it is tried."""
    wanted = replace(letter, state=LetterState.PENDING, due_at=at)
    if _is_out_of_reach(letter, at) or not _set(connection, letter, wanted):
        return None
    _note(connection, wanted, "retry", at, by=by)
    return wanted


def drop(connection: Connection, letter: DeadLetter, *, by: str, at: datetime) -> DeadLetter | None:
    """Give a letter up at a person's word; it is remembered for a while, so that the same is not sent anew."""
    dropped = replace(letter, state=LetterState.DROPPED, due_at=at + REMEMBERED)
    if _is_out_of_reach(letter, at) or not _set(connection, letter, dropped):
        return None
    _note(connection, dropped, "dropped", at, by=by)
    return dropped


def _is_out_of_reach(letter: DeadLetter, at: datetime) -> bool:
    """Whether it is gone, or an attempt is under way; one that is under way for so long never ended."""
    began = letter.tried_at if letter.state is LetterState.TRYING else None
    return letter.state is LetterState.DROPPED or (began is not None and at - began < LONGEST_ATTEMPT)


def prune(connection: Connection, at: datetime) -> None:
    """Forget what was dropped long enough ago."""
    gone = (dead_letters.c.state == LetterState.DROPPED.value) & (dead_letters.c.due_at <= at)
    connection.execute(delete(dead_letters).where(gone))


def _read(connection: Connection, condition: ColumnElement[bool]) -> list[DeadLetter]:
    oldest_first = (dead_letters.c.written_at, dead_letters.c.letter_id)
    rows = connection.execute(select(dead_letters).where(condition).order_by(*oldest_first)).mappings()
    return [DeadLetter(**_values(row)) for row in rows]


def _values(row: RowMapping) -> dict[str, Any]:
    values = {field.name: row[field.name] for field in fields(DeadLetter)}
    return values | {"kind": LetterKind(row["kind"]), "state": LetterState(row["state"])}


def _row(letter: DeadLetter) -> dict[str, object]:
    row = {field.name: getattr(letter, field.name) for field in fields(DeadLetter)}
    return row | {"kind": letter.kind.value, "state": letter.state.value}


def _as_said(letter: DeadLetter) -> ColumnElement[bool]:
    return (
        (dead_letters.c.letter_id == letter.letter_id)
        & (dead_letters.c.state == letter.state.value)
        & (dead_letters.c.attempts == letter.attempts)
    )


def _set(connection: Connection, letter: DeadLetter, to: DeadLetter) -> bool:
    return bool(connection.execute(update(dead_letters).where(_as_said(letter)).values(_row(to))).rowcount)


def _note(connection: Connection, letter: DeadLetter, what: str, at: datetime, **more: object) -> None:
    told = {"letter_id": letter.letter_id, "kind": letter.kind, "about": letter.about, "channel": letter.channel}
    audit.note(connection, audit.DEAD_LETTER, {**told, "what": what, "error": letter.error, **more}, at=at)
