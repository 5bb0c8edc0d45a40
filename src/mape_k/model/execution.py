"""What we are committed to: executions, their one table of states, and the ledger that a cycle reads once."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from mape_k.model.bounds import Bounds, Outlook
from mape_k.model.pack import RollbackRule
from mape_k.model.reason import Reason
from mape_k.model.request import PolicyRequest


class Mode(StrEnum):
    """What the daemon may do: only tell, ask before each action, or act."""

    SHADOW = "shadow"
    APPROVE = "approve"
    ENFORCE = "enforce"


class Verdict(StrEnum):
    """Did it help? ``UNKNOWN`` never promotes and never trains as success."""

    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    WORSE = "worse"
    UNKNOWN = "unknown"


class Owner(StrEnum):
    """Who moves an execution out of its state."""

    EXECUTOR = "executor"
    LOOP = "loop"
    SCHEDULE = "schedule"
    PERSON = "person"
    NOBODY = "nobody"


class State(StrEnum):
    """Where an execution stands; ``sentence`` says it to a person, ``owner`` is who moves it on."""

    sentence: str
    owner: Owner

    def __new__(cls, value: str, owner: Owner, sentence: str) -> Self:
        """Build a member from its name on the wire, its owner and its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.owner = owner
        member.sentence = sentence
        return member

    AWAITING_APPROVAL = "awaiting_approval", Owner.PERSON, "Nothing has been sent; a person is asked first."
    ADMITTED = "admitted", Owner.EXECUTOR, "The intent is durable; nothing has been sent."
    APPLYING = "applying", Owner.EXECUTOR, "The request may have left; the answer is awaited."
    UNCERTAIN = (
        "uncertain",
        Owner.EXECUTOR,
        "No answer came; the other side or the world is asked before anything else.",
    )
    VERIFYING = "verifying", Owner.LOOP, "The policy is in force; samples born after it are awaited."
    PROBATION = "probation", Owner.LOOP, "It helped; for a while longer it is watched whether that lasts."
    IN_FORCE = "in_force", Owner.LOOP, "It helped, and its policy holds until its lifetime ends."
    RENEWING = "renewing", Owner.EXECUTOR, "The lifetime is being extended."
    UNDO_WANTED = "undo_wanted", Owner.PERSON, "It did not help; a person is asked whether to undo it."
    ROLLING_BACK = "rolling_back", Owner.EXECUTOR, "It did not help; the compensation is being sent."
    FROZEN = "frozen", Owner.SCHEDULE, "It could not be undone; that is tried again by schedule, the target left alone."
    DEAD = "dead", Owner.PERSON, "It was not undone, and will not be; the target is left alone until a person resumes."
    SUCCEEDED = "succeeded", Owner.NOBODY, "It helped, and nothing of it is left to look after."
    ROLLED_BACK = "rolled_back", Owner.NOBODY, "It did not help and was undone."
    INCONCLUSIVE = "inconclusive", Owner.NOBODY, "It was not seen to help, and is not undone."
    FAILED = "failed", Owner.NOBODY, "It was refused, or never sent: the world was not touched."


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.AWAITING_APPROVAL: frozenset({State.ADMITTED, State.FAILED}),
    State.ADMITTED: frozenset({State.APPLYING, State.FAILED}),
    State.APPLYING: frozenset({State.VERIFYING, State.UNCERTAIN, State.ROLLING_BACK, State.FAILED}),
    State.UNCERTAIN: frozenset({State.APPLYING, State.VERIFYING, State.ROLLING_BACK, State.FAILED}),
    State.VERIFYING: frozenset(
        {
            State.PROBATION,
            State.IN_FORCE,
            State.SUCCEEDED,
            State.ROLLING_BACK,
            State.ROLLED_BACK,
            State.UNDO_WANTED,
            State.INCONCLUSIVE,
        }
    ),
    State.PROBATION: frozenset(
        {State.IN_FORCE, State.SUCCEEDED, State.ROLLING_BACK, State.UNDO_WANTED, State.INCONCLUSIVE}
    ),
    State.IN_FORCE: frozenset(
        {State.RENEWING, State.SUCCEEDED, State.ROLLING_BACK, State.UNDO_WANTED, State.INCONCLUSIVE}
    ),
    State.RENEWING: frozenset({State.IN_FORCE, State.SUCCEEDED}),
    State.UNDO_WANTED: frozenset({State.ROLLING_BACK, State.INCONCLUSIVE, State.DEAD}),
    State.ROLLING_BACK: frozenset({State.ROLLED_BACK, State.FROZEN}),
    State.FROZEN: frozenset({State.ROLLED_BACK, State.DEAD}),
    State.DEAD: frozenset({State.ROLLED_BACK}),
    State.SUCCEEDED: frozenset(),
    State.ROLLED_BACK: frozenset(),
    State.INCONCLUSIVE: frozenset(),
    State.FAILED: frozenset(),
}
"""Every move there is; the journal makes no other. A move from a state to itself only updates its fields."""

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)

LEFT_ALONE = frozenset({State.FROZEN, State.DEAD})
"""States in which nothing may be done to the target."""

_SETTLED = frozenset({State.PROBATION, State.IN_FORCE, State.RENEWING}) | LEFT_ALONE | TERMINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an action was admitted with; the pack may change meanwhile, this does not.

    Args:
        further: what is sent after the execution's own request, in this order; the action is in force with the last.
        undo: what undoes each part, the execution's own request first; empty: nothing is to be undone.
        is_irreversible: no part can ever be undone.
        rollback: who decides that it is undone.
        verify_seconds: after that, an execution that is not judged is overdue.
        probation_seconds: how long it is watched after it helped.
        approval_seconds: how long a person may think about it.
    """

    further: tuple[PolicyRequest, ...] = ()
    undo: tuple[PolicyRequest, ...] = ()
    is_irreversible: bool = False
    rollback: RollbackRule = RollbackRule.AUTO
    verify_seconds: float = 1800.0
    probation_seconds: float = 0.0
    approval_seconds: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A person's answer; it is about exactly the plan whose hash it names."""

    is_given: bool
    by: str
    at: datetime
    plan_hash: str
    comment: str = ""


def asked_hash(state: str, plan_hash: str) -> str:
    """Return what an answer must name: the plan's hash, or that of undoing it; empty where nobody is asked.

    The two differ, so that a consent to the action that comes late is never taken for one to undo it.
    """
    if state == State.UNDO_WANTED:
        return hashlib.sha256(f"undo|{plan_hash}".encode()).hexdigest()
    return plan_hash if state == State.AWAITING_APPROVAL else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a person says became of an action."""

    is_good: bool
    by: str
    at: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What has been seen of an action's effect so far.

    Args:
        good, bad: looks at newer samples on which all bounds held, or did not.
        good_since: the first look of the unbroken row of good ones.
        last_sample_at: the newest sample counted; an older or equal one is not counted again.
        last_value: of the first bound's signal.
    """

    good: int = 0
    bad: int = 0
    good_since: datetime | None = None
    last_sample_at: datetime | None = None
    last_value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Durable progress of one action.

    Args:
        execution_id: also its idempotency key; derived from incident, remediation, target and attempt.
        request: what is sent, unchanged over retries, restarts and replicas.
        state, epoch: moves are by compare-and-set on both.
        baseline: of the first bound's signal when the action was admitted; None where it was not seen.
        policy_id: the Charter's name for the policy in force; None until it answered.
        further_ids: the same for the further parts, as far as they are in force.
        applied_at: when the answer came (or, uncertain, when the request left); verification counts from here.
        expires_at: when the policy ends by itself.
        probation_until: until then it is watched whether the success lasts.
        due_at: by then its state should have ended; later it is overdue. None: nothing limits it.
        tries: attempts made to get out of the state it is in.
        undone: roll-backs that were accepted and changed nothing; each further one has a key of its own.
        verdict: of the loop; None until it has one.
        reason: for the last move.
        terms: what it was admitted with.
        plan_hash: of what a person is asked about.
        consent: the person's answer.
        feedback: what a person says became of it.
    """

    execution_id: str
    incident_id: str
    pack: str
    symptom: str
    remediation: str
    target: str
    state: State
    epoch: int
    request: PolicyRequest
    admitted_at: datetime
    updated_at: datetime
    baseline: float | None = None
    policy_id: str | None = None
    applied_at: datetime | None = None
    expires_at: datetime | None = None
    renewals: int = 0
    observation: Observation = field(default_factory=Observation)
    verdict: Verdict | None = None
    reason: Reason | None = None
    detail: str = ""
    terms: Terms = field(default_factory=Terms)
    further_ids: tuple[str, ...] = ()
    tries: int = 0
    undone: int = 0
    due_at: datetime | None = None
    probation_until: datetime | None = None
    plan_hash: str = ""
    consent: Consent | None = None
    feedback: Feedback | None = None

    @property
    def servers(self) -> frozenset[str]:
        """Everybody who is or may be asked for it."""
        return frozenset(each.server for each in (self.request, *self.terms.further, *self.terms.undo))

    @property
    def answer(self) -> Consent | None:
        """The person's answer to what is asked now; None while nobody has answered, or nobody is asked."""
        asked = asked_hash(self.state, self.plan_hash)
        return self.consent if self.consent is not None and asked and self.consent.plan_hash == asked else None

    @property
    def is_open(self) -> bool:
        """Whether anything is left to do or to look after."""
        return self.state not in TERMINAL

    def is_overdue(self, at: datetime) -> bool:
        """Return whether it should have left its state before ``at``."""
        return self.is_open and self.due_at is not None and at > self.due_at

    @property
    def is_unsettled(self) -> bool:
        """Whether its effect is not judged yet, so that nothing else may touch its target."""
        return self.state not in _SETTLED


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessRate:
    """Outcomes of one remediation for one symptom so far; unknown ones are in neither number."""

    successes: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A person's word to stop acting; only an authenticated resume lifts it, or the end that was set with it.

    Args:
        scope: what it is about: empty for everything, ``remediation:PACK/NAME`` or ``target:PACK/NAME``.
        until: when it ends by itself; None: never.
    """

    since: datetime
    by: str
    comment: str = ""
    scope: str = ""
    until: datetime | None = None

    def covers(self, pack: str, remediation: str, target: str, at: datetime) -> bool:
        """Return whether it forbids this remediation on this target at this time."""
        about = ("", f"remediation:{pack}/{remediation}", f"target:{pack}/{target}")
        return self.scope in about and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """What Knowledge remembers of an incident that is not closed."""

    incident_id: str
    pack: str
    symptom: str
    target: str
    opened_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What we are committed to and have learned, read once a cycle.

    Args:
        as_of: when it was read; the cycle's own time.
        executions: all open ones, and the closed ones admitted within the longest budget window.
        success_rates: by (pack, remediation, symptom).
        sight_lost_at: by source: when it was last not seen; absent when it always was.
        hold: why nothing may be sent at all at the moment; None: it may.
        held: by server: why nothing may be sent there at the moment.
        bounds: what a person set.
        outlooks: by pack: how it looked as a whole in the last cycle.
        openings: by (pack, symptom, target): when its incidents were opened, where there were several lately.
        looked_at: when a person last resumed everything, so had a look.
    """

    as_of: datetime
    epoch: int = 0
    mode: Mode = Mode.SHADOW
    pauses: tuple[Pause, ...] = ()
    executions: tuple[Execution, ...] = ()
    incidents: tuple[OpenIncident, ...] = ()
    success_rates: Mapping[tuple[str, str, str], SuccessRate] = field(default_factory=dict)
    sight_lost_at: Mapping[str, datetime] = field(default_factory=dict)
    hold: Reason | None = None
    held: Mapping[str, Reason] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)
    outlooks: Mapping[str, Outlook] = field(default_factory=dict)
    openings: Mapping[tuple[str, str, str], tuple[datetime, ...]] = field(default_factory=dict)
    looked_at: datetime | None = None
    _groups: dict[str, dict[tuple[str, str], list[Execution]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def pause(self) -> Pause | None:
        """The pause of everything that is in force."""
        return next((p for p in self.pauses if not p.scope and (p.until is None or self.as_of < p.until)), None)

    def on_target(self, pack: str, target: str) -> Sequence[Execution]:
        """Return the executions on one target, whatever was done to it."""
        return self._grouped_by("target").get((pack, target), ())

    def of_remediation(self, pack: str, name: str) -> Sequence[Execution]:
        """Return the executions of one remediation, wherever."""
        return self._grouped_by("remediation").get((pack, name), ())

    def _grouped_by(self, field_name: str) -> Mapping[tuple[str, str], Sequence[Execution]]:
        """Group the executions when first asked: in a storm, guards ask about thousands of targets."""
        if field_name not in self._groups:
            groups: dict[tuple[str, str], list[Execution]] = {}
            for execution in self.executions:
                groups.setdefault((execution.pack, getattr(execution, field_name)), []).append(execution)
            self._groups[field_name] = groups
        return self._groups[field_name]

    def seeing(self, outlooks: Mapping[str, Outlook]) -> Self:
        """Return the ledger with how packs look by now."""
        return replace(self, outlooks={**self.outlooks, **outlooks})

    def without(self, execution: Execution) -> Self:
        """Return the ledger as it would be had this execution never been admitted."""
        others = tuple(e for e in self.executions if e.execution_id != execution.execution_id)
        return replace(self, executions=others)

    @property
    def open_executions(self) -> tuple[Execution, ...]:
        """Executions that are not in a final state."""
        return tuple(e for e in self.executions if e.is_open)
