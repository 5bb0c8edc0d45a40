"""P: what to do about it, or why not. A deterministic function of assessment, catalogue and ledger."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

from mape_k.guards import Proposal, held_packs, question, refusal
from mape_k.model import (
    Action,
    Assessment,
    Candidate,
    Catalogue,
    Decision,
    Execution,
    Finding,
    Incident,
    Ledger,
    Limits,
    Plan,
    PolicyRequest,
    Reason,
    Remediation,
    State,
    SuccessRate,
    Symptom,
    terms_of,
)
from mape_k.plan.agreement import plan_hash
from mape_k.plan.approvals import approvals
from mape_k.plan.follow_ups import follow_ups
from mape_k.plan.whole import as_mode_allows, in_stages, within_blast_radius

BLAST_COST = 0.05
"""What each further target in an action's blast radius takes off its score."""

_SET_ASIDE = frozenset({Reason.SILENCED, Reason.TARGET_UNKNOWN})
"""Holds that leave the next likely cause of an incident to be acted upon."""

_USED_UP = frozenset({Reason.ALREADY_TRIED, Reason.ATTEMPT_BUDGET})


def make_plan(assessment: Assessment, catalogue: Catalogue, ledger: Ledger) -> Plan:
    """Decide once about every incident, and about every execution that is already open.

    Candidates are scored ``success probability x benefit - cost - blast radius``; doing nothing scores 0 and is always
    among them. A plan that touches more targets of a pack than allowed is refused for that pack as a whole, and the
    same on several targets is done in stages.
    """
    ledger = ledger.seeing(assessment.outlooks)
    situation = _Situation(assessment, catalogue, ledger, held_packs(ledger, catalogue))
    decisions = _decide_in_turn(situation)
    guarded, refused = within_blast_radius(decisions, assessment, catalogue, ledger)
    staged = in_stages(guarded, catalogue, ledger)
    asked = approvals(assessment, ledger, lambda execution: _again(execution, situation))
    return Plan(
        as_of=assessment.as_of,
        decisions=tuple(asked.told(as_mode_allows(staged, ledger.mode))),
        follow_ups=(*follow_ups(assessment, catalogue, ledger), *asked.steps),
        refusal=refused,
    )


@dataclass(frozen=True, slots=True)
class _Situation:
    """What every decision of one plan is made from."""

    assessment: Assessment
    catalogue: Catalogue
    ledger: Ledger
    held_packs: Mapping[str, Reason]

    def after(self, action: Action) -> Self:
        """Return the situation once an action is admitted, so that the next one finds its target and budgets taken."""
        now = self.ledger.as_of
        intent = Execution(
            execution_id=action.execution_id,
            incident_id=action.incident_id,
            pack=action.pack,
            symptom=action.symptom,
            remediation=action.remediation,
            target=action.target,
            state=State.ADMITTED,
            epoch=self.ledger.epoch,
            request=action.request,
            admitted_at=now,
            updated_at=now,
        )
        return replace(self, ledger=replace(self.ledger, executions=(*self.ledger.executions, intent)))


def _decide_in_turn(situation: _Situation) -> list[Decision]:
    """Decide about every incident, the gravest first."""
    decisions: list[Decision] = []
    for incident in situation.assessment.incidents:
        decision = _decide(incident, situation)
        if decision.action is not None:
            situation = situation.after(decision.action)
        decisions.append(decision)
    return decisions


def _decide(incident: Incident, situation: _Situation) -> Decision:
    held = _held(incident, situation)
    if held is not None:
        return Decision(incident_id=incident.incident_id, reason=held)
    return _first_that_can_be_done(incident, situation)


def _first_that_can_be_done(incident: Incident, situation: _Situation) -> Decision:
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
        decision = _about(finding, incident, situation)
        if decision.action is not None:
            return decision
        told.append(decision)
    return told[0] if told else Decision(incident_id=incident.incident_id, reason=_nothing_to_act_upon(incident))


def _about(finding: Finding, incident: Incident, situation: _Situation) -> Decision:
    if finding.hold is not None:
        return Decision(incident_id=incident.incident_id, reason=finding.hold)
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
    return situation.held_packs.get(incident.root.pack)


def _nothing_to_act_upon(incident: Incident) -> Reason:
    return next((f.hold for f in incident.findings if f.hold in _SET_ASIDE), None) or Reason.NO_REMEDIATION


def _choose(incident: Incident, finding: Finding, situation: _Situation) -> Decision:
    names = _symptom(finding, situation.catalogue).remediations
    pack = situation.catalogue.packs[finding.pack]
    remediations = pack.remediations
    scored = [_candidate(remediations[name], incident, finding, pack.limits, situation.ledger) for name in names]
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


def _again(execution: Execution, situation: _Situation) -> Decision | None:
    """Decide about an action as though it had never been; None: what it is for is not seen at the moment."""
    about, incidents = (execution.pack, execution.symptom, execution.target), situation.assessment.incidents
    seen = next(((incident, f) for incident in incidents for f in incident.findings if f.key == about), None)
    if seen is None:
        return None
    incident, finding = seen
    pack = situation.catalogue.packs[finding.pack]
    if execution.remediation not in _symptom(finding, situation.catalogue).remediations:
        return Decision(incident_id=incident.incident_id, reason=Reason.PLAN_CHANGED)
    remediation = pack.remediations[execution.remediation]
    apart = replace(situation, ledger=situation.ledger.without(execution))
    proposal = Proposal.of(remediation, incident, finding, pack.limits)
    held = _held(incident, apart) or finding.hold or refusal(proposal, apart.ledger)
    return Decision(
        incident_id=incident.incident_id,
        reason=held or Reason.BEST_CANDIDATE,
        action=_action(remediation, incident, finding, apart),
    )


def _candidate(
    remediation: Remediation, incident: Incident, finding: Finding, limits: Limits, ledger: Ledger
) -> Candidate:
    proposal = Proposal.of(remediation, incident, finding, limits)
    rate = ledger.success_rates.get((remediation.pack, remediation.name, finding.symptom), SuccessRate())
    terms = {
        "benefit": success_probability(remediation, rate) * incident.risk.score / 100,
        "cost": -remediation.cost,
        "blast_radius": -BLAST_COST * (remediation.blast_radius - 1),
    }
    return Candidate(
        remediation=remediation.name,
        score=sum(terms.values()),
        terms=terms,
        refusal=refusal(proposal, ledger),
        asks=question(proposal, ledger),
    )


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
    request = _request(remediation, incident, finding, situation, execution_id)
    terms = terms_of(remediation, request, reach_seconds=situation.catalogue.reach_seconds(remediation))
    action = Action(
        execution_id=execution_id,
        incident_id=incident.incident_id,
        pack=remediation.pack,
        symptom=finding.symptom,
        remediation=remediation.name,
        target=finding.target,
        request=request,
        baseline=_baseline(remediation, finding),
        score=0.0,
        terms=replace(terms, approval_seconds=situation.ledger.bounds.approval_seconds),
    )
    return replace(action, plan_hash=plan_hash(action))


def _execution_id(remediation: Remediation, incident: Incident, finding: Finding, ledger: Ledger) -> str:
    """Return the execution's id and idempotency key: stable for one attempt, whoever makes it and however often.

    Each attempt is named after the one before: a count would repeat itself once the ledger forgets the oldest.
    """
    mine = (incident.incident_id, remediation.pack, remediation.name, finding.target)
    before = [e for e in ledger.executions if (e.incident_id, e.pack, e.remediation, e.target) == mine]
    newest = max(before, key=lambda e: (e.admitted_at, e.execution_id), default=None)
    text = "|".join((*mine, newest.execution_id if newest else ""))
    return "act-" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24]


def _request(
    remediation: Remediation, incident: Incident, finding: Finding, situation: _Situation, execution_id: str
) -> PolicyRequest:
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
        call=remediation.call and remediation.call.named(execution_id),
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


def _symptom(finding: Finding, catalogue: Catalogue) -> Symptom:
    return catalogue.packs[finding.pack].symptoms[finding.symptom]
