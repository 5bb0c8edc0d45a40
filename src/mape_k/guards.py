"""The guard rules: pure functions of a proposal and the ledger, asked by Plan and again in Execute's transaction."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from mape_k.model import Execution, Finding, Incident, Ledger, Limits, OnInhibited, Reason, Remediation, State, Verdict

WILDCARDS = frozenset({"", "*", ".*", ".+", "all"})

_REFUSED_FOR_GOOD = frozenset({Reason.REJECTED, Reason.CONFLICT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One remediation for one target, before it is decided.

    Args:
        symptom: what it is for.
        since: when the incident was opened; what was tried before that may be tried again.
        is_inhibited: the alert behind it is inhibited.
    """

    remediation: Remediation
    symptom: str
    target: str
    since: datetime
    is_inhibited: bool = False

    @classmethod
    def of(cls, remediation: Remediation, incident: Incident, finding: Finding) -> Self:
        """Return the proposal to do something about one finding of an incident."""
        return cls(
            remediation=remediation,
            symptom=finding.symptom,
            target=finding.target,
            since=incident.opened_at,
            is_inhibited=finding.is_inhibited,
        )


def refusal(proposal: Proposal, ledger: Ledger) -> Reason | None:
    """Return the first guard's reason against a proposal; None when all let it pass."""
    return next((reason for reason, says_no in GUARDS.items() if says_no(proposal, ledger)), None)


def plan_refusal(
    targets: Mapping[str, int], ledger: Ledger, *, pack: str, limits: Limits, population: int
) -> Reason | None:
    """Return why a pack's share of the plan must be refused as a whole; never a random subset of it.

    Args:
        targets: the targets to be touched, each with the blast radius of what is to be done there.
        ledger: its unsettled executions count, too.
        pack: whose executions count.
        limits: the pack's.
        population: how many targets are known; the share is of these, from ``limits.share_from`` up.
    """
    busy = {e.target for e in ledger.open_executions if e.pack == pack and e.is_unsettled}
    touched = sum(targets.values()) + len(busy - targets.keys())
    if targets and touched > limits.max_targets:
        return Reason.BLAST_RADIUS
    if targets and population >= limits.share_from and touched > limits.max_share * population:
        return Reason.BLAST_RADIUS
    return None


def budget_left(remediation: Remediation, target: str, ledger: Ledger) -> int:
    """Return how many attempts of a remediation on a target the running window still allows."""
    recent = _since(_touching(remediation, target, ledger), ledger.as_of, remediation.attempts_window_seconds)
    return max(0, remediation.max_attempts - len(recent))


def _paused(_: Proposal, ledger: Ledger) -> bool:
    return ledger.pause is not None


def _empty_target(proposal: Proposal, _: Ledger) -> bool:
    return proposal.target.strip().lower() in WILDCARDS


def _frozen(proposal: Proposal, ledger: Ledger) -> bool:
    return any(e.state is State.FROZEN for e in _on_target(proposal, ledger))


def _in_flight(proposal: Proposal, ledger: Ledger) -> bool:
    return any(e.is_unsettled for e in _on_target(proposal, ledger))


def _irreversible(proposal: Proposal, _: Ledger) -> bool:
    return proposal.remediation.is_irreversible


def _already_tried(proposal: Proposal, ledger: Ledger) -> bool:
    return any(
        e.remediation == proposal.remediation.name
        and e.symptom == proposal.symptom
        and e.admitted_at >= proposal.since
        and _did_not_help(e)
        for e in _on_target(proposal, ledger)
    )


def _did_not_help(execution: Execution) -> bool:
    if execution.state is State.FAILED:
        return execution.reason in _REFUSED_FOR_GOOD
    return execution.verdict not in (None, Verdict.IMPROVED)


def _cooling_down(proposal: Proposal, ledger: Ledger) -> bool:
    touching = _touching(proposal.remediation, proposal.target, ledger)
    return bool(_since(touching, ledger.as_of, proposal.remediation.cooldown_seconds))


def _attempts_used_up(proposal: Proposal, ledger: Ledger) -> bool:
    return budget_left(proposal.remediation, proposal.target, ledger) == 0


def _inhibited(proposal: Proposal, _: Ledger) -> bool:
    return proposal.is_inhibited and proposal.remediation.on_inhibited is OnInhibited.WAIT


GUARDS: Mapping[Reason, Callable[[Proposal, Ledger], bool]] = {
    Reason.PAUSED: _paused,
    Reason.EMPTY_TARGET: _empty_target,
    Reason.TARGET_FROZEN: _frozen,
    Reason.IN_FLIGHT: _in_flight,
    Reason.INHIBITED: _inhibited,
    Reason.IRREVERSIBLE: _irreversible,
    Reason.ALREADY_TRIED: _already_tried,
    Reason.COOLDOWN: _cooling_down,
    Reason.ATTEMPT_BUDGET: _attempts_used_up,
}
"""Every guard on a single proposal, in the order in which they are asked; all are on by default."""


def _on_target(proposal: Proposal, ledger: Ledger) -> Iterable[Execution]:
    pack = proposal.remediation.pack
    return (e for e in ledger.executions if e.pack == pack and e.target == proposal.target)


def _touching(remediation: Remediation, target: str, ledger: Ledger) -> list[Execution]:
    """Return what was done with this remediation to this target; an execution that never left does not count."""
    return [
        e
        for e in ledger.executions
        if (e.pack, e.remediation, e.target) == (remediation.pack, remediation.name, target)
        and e.state is not State.FAILED
    ]


def _since(executions: Iterable[Execution], now: datetime, seconds: float) -> list[Execution]:
    return [e for e in executions if now - e.admitted_at < timedelta(seconds=seconds)]
