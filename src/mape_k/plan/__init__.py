"""P: what to do about it, or why not. A deterministic function of assessment, catalogue and ledger."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from mape_k.guards import Proposal, plan_refusal, refusal
from mape_k.model import (
    Action,
    Assessment,
    Candidate,
    Catalogue,
    Decision,
    Finding,
    Incident,
    Ledger,
    Mode,
    Plan,
    PolicyRequest,
    Reason,
    Remediation,
    SuccessRate,
    Symptom,
)
from mape_k.plan.follow_ups import follow_ups

BLAST_COST = 0.05
"""What each further target in an action's blast radius takes off its score."""

_SET_ASIDE = frozenset({Reason.SILENCED, Reason.TARGET_UNKNOWN})
"""Holds that leave the next likely cause of an incident to be acted upon."""

_USED_UP = frozenset({Reason.ALREADY_TRIED, Reason.ATTEMPT_BUDGET})


def make_plan(assessment: Assessment, catalogue: Catalogue, ledger: Ledger) -> Plan:
    """Decide once about every incident, and about every execution that is already open.

    Candidates are scored ``success probability x benefit - cost - blast radius``; doing nothing scores 0 and is always
    among them. A plan that touches more targets of a pack than allowed is refused for that pack as a whole.
    """
    decisions: list[Decision] = []
    taken: set[tuple[str, str]] = set()
    for incident in assessment.incidents:
        decision = _decide(incident, _Situation(assessment, catalogue, ledger), taken)
        if decision.action is not None:
            taken.add((decision.action.pack, decision.action.target))
        decisions.append(decision)
    guarded, refused = _within_blast_radius(decisions, assessment, catalogue, ledger)
    return Plan(
        as_of=assessment.as_of,
        decisions=tuple(_as_mode_allows(guarded, ledger.mode)),
        follow_ups=tuple(follow_ups(assessment, catalogue, ledger)),
        refusal=refused,
    )


@dataclass(frozen=True, slots=True)
class _Situation:
    """What every decision of one plan is made from."""

    assessment: Assessment
    catalogue: Catalogue
    ledger: Ledger


def _decide(incident: Incident, situation: _Situation, taken: set[tuple[str, str]]) -> Decision:
    held = _held(incident, situation)
    if held is not None:
        return Decision(incident_id=incident.incident_id, reason=held)
    return _first_that_can_be_done(incident, situation, taken)


def _first_that_can_be_done(incident: Incident, situation: _Situation, taken: set[tuple[str, str]]) -> Decision:
    """Act on the likeliest cause; on the next one only when nothing more can be done about those before it.

    What a likelier cause explains is a consequence: it is left alone as long as anything is hoped of its cause.
    """
    told: list[Decision] = []
    for cause in sorted(incident.causes, key=lambda cause: cause.is_explained):
        finding = cause.finding
        if finding.hold in _SET_ASIDE or not _symptom(finding, situation.catalogue).remediations:
            continue
        if cause.is_explained and any(decision.reason is not Reason.EXHAUSTED for decision in told):
            break
        decision = _about(finding, incident, situation, taken)
        if decision.action is not None:
            return decision
        told.append(decision)
    return told[0] if told else Decision(incident_id=incident.incident_id, reason=_nothing_to_act_upon(incident))


def _about(finding: Finding, incident: Incident, situation: _Situation, taken: set[tuple[str, str]]) -> Decision:
    if finding.hold is not None:
        return Decision(incident_id=incident.incident_id, reason=finding.hold)
    if (finding.pack, finding.target) in taken:
        return Decision(incident_id=incident.incident_id, reason=Reason.IN_FLIGHT)
    return _choose(incident, finding, situation)


def _held(incident: Incident, situation: _Situation) -> Reason | None:
    """Return why nothing may be decided about any incident of this pack now."""
    assessment, ledger = situation.assessment, situation.ledger
    if ledger.hold:
        return ledger.hold
    if assessment.blind:
        return Reason.BLIND
    limits = situation.catalogue.packs[incident.root.pack].limits
    settle = timedelta(seconds=limits.settle_after_blindness_seconds)
    if any(assessment.as_of - lost_at < settle for lost_at in ledger.sight_lost_at.values()):
        return Reason.SETTLING
    return None


def _nothing_to_act_upon(incident: Incident) -> Reason:
    return next((f.hold for f in incident.findings if f.hold in _SET_ASIDE), None) or Reason.NO_REMEDIATION


def _choose(incident: Incident, finding: Finding, situation: _Situation) -> Decision:
    names = _symptom(finding, situation.catalogue).remediations
    remediations = situation.catalogue.packs[finding.pack].remediations
    scored = [_candidate(remediations[name], incident, finding, situation.ledger) for name in names]
    candidates = (*scored, Candidate(remediation=None, score=0.0))
    best = max((c for c in candidates if c.refusal is None), key=lambda c: c.score)
    if best.remediation is None:
        return Decision(incident_id=incident.incident_id, reason=_why_nothing(scored), candidates=candidates)
    action = _action(remediations[best.remediation], incident, finding, situation)
    return Decision(
        incident_id=incident.incident_id,
        reason=Reason.BEST_CANDIDATE,
        action=replace(action, score=best.score),
        candidates=candidates,
    )


def _candidate(remediation: Remediation, incident: Incident, finding: Finding, ledger: Ledger) -> Candidate:
    refused = refusal(Proposal.of(remediation, incident, finding), ledger)
    rate = ledger.success_rates.get((remediation.pack, remediation.name, finding.symptom), SuccessRate())
    terms = {
        "benefit": success_probability(remediation, rate) * incident.risk.score / 100,
        "cost": -remediation.cost,
        "blast_radius": -BLAST_COST * (remediation.blast_radius - 1),
    }
    return Candidate(remediation=remediation.name, score=sum(terms.values()), terms=terms, refusal=refused)


def success_probability(remediation: Remediation, rate: SuccessRate) -> float:
    """Return the mean of the Beta posterior: the pack's prior, worth ``prior_weight`` outcomes, and what was seen."""
    successes = remediation.prior_success * remediation.prior_weight + rate.successes
    return successes / (remediation.prior_weight + rate.successes + rate.failures)


def _why_nothing(scored: Sequence[Candidate]) -> Reason:
    refusals = [c.refusal for c in scored if c.refusal is not None]
    if len(refusals) < len(scored):
        return Reason.NOT_WORTH_IT
    waiting = [r for r in refusals if r not in _USED_UP]
    return waiting[0] if waiting else Reason.EXHAUSTED


def _action(remediation: Remediation, incident: Incident, finding: Finding, situation: _Situation) -> Action:
    execution_id = _execution_id(remediation, incident, finding, situation.ledger)
    return Action(
        execution_id=execution_id,
        incident_id=incident.incident_id,
        pack=remediation.pack,
        symptom=finding.symptom,
        remediation=remediation.name,
        target=finding.target,
        request=_request(remediation, incident, finding, situation),
        baseline=_baseline(remediation, finding),
        score=0.0,
    )


def _execution_id(remediation: Remediation, incident: Incident, finding: Finding, ledger: Ledger) -> str:
    """Return the execution's id and idempotency key: stable for one attempt, whoever makes it and however often.

    Each attempt is named after the one before: a count would repeat itself once the ledger forgets the oldest.
    """
    mine = (incident.incident_id, remediation.pack, remediation.name, finding.target)
    before = [e for e in ledger.executions if (e.incident_id, e.pack, e.remediation, e.target) == mine]
    newest = max(before, key=lambda e: (e.admitted_at, e.execution_id), default=None)
    text = "|".join((*mine, newest.execution_id if newest else ""))
    return "act-" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]


def _request(remediation: Remediation, incident: Incident, finding: Finding, situation: _Situation) -> PolicyRequest:
    limits = situation.catalogue.packs[remediation.pack].limits
    return PolicyRequest(
        name=f"{remediation.kind.replace('_', '-')}-{finding.target}",
        kind=remediation.kind,
        scope={remediation.scope_label: finding.target},
        parameters=remediation.parameters,
        ttl_seconds=remediation.lifetime.ttl_seconds if remediation.lifetime else None,
        reason=_sentence(finding),
        incident_id=incident.incident_id,
        not_after=situation.assessment.as_of + timedelta(seconds=limits.plan_lifetime_seconds),
    )


def _sentence(finding: Finding) -> str:
    numbers = [
        f"{e.what} is {e.reading.number():.4g} {e.detail}, limit {e.limit:.4g}"
        for e in finding.evidence
        if e.reading is not None and e.reading.is_known and e.limit is not None
    ]
    return f"{finding.symptom} on {finding.target}" + (f": {numbers[0]}" if numbers else "")


def _baseline(remediation: Remediation, finding: Finding) -> float | None:
    """Return the verification signal's number before the action, when the finding's evidence holds it."""
    signal = remediation.verification.bounds[0].signal
    readings = [e.reading for e in finding.evidence if e.what == signal and e.reading is not None]
    return next((r.number() for r in readings if r.is_known), None)


def _within_blast_radius(
    decisions: Sequence[Decision], assessment: Assessment, catalogue: Catalogue, ledger: Ledger
) -> tuple[list[Decision], Reason | None]:
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


def _as_mode_allows(decisions: Iterable[Decision], mode: Mode) -> Iterable[Decision]:
    for decision in decisions:
        in_shadow = mode is Mode.SHADOW and decision.action is not None
        yield replace(decision, reason=Reason.SHADOW) if in_shadow else decision


def _symptom(finding: Finding, catalogue: Catalogue) -> Symptom:
    return catalogue.packs[finding.pack].symptoms[finding.symptom]
