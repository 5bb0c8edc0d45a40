"""A small world: services whose numbers faults move and policies cure.

Nothing here knows how the daemon decides. Times are seconds since the beginning.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from frame.virtual_time import START, VirtualClock
from mape_k.model import Alert, PolicyRequest

SCRAPE = 15.0
WINDOW = 60.0
USUAL: Mapping[str, float] = {"errors": 0.5, "load": 0.4, "demand": 50.0, "disk": 0.5}
REGIONS = ("region-a", "region-b")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """An alert that fires once a number has been beyond a limit for a while."""

    name: str
    quantity: str
    above: float
    held_for: float = 30.0


RULES = (
    AlertRule(name="NodeFailing", quantity="errors", above=10),
    AlertRule(name="DiskFull", quantity="disk", above=0.95),
    AlertRule(name="RegionFailing", quantity="region", above=10),
)


@dataclass(slots=True, kw_only=True)
class Fault:
    """What moves one number of one service, until it ends or a policy cures it.

    Args:
        level: where it takes the number.
        begins, ends: when its cause is there.
        rises: seconds until it is there in full.
        cures: kinds of policies that help, while they are in force.
        eases: seconds that a cure takes.
        worsened_by: a kind of policy that makes it three times as bad.
        returns_after: seconds after which a cure wears off; each further one helps as long.
    """

    node: str
    quantity: str = "errors"
    level: float = 30.0
    begins: float = 0.0
    ends: float = math.inf
    rises: float = 0.0
    cures: frozenset[str] = frozenset({"restart"})
    eases: float = 0.0
    worsened_by: str = ""
    returns_after: float = math.inf


@dataclass(slots=True, kw_only=True)
class Policy:
    """What is in force on one service; a cure that wears off does so counted from ``renewed_at``."""

    policy_id: str
    kind: str
    node: str
    begins: float
    renewed_at: float
    ends: float

    def is_in_force(self, at: float) -> bool:
        """Return whether it holds."""
        return self.begins <= at < self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One thing that the Charter did, as its own journal has it; ``late`` says that its plan had run out."""

    at: float
    what: str
    kind: str
    node: str
    key: str
    epoch: int
    is_late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """How a peer fails for a while.

    ``who`` is prometheus, alertmanager, charter, or its parts apply and undo. ``how``: ``away`` (refused),
    ``lost`` (it is done, the answer gets lost), ``busy`` (503 with Retry-After), ``refused``; of Prometheus also
    ``nan``, ``error`` (5xx on every signal) and ``stale``.
    """

    who: str
    begins: float
    ends: float
    how: str = "away"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """A silence, or an inhibition, of all alerts of a service."""

    node: str
    begins: float
    ends: float
    is_inhibition: bool = False


@dataclass(slots=True)
class Town:
    """What there is, and what became of it."""

    clock: VirtualClock
    nodes: tuple[str, ...]
    faults: list[Fault] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    mutes: list[Mute] = field(default_factory=list)
    false_alerts: list[Alert] = field(default_factory=list)
    alert_without_node: bool = False
    unseen: frozenset[str] = frozenset()
    alert_lag: float = 0.0
    policies: dict[tuple[str, str], Policy] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    epoch: int = 0
    shown_at: dict[str, list[float]] = field(default_factory=dict)
    known_keys: dict[str, str] = field(default_factory=dict)
    _beyond_since: dict[tuple[str, str], float] = field(default_factory=dict)
    _alerts_until: float = 0.0

    def trouble_with(self, who: str, begins: float, ends: float, *, how: str = "away") -> None:
        """Let a peer fail for a while."""
        self.troubles.append(Trouble(who=who, begins=begins, ends=ends, how=how))

    def mute(self, node: str, begins: float, ends: float, *, is_inhibition: bool = False) -> None:
        """Silence a service, or inhibit its alerts, for a while."""
        self.mutes.append(Mute(node=node, begins=begins, ends=ends, is_inhibition=is_inhibition))

    def false_alert(self, name: str, node: str) -> None:
        """Let an alert fire for which there is no cause."""
        self.false_alerts.append(an_alert(name, node, since=self.now, now=self.now))

    @property
    def now(self) -> float:
        """The seconds that have passed."""
        return self.clock.monotonic()

    def level(self, quantity: str, node: str, at: float) -> float:
        """Return a number as it is."""
        usual = USUAL.get(quantity, 0.5) * (1 + 0.1 * math.sin(at / 97 + sum(node.encode())))
        mine = [f for f in self.faults if (f.node, f.quantity) == (node, quantity)]
        return usual + sum((f.level - usual) * self._presence(f, at) for f in mine)

    def _presence(self, fault: Fault, at: float) -> float:
        if not fault.begins <= at < fault.ends:
            return 0.0
        risen = min(1.0, (at - fault.begins) / fault.rises) if fault.rises else 1.0
        worse = 3.0 if self._in_force(fault.worsened_by, fault.node, at) else 1.0
        return risen * worse * (1 - max((self._relief(fault, p, at) for p in self.policies.values()), default=0.0))

    def _relief(self, fault: Fault, policy: Policy, at: float) -> float:
        if policy.kind not in fault.cures or policy.node != fault.node or not policy.is_in_force(at):
            return 0.0
        if policy.ends == math.inf and policy.begins < fault.begins:
            return 0.0  # it was an act, not a state: what came later it did not mend
        if at - policy.renewed_at >= fault.returns_after:
            return 0.0
        return min(1.0, (at - policy.begins) / fault.eases) if fault.eases else 1.0

    def _in_force(self, kind: str, node: str, at: float) -> bool:
        policy = self.policies.get((kind, node))
        return policy is not None and policy.is_in_force(at)

    def mean(self, quantity: str, node: str, at: float) -> float:
        """Return a number over the window, from its samples."""
        newest = at // SCRAPE * SCRAPE
        samples = [newest - back * SCRAPE for back in range(int(WINDOW / SCRAPE))]
        return sum(self.level(quantity, node, sample) for sample in samples) / len(samples)

    def is_ill(self, node: str) -> bool:
        """Return whether anything is beyond its limit there now."""
        return any(self.level(rule.quantity, node, self.now) > rule.above for rule in RULES) or (
            self.level("load", node, self.now) > 0.9
        )

    def trouble(self, *who: str) -> Trouble | None:
        """Return what is the matter with a peer now."""
        return next((t for t in self.troubles if t.who in who and t.begins <= self.now < t.ends), None)

    def firing(self) -> tuple[Alert, ...]:
        """Return what Alertmanager shows."""
        self._follow_rules()
        fired = [
            self._alert(rule.name, node, self._beyond_since[rule.name, node])
            for rule in RULES
            for node in (*self.nodes, *REGIONS)
            if self._fires(rule, node)
        ]
        if self.alert_without_node:
            fired.append(an_alert("NodeFailing", "", since=0, now=self.now))
        return (*fired, *self.false_alerts)

    def _follow_rules(self) -> None:
        step = max(self._alerts_until, self.now - 600)
        while step <= self.now:
            for rule in RULES:
                for node in {f.node for f in self.faults if f.quantity == rule.quantity}:
                    self._follow(rule, node, step)
            step += SCRAPE
        self._alerts_until = step

    def _follow(self, rule: AlertRule, node: str, at: float) -> None:
        if self.mean(rule.quantity, node, at) > rule.above:
            self._beyond_since.setdefault((rule.name, node), at)
        else:
            self._beyond_since.pop((rule.name, node), None)

    def _fires(self, rule: AlertRule, node: str) -> bool:
        since = self._beyond_since.get((rule.name, node))
        return since is not None and self.now - since >= rule.held_for + self.alert_lag

    def _alert(self, name: str, node: str, since: float) -> Alert:
        muted = [m for m in self.mutes if m.node == node and m.begins <= self.now < m.ends]
        if not muted:
            self.shown_at.setdefault(node, []).append(self.now)
        return an_alert(
            name,
            node,
            since=since,
            now=self.now,
            silenced_by=tuple("maintenance" for m in muted if not m.is_inhibition),
            inhibited_by=tuple("another" for m in muted if m.is_inhibition),
        )

    def put(self, request: PolicyRequest, key: str, epoch: int) -> str:
        """Put a policy in force and return its name; one that is in force already lives longer."""
        node = request.scope["node"]
        ends = self.now + request.ttl_seconds if request.ttl_seconds else math.inf
        policy = self.policies.get((request.kind, node))
        if policy is not None and policy.is_in_force(self.now) and request.ttl_seconds:
            policy.ends, policy.renewed_at = ends, self.now
        else:
            name = f"pol-{len(self.effects) + 1}"
            policy = Policy(
                policy_id=name, kind=request.kind, node=node, begins=self.now, renewed_at=self.now, ends=ends
            )
            self.policies[request.kind, node] = policy
        is_late = request.not_after is not None and moment(self.now) > request.not_after
        self._note("apply", policy, key, epoch, is_late=is_late)
        return policy.policy_id

    def take_out(self, policy_id: str | None, key: str, epoch: int, *, is_in_vain: bool) -> None:
        """Take a policy out of force, where there is one of that name."""
        for policy in self.policies.values():
            if policy.policy_id == policy_id:
                policy.ends = policy.ends if is_in_vain else self.now
                self._note("undo", policy, key, epoch)

    def _note(self, what: str, policy: Policy, key: str, epoch: int, *, is_late: bool = False) -> None:
        self.known_keys[key] = policy.policy_id
        self.effects.append(
            Effect(at=self.now, what=what, kind=policy.kind, node=policy.node, key=key, epoch=epoch, is_late=is_late)
        )


def an_alert(name: str, node: str, *, since: float, now: float, **more: tuple[str, ...]) -> Alert:
    """Return an alert about a service."""
    return Alert(
        fingerprint=f"{name}-{node}",
        name=name,
        labels={"alertname": name, "node": node},
        starts_at=moment(since),
        updated_at=moment(now),
        **more,
    )


def moment(seconds: float) -> datetime:
    """Return the wall clock after so many seconds."""
    return START + timedelta(seconds=seconds)
