"""What could not be done and may be repeated."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

LETTER_SCHEDULE = (
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
    timedelta(hours=24),
)
"""How long each attempt waits after the failure before it; after the last one a letter is parked."""


class LetterKind(StrEnum):
    """What repeats a dead letter; a forward action is never repeated, it comes back as a new plan."""

    NOTIFICATION = "notification"
    COMPENSATION = "compensation"


class LetterState(StrEnum):
    """Where a dead letter stands."""

    PENDING = "pending"
    TRYING = "trying"
    PARKED = "parked"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One notification or compensation that failed.

    Args:
        letter_id: the same for the same failure.
        about: the execution of a compensation, or what a message is about.
        channel: of a notification; empty for a compensation.
        document: what is needed to repeat it.
        error: of the newest attempt, for a person.
        attempts: made since it was written.
        due_at: when the next attempt may begin, or a dropped letter is forgotten; None: nothing happens by itself.
        tried_at: when the newest attempt began.
    """

    letter_id: str
    kind: LetterKind
    about: str
    channel: str = ""
    document: Any = None
    error: str = ""
    attempts: int = 0
    state: LetterState = LetterState.PENDING
    written_at: datetime
    due_at: datetime | None = None
    tried_at: datetime | None = None

    @property
    def is_used_up(self) -> bool:
        """Whether every attempt of the schedule was made."""
        return self.attempts >= len(LETTER_SCHEDULE)

    @property
    def next_wait(self) -> timedelta:
        """How long the next attempt waits after a failure of the newest one."""
        return LETTER_SCHEDULE[min(self.attempts, len(LETTER_SCHEDULE) - 1)]
