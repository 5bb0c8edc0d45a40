"""From the documents that people write to the values that the loop reads: references become full names."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from mape_k.catalogue import document as doc
from mape_k.model import (
    Bound,
    Compensation,
    Job,
    Lifetime,
    Limits,
    OnExpiry,
    OnInhibited,
    OnMissing,
    Pack,
    Part,
    Remediation,
    RollbackRule,
    Severity,
    Signal,
    Symptom,
    TargetRule,
    Verification,
)

_Value = TypeVar("_Value")


def to_pack(document: doc.PackDocument) -> Pack:
    """Return the pack that ``document`` describes."""
    pack = document.pack
    return Pack(
        name=pack,
        title=document.title,
        jobs=_frozen({name: _job(name, job) for name, job in document.jobs.items()}),
        signals=_frozen({name: _signal(pack, name, signal) for name, signal in document.signals.items()}),
        symptoms=_frozen({name: _symptom(pack, name, symptom) for name, symptom in document.symptoms.items()}),
        remediations=_frozen({name: _remediation(pack, name, each) for name, each in document.remediations.items()}),
        limits=_limits(document.limits),
    )


def _frozen(values: dict[str, _Value]) -> Mapping[str, _Value]:
    return MappingProxyType(values)


def _full_name(pack: str, signal: str | None) -> str | None:
    return f"{pack}/{signal}" if signal else None


def _job(name: str, job: doc.JobDocument) -> Job:
    return Job(name=name, scrape_interval_seconds=job.scrape_interval)


def _limits(limits: doc.LimitsDocument) -> Limits:
    return Limits(
        max_targets=limits.max_targets,
        max_share=limits.max_share,
        share_from=limits.share_from,
        settle_after_blindness_seconds=limits.settle_after_blindness,
        plan_lifetime_seconds=limits.plan_lifetime,
        max_of_remediation=limits.budgets.remediation,
        max_on_target=limits.budgets.target,
        budget_window_seconds=limits.budgets.per,
        storm_enter=limits.storm.enter,
        storm_leave=limits.storm.leave,
        storm_calm_seconds=limits.storm.calm,
        inventory_drop=limits.inventory.drop,
        inventory_window_seconds=limits.inventory.within,
        flapping_after=limits.flapping.opened,
        flapping_window_seconds=limits.flapping.per,
        damping_hits=limits.damping.seen,
        damping_looks=limits.damping.of,
        bad_share=limits.outcomes.bad,
        bad_from=limits.outcomes.judged,
        bad_window_seconds=limits.outcomes.within,
        stage_share=limits.stages.share,
        stage_window_seconds=limits.stages.within,
        inhibited_wait_seconds=limits.inhibited_wait,
    )


def _signal(pack: str, name: str, signal: doc.SignalDocument) -> Signal:
    return Signal(
        pack=pack,
        name=name,
        query=signal.query.strip(),
        unit=signal.unit,
        job=signal.job,
        target_label=signal.target_label,
        window_seconds=signal.window,
        on_missing=OnMissing(signal.on_missing),
        trend=signal.trend,
    )


def _bound(pack: str, bound: doc.BoundDocument) -> Bound:
    return Bound(signal=f"{pack}/{bound.signal}", above=bound.above, below=bound.below)


def _threshold(pack: str, symptom: doc.SymptomDocument) -> Bound | None:
    if symptom.threshold is None:
        return None
    return Bound(signal=f"{pack}/{symptom.signal}", above=symptom.threshold.above, below=symptom.threshold.below)


def _target(pack: str, target: doc.TargetDocument) -> TargetRule:
    return TargetRule(label=target.label, fixed=target.fixed, dominant=_full_name(pack, target.dominant))


def _symptom(pack: str, name: str, symptom: doc.SymptomDocument) -> Symptom:
    return Symptom(
        pack=pack,
        name=name,
        severity=Severity(symptom.severity),
        target=_target(pack, symptom.target),
        alert=symptom.alert,
        window_seconds=symptom.window,
        signal=_full_name(pack, symptom.signal),
        threshold=_threshold(pack, symptom),
        threshold_for_seconds=symptom.threshold.held_for if symptom.threshold else 0.0,
        deviation_sigmas=symptom.deviation,
        violation_severities=tuple(symptom.violations),
        explains=tuple(symptom.explains),
        remediations=tuple(symptom.remediations),
        runbook=symptom.runbook or "",
    )


def _verification(pack: str, verify: doc.VerificationDocument) -> Verification:
    return Verification(
        bounds=tuple(_bound(pack, bound) for bound in verify.bounds),
        samples=verify.samples,
        hold_seconds=verify.hold,
        deadline_seconds=verify.deadline,
        worse_ratio=verify.worse_ratio,
    )


def _part(part: doc.PartDocument) -> Part:
    return Part(kind=part.kind, parameters=part.parameters, compensation=_compensation(part.compensation))


def _compensation(compensation: doc.Compensation | None) -> Compensation | None:
    if compensation is None or isinstance(compensation, str):
        return None
    return Compensation(kind=compensation.kind, parameters=compensation.parameters)


def _lifetime(pack: str, lifetime: doc.Lifetime) -> Lifetime | None:
    if isinstance(lifetime, str):
        return None
    return Lifetime(
        ttl_seconds=lifetime.ttl,
        on_expiry=OnExpiry(lifetime.on_expiry),
        needed=_bound(pack, lifetime.needed) if lifetime.needed else None,
        max_renewals=lifetime.max_renewals,
    )


def _remediation(pack: str, name: str, remediation: doc.RemediationDocument) -> Remediation:
    return Remediation(
        pack=pack,
        name=name,
        kind=remediation.policy.kind,
        parameters=remediation.policy.parameters,
        effector=remediation.effector,
        scope_label=remediation.policy.scope_label,
        verification=_verification(pack, remediation.verify),
        prior_success=remediation.prior.success,
        prior_weight=remediation.prior.weight,
        cost=remediation.cost,
        blast_radius=remediation.blast_radius,
        settle_seconds=remediation.settle,
        compensation=_compensation(remediation.compensation),
        further=tuple(map(_part, remediation.then)),
        rollback=RollbackRule(remediation.rollback),
        probation_seconds=remediation.probation,
        leaves_nothing=remediation.compensation == "nothing",
        lifetime=_lifetime(pack, remediation.lifetime),
        cooldown_seconds=remediation.cooldown,
        max_attempts=remediation.attempts.max,
        attempts_window_seconds=remediation.attempts.per,
        on_inhibited=OnInhibited(remediation.on_inhibited),
    )
