"""What was concluded and what was decided: findings, incidents, judgements, plans."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mape_k.model.execution import Observation, PolicyRequest, Verdict
from mape_k.model.pack import Severity
from mape_k.model.reading import Reading
from mape_k.model.reason import Reason


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
        next_look_at: when the next execution can be judged; None when none waits for that.
    """

    as_of: datetime
    incidents: tuple[Incident, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    expiring: tuple[Expiring, ...] = ()
    blind: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    population: Mapping[str, int] = field(default_factory=dict)
    next_look_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One thing that could be done, doing nothing included (``remediation`` None).

    ``score`` is the sum of ``terms``' signed contributions; ``refusal`` says why it may not be chosen.
    """

    remediation: str | None
    score: float
    terms: Mapping[str, float] = field(default_factory=dict)
    refusal: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A new execution to admit; everything that Execute needs, resolved."""

    execution_id: str
    incident_id: str
    pack: str
    symptom: str
    remediation: str
    target: str
    request: PolicyRequest
    baseline: float | None
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided for one incident, and among what.

    ``action`` is None when it is held; in shadow it is there, with the reason ``SHADOW``, and is not carried out.
    """

    incident_id: str
    reason: Reason
    action: Action | None = None
    candidates: tuple[Candidate, ...] = ()


class Step(StrEnum):
    """What becomes of an execution that is already open."""

    CONFIRM = "confirm"
    ROLL_BACK = "roll_back"
    RENEW = "renew"
    LET_LAPSE = "let_lapse"
    ESCALATE = "escalate"
    RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """The next step of an execution that is already open.

    CONFIRM: it helped. ROLL_BACK: it did not. RENEW, LET_LAPSE, ESCALATE: its lifetime nears its end.
    RESUME: a crash or an unreachable peer left it half done, take it up again. ``verdict`` goes into Knowledge with it.
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
