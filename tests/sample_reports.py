"""Values for tests of what is told: one cycle that saw, decided and held something."""

from datetime import UTC, datetime, timedelta

import numpy as np

from mape_k.model import (
    Action,
    Alert,
    Assessment,
    Bound,
    Candidate,
    Catalogue,
    Cause,
    CycleReport,
    Decision,
    Detector,
    Evidence,
    Execution,
    Finding,
    Incident,
    Lifetime,
    OnExpiry,
    Pack,
    Phase,
    PhaseTiming,
    Plan,
    PolicyRequest,
    Quality,
    Reading,
    Reason,
    Remediation,
    Risk,
    Scrape,
    Severity,
    Signal,
    Snapshot,
    SourceHealth,
    State,
    Symptom,
    TargetRule,
    Vector,
    Verification,
    WokenBy,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REQUEST = PolicyRequest(name="block-source-node-7", kind="block_source", scope={"node_or_service": "node-7"})


def a_catalogue() -> Catalogue:
    bound = Bound(signal="charter/attempt_rate", below=10)
    block = Remediation(
        pack="charter",
        name="block_source",
        kind="block_source",
        verification=Verification(bounds=(bound,)),
        prior_success=0.7,
        lifetime=Lifetime(ttl_seconds=3600, on_expiry=OnExpiry.LAPSE),
    )
    signal = Signal(pack="charter", name="attempt_rate", query="up", unit="attempts/s", job="westworld-charter")
    symptom = Symptom(
        pack="charter",
        name="forbidden_metric_spike",
        severity=Severity.CRITICAL,
        target=TargetRule(label="node_or_service"),
        remediations=("block_source",),
    )
    pack = Pack(
        name="charter",
        title="Westworld Charter",
        signals={"attempt_rate": signal},
        symptoms={"forbidden_metric_spike": symptom},
        remediations={"block_source": block},
    )
    return Catalogue(packs={"charter": pack}, digest="d1")


def an_execution(state: State = State.VERIFYING, **fields: object) -> Execution:
    facts: dict = {
        "execution_id": "x-1",
        "incident_id": "i-1",
        "pack": "charter",
        "symptom": "forbidden_metric_spike",
        "remediation": "block_source",
        "target": "node-7",
        "state": state,
        "epoch": 3,
        "request": REQUEST,
        "admitted_at": NOON,
        "updated_at": NOON + timedelta(seconds=60),
        "applied_at": NOON + timedelta(seconds=2),
    }
    return Execution(**(facts | fields))


def a_snapshot() -> Snapshot:
    vector = Vector(
        signal="charter/attempt_rate",
        quality=Quality.VALUE,
        targets=("node-7", "node-8", "node-9"),
        labels=({}, {}, {}),
        values=np.array([31.4, 0.0, np.nan]),
    )
    lost = Vector(signal="charter/latency", quality=Quality.UNREACHABLE, detail="timeout")
    alert = Alert(fingerprint="f", name="ForbiddenMetricSpike", labels={}, starts_at=NOON, updated_at=NOON)
    return Snapshot(
        as_of=NOON,
        vectors={vector.signal: vector, lost.signal: lost},
        alerts=(alert,),
        alerts_quality=Quality.VALUE,
        scrapes={"a": Scrape(job="a", quality=Quality.VALUE, newest_sample_at=NOON - timedelta(seconds=12))},
        sources={
            "prometheus": SourceHealth(name="prometheus", quality=Quality.VALUE, seconds=0.02),
            "charter": SourceHealth(name="charter", quality=Quality.UNREACHABLE, detail="connection refused"),
        },
    )


def an_incident(target: str = "node-7", incident_id: str = "i-1") -> Incident:
    finding = Finding(
        pack="charter",
        symptom="forbidden_metric_spike",
        target=target,
        severity=Severity.CRITICAL,
        since=NOON - timedelta(minutes=5),
        evidence=(
            Evidence(detector=Detector.ALERT, what="ForbiddenMetricSpike", detail="firing since 11:55"),
            Evidence(detector=Detector.THRESHOLD, what="charter/attempt_rate", reading=Reading.of(31.4), limit=10),
        ),
    )
    return Incident(
        incident_id=incident_id,
        opened_at=NOON - timedelta(minutes=5),
        causes=(Cause(finding=finding, confidence=0.9, terms={"own evidence": 0.9}),),
        risk=Risk(score=72.0, terms={"severity": 50.0, "spread": 22.0}),
    )


def a_report(target: str = "node-7", **fields: object) -> CycleReport:
    action = Action(
        execution_id="x-1",
        incident_id="i-1",
        pack="charter",
        symptom="forbidden_metric_spike",
        remediation="block_source",
        target=target,
        request=REQUEST,
        baseline=31.4,
        score=0.2,
    )
    chosen = Decision(incident_id="i-1", reason=Reason.BEST_CANDIDATE, action=action)
    refused = Candidate(remediation="block_source", score=0.3, refusal=Reason.COOLDOWN)
    held = Decision(
        incident_id="i-2", reason=Reason.COOLDOWN, candidates=(refused, Candidate(remediation=None, score=0))
    )
    incidents = (an_incident(target), an_incident("node-8", "i-2"))
    timings = [
        PhaseTiming(phase=phase, seconds=seconds, budget_seconds=budget)
        for phase, seconds, budget in zip(Phase, (1.2, 0.05, 0.01, 0.4), (1.0, 2.0, 3.0, 5.0), strict=True)
    ]
    facts: dict = {
        "cycle_id": "c-1",
        "as_of": NOON,
        "woken_by": WokenBy.WEBHOOK,
        "seconds": 1.7,
        "timings": timings,
        "snapshot": a_snapshot(),
        "assessment": Assessment(as_of=NOON, incidents=incidents),
        "plan": Plan(as_of=NOON, decisions=(chosen, held)),
        "executed": ("x-1",),
    }
    return CycleReport(**(facts | fields))
