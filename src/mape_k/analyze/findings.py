"""From what was seen to findings: one symptom on one target, with its evidence and, where there is one, its hold.

A symptom that names an alert is raised by that alert alone, and its signal, violations and deviation are evidence for
or against; a symptom without one is raised by its own threshold or violations. A deviation never raises anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mape_k.analyze.memory import Memory
from mape_k.model import (
    Alert,
    Bound,
    Catalogue,
    Detector,
    Evidence,
    Execution,
    Finding,
    Ledger,
    OnMissing,
    Pack,
    Quality,
    Reading,
    Reason,
    Signal,
    Snapshot,
    Symptom,
    TargetRule,
    Verdict,
    Violation,
)

RESIDUAL_SLACK_SCRAPES = 3
"""Scrape intervals granted on top of an alert's window: one for the sample, two for rule evaluation and delivery."""

VIOLATIONS_SHOWN = 10
"""Violations that are kept as evidence of one finding, the newest; thousands more would say the same."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one cycle looks at, gathered for the functions below."""

    snapshot: Snapshot
    ledger: Ledger
    catalogue: Catalogue
    memory: Memory


@dataclass(slots=True)
class _Raised:
    """A symptom on a target while its evidence is gathered."""

    target: str
    since: datetime
    evidence: list[Evidence] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)


def find(sighting: Sighting) -> tuple[Finding, ...]:
    """Return every finding of every pack, in the order of the packs; the same symptom on the same target once."""
    return tuple(
        finding
        for pack in sighting.catalogue.packs.values()
        for finding in _damped(pack, _of_pack(pack, sighting), sighting.memory)
    )


def _of_pack(pack: Pack, sighting: Sighting) -> list[Finding]:
    return [finding for symptom in pack.symptoms.values() for finding in _of_symptom(pack, symptom, sighting)]


def _damped(pack: Pack, findings: Sequence[Finding], memory: Memory) -> Iterator[Finding]:
    """Hold what was not there, ready to be acted upon, in enough of the last cycles."""
    limits = pack.limits
    there = {finding.key for finding in findings if finding.hold is None}
    seen = memory.times_seen(pack.name, there, limits.damping_looks) if limits.damping_looks > 1 else {}
    for finding in findings:
        is_new = seen.get(finding.key, limits.damping_hits) < limits.damping_hits
        yield replace(finding, hold=Reason.DAMPED) if is_new else finding


def _of_symptom(pack: Pack, symptom: Symptom, sighting: Sighting) -> Iterator[Finding]:
    raised = _raised(symptom, sighting)
    for target in sorted(raised):
        yield _finding(pack, symptom, raised[target], sighting)


def _raised(symptom: Symptom, sighting: Sighting) -> dict[str, _Raised]:
    if symptom.alert is not None:
        return _raised_by_alert(symptom, sighting.snapshot)
    raised = _raised_by_violations(symptom, sighting.snapshot)
    for target, since in _beyond_threshold(symptom, sighting):
        raised.setdefault(target, _Raised(target=target, since=since))
    return raised


def _raised_by_alert(symptom: Symptom, snapshot: Snapshot) -> dict[str, _Raised]:
    raised: dict[str, _Raised] = {}
    if snapshot.alerts_quality not in (Quality.VALUE, Quality.PARTIAL):  # what is shown in part is true all the same
        return raised
    for alert in snapshot.alerts:
        if alert.name != symptom.alert:
            continue
        target = resolve_target(symptom.target, alert, snapshot)
        entry = raised.setdefault(target, _Raised(target=target, since=alert.starts_at))
        entry.since = min(entry.since, alert.starts_at)
        entry.alerts.append(alert)
        entry.evidence.append(
            Evidence(
                detector=Detector.ALERT, what=alert.name, detail=alert.summary or f"firing since {alert.starts_at}"
            )
        )
    return raised


def resolve_target(rule: TargetRule, alert: Alert, snapshot: Snapshot) -> str:
    """Return the target that an alert is about; empty text where that cannot be seen."""
    if rule.fixed is not None:
        return rule.fixed
    if rule.label is not None:
        return alert.labels.get(rule.label, "")
    vector = snapshot.vectors.get(rule.dominant or "")
    return (vector.dominant() if vector else None) or ""


def _raised_by_violations(symptom: Symptom, snapshot: Snapshot) -> dict[str, _Raised]:
    raised: dict[str, _Raised] = {}
    for violation in _violations(symptom, snapshot):
        entry = raised.setdefault(violation.target, _Raised(target=violation.target, since=violation.detected_at))
        entry.since = min(entry.since, violation.detected_at)
    return raised


def _violations(symptom: Symptom, snapshot: Snapshot) -> Iterator[Violation]:
    begin = snapshot.as_of - timedelta(seconds=symptom.window_seconds)
    for violation in snapshot.violations:
        if violation.severity in symptom.violation_severities and violation.detected_at >= begin:
            yield violation


def _beyond_threshold(symptom: Symptom, sighting: Sighting) -> Iterator[tuple[str, datetime]]:
    """Yield the targets whose signal has been beyond the threshold long enough, with the time since when."""
    if symptom.threshold is None or symptom.signal is None:
        return
    signal, targets = _signal(sighting.catalogue, symptom.signal), _targets(symptom, sighting.snapshot)
    now = sighting.snapshot.as_of
    if targets is not None:
        sighting.memory.forget_all_but(targets, symptom.pack, symptom.name)
    for target in targets or ():
        holds = _is_beyond(symptom.threshold, sighting.snapshot.reading(symptom.signal, target), signal.on_missing)
        if holds is None:
            continue
        since = sighting.memory.held_since((symptom.pack, symptom.name, target), holds=holds, now=now)
        if since is not None and now - since >= timedelta(seconds=symptom.threshold_for_seconds):
            yield target, since


def _is_beyond(threshold: Bound, reading: Reading, on_missing: OnMissing) -> bool | None:
    """Return whether a reading is beyond a threshold; None where that cannot be seen, so that nothing changes."""
    if reading.is_known:
        return threshold.holds(reading.number())
    if on_missing is OnMissing.HOLD and reading.quality is not Quality.EMPTY:
        return None
    return on_missing is OnMissing.BREACH


def _targets(symptom: Symptom, snapshot: Snapshot) -> Sequence[str] | None:
    """Return what may be beyond the threshold; None where nobody can see what there is."""
    if symptom.target.fixed is not None:
        return (symptom.target.fixed,)
    vector = snapshot.vectors.get(symptom.signal or "")
    if vector is None or vector.quality is not Quality.VALUE:
        return None
    return tuple(target for target in vector.targets if target)


def _finding(pack: Pack, symptom: Symptom, raised: _Raised, sighting: Sighting) -> Finding:
    return Finding(
        pack=pack.name,
        symptom=symptom.name,
        target=raised.target,
        severity=symptom.severity,
        since=raised.since,
        evidence=(*raised.evidence, *_supporting(symptom, raised.target, sighting)),
        hold=_hold(pack, symptom, raised, sighting),
        is_inhibited=bool(raised.alerts) and all(alert.inhibited_by for alert in raised.alerts),
    )


def _supporting(symptom: Symptom, target: str, sighting: Sighting) -> Iterator[Evidence]:
    if symptom.signal is not None:
        reading = sighting.snapshot.reading(symptom.signal, target)
        limit = symptom.threshold.limit if symptom.threshold else None
        detail = _signal(sighting.catalogue, symptom.signal).unit
        yield Evidence(detector=Detector.THRESHOLD, what=symptom.signal, reading=reading, limit=limit, detail=detail)
        sigmas = sighting.memory.deviation(symptom.signal, target) if reading.is_known else None
        if sigmas is not None and symptom.deviation_sigmas and abs(sigmas) >= symptom.deviation_sigmas:
            detail = f"{sigmas:+.1f} robust sigmas from its recent past"
            yield Evidence(detector=Detector.DEVIATION, what=symptom.signal, reading=reading, detail=detail)
    yield from _newest_violations(symptom, target, sighting.snapshot)


def _newest_violations(symptom: Symptom, target: str, snapshot: Snapshot) -> Iterator[Evidence]:
    theirs = [violation for violation in _violations(symptom, snapshot) if violation.target == target]
    for violation in theirs[-VIOLATIONS_SHOWN:]:
        detail = f"{violation.severity} at {violation.detected_at.isoformat()}"
        yield Evidence(detector=Detector.VIOLATION, what=violation.violation_type, detail=detail)


def _hold(pack: Pack, symptom: Symptom, raised: _Raised, sighting: Sighting) -> Reason | None:
    if not raised.target:
        return Reason.TARGET_UNKNOWN
    if raised.alerts and all(alert.silenced_by for alert in raised.alerts):
        return Reason.SILENCED
    if _is_residual(pack, symptom, raised, sighting):
        return Reason.RESIDUAL
    return _evidence_hold(symptom, raised.target, sighting)


def _is_residual(pack: Pack, symptom: Symptom, raised: _Raised, sighting: Sighting) -> bool:
    """Whether what fires may still be the past: its window reaches back before an action was first seen to help."""
    now = sighting.snapshot.as_of
    return any(
        now < over_since + _reach(pack, symptom, execution.remediation)
        for execution in sighting.ledger.executions
        if execution.pack == pack.name and (over_since := _over_since(execution, symptom, raised)) is not None
    )


def _over_since(execution: Execution, symptom: Symptom, raised: _Raised) -> datetime | None:
    """Return from when on an action may have ended what fires; None when it has nothing to do with it.

    Another symptom of the same target is the past only when it began before that, too. Where the dominant target is
    meant, the next in line is not to blame for what the one just treated did.
    """
    is_same, helped_at = execution.symptom == symptom.name, _helped_at(execution)
    if execution.target == raised.target:
        return helped_at if helped_at and (is_same or raised.since < helped_at) else None
    if is_same and symptom.target.dominant is not None:
        return execution.applied_at if execution.is_unsettled else helped_at
    return None


def _helped_at(execution: Execution) -> datetime | None:
    """Return when an action was first seen to help; None when it did not."""
    if execution.verdict is not Verdict.IMPROVED:
        return None
    return execution.observation.good_since or execution.applied_at


def _reach(pack: Pack, symptom: Symptom, remediation: str) -> timedelta:
    scrape = max((job.scrape_interval_seconds for job in pack.jobs.values()), default=0.0)
    done = pack.remediations.get(remediation)
    settle = done.settle_seconds if done else 0.0
    return timedelta(seconds=symptom.window_seconds + RESIDUAL_SLACK_SCRAPES * scrape + settle)


def _evidence_hold(symptom: Symptom, target: str, sighting: Sighting) -> Reason | None:
    if symptom.signal is None:
        return None
    reading = sighting.snapshot.reading(symptom.signal, target)
    if not reading.is_known:
        on_missing = _signal(sighting.catalogue, symptom.signal).on_missing
        return Reason.STALE_EVIDENCE if on_missing is OnMissing.HOLD else None
    if symptom.threshold is not None and not symptom.threshold.holds(reading.number()):
        return Reason.NOT_CORROBORATED
    return None


def _signal(catalogue: Catalogue, full_name: str) -> Signal:
    pack, name = full_name.split("/", 1)
    return catalogue.packs[pack].signals[name]
