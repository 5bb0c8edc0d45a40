"""What a peer answered, and what the caller has to do about it: statuses sorted into the tree of errors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from mape_k.errors import (
    ConflictError,
    FencedError,
    MapeKError,
    PermanentError,
    RejectedError,
    TransientError,
    UncertainError,
)
from mape_k.text import printable

RETRY_AFTER_MAX_SECONDS = 300.0

UNREADABLE = (ValueError, RecursionError, OverflowError)
"""What reading a hostile body may raise; msgspec's own errors are ValueErrors."""

_UNKNOWN = frozenset({404, 410})
_NOT_SO = frozenset({405, 501})
_LATER = frozenset({408, 425, 429, 499, 503})
_REJECTED = frozenset({400, 422})
_CONFLICT = 409
_STALE_TOKEN = 412
_SEE_OTHER = 303


def is_good(status: int) -> bool:
    """Return whether the peer did what it was asked."""
    return status // 100 == 2  # noqa: PLR2004


class AbsentError(PermanentError):
    """The peer has nothing at this address (``is_unknown``), or knows only the ``allowed`` methods there."""

    def __init__(self, message: str, *, allowed: frozenset[str] = frozenset(), is_unknown: bool = True) -> None:
        super().__init__(message)
        self.allowed = allowed
        self.is_unknown = is_unknown


class StumbledError(TransientError):
    """The peer was reached and failed over a question, which has no effect."""


class UnusableAnswerError(Exception):
    """An answer came and cannot be used; what that means depends on what was asked, so it never leaves this floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One complete, bounded answer."""

    status: int
    content_type: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def allowed(self) -> frozenset[str]:
        """The methods that the ``Allow`` header names."""
        return frozenset(
            method.strip().upper() for method in self.headers.get("Allow", "").split(",") if method.strip()
        )


class _Complaint(msgspec.Struct, rename={"error_type": "errorType"}):
    """An error body: problem details, or the forms that Prometheus and Alertmanager use."""

    type: Any = None
    title: Any = None
    detail: Any = None
    error_type: Any = None
    error: Any = None
    message: Any = None
    fields: Any = None
    current_epoch: Any = None

    @property
    def text(self) -> str:
        parts = (self.error_type, self.error, self.title, self.detail, self.message, self.fields)
        return ": ".join(str(part) for part in parts if part)

    @property
    def is_in_flight(self) -> bool:
        said = f"{self.type} {self.title} {self.detail}".lower()
        return "in-flight" in said.replace(" ", "-").replace("_", "-")


_complaint = msgspec.json.Decoder(_Complaint)


def _read_complaint(answer: Answer) -> _Complaint:
    try:
        return _complaint.decode(answer.body)
    except UNREADABLE:
        return _Complaint(message=answer.body.decode("utf-8", "replace").strip())


def refusal(answer: Answer, *, peer: str, asked: str, changes_world: bool, now: datetime) -> MapeKError:
    """Return the error that says what the caller has to do about an answer that is not good.

    Args:
        answer: with any status but 2xx.
        peer: its name, for the message.
        asked: method and path, for the message.
        changes_world: whether the request may have had an effect before the peer stumbled.
        now: the wall clock, for a ``Retry-After`` that is a date.
    """
    complaint = _read_complaint(answer)
    message = f"{peer} answered {answer.status} to {asked}"
    if said := complaint.text:
        message += f": {printable(said)}"
    wait = retry_after_seconds(answer.headers.get("Retry-After"), now)
    status = answer.status
    if status in _LATER or (status == _CONFLICT and (wait is not None or complaint.is_in_flight)):
        return TransientError(message, retry_after_seconds=wait)
    if status == _STALE_TOKEN:
        return FencedError(message, current_epoch=_epoch(complaint.current_epoch))
    if status in _UNKNOWN | _NOT_SO:
        return AbsentError(message, allowed=answer.allowed, is_unknown=status in _UNKNOWN)
    if status == _SEE_OTHER and changes_world:
        # What was asked is done, says RFC 9110, and what came of it is elsewhere.
        return UncertainError(f"{message}; what it names there is not looked at")
    if status // 100 == 5:  # noqa: PLR2004
        return UncertainError(message) if changes_world else StumbledError(message, retry_after_seconds=wait)
    sorts = {_CONFLICT: ConflictError} | dict.fromkeys(_REJECTED, RejectedError)
    return sorts.get(status, PermanentError)(message + _redirect_hint(status))


def _redirect_hint(status: int) -> str:
    return "; redirects are not followed: configure the final address" if status // 100 == 3 else ""  # noqa: PLR2004


def _epoch(current: object) -> int | None:
    """Return an epoch as Knowledge can hold it; a greater one could never be passed."""
    return current if type(current) is int and 0 <= current < 1 << 62 else None


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return how long the peer asks to wait, clamped to 0–300 s; None for no header, or for one without sense."""
    if not header:
        return None
    seconds = _number(header)
    if seconds is None:
        seconds = _seconds_until(header, now)
    return None if seconds is None else min(max(seconds, 0.0), RETRY_AFTER_MAX_SECONDS)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - now).total_seconds()
