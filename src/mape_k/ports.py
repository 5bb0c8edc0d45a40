"""What the loop needs from the outside, declared where it is needed. Adapters in ``integration`` satisfy these."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from mape_k.model import (
    Action,
    Alert,
    Consent,
    CycleReport,
    DeadLetter,
    Execution,
    Feedback,
    FollowUp,
    Incident,
    Ledger,
    Message,
    Pause,
    PolicyRequest,
    Reason,
    Standing,
    State,
    Violation,
)


class Clock(Protocol):
    """The only source of time: ``now`` for facts, ``monotonic`` for waiting."""

    def now(self) -> datetime:
        """Return the wall clock, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class InstantVector:
    """A Prometheus answer in columns: labels of each row without ``__name__``, values float64 of shape (n,).

    ``warnings`` are the server's: the answer is then partial.
    """

    labels: tuple[Mapping[str, str], ...] = ()
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class RangeSeries:
    """One series of a range answer: times and values in seconds and float64, shape (n,)."""

    labels: Mapping[str, str]
    times: NDArray[np.float64]
    values: NDArray[np.float64]


class MetricSource(Protocol):
    """A server that speaks the Prometheus HTTP API."""

    async def query(self, promql: str, *, at: datetime, timeout_seconds: float) -> InstantVector:
        """Evaluate ``promql`` at ``at``.

        Raises:
            TransientError: not reachable, overloaded or too slow. PermanentError: a bad query or an unusable answer.
        """
        ...

    async def query_range(
        self, promql: str, *, start: datetime, end: datetime, step_seconds: float, timeout_seconds: float
    ) -> Sequence[RangeSeries]:
        """Evaluate ``promql`` at every step of a closed interval; raises as :meth:`query`."""
        ...


class AlertSource(Protocol):
    """Alertmanager, one or a cluster."""

    async def alerts(self, *, timeout_seconds: float) -> tuple[Alert, ...]:
        """Return every active alert, silenced and inhibited ones included.

        Raises:
            TransientError: no peer answered. PermanentError: an unusable answer.
        """
        ...


class Uptime(Protocol):
    """A peer that forgets what it was told when it starts again."""

    async def started_at(self, *, timeout_seconds: float) -> datetime:
        """Return since when the peer that answers has been running; raises as :meth:`AlertSource.alerts`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationPage:
    """The Charter's violations, oldest first; ``is_partial`` when a limit cut the answer."""

    violations: tuple[Violation, ...] = ()
    is_partial: bool = False


class ViolationSource(Protocol):
    """Who knows the violations."""

    async def violations(self, *, since: datetime, timeout_seconds: float) -> ViolationPage:
        """Return what was detected at or after ``since``; raises as :meth:`MetricSource.query`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The other side's word that a policy is in force.

    Args:
        policy_id: its name there.
        was_known: the key had been seen before: nothing new happened.
        is_idempotent: it echoed the key, so asking again with the same key is safe.
    """

    policy_id: str
    was_known: bool = False
    is_idempotent: bool = False


class Effector(Protocol):
    """Who changes the world. Never retries by itself what is not safe to repeat."""

    @property
    def is_idempotent(self) -> bool:
        """Whether the same key sent twice is known to have one effect."""
        ...

    async def apply(
        self, request: PolicyRequest, *, key: str, epoch: int, traceparent: str, timeout_seconds: float
    ) -> Applied:
        """Put a policy in force.

        Raises:
            TransientError: nothing was sent, or the peer said it did nothing. UncertainError: sent, no usable answer.
            ConflictError, PermanentError: refused. FencedError: the epoch is stale.
        """
        ...

    async def is_in_force(self, policy_id: str, *, timeout_seconds: float) -> bool | None:
        """Return whether the other side says that a policy is in force; None where it cannot say. Raises as a query."""
        ...

    async def roll_back(
        self,
        policy_id: str | None,
        compensation: PolicyRequest | None,
        *,
        key: str,
        epoch: int,
        traceparent: str,
        timeout_seconds: float,
    ) -> bool:
        """Undo a policy: by its id where the peer can, else by putting ``compensation`` in force.

        With neither possible there is nothing to undo and nothing is sent. Raises as :meth:`apply`.

        Returns:
            Whether it was undone by its id, so that :meth:`is_in_force` tells whether that took effect.
        """
        ...


EffectorOf: TypeAlias = Callable[[PolicyRequest], Effector]
"""Returns who takes a request; never raises, since a request may outlive the settings that it was made with."""


class Journal(Protocol):
    """Knowledge as the loop and the executor use it. Every write is durable when it returns."""

    async def open_cycle(self, report: CycleReport) -> Ledger:
        """Return what we are committed to, as of this cycle.

        Raises:
            StoreError: it cannot be read; then nothing may be decided.
        """
        ...

    async def close_cycle(self, report: CycleReport) -> CycleReport:
        """Keep the report, its snapshot, its incidents and judgements. Never raises: says in the report what failed.

        What webhooks announced is held against the alerts of the snapshot, and told in the report's ``notices``.
        """
        ...

    async def admit(
        self,
        action: Action,
        *,
        check: Callable[[Ledger], Reason | None],
        explanation: Mapping[str, object],
        now: datetime,
        to: State = State.ADMITTED,
        incident: Incident | None = None,
    ) -> Execution | Reason:
        """Commit the intent, in one transaction with a last ``check`` of the guards on the ledger as it then is.

        Args:
            action: what is to be done; its execution id is the idempotency key and is admitted at most once.
            check: the guards; a reason means no.
            explanation: kept with the execution: why this, and what else could have been done.
            now: the time of the admission.
            to: where it starts: admitted, or awaiting approval.
            incident: what it is for, remembered as open with it, so that it goes on under its name after a crash.

        Returns:
            The admitted execution, or the reason why it may not start (any more).
        """
        ...

    async def move(self, execution: Execution, to: State, **fields: object) -> Execution:
        """Move by compare-and-set on (state, epoch), setting the named fields of :class:`Execution`.

        What is admitted and paused meanwhile fails instead of being applied.

        Raises:
            FencedError: someone else moved it. StoreError: not written. ValueError: no such transition.
        """
        ...

    async def begin(
        self,
        step: FollowUp,
        request: PolicyRequest,
        *,
        check: Callable[[Ledger], Reason | None],
        now: datetime,
    ) -> Execution | Reason | None:
        """Commit the admission of what a person has agreed to, with a last ``check`` in the same transaction.

        Args:
            step: begins it.
            request: what will be sent, with a fresh ``not_after``.
            check: the guards; a reason means not now.
            now: the time of the admission.

        Returns:
            The admitted execution, the reason why not, or None when it does not await approval (any more).
        """
        ...

    async def follow_up(self, step: FollowUp, *, now: datetime) -> Execution | None:
        """Commit the start of a follow-up step; None when the execution has moved on meanwhile."""
        ...

    async def execution(self, execution_id: str) -> Execution | None:
        """Return one execution as it stands."""
        ...


class Notice(msgspec.Struct, rename="camel", gc=False, kw_only=True):
    """One alert as a webhook announces it, in Alertmanager's own form.

    ``starts_at`` stays the text that it is: it carries nanoseconds, and with the fingerprint it tells alerts apart.
    """

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: Annotated[str, msgspec.Meta(max_length=64)] = ""
    fingerprint: Annotated[str, msgspec.Meta(max_length=128)] = ""


class Notifier(Protocol):
    """One channel to people; it sends, and nothing else: no dedupe, no repetition."""

    @property
    def name(self) -> str:
        """The channel's name, stable, such as ``slack``."""
        ...

    async def send(self, message: Message, *, key: str, timeout_seconds: float) -> None:
        """Send a message; ``key`` is the same for every attempt at it.

        Raises:
            TransientError, UncertainError: later again. PermanentError: this channel will never take it.
        """
        ...


class Outbox(Protocol):
    """What people are told, durably; every method raises StoreError."""

    async def standing(self) -> tuple[Standing, ...]:
        """Return what lasted when it was kept."""
        ...

    async def keep_standing(self, standing: tuple[Standing, ...]) -> None:
        """Keep what lasts."""
        ...

    async def is_settled(self, channel: str, message: Message) -> bool:
        """Return whether nothing is to be sent: it was delivered lately, or a dead letter holds it."""
        ...

    async def delivered(self, channel: str, message: Message) -> None:
        """Keep that a message was delivered."""
        ...

    async def failed(self, channel: str, message: Message, error: str) -> None:
        """Keep a message that could not be delivered as a dead letter."""
        ...


class DeadLetters(Protocol):
    """Dead letters as people see them; every method raises StoreError."""

    async def listed(self) -> tuple[DeadLetter, ...]:
        """Return all letters that wait or are parked, oldest first."""
        ...

    async def letter(self, letter_id: str) -> DeadLetter | None:
        """Return one letter as it stands."""
        ...

    async def retry(self, letter_id: str, *, by: str) -> DeadLetter | None:
        """Make a letter due now, in the audit trail; None when there is none that waits or is parked."""
        ...

    async def drop(self, letter_id: str, *, by: str) -> DeadLetter | None:
        """Give a letter up, as :meth:`retry`; the target of a compensation stays frozen until a person resumes it."""
        ...


class Attempts(Protocol):
    """Dead letters as they are tried again; every method raises StoreError."""

    async def due(self) -> tuple[DeadLetter, ...]:
        """Return the letters whose next attempt is due, oldest first."""
        ...

    async def claim(self, letter: DeadLetter) -> DeadLetter | None:
        """Begin an attempt, by compare-and-set; None when somebody else did."""
        ...

    async def settled(self, letter: DeadLetter) -> None:
        """End an attempt that succeeded: the letter is gone."""
        ...

    async def failed(self, letter: DeadLetter, error: str) -> DeadLetter | None:
        """End an attempt that failed: the next one waits longer; after the last the letter is parked."""
        ...


class Compensator(Protocol):
    """Who undoes what could not be undone before."""

    async def undo_again(self, execution_id: str) -> Execution | None:
        """Try once more and return the execution as it then is; None when there is none. Raises as an effector."""
        ...

    async def give_up(self, execution_id: str) -> Execution | None:
        """Leave the target alone until a person resumes it."""
        ...


class Notices(Protocol):
    """Where webhooks are kept before they are answered."""

    async def take(self, notices: Sequence[Notice], *, group_key: str) -> int:
        """Keep what one webhook announces, durable when it returns; return how many of it were not known yet.

        Raises:
            StoreError: not kept, or too many wait already.
        """
        ...


Kind = Literal["cycles", "incidents", "actions"]

FILTERS: Mapping[Kind, tuple[str, ...]] = {
    "cycles": ("result", "woken_by"),
    "incidents": ("state", "pack", "symptom", "target"),
    "actions": ("state", "verdict", "incident_id", "pack", "symptom", "remediation", "target"),
}
"""The fields that a page of each kind can be narrowed by."""

LONGEST_PAGE = 500
"""Documents that a page may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Part of a list, newest first; ``next_cursor`` is None at its end. Items are JSON-ready."""

    items: tuple[Mapping[str, Any], ...]
    next_cursor: str | None = None


class Archive(Protocol):
    """Knowledge as people read it: JSON-ready documents."""

    async def page(
        self, kind: Kind, *, limit: int, cursor: str | None = None, where: Mapping[str, str] | None = None
    ) -> Page:
        """Return a page of documents; ``where`` compares fields (``state=open``).

        Raises:
            ValueError: not a cursor. StoreError: not readable.
        """
        ...

    async def item(self, kind: Kind, item_id: str) -> Mapping[str, Any] | None:
        """Return one document whole; for an action with its transitions and explanation."""
        ...

    async def knowledge(self) -> Mapping[str, Any]:
        """Return what was learned: success rates with their counts, and the number of rows kept of each kind."""
        ...

    async def pauses(self) -> tuple[Pause, ...]:
        """Return the pauses in force."""
        ...


class Orders(Protocol):
    """What people tell Knowledge; each order is durable, and in the audit trail, when its method returns."""

    async def pause(self, pause: Pause) -> None:
        """Pause; one of the same scope takes the place of another."""
        ...

    async def resume(self, scope: str, *, by: str) -> None:
        """Lift the pause of a scope. Everything (``""``), or a target, also thaws what is frozen there."""
        ...

    async def consent(self, execution_id: str, consent: Consent) -> Execution | None:
        """Keep a person's answer; the first one stands, and the same one again changes nothing.

        Returns:
            The execution with the answer; None when there is no such execution.

        Raises:
            ConflictError: nobody is asked about it (any more), about another plan, or it was answered otherwise.
        """
        ...

    async def feedback(self, execution_id: str, feedback: Feedback) -> Execution | None:
        """Keep what a person says became of an action, and count that instead of what was counted; the last one stands.

        Returns:
            The execution with the feedback; None when there is no such execution.

        Raises:
            ConflictError: its effect is not judged yet, or nothing was done.
        """
        ...
