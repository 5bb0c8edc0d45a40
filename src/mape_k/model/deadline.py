"""Until when an execution may stay in a state. Later it is overdue: that is told, and changes nothing by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mape_k.model.execution import State, Terms

PATIENCE = 3
"""How many times its time an action may wait for sight before what cannot be seen counts as never seen."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long a state may last, in words and in seconds; None: not from its beginning, but by the policy's end."""

    sentence: str
    seconds: Callable[[Terms], float] | None


def _minutes(minutes: float, sentence: str) -> Deadline:
    return Deadline(sentence, lambda _: 60 * minutes)


DEADLINES: Mapping[State, Deadline] = {
    State.AWAITING_APPROVAL: Deadline("the time that a person has to answer", lambda terms: terms.approval_seconds),
    State.ADMITTED: _minutes(5, "5 minutes"),
    State.APPLYING: _minutes(5, "5 minutes"),
    State.UNCERTAIN: _minutes(15, "15 minutes"),
    State.VERIFYING: Deadline(
        f"{PATIENCE} times `verify.deadline`, and the time that a first look needs", lambda terms: terms.verify_seconds
    ),
    State.PROBATION: Deadline(f"{PATIENCE} times `probation`", lambda terms: PATIENCE * terms.probation_seconds),
    State.IN_FORCE: Deadline("the end of the policy's lifetime, and 5 minutes", None),
    State.RENEWING: _minutes(15, "15 minutes"),
    State.UNDO_WANTED: Deadline("the time that a person has to answer", lambda terms: terms.approval_seconds),
    State.ROLLING_BACK: _minutes(15, "15 minutes"),
    State.FROZEN: _minutes(40 * 60, "40 hours, in which every attempt of the schedule falls"),
    State.DEAD: _minutes(24 * 60, "24 hours"),
}
"""The deadline of every state that is no end."""

_AFTER_EXPIRY = timedelta(minutes=5)


def due_at(state: State, terms: Terms, expires_at: datetime | None, at: datetime) -> datetime | None:
    """Return by when an execution that came into ``state`` at ``at`` should have left it; None: nothing limits it."""
    deadline = DEADLINES.get(state)
    if deadline is None:
        return None
    if deadline.seconds is None:
        return expires_at + _AFTER_EXPIRY if expires_at is not None else None
    return at + timedelta(seconds=deadline.seconds(terms))
