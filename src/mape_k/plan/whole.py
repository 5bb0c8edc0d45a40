"""What holds for the decisions of one plan together: blast radius, stages, and what the mode allows."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mape_k.guards import may_start, plan_refusal
from mape_k.model import Action, Assessment, Catalogue, Decision, Ledger, Mode, Reason


def within_blast_radius(
    decisions: Sequence[Decision], assessment: Assessment, catalogue: Catalogue, ledger: Ledger
) -> tuple[list[Decision], Reason | None]:
    """Refuse all actions of each pack that would touch too many targets; return one reason, where there was any."""
    refused = {
        name: _pack_refusal(name, decisions, assessment, catalogue, ledger)
        for name in {d.action.pack for d in decisions if d.action}
    }
    kept = [
        replace(d, action=None, reason=why) if d.action and (why := refused[d.action.pack]) else d for d in decisions
    ]
    return kept, next((why for _, why in sorted(refused.items()) if why), None)


def _pack_refusal(
    name: str, decisions: Sequence[Decision], assessment: Assessment, catalogue: Catalogue, ledger: Ledger
) -> Reason | None:
    pack = catalogue.packs[name]
    actions = [d.action for d in decisions if d.action and d.action.pack == name]
    targets = {a.target: pack.remediations[a.remediation].blast_radius for a in actions}
    population = assessment.population.get(name, 0)
    return plan_refusal(targets, ledger, pack=name, limits=pack.limits, population=population)


def in_stages(decisions: Sequence[Decision], catalogue: Catalogue, ledger: Ledger) -> list[Decision]:
    """Let those actions wait whose remediation is to show on other targets first that it helps."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for decision in decisions:
        if decision.action is not None:
            wanted.setdefault(_what(decision.action), []).append(decision.action.target)
    first = {
        what: may_start(targets, what, ledger, catalogue.packs[what[0]].limits) for what, targets in wanted.items()
    }
    return [
        replace(d, action=None, reason=Reason.STAGED)
        if d.action is not None and d.action.target not in first[_what(d.action)]
        else d
        for d in decisions
    ]


def _what(action: Action) -> tuple[str, str]:
    return action.pack, action.remediation


def as_mode_allows(decisions: Iterable[Decision], mode: Mode) -> Iterable[Decision]:
    """Yield the decisions with what becomes of their actions: only told, asked about, or carried out."""
    for decision in decisions:
        yield replace(decision, reason=_permission(decision, decision.action, mode)) if decision.action else decision


def _permission(decision: Decision, action: Action, mode: Mode) -> Reason:
    if mode is Mode.SHADOW:
        return Reason.SHADOW
    asks = any(c.asks for c in decision.candidates if c.remediation == action.remediation)
    return Reason.APPROVAL_WANTED if asks or mode is Mode.APPROVE else Reason.BEST_CANDIDATE
