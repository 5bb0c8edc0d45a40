"""The guards: each says no to a proposal, to a whole pack, or asks a person first; all are on by default."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from mape_k.guards.budgets import begun, of_attempts, of_everything, of_remediation, of_target
from mape_k.guards.proposal import Proposal
from mape_k.model import (
    LEFT_ALONE,
    Catalogue,
    Execution,
    Ledger,
    Limits,
    OnInhibited,
    Outlook,
    Owner,
    Reason,
    State,
    Verdict,
)

WILDCARDS = frozenset({"", "*", ".*", ".+", "all"})

_REFUSED_FOR_GOOD = frozenset({Reason.REJECTED, Reason.CONFLICT})

Guard: TypeAlias = Callable[[Proposal, Ledger], bool]
PackGuard: TypeAlias = Callable[[str, Limits, Ledger], bool]


def refusal(proposal: Proposal, ledger: Ledger) -> Reason | None:
    """Return the first guard's reason against a proposal; None when all let it pass."""
    refused = next((reason for reason, says_no in GUARDS.items() if says_no(proposal, ledger)), None)
    return refused or pack_hold(proposal.pack, proposal.limits, ledger)


def question(proposal: Proposal, ledger: Ledger) -> Reason | None:
    """Return why a person must agree to a proposal first; None when nobody needs to."""
    return next((reason for reason, asks in QUESTIONS.items() if asks(proposal, ledger)), None)


def pack_hold(pack: str, limits: Limits, ledger: Ledger) -> Reason | None:
    """Return why nothing may be begun in a pack as a whole; None: it may."""
    return next((reason for reason, says_no in HOLDS.items() if says_no(pack, limits, ledger)), None)


def held_packs(ledger: Ledger, catalogue: Catalogue) -> Mapping[str, Reason]:
    """Return the packs in which nothing may be begun, each with the reason."""
    holds = {pack.name: pack_hold(pack.name, pack.limits, ledger) for pack in catalogue.packs.values()}
    return {pack: reason for pack, reason in holds.items() if reason is not None}


def _in_storm(pack: str, _: Limits, ledger: Ledger) -> bool:
    outlook = ledger.outlooks.get(pack)
    return outlook is not None and outlook.storm_since is not None


def _inventory_dropped(pack: str, limits: Limits, ledger: Ledger) -> bool:
    outlook = ledger.outlooks.get(pack, Outlook())
    highest = max((peak.known for peak in outlook.peaks if _is_news(peak.at, ledger)), default=0)
    return highest >= limits.share_from and outlook.known < (1 - limits.inventory_drop) * highest


def _outcomes_are_bad(pack: str, limits: Limits, ledger: Ledger) -> bool:
    recent = begun(ledger.executions, ledger, limits.bad_window_seconds)
    judged = [e for e in recent if e.pack == pack and e.verdict is not None and _is_news(e.updated_at, ledger)]
    bad = sum(e.verdict is not Verdict.IMPROVED for e in judged)
    return len(judged) >= limits.bad_from and bad > limits.bad_share * len(judged)


def _is_news(at: datetime, ledger: Ledger) -> bool:
    """Whether it happened after a person had the last look."""
    return ledger.looked_at is None or at > ledger.looked_at


def _paused(proposal: Proposal, ledger: Ledger) -> bool:
    about = (proposal.pack, proposal.remediation.name, proposal.target)
    return any(pause.covers(*about, ledger.as_of) for pause in ledger.pauses)


def _failed_too_often(proposal: Proposal, ledger: Ledger) -> bool:
    return _is_held(Reason.CIRCUIT_OPEN, proposal, ledger)


def _asked_to_wait(proposal: Proposal, ledger: Ledger) -> bool:
    return _is_held(Reason.ASKED_TO_WAIT, proposal, ledger)


def _is_held(why: Reason, proposal: Proposal, ledger: Ledger) -> bool:
    """Whether one who is asked for any part, or to undo it, is left alone: half an action is worse than none."""
    return any(ledger.held.get(server) is why for server in proposal.remediation.servers)


def _cannot_be_written(proposal: Proposal, _: Ledger) -> bool:
    return not all(call.is_written_for(proposal.target) for call in proposal.remediation.calls)


def _frozen_by_date(_: Proposal, ledger: Ledger) -> bool:
    return any(freeze.covers(ledger.as_of) for freeze in ledger.bounds.freezes)


def _empty_target(proposal: Proposal, _: Ledger) -> bool:
    return proposal.target.strip().lower() in WILDCARDS


def _left_alone(proposal: Proposal, ledger: Ledger) -> bool:
    return any(e.state in LEFT_ALONE for e in _on_target(proposal, ledger))


def _awaits_a_person(proposal: Proposal, ledger: Ledger) -> bool:
    return any(e.is_unsettled and e.state.owner is Owner.PERSON for e in _on_target(proposal, ledger))


def _in_flight(proposal: Proposal, ledger: Ledger) -> bool:
    return any(e.is_unsettled for e in _on_target(proposal, ledger))


def _inhibited(proposal: Proposal, ledger: Ledger) -> bool:
    waits = proposal.is_inhibited and proposal.remediation.on_inhibited is OnInhibited.WAIT
    return waits and ledger.as_of - proposal.since < timedelta(seconds=proposal.limits.inhibited_wait_seconds)


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


def _failed_elsewhere(proposal: Proposal, ledger: Ledger) -> bool:
    """Whether it did not help against another incident of the same kind, while this one was open already."""
    everywhere = ledger.of_remediation(proposal.pack, proposal.remediation.name)
    return any(
        e.symptom == proposal.symptom
        and e.incident_id != proposal.incident_id
        and e.verdict not in (None, Verdict.IMPROVED)
        and e.updated_at >= proposal.since
        and _is_news(e.updated_at, ledger)
        for e in begun(everywhere, ledger, proposal.limits.stage_window_seconds)
    )


def _cooling_down(proposal: Proposal, ledger: Ledger) -> bool:
    recent = begun(_on_target(proposal, ledger), ledger, proposal.remediation.cooldown_seconds)
    return any(e.remediation == proposal.remediation.name for e in recent)


def _rejected(proposal: Proposal, ledger: Ledger) -> bool:
    return _asked_in_vain(proposal, ledger, Reason.REJECTED_BY_PERSON)


def _unanswered(proposal: Proposal, ledger: Ledger) -> bool:
    return _asked_in_vain(proposal, ledger, Reason.APPROVAL_EXPIRED)


def _asked_in_vain(proposal: Proposal, ledger: Ledger, reason: Reason) -> bool:
    """Whether a person was asked about the same too recently, and did not agree."""
    since = ledger.as_of - timedelta(seconds=proposal.remediation.cooldown_seconds)
    return any(
        e.remediation == proposal.remediation.name and e.reason is reason and e.updated_at > since
        for e in _on_target(proposal, ledger)
        if e.state is State.FAILED
    )


def _attempts_used_up(proposal: Proposal, ledger: Ledger) -> bool:
    return of_attempts(proposal.remediation, proposal.target, ledger).left == 0


def _target_used_up(proposal: Proposal, ledger: Ledger) -> bool:
    return of_target(proposal.pack, proposal.target, ledger, proposal.limits).left == 0


def _remediation_used_up(proposal: Proposal, ledger: Ledger) -> bool:
    return of_remediation(proposal.remediation, ledger, proposal.limits).left == 0


def _everything_used_up(_: Proposal, ledger: Ledger) -> bool:
    return of_everything(ledger).left == 0


def _flapping(proposal: Proposal, ledger: Ledger) -> bool:
    since = ledger.as_of - timedelta(seconds=proposal.limits.flapping_window_seconds)
    opened = ledger.openings.get((proposal.pack, proposal.symptom, proposal.target), ())
    return sum(at > since for at in opened) >= proposal.limits.flapping_after


def _irreversible(proposal: Proposal, _: Ledger) -> bool:
    return proposal.remediation.is_irreversible


HOLDS: Mapping[Reason, PackGuard] = {
    Reason.STORM: _in_storm,
    Reason.INVENTORY_DROP: _inventory_dropped,
    Reason.BAD_OUTCOMES: _outcomes_are_bad,
}
"""Every guard on a whole pack, in the order in which they are asked; Plan asks them before all others."""

GUARDS: Mapping[Reason, Guard] = {
    Reason.PAUSED: _paused,
    Reason.CIRCUIT_OPEN: _failed_too_often,
    Reason.ASKED_TO_WAIT: _asked_to_wait,
    Reason.CHANGE_FREEZE: _frozen_by_date,
    Reason.EMPTY_TARGET: _empty_target,
    Reason.TARGET_UNWRITABLE: _cannot_be_written,
    Reason.TARGET_FROZEN: _left_alone,
    Reason.AWAITING_APPROVAL: _awaits_a_person,
    Reason.IN_FLIGHT: _in_flight,
    Reason.INHIBITED: _inhibited,
    Reason.ALREADY_TRIED: _already_tried,
    Reason.STAGED: _failed_elsewhere,
    Reason.REJECTED_BY_PERSON: _rejected,
    Reason.APPROVAL_EXPIRED: _unanswered,
    Reason.COOLDOWN: _cooling_down,
    Reason.ATTEMPT_BUDGET: _attempts_used_up,
    Reason.TARGET_BUDGET: _target_used_up,
    Reason.REMEDIATION_BUDGET: _remediation_used_up,
    Reason.GLOBAL_BUDGET: _everything_used_up,
}
"""Every guard on a single proposal, in the order in which they are asked."""

QUESTIONS: Mapping[Reason, Guard] = {
    Reason.IRREVERSIBLE: _irreversible,
    Reason.FLAPPING: _flapping,
}
"""Why a person is asked before something is done, whatever the mode."""


def _on_target(proposal: Proposal, ledger: Ledger) -> Sequence[Execution]:
    return ledger.on_target(proposal.pack, proposal.target)
