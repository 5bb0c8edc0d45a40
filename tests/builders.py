"""Values for tests of the core, each with defaults, so that a test shows only what matters to it.

The world of the defaults: node-7 attempts a forbidden metric 31 times a second, the alert fires since ten minutes, and
the pack knows two remediations for that: a cheap limit and a thorough block.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from mape_k.model import (
    Action,
    Alert,
    Assessment,
    Bound,
    Catalogue,
    Cause,
    Compensation,
    Detector,
    Evidence,
    Execution,
    Finding,
    HttpCall,
    HttpServer,
    Incident,
    Job,
    Ledger,
    Lifetime,
    Mode,
    Observation,
    OnExpiry,
    OpenIncident,
    Pack,
    PolicyRequest,
    Quality,
    Reading,
    Remediation,
    Risk,
    Scrape,
    Severity,
    Signal,
    Snapshot,
    SourceHealth,
    State,
    StatusQuestion,
    Symptom,
    TargetRule,
    Vector,
    Verification,
    Violation,
    terms_of,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
JOB, LABEL, SIGNAL = "charter-job", "node_or_service", "charter/rate"
WINDOW, SCRAPE, SETTLE = 300.0, 15.0, 60.0
READY = WINDOW + SCRAPE + SETTLE
"""Seconds after an action from which on a look may judge it, with the defaults below."""


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def a_signal(name: str = "rate", **fields: Any) -> Signal:
    facts = {"query": f"query_of_{name}", "unit": "attempts/s", "job": JOB}
    facts |= {"target_label": LABEL, "window_seconds": WINDOW}
    return Signal(pack="charter", name=name, **(facts | fields))


def a_symptom(name: str = "spike", **fields: Any) -> Symptom:
    facts = {
        "severity": Severity.WARNING,
        "target": TargetRule(label=LABEL),
        "alert": "Spike",
        "window_seconds": WINDOW,
        "signal": SIGNAL,
        "threshold": Bound(signal=SIGNAL, above=10),
        "remediations": ("limit", "block"),
    }
    return Symptom(pack="charter", name=name, **(facts | fields))


def a_verification(**fields: Any) -> Verification:
    facts = {"bounds": (Bound(signal=SIGNAL, below=10),), "samples": 3, "hold_seconds": 60, "deadline_seconds": 900}
    return Verification(**(facts | fields))


def a_lifetime(**fields: Any) -> Lifetime:
    facts = {"ttl_seconds": 3600, "on_expiry": OnExpiry.RENEW_WHILE_NEEDED, "needed": Bound(signal=SIGNAL, above=0)}
    return Lifetime(**(facts | fields))


def a_remediation(name: str = "block", **fields: Any) -> Remediation:
    facts = {
        "kind": f"{name}_source",
        "verification": a_verification(),
        "settle_seconds": SETTLE,
        "compensation": Compensation(kind=f"un{name}_source"),
        "lifetime": a_lifetime(),
        "cooldown_seconds": 600,
        "max_attempts": 3,
        "attempts_window_seconds": 3600,
        "probation_seconds": 0.0,
    }
    return Remediation(pack="charter", name=name, **(facts | fields))


QUEUE = HttpServer(
    name="queue",
    key_header="Idempotency-Key",
    key_echo="idempotency_key",
    id_field="action_id",
    status=StatusQuestion(path="/actions/{id}", field="status", in_force=("in_force",), undone=("undone",)),
)


def a_call(path: str = "/nodes/{target}/pin", **fields: Any) -> HttpCall:
    return HttpCall(path=path, **({"server": QUEUE} | fields))


LIMIT = a_remediation("limit", cost=0.05, prior_success=0.7)
BLOCK = a_remediation("block", cost=0.2, prior_success=0.8)


def a_pack(
    *,
    signals: Sequence[Signal] = (a_signal(),),
    symptoms: Sequence[Symptom] = (a_symptom(),),
    remediations: Sequence[Remediation] = (LIMIT, BLOCK),
    jobs: Sequence[Job] = (Job(name=JOB, scrape_interval_seconds=SCRAPE),),
    name: str = "charter",
    **fields: Any,
) -> Pack:
    named = {
        "jobs": {job.name: job for job in jobs},
        "signals": {signal.name: signal for signal in signals},
        "symptoms": {symptom.name: symptom for symptom in symptoms},
        "remediations": {remediation.name: remediation for remediation in remediations},
    }
    return Pack(name=name, title="Charter", **(named | fields))


def a_catalogue(*packs: Pack, **fields: Any) -> Catalogue:
    """Return a catalogue of these packs, or of the default one with these fields."""
    return Catalogue(packs={pack.name: pack for pack in packs or (a_pack(**fields),)}, digest="d1")


def a_vector(rows: Mapping[str, float] | float | Quality, signal: str = SIGNAL) -> Vector:
    """Return rows by target, the one row of a system, or the quality that says why there are none."""
    if isinstance(rows, Quality):
        return Vector(signal=signal, quality=rows)
    by_target = rows if isinstance(rows, Mapping) else {"": rows}
    return Vector(
        signal=signal,
        quality=Quality.VALUE,
        targets=tuple(by_target),
        labels=tuple({LABEL: target} for target in by_target),
        values=np.array(list(by_target.values()), dtype=np.float64),
    )


def an_alert(target: str = "node-7", *, name: str = "Spike", **fields: Any) -> Alert:
    facts = {"labels": {LABEL: target}, "starts_at": at(-600), "updated_at": at(-15), "fingerprint": f"{name}-{target}"}
    return Alert(name=name, **(facts | fields))


def a_violation(target: str = "node-7", *, severity: str = "CRITICAL", seconds: float = -60.0) -> Violation:
    return Violation(
        violation_id=f"v-{target}-{seconds}",
        detected_at=at(seconds),
        severity=severity,
        violation_type="FORBIDDEN",
        target=target,
    )


def a_scrape(newest: datetime | None = NOON, quality: Quality = Quality.VALUE) -> Scrape:
    return Scrape(job=JOB, quality=quality, newest_sample_at=newest, targets=1, targets_up=1)


def sources(**down: Quality) -> dict[str, SourceHealth]:
    names = ("prometheus", "alertmanager", "charter")
    return {name: SourceHealth(name=name, quality=down.get(name, Quality.VALUE)) for name in names}


def a_snapshot(
    rate: Mapping[str, float] | float | Quality = {"node-7": 31.0},  # noqa: B006 - never written to
    *,
    seconds: float = 0.0,
    alerts: Sequence[Alert] = (an_alert(),),
    others: Sequence[Vector] = (),
    **fields: Any,
) -> Snapshot:
    """Return what is seen so many seconds after noon: the rate of the default signal, and other vectors."""
    facts = {
        "as_of": at(seconds),
        "vectors": {vector.signal: vector for vector in (a_vector(rate), *others)},
        "alerts": tuple(alerts),
        "alerts_quality": Quality.VALUE,
        "violations_quality": Quality.VALUE,
        "scrapes": {JOB: a_scrape(at(seconds))},
        "sources": sources(),
    }
    return Snapshot(**(facts | fields))


def a_request(**fields: Any) -> PolicyRequest:
    facts = {"kind": "block_source", "scope": {LABEL: "node-7"}, "ttl_seconds": 3600.0, "not_after": at(60)}
    return PolicyRequest(name="block-source-node-7", **(facts | fields))


TERMS = terms_of(BLOCK, a_request(), reach_seconds=READY)


def an_execution(state: State = State.VERIFYING, **fields: Any) -> Execution:
    """Return an execution that was admitted and applied at noon."""
    facts = {
        "execution_id": "act-1",
        "incident_id": "inc-1",
        "pack": "charter",
        "symptom": "spike",
        "remediation": "block",
        "target": "node-7",
        "epoch": 1,
        "request": a_request(),
        "admitted_at": NOON,
        "updated_at": NOON,
        "applied_at": NOON,
        "expires_at": at(3600),
        "policy_id": "pol-1",
        "baseline": 31.0,
        "observation": Observation(),
        "terms": TERMS,
        "plan_hash": "h1",
    }
    return Execution(state=state, **(facts | fields))


def an_open_incident(incident_id: str = "inc-1", **fields: Any) -> OpenIncident:
    facts = {"pack": "charter", "symptom": "spike", "target": "node-7", "opened_at": at(-600), "last_seen_at": at(-30)}
    return OpenIncident(incident_id=incident_id, **(facts | fields))


def a_ledger(*executions: Execution, **fields: Any) -> Ledger:
    facts = {"as_of": NOON, "epoch": 1, "mode": Mode.ENFORCE, "executions": executions}
    return Ledger(**(facts | fields))


def a_finding(target: str = "node-7", *, symptom: str = "spike", rate: float = 31.0, **fields: Any) -> Finding:
    facts = {
        "severity": Severity.WARNING,
        "since": at(-600),
        "evidence": (
            Evidence(detector=Detector.ALERT, what="Spike"),
            Evidence(
                detector=Detector.THRESHOLD, what=SIGNAL, reading=Reading.of(rate), limit=10.0, detail="attempts/s"
            ),
        ),
    }
    return Finding(pack="charter", symptom=symptom, target=target, **(facts | fields))


def an_incident(
    *findings: Finding,
    incident_id: str = "inc-1",
    risk: float = 70.0,
    opened: float = -600.0,
    explained: tuple[str, ...] = (),
) -> Incident:
    """Return an incident whose findings on the targets ``explained`` are consequences of the others."""
    found = findings or (a_finding(),)
    return Incident(
        incident_id=incident_id,
        opened_at=at(opened),
        causes=tuple(
            Cause(finding=finding, confidence=1 / len(found), is_explained=finding.target in explained, terms={})
            for finding in found
        ),
        risk=Risk(score=risk, terms={"severity": risk}),
    )


def incidents_on(*targets: str) -> tuple[Incident, ...]:
    """Return one incident for each target."""
    return tuple(an_incident(a_finding(target), incident_id=f"inc-{target}") for target in targets)


def an_assessment(*incidents: Incident, **fields: Any) -> Assessment:
    return Assessment(as_of=fields.pop("as_of", NOON), incidents=incidents, **fields)


def an_action(execution_id: str = "act-1", **fields: Any) -> Action:
    facts = {
        "incident_id": "inc-1",
        "pack": "charter",
        "symptom": "spike",
        "remediation": "block",
        "target": "node-7",
        "request": a_request(),
        "baseline": 31.0,
        "score": 0.36,
        "terms": TERMS,
        "plan_hash": "h1",
    }
    return Action(execution_id=execution_id, **(facts | fields))
