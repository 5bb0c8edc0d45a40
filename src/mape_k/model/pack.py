"""What a pack says of one watched system, validated and immutable. All durations are in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mape_k.model.call import CHARTER, HttpCall


class OnMissing(StrEnum):
    """What a missing reading of a signal means to those who depend on it."""

    HOLD = "hold"
    BREACH = "breach"
    IGNORE = "ignore"


class OnInhibited(StrEnum):
    """Whether a remediation waits while its alert is inhibited."""

    WAIT = "wait"
    IGNORE = "ignore"


class OnExpiry(StrEnum):
    """What becomes of a policy that helped, before its lifetime ends."""

    RENEW_WHILE_NEEDED = "renew_while_needed"
    LAPSE = "lapse"
    ESCALATE = "escalate"


class RollbackRule(StrEnum):
    """Who decides that an action which did not help is undone."""

    AUTO = "auto"
    APPROVE = "approve"
    NEVER = "never"


class Severity(StrEnum):
    """How bad a symptom is; the weight is its share of the risk score."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One PromQL query with what its answer means.

    Args:
        pack: owner; ``name`` is unique in it, ``full_name`` everywhere.
        query: evaluated at the cycle's ``as_of``.
        unit: for people (``attempts/s``, ``seconds``, ``ratio``).
        job: the scrape job whose health decides how fresh the answer is.
        target_label: the label that names the target of a row; None when one row speaks for the whole system.
        window_seconds: the longest range the query looks back over; 0 for an instant selector.
        trend: whether Analyze keeps its recent past (deviation and slope).
    """

    pack: str
    name: str
    query: str
    unit: str
    job: str
    target_label: str | None = None
    window_seconds: float = 0.0
    on_missing: OnMissing = OnMissing.HOLD
    trend: bool = False

    @property
    def full_name(self) -> str:
        """``pack/name``."""
        return f"{self.pack}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A limit on a signal: exactly one of ``above`` and ``below`` is set; the limit itself is not beyond."""

    signal: str
    above: float | None = None
    below: float | None = None

    def holds(self, number: float) -> bool:
        """Return whether ``number`` lies on the named side of the limit."""
        if self.above is not None:
            return number > self.above
        return self.below is not None and number < self.below

    @property
    def limit(self) -> float:
        """The number that is compared against."""
        limit = self.above if self.above is not None else self.below
        if limit is None:
            raise ValueError(f"a bound on {self.signal} has no limit")
        return limit


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRule:
    """How the target of a symptom is found: exactly one is set.

    Args:
        label: an alert's label holds it.
        fixed: it is always this one.
        dominant: the target with the greatest value of this signal (full name).
    """

    label: str | None = None
    fixed: str | None = None
    dominant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """Something that can be wrong, how it is noticed, and what may help.

    Args:
        alert: name of the alert that reports it; None when only this program looks.
        window_seconds: how far the alert's expression looks back: younger than that after an action, it is residual.
        signal: full name of the signal that measures it; None when only the alert knows.
        threshold: noticed by this program itself once it held ``threshold_for_seconds``.
        deviation_sigmas: robust z-score of the signal's own past from which it counts as evidence; None: off.
        violation_severities: violations of these severities are evidence; a target is then their node or service.
        explains: names of symptoms that this one brings about.
        remediations: names, in the pack's order of preference (the score decides).
    """

    pack: str
    name: str
    severity: Severity
    target: TargetRule
    alert: str | None = None
    window_seconds: float = 0.0
    signal: str | None = None
    threshold: Bound | None = None
    threshold_for_seconds: float = 0.0
    deviation_sigmas: float | None = None
    violation_severities: tuple[str, ...] = ()
    explains: tuple[str, ...] = ()
    remediations: tuple[str, ...] = ()
    runbook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What must be seen after an action for it to count as a success.

    Args:
        bounds: all must hold at once, each on the target's own row.
        samples: at least so many looks, each on newer samples.
        hold_seconds: from the first of them to the last.
        deadline_seconds: after the action; later, what was not seen is not a success.
        worse_ratio: a first bound's number beyond its baseline times this is harm; None: not looked for.
    """

    bounds: tuple[Bound, ...]
    samples: int = 3
    hold_seconds: float = 0.0
    deadline_seconds: float = 600.0
    worse_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long a policy lives and what happens before it ends.

    Args:
        ttl_seconds: sent with the policy.
        needed: the policy is still needed while this holds; None: not known from outside.
        max_renewals: after so many a person is asked.
    """

    ttl_seconds: float
    on_expiry: OnExpiry
    needed: Bound | None = None
    max_renewals: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensation:
    """What undoes another: a policy, or a call."""

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    call: HttpCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A further policy or call of a remediation, sent once those before it are in force; undone before them."""

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    compensation: Compensation | None = None
    call: HttpCall | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remediation:
    """One thing that can be done about a symptom.

    Args:
        kind, parameters: of the policy that is sent; ``scope_label`` names the target in its scope.
        call: what is sent in its place to another system than the Charter; None: the policy.
        prior_success, prior_weight: belief before any outcome, as a probability and the number of outcomes it is worth.
        cost: harm of doing it, 0 (free) to 1 (as bad as the worst incident).
        blast_radius: how many targets it touches.
        settle_seconds: how long its effect needs to show.
        compensation: None with ``leaves_nothing``: there is nothing to undo; None without: irreversible.
        lifetime: None for a one-time act.
        cooldown_seconds: between two on the same target.
        max_attempts, attempts_window_seconds: on the same target.
        further: what is sent after the first policy, in this order.
        rollback: who decides that it is undone.
        probation_seconds: how long it is watched after it helped.
    """

    pack: str
    name: str
    kind: str
    verification: Verification
    parameters: Mapping[str, Any] = field(default_factory=dict)
    call: HttpCall | None = None
    scope_label: str = "node_or_service"
    prior_success: float = 0.5
    prior_weight: float = 1.0
    cost: float = 0.1
    blast_radius: int = 1
    settle_seconds: float = 0.0
    compensation: Compensation | None = None
    leaves_nothing: bool = False
    lifetime: Lifetime | None = None
    cooldown_seconds: float = 600.0
    max_attempts: int = 3
    attempts_window_seconds: float = 3600.0
    on_inhibited: OnInhibited = OnInhibited.WAIT
    further: tuple[Part, ...] = ()
    rollback: RollbackRule = RollbackRule.AUTO
    probation_seconds: float = 300.0

    @property
    def servers(self) -> frozenset[str]:
        """Everybody who is or may be asked for it: the Charter, or servers by their names in the settings."""
        return frozenset(call.server.name for call in self.calls) or frozenset({CHARTER})

    @property
    def calls(self) -> tuple[HttpCall, ...]:
        """Every call that it may send, those that undo it included."""
        undoing = [self.compensation, *(part.compensation for part in self.further)]
        calls = [self.call, *(part.call for part in self.further), *(undo.call for undo in undoing if undo)]
        return tuple(call for call in calls if call is not None)

    @property
    def is_irreversible(self) -> bool:
        """Whether it can never be undone."""
        return self.compensation is None and not self.leaves_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One scrape job whose health decides how fresh its signals are."""

    name: str
    scrape_interval_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may be done at once, in one pack.

    Args:
        max_targets: targets touched by one plan and the actions still open.
        max_share: the same as a share of the known targets; counts from ``share_from`` known targets up.
        settle_after_blindness_seconds: how long sight must have been back before anything is decided.
        plan_lifetime_seconds: ``not_after`` of a request: later it must not be applied.
        max_of_remediation, max_on_target: actions begun within ``budget_window_seconds``: of one remediation wherever,
            on one target whatever.
        storm_enter, storm_leave: the share of the known targets with findings at which the observer is suspected, and
            the one below which they must stay for ``storm_calm_seconds``; from ``share_from`` known targets up.
        inventory_drop: the share of the targets known within ``inventory_window_seconds`` that may not vanish at once;
            from ``share_from`` targets up.
        flapping_after: incidents opened for one symptom on one target within ``flapping_window_seconds``; with so many
            a person is asked.
        damping_hits, damping_looks: a finding must have been there in so many of the last so many cycles.
        bad_share, bad_from: more than this share of at least so many actions judged within ``bad_window_seconds`` did
            not help: nothing more is begun.
        stage_share, stage_window_seconds: of several targets for one remediation first one is touched, then this share
            of them, then the rest; a success or a failure counts for so long. With a share of 1 all start at once.
        inhibited_wait_seconds: how long an inhibition can make a remediation wait.
    """

    max_targets: int = 6
    max_share: float = 0.5
    share_from: int = 5
    settle_after_blindness_seconds: float = 60.0
    plan_lifetime_seconds: float = 60.0
    max_of_remediation: int = 20
    max_on_target: int = 10
    budget_window_seconds: float = 3600.0
    storm_enter: float = 0.6
    storm_leave: float = 0.3
    storm_calm_seconds: float = 300.0
    inventory_drop: float = 0.3
    inventory_window_seconds: float = 600.0
    flapping_after: int = 4
    flapping_window_seconds: float = 3600.0
    damping_hits: int = 1
    damping_looks: int = 1
    bad_share: float = 0.6
    bad_from: int = 10
    bad_window_seconds: float = 3600.0
    stage_share: float = 0.25
    stage_window_seconds: float = 3600.0
    inhibited_wait_seconds: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One watched system; every mapping is by (short) name in the order of the file."""

    name: str
    title: str
    jobs: Mapping[str, Job] = field(default_factory=dict)
    signals: Mapping[str, Signal] = field(default_factory=dict)
    symptoms: Mapping[str, Symptom] = field(default_factory=dict)
    remediations: Mapping[str, Remediation] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All packs in use.

    Args:
        packs: by name.
        digest: of everything that decides, so that a recorded cycle names the catalogue it was decided with.
    """

    packs: Mapping[str, Pack]
    digest: str = ""

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Every signal of every pack, in order."""
        return tuple(s for pack in self.packs.values() for s in pack.signals.values())

    @property
    def symptoms(self) -> tuple[Symptom, ...]:
        """Every symptom of every pack, in order."""
        return tuple(s for pack in self.packs.values() for s in pack.symptoms.values())

    @property
    def remediations(self) -> tuple[Remediation, ...]:
        """Every remediation of every pack, in order."""
        return tuple(r for pack in self.packs.values() for r in pack.remediations.values())

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Every scrape job of every pack, in order, each once."""
        return tuple({job.name: job for pack in self.packs.values() for job in pack.jobs.values()}.values())

    @property
    def needs_charter(self) -> bool:
        """Whether any pack asks the Charter for violations or acts through it."""
        acts = any(remediation.call is None for remediation in self.remediations)
        return acts or any(symptom.violation_severities for symptom in self.symptoms)

    def reach_seconds(self, remediation: Remediation) -> float:
        """Return how long after an action a first look may judge it: by then no window holds anything from before."""
        signals = [self.signal(bound.signal) for bound in remediation.verification.bounds]
        reach = max((s.window_seconds + self._scrape_interval_seconds(s.job) for s in signals), default=0.0)
        return reach + remediation.settle_seconds

    def signal(self, full_name: str) -> Signal:
        """Return a signal by its full name.

        Raises:
            KeyError: no pack has it.
        """
        pack, name = full_name.split("/", 1)
        return self.packs[pack].signals[name]

    def _scrape_interval_seconds(self, job: str) -> float:
        return next((each.scrape_interval_seconds for each in self.jobs if each.name == job), 0.0)

    def remediation(self, pack: str, name: str) -> Remediation | None:
        """Return a remediation; None when the catalogue has none of that name (any more)."""
        owner = self.packs.get(pack)
        return owner.remediations.get(name) if owner else None
