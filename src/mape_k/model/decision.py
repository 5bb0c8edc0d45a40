"""What was concluded and what was decided: findings, incidents, judgements, plans."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mape_k.model.bounds import Outlook
from mape_k.model.execution import Execution, Observation, Owner, State, Terms, Verdict
from mape_k.model.pack import Severity
from mape_k.model.reading import Reading
from mape_k.model.reason import Reason
from mape_k.model.request import PolicyRequest


class Detector(StrEnum):
    """Who noticed."""

    ALERT = "alert"
    THRESHOLD = "threshold"
    VIOLATION = "violation"
    DEVIATION = "deviation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One thing that was seen, as a person would want to read it.

    Args:
        detector: who noticed.
        what: the alert's, signal's or violation's name.
        reading: the number behind it, where there is one.
        limit: what it was compared against, where there is one.
        detail: the rest (``firing since …``, ``7.1 sigmas``).
    """

    detector: Detector
    what: str
    reading: Reading | None = None
    limit: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One symptom on one target, with its evidence.

    Args:
        since: when it began, as far as can be seen.
        hold: why nothing may be done about it now (stale, residual, silenced, …); None: it may be acted upon.
        is_inhibited: Alertmanager inhibits it; each remediation says whether it waits for that.
    """

    pack: str
    symptom: str
    target: str
    severity: Severity
    since: datetime
    evidence: tuple[Evidence, ...]
    hold: Reason | None = None
    is_inhibited: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Pack, symptom and target: what it is about."""
        return self.pack, self.symptom, self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A finding held to be the cause of its incident, with confidence 0 to 1 and the terms it is made of.

    ``is_explained``: another finding of the incident brings it about, as the pack says.
    """

    finding: Finding
    confidence: float
    is_explained: bool = False
    terms: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """How much is at stake, 0 to 100; ``terms`` add up to ``score``."""

    score: float
    terms: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Findings that belong together; ``causes`` are ranked, best first, and the first one is acted upon."""

    incident_id: str
    opened_at: datetime
    causes: tuple[Cause, ...]
    risk: Risk

    @property
    def root(self) -> Finding:
        """The finding that is acted upon."""
        return self.causes[0].finding

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, likeliest cause first."""
        return tuple(cause.finding for cause in self.causes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the newest samples say of one open execution; ``verdict`` is None while it is too early."""

    execution_id: str
    observation: Observation
    reason: Reason
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiring:
    """A policy that helped and nears its end; ``is_needed`` is None where that cannot be seen."""

    execution_id: str
    is_needed: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What is wrong and why, and what became of what was done.

    Args:
        incidents: by risk, greatest first.
        judgements: one for each execution under verification.
        expiring: policies in force about which to decide now.
        blind: names of the sources without which nothing may be decided now.
        closed: ids of incidents whose findings are gone.
        population: by pack, how many targets are known; the share in a blast radius is of these.
        outlooks: by pack, how it looks as a whole.
        next_look_at: when the next execution can be judged; None when none waits for that.
    """

    as_of: datetime
    incidents: tuple[Incident, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    expiring: tuple[Expiring, ...] = ()
    blind: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    population: Mapping[str, int] = field(default_factory=dict)
    outlooks: Mapping[str, Outlook] = field(default_factory=dict)
    next_look_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One thing that could be done, doing nothing included (``remediation`` None).

    ``score`` is the sum of ``terms``' signed contributions; ``refusal`` says why it may not be chosen, ``asks`` why a
    person must agree first.
    """

    remediation: str | None
    score: float
    terms: Mapping[str, float] = field(default_factory=dict)
    refusal: Reason | None = None
    asks: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A new execution to admit; everything that Execute needs, resolved.

    ``plan_hash`` names all of it but its times and what was measured: what a person agrees to.
    """

    execution_id: str
    incident_id: str
    pack: str
    symptom: str
    remediation: str
    target: str
    request: PolicyRequest
    baseline: float | None
    score: float
    terms: Terms = field(default_factory=Terms)
    plan_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided for one incident, and among what.

    ``action`` is None when it is held; in shadow it is there, with the reason ``SHADOW``, and is not carried out. With
    the reason ``APPROVAL_WANTED`` a person is asked first.
    """

    incident_id: str
    reason: Reason
    action: Action | None = None
    candidates: tuple[Candidate, ...] = ()


class Step(StrEnum):
    """What becomes of an execution that is already open."""

    BEGIN = "begin"
    WITHDRAW = "withdraw"
    CONFIRM = "confirm"
    SETTLE = "settle"
    ROLL_BACK = "roll_back"
    ASK_TO_UNDO = "ask_to_undo"
    KEEP = "keep"
    GIVE_UP = "give_up"
    RENEW = "renew"
    LET_LAPSE = "let_lapse"
    ESCALATE = "escalate"
    RESUME = "resume"


STARTS_FROM: Mapping[Step, frozenset[State]] = {
    Step.BEGIN: frozenset({State.AWAITING_APPROVAL}),
    Step.WITHDRAW: frozenset({State.AWAITING_APPROVAL}),
    Step.CONFIRM: frozenset({State.VERIFYING}),
    Step.SETTLE: frozenset({State.PROBATION}),
    Step.ROLL_BACK: frozenset({State.VERIFYING, State.PROBATION, State.IN_FORCE, State.UNDO_WANTED}),
    Step.ASK_TO_UNDO: frozenset({State.VERIFYING, State.PROBATION, State.IN_FORCE}),
    Step.KEEP: frozenset({State.VERIFYING, State.PROBATION, State.IN_FORCE, State.UNDO_WANTED}),
    Step.GIVE_UP: frozenset({State.UNDO_WANTED, State.FROZEN}),
    Step.RENEW: frozenset({State.IN_FORCE}),
    Step.LET_LAPSE: frozenset({State.PROBATION, State.IN_FORCE}),
    Step.ESCALATE: frozenset({State.IN_FORCE}),
    Step.RESUME: frozenset(state for state in State if state.owner is Owner.EXECUTOR),
}
"""The states in which each step may be taken."""

_LEADS_TO: Mapping[Step, State] = {
    Step.BEGIN: State.ADMITTED,
    Step.WITHDRAW: State.FAILED,
    Step.ROLL_BACK: State.ROLLING_BACK,
    Step.ASK_TO_UNDO: State.UNDO_WANTED,
    Step.KEEP: State.INCONCLUSIVE,
    Step.GIVE_UP: State.DEAD,
    Step.RENEW: State.RENEWING,
    Step.LET_LAPSE: State.SUCCEEDED,
    Step.ESCALATE: State.SUCCEEDED,
}


def next_state(execution: Execution, step: Step) -> State:
    """Return the state that a step leads to; a success is watched first, then holds as long as its policy lives."""
    if step is Step.RESUME:
        return execution.state
    if step is Step.CONFIRM and execution.terms.probation_seconds:
        return State.PROBATION
    if step in (Step.CONFIRM, Step.SETTLE):
        return State.IN_FORCE if execution.expires_at else State.SUCCEEDED
    return _LEADS_TO[step]


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """The next step of an execution that is already open.

    BEGIN: a person agreed, and it is still what should be done. WITHDRAW: it is not, or nobody agreed.
    CONFIRM: it helped. SETTLE: that lasted. ROLL_BACK, ASK_TO_UNDO, KEEP: it did not help, or not for long, and is
    undone, undone if a person agrees, or left as it is. GIVE_UP: it should be undone, and nobody will.
    RENEW, LET_LAPSE, ESCALATE: its lifetime nears its end. RESUME: a crash or an unreachable peer left it half done,
    take it up again. ``verdict`` goes into Knowledge with it.
    """

    execution_id: str
    step: Step
    reason: Reason
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one cycle decided; follow-ups are carried out before new actions.

    ``refusal`` is set when the plan as a whole was refused: then no decision has an action.
    """

    as_of: datetime
    decisions: tuple[Decision, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    refusal: Reason | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        """Everything new to be done now, in the order of the decisions; what is only decided in shadow is not in it."""
        return tuple(d.action for d in self.decisions if d.action and d.reason is Reason.BEST_CANDIDATE)

    @property
    def proposals(self) -> tuple[Action, ...]:
        """Everything new about which a person is asked first, in the order of the decisions."""
        return tuple(d.action for d in self.decisions if d.action and d.reason is Reason.APPROVAL_WANTED)
