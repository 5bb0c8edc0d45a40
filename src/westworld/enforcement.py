"""Which policies are in force: who may put one there, which contradict each other, and when they end. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from westworld.clock import to_wire
from westworld.kinds import KINDS, Kind
from westworld.problems import Refusal
from westworld.requests import PolicyRequest

_WILDCARDS = frozenset({"", "*", "all", "any"})
_MOST_IN_FORCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy, as it stands.

    Args:
        applied_at, expires_at: Unix seconds; None: it acts once, or undoes another.
        status: ``active``, or why it is over: ``completed``, ``rolled_back``, ``lifted``, ``lapsed``.
        version: raised by every renewal.
    """

    policy_id: str
    name: str
    kind: str
    target: str
    parameters: Mapping[str, float]
    source: str
    reason: str
    incident_id: str
    applied_at: float
    expires_at: float | None
    status: str = "active"
    version: int = 1

    @property
    def document(self) -> dict[str, Any]:
        """The policy as the API shows it."""
        return {
            "policy_id": self.policy_id,
            "name": self.name,
            "kind": self.kind,
            "scope": {KINDS[self.kind].label: self.target},
            "parameters": dict(self.parameters),
            "source": self.source,
            "reason": self.reason,
            "incident_id": self.incident_id,
            "status": self.status,
            "version": self.version,
            "applied_at": to_wire(self.applied_at),
            "expires_at": None if self.expires_at is None else to_wire(self.expires_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One effect on the policies in force; lapses and lifted policies have no key of their own."""

    at: float
    effect: str
    policy: Policy
    idempotency_key: str | None = None
    epoch: int | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who asks: the headers of a request."""

    idempotency_key: str | None = None
    epoch: int | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a request leads to: the policy it is answered with, every policy that changes, and the journal's entries."""

    policy: Policy
    entries: tuple[JournalEntry, ...] = field(default=())

    @property
    def changed(self) -> tuple[Policy, ...]:
        """Every policy that changes, once."""
        return tuple({entry.policy.policy_id: entry.policy for entry in self.entries}.values())


class Register:
    """The policies in force.

    Args:
        active: as they were stored.
        kinds: that this world gives a meaning to.
    """

    def __init__(self, active: Iterable[Policy], kinds: Iterable[str]) -> None:
        self._active = {policy.policy_id: policy for policy in active}
        self._kinds = frozenset(kinds)

    @property
    def active(self) -> tuple[Policy, ...]:
        """Every policy in force, oldest first."""
        return tuple(self._active.values())

    def check(self, request: PolicyRequest, now: float) -> Kind:
        """Return the kind of a policy that may be put in force now.

        Raises:
            Refusal: 422 with the fields.
        """
        kind = KINDS.get(request.kind)
        if kind is None or (kind.undoes or kind.name) not in self._kinds:
            known = ", ".join(sorted(self._kinds))
            raise Refusal(422, "no such kind of policy", fields={"kind": f"choose one of {known}"})
        problems = _scope_problems(request, kind) | _parameter_problems(request, kind)
        if not kind.is_once and request.ttl_seconds is None:
            problems["ttl_seconds"] = "a policy that stays in force needs a lifetime in seconds"
        if request.not_after is not None and now > request.not_after.timestamp():
            problems["not_after"] = "expired: this moment has passed; decide again on fresh evidence"
        if problems:
            raise Refusal(422, "this policy cannot be put in force", fields=problems)
        return kind

    def decide(self, request: PolicyRequest, sender: Sender, *, now: float, new_id: str) -> Decision:
        """Return what a checked request leads to; nothing changes yet.

        Raises:
            Refusal: 409, it contradicts a policy in force; 503, too many are in force.
        """
        kind = KINDS[request.kind]
        rival = None if kind.is_once else self._in_force(kind.name, request.target)
        if rival is not None:
            return self._renew(rival, request, sender, now)
        if len(self._active) >= _MOST_IN_FORCE:
            raise Refusal(503, "too many policies are in force", headers={"Retry-After": "60"})
        policy = _new_policy(request, kind, now, new_id)
        undone = self._in_force(kind.undoes, request.target) if kind.undoes else None
        lifted = (
            () if undone is None else (JournalEntry(at=now, effect="lifted", policy=replace(undone, status="lifted")),)
        )
        return Decision(policy=policy, entries=(_entry("applied", policy, sender, now), *lifted))

    def roll_back(self, policy: Policy, sender: Sender, now: float) -> Decision:
        """Return what rolling a policy back leads to; one that is over already stays as it is."""
        over = replace(policy, status="rolled_back") if policy.policy_id in self._active else policy
        return Decision(policy=over, entries=(_entry("rolled_back", over, sender, now),))

    def complete(self, policy_id: str) -> Policy | None:
        """Return a policy that has acted and is over with that; None where it stays in force."""
        policy = self._active.get(policy_id)
        if policy is None or not KINDS[policy.kind].is_once:
            return None
        return replace(policy, status="completed")

    def lapsed(self, now: float) -> tuple[JournalEntry, ...]:
        """Return the entries of the policies whose lifetime is over."""
        return tuple(
            JournalEntry(at=policy.expires_at, effect="lapsed", policy=replace(policy, status="lapsed"))
            for policy in self._active.values()
            if policy.expires_at is not None and policy.expires_at <= now
        )

    def record(self, policies: Iterable[Policy]) -> None:
        """Put changed policies in force, or out of it."""
        for policy in policies:
            if policy.status == "active":
                self._active[policy.policy_id] = policy
            else:
                self._active.pop(policy.policy_id, None)

    def _in_force(self, kind: str, target: str) -> Policy | None:
        return next((p for p in self._active.values() if p.kind == kind and p.target == target), None)

    def _renew(self, rival: Policy, request: PolicyRequest, sender: Sender, now: float) -> Decision:
        if (rival.source, rival.parameters) != (request.source, request.parameters):
            raise Refusal(
                409,
                f"{rival.kind} on {rival.target} is in force already, from {rival.source or 'somebody'} "
                "with its own parameters; roll it back first",
                extra={"policy_id": rival.policy_id},
            )
        renewed = replace(rival, version=rival.version + 1, expires_at=_expiry(request, now))
        return Decision(policy=renewed, entries=(_entry("renewed", renewed, sender, now),))


def _new_policy(request: PolicyRequest, kind: Kind, now: float, policy_id: str) -> Policy:
    return Policy(
        policy_id=policy_id,
        name=request.name,
        kind=kind.name,
        target=request.target,
        parameters=request.parameters,
        source=request.source,
        reason=request.reason,
        incident_id=request.incident_id,
        applied_at=now,
        expires_at=None if kind.is_once else _expiry(request, now),
        status="completed" if kind.undoes else "active",
    )


def _expiry(request: PolicyRequest, now: float) -> float | None:
    return None if request.ttl_seconds is None else now + request.ttl_seconds


def _entry(effect: str, policy: Policy, sender: Sender, now: float) -> JournalEntry:
    return JournalEntry(
        at=now,
        effect=effect,
        policy=policy,
        idempotency_key=sender.idempotency_key,
        epoch=sender.epoch,
        traceparent=sender.traceparent,
    )


def _scope_problems(request: PolicyRequest, kind: Kind) -> dict[str, str]:
    if set(request.scope) != {kind.label}:
        return {"scope": f"a {kind.name} names exactly one {kind.label}"}
    if request.target in _WILDCARDS:
        return {f"scope.{kind.label}": "name one target; an empty or wildcard target is refused"}
    if kind.target is not None and request.target != kind.target:
        return {f"scope.{kind.label}": f"a {kind.name} acts on {kind.target!r} alone"}
    return {}


def _parameter_problems(request: PolicyRequest, kind: Kind) -> dict[str, str]:
    problems = {}
    for name, value in request.parameters.items():
        limits = kind.parameters.get(name)
        if limits is None:
            known = ", ".join(kind.parameters) or "none"
            problems[f"parameters.{name}"] = f"a {kind.name} takes no such parameter; it takes: {known}"
        elif not limits.minimum <= value <= limits.maximum:
            problems[f"parameters.{name}"] = f"give a number from {limits.minimum:g} to {limits.maximum:g}"
    return problems
