"""From the documents that people write to the values that the loop reads: references become full names."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from mape_k.catalogue import document as doc
from mape_k.model import (
    Bound,
    Compensation,
    HttpCall,
    HttpServer,
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
    StatusQuestion,
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
        remediations=_frozen({name: _remediation(document, name) for name in document.remediations}),
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


class _Calls:
    """Makes the calls of one remediation; what each leaves out is as in the request."""

    def __init__(self, document: doc.PackDocument, request: doc.RequestDocument | None) -> None:
        self._servers = document.servers
        self._request = request

    def first(self) -> HttpCall | None:
        """Return the request itself; None where there is none."""
        return self._call(self._request) if self._request else None

    def part(self, name: str, number: int, part: doc.Part) -> Part:
        """Return a further part; what is sent is named after the remediation where it names itself not."""
        undo = self.compensation(f"{name}_{number}", part.compensation)
        if isinstance(part, doc.PolicyPartDocument):
            return Part(kind=part.kind, parameters=part.parameters, compensation=undo)
        return Part(kind=f"{name}_{number}", call=self._call(part), compensation=undo)

    def compensation(self, name: str, compensation: doc.Compensation | None) -> Compensation | None:
        """Return what undoes a part; None where nothing does."""
        if compensation is None or isinstance(compensation, str):
            return None
        if isinstance(compensation, doc.CompensationDocument):
            return Compensation(kind=compensation.kind, parameters=compensation.parameters)
        return Compensation(kind=f"undo_{name}", call=self._call(compensation))

    def _call(self, call: doc.CallDocument) -> HttpCall:
        name = call.server or (self._request.server if self._request else "")
        method = call.method or (self._request.method if self._request else "POST")
        return HttpCall(
            server=_server(name, self._servers[name]),
            method=method,
            path=call.path,
            headers=call.headers,
            body=call.body,
        )


def _server(name: str, server: doc.ServerDocument) -> HttpServer:
    return HttpServer(
        name=name,
        key_header=server.idempotency.header if server.idempotency else "",
        key_echo=server.idempotency.echo if server.idempotency else "",
        id_field=server.id or "",
        status=StatusQuestion(
            path=server.status.path,
            field=server.status.field,
            in_force=tuple(server.status.in_force),
            undone=tuple(server.status.undone),
        )
        if server.status
        else None,
    )


def _lifetime(pack: str, lifetime: doc.Lifetime) -> Lifetime | None:
    if isinstance(lifetime, str):
        return None
    return Lifetime(
        ttl_seconds=lifetime.ttl,
        on_expiry=OnExpiry(lifetime.on_expiry),
        needed=_bound(pack, lifetime.needed) if lifetime.needed else None,
        max_renewals=lifetime.max_renewals,
    )


def _remediation(document: doc.PackDocument, name: str) -> Remediation:
    pack, remediation = document.pack, document.remediations[name]
    calls, policy = _Calls(document, remediation.request), remediation.policy
    return Remediation(
        pack=pack,
        name=name,
        kind=policy.kind if policy else name,
        parameters=policy.parameters if policy else {},
        call=calls.first(),
        scope_label=policy.scope_label if policy else "target",
        verification=_verification(pack, remediation.verify),
        prior_success=remediation.prior.success,
        prior_weight=remediation.prior.weight,
        cost=remediation.cost,
        blast_radius=remediation.blast_radius,
        settle_seconds=remediation.settle,
        compensation=calls.compensation(name, remediation.compensation),
        further=tuple(calls.part(name, number, part) for number, part in enumerate(remediation.then, start=2)),
        rollback=RollbackRule(remediation.rollback),
        probation_seconds=remediation.probation,
        leaves_nothing=remediation.compensation == "nothing",
        lifetime=_lifetime(pack, remediation.lifetime),
        cooldown_seconds=remediation.cooldown,
        max_attempts=remediation.attempts.max,
        attempts_window_seconds=remediation.attempts.per,
        on_inhibited=OnInhibited(remediation.on_inhibited),
    )
