"""What we are committed to: executions, their one table of states, and the ledger that a cycle reads once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from mape_k.model.reason import Reason


class Mode(StrEnum):
    """What the daemon may do: only tell, or act."""

    SHADOW = "shadow"
    ENFORCE = "enforce"


class Verdict(StrEnum):
    """Did it help? ``UNKNOWN`` never promotes and never trains as success."""

    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    WORSE = "worse"
    UNKNOWN = "unknown"


class State(StrEnum):
    """Where an execution stands; ``sentence`` says it to a person."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        """Build a member from its name on the wire and its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    ADMITTED = "admitted", "The intent is durable; nothing has been sent."
    APPLYING = "applying", "The request may have left; the answer is awaited."
    UNCERTAIN = "uncertain", "No answer came; the Charter or the world is asked before anything else."
    VERIFYING = "verifying", "The policy is in force; samples born after it are awaited."
    IN_FORCE = "in_force", "It helped, and its policy holds until its lifetime ends."
    RENEWING = "renewing", "The lifetime is being extended."
    ROLLING_BACK = "rolling_back", "It did not help; the compensation is being sent."
    SUCCEEDED = "succeeded", "It helped, and nothing of it is left to look after."
    ROLLED_BACK = "rolled_back", "It did not help and was undone."
    FAILED = "failed", "The Charter refused it, or it was never sent: the world was not touched."
    FROZEN = "frozen", "It could not be undone; the target is left alone until a person resumes."


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.ADMITTED: frozenset({State.APPLYING, State.FAILED}),
    State.APPLYING: frozenset({State.VERIFYING, State.UNCERTAIN, State.FAILED}),
    State.UNCERTAIN: frozenset({State.VERIFYING, State.FAILED}),
    State.VERIFYING: frozenset({State.IN_FORCE, State.SUCCEEDED, State.ROLLING_BACK}),
    State.IN_FORCE: frozenset({State.RENEWING, State.SUCCEEDED, State.ROLLING_BACK}),
    State.RENEWING: frozenset({State.IN_FORCE, State.SUCCEEDED}),
    State.ROLLING_BACK: frozenset({State.ROLLED_BACK, State.FROZEN}),
    State.SUCCEEDED: frozenset(),
    State.ROLLED_BACK: frozenset(),
    State.FAILED: frozenset(),
    State.FROZEN: frozenset({State.ROLLED_BACK}),
}
"""Every move there is; the journal makes no other. A move from a state to itself only updates its fields."""

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRequest:
    """The body of ``POST /api/v1/policies``; field names are those on the wire."""

    name: str
    kind: str
    scope: Mapping[str, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ttl_seconds: float | None = None
    reason: str = ""
    source: str = "mape-k"
    incident_id: str = ""
    not_after: datetime | None = None
    dry_run: bool = False


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
        applied_at: when the answer came (or, uncertain, when the request left); verification counts from here.
        expires_at: when the policy ends by itself.
        verdict: of the loop; None until it has one.
        reason: for the last move.
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

    @property
    def is_open(self) -> bool:
        """Whether anything is left to do or to look after."""
        return self.state not in TERMINAL

    @property
    def is_unsettled(self) -> bool:
        """Whether its effect is not judged yet, so that nothing else may touch its target."""
        return self.is_open and self.state not in (State.IN_FORCE, State.RENEWING, State.FROZEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessRate:
    """Outcomes of one remediation for one symptom so far; unknown ones are in neither number."""

    successes: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A person's word to stop acting; only an authenticated resume lifts it."""

    since: datetime
    by: str
    comment: str = ""


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
    """

    as_of: datetime
    epoch: int = 0
    mode: Mode = Mode.SHADOW
    pause: Pause | None = None
    executions: tuple[Execution, ...] = ()
    incidents: tuple[OpenIncident, ...] = ()
    success_rates: Mapping[tuple[str, str, str], SuccessRate] = field(default_factory=dict)
    sight_lost_at: Mapping[str, datetime] = field(default_factory=dict)
    hold: Reason | None = None

    @property
    def open_executions(self) -> tuple[Execution, ...]:
        """Executions that are not in a final state."""
        return tuple(e for e in self.executions if e.is_open)
