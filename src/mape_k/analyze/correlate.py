"""From findings to incidents: what belongs together, what likely caused it, and how much is at stake."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from mape_k.analyze.memory import Memory
from mape_k.model import Bound, Catalogue, Cause, Detector, Finding, Incident, OpenIncident, Risk, Severity, Symptom

CAUSE_WEIGHTS: Mapping[str, float] = {"explains": 0.4, "came_first": 0.25, "severity": 0.2, "agreement": 0.15}
"""What makes a finding the likely cause of its incident; the weights add up to 1."""

SEVERITY_RISK: Mapping[Severity, float] = {Severity.INFO: 40.0, Severity.WARNING: 50.0, Severity.CRITICAL: 65.0}
BREADTH_RISK, EXCESS_RISK, TREND_RISK, DURATION_RISK = 10.0, 10.0, 8.0, 7.0
"""The most that each term adds to the risk; with the gravest severity they add up to 100."""

_DURATION_SCALE_SECONDS = 1800.0


def correlate(
    findings: Sequence[Finding],
    known: Iterable[OpenIncident],
    *,
    catalogue: Catalogue,
    memory: Memory,
    now: datetime,
) -> tuple[Incident, ...]:
    """Group findings that share a target or explain each other; a link, never a merge: each finding stays itself.

    Args:
        findings: of this cycle.
        known: open incidents; a group keeps the identity of the oldest that it continues.
        catalogue: says which symptom explains which.
        memory: says which signals are rising.
        now: the cycle's time.

    Returns:
        Incidents by risk, greatest first; ties by id.
    """
    known = tuple(known)
    incidents = [
        _incident(group, known, catalogue=catalogue, memory=memory, now=now) for group in _groups(findings, catalogue)
    ]
    return tuple(sorted(incidents, key=lambda incident: (-incident.risk.score, incident.incident_id)))


def _groups(findings: Sequence[Finding], catalogue: Catalogue) -> list[list[Finding]]:
    groups: list[list[Finding]] = []
    for finding in findings:
        linked = [g for g in groups if any(_belong_together(finding, other, catalogue) for other in g)]
        merged = [finding, *(f for g in linked for f in g)]
        groups = [g for g in groups if g not in linked] + [merged]
    return groups


def _belong_together(one: Finding, other: Finding, catalogue: Catalogue) -> bool:
    if one.pack != other.pack:
        return False
    same_target = one.target == other.target != ""
    return same_target or _explains(one, other, catalogue) or _explains(other, one, catalogue)


def _explains(cause: Finding, effect: Finding, catalogue: Catalogue) -> bool:
    """Whether the pack says that one brings about the other, on the same target or on the system as a whole."""
    if cause.pack != effect.pack or effect.symptom not in _symptom(cause, catalogue).explains:
        return False
    return cause.target == effect.target or _symptom(effect, catalogue).target.label is None


def _symptom(finding: Finding, catalogue: Catalogue) -> Symptom:
    return catalogue.packs[finding.pack].symptoms[finding.symptom]


def _incident(
    group: Sequence[Finding],
    known: Sequence[OpenIncident],
    *,
    catalogue: Catalogue,
    memory: Memory,
    now: datetime,
) -> Incident:
    causes = rank_causes(group, catalogue)
    keys = {finding.key for finding in group}
    continued = sorted((k for k in known if (k.pack, k.symptom, k.target) in keys), key=lambda k: k.opened_at)
    root = causes[0].finding
    return Incident(
        incident_id=continued[0].incident_id if continued else incident_id(root, now),
        opened_at=continued[0].opened_at if continued else now,
        causes=causes,
        risk=assess_risk(group, catalogue=catalogue, memory=memory, now=now),
    )


def incident_id(root: Finding, opened_at: datetime) -> str:
    """Return the name of an incident; the same for every replica that sees it open in the same cycle."""
    text = "|".join((*root.key, opened_at.isoformat()))
    return "inc-" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def rank_causes(group: Sequence[Finding], catalogue: Catalogue) -> tuple[Cause, ...]:
    """Return the findings of an incident by how likely each is the cause of the others, best first."""
    terms = {finding.key: _cause_terms(finding, group, catalogue) for finding in group}
    total = math.fsum(math.fsum(t.values()) for t in terms.values())
    causes = [
        Cause(
            finding=finding,
            confidence=math.fsum(terms[finding.key].values()) / total,
            is_explained=any(_explains(other, finding, catalogue) for other in group if other is not finding),
            terms=terms[finding.key],
        )
        for finding in group
    ]
    return tuple(sorted(causes, key=lambda cause: (-cause.confidence, cause.finding.key)))


def _cause_terms(finding: Finding, group: Sequence[Finding], catalogue: Catalogue) -> dict[str, float]:
    others = [other for other in group if other is not finding]
    explained = sum(_explains(finding, other, catalogue) for other in others)
    later = sum(finding.since <= other.since for other in others)
    detectors = {evidence.detector for evidence in finding.evidence}
    shares = {
        "explains": explained / len(others) if others else 1.0,
        "came_first": later / len(others) if others else 1.0,
        "severity": SEVERITY_RISK[finding.severity] / SEVERITY_RISK[Severity.CRITICAL],
        "agreement": len(detectors) / len(Detector),
    }
    return {name: CAUSE_WEIGHTS[name] * share for name, share in shares.items()}


def assess_risk(group: Sequence[Finding], *, catalogue: Catalogue, memory: Memory, now: datetime) -> Risk:
    """Return how much is at stake, 0 to 100, as a sum of named terms."""
    age = max(0.0, (now - min(finding.since for finding in group)).total_seconds())
    terms = {
        "severity": max(SEVERITY_RISK[finding.severity] for finding in group),
        "breadth": BREADTH_RISK * (1 - 1 / len({finding.target for finding in group})),
        "excess": EXCESS_RISK * max(_excess(finding, _symptom(finding, catalogue).threshold) for finding in group),
        "trend": TREND_RISK * any(_is_rising(finding, catalogue, memory) for finding in group),
        "duration": DURATION_RISK * (1 - math.exp(-age / _DURATION_SCALE_SECONDS)),
    }
    return Risk(score=math.fsum(terms.values()), terms=terms)


def _excess(finding: Finding, threshold: Bound | None) -> float:
    """Return how far beyond its threshold the finding's signal is, 0 to 1; ten times the limit, or a tenth, is 1."""
    if threshold is None or not threshold.limit:
        return 0.0
    readings = [e.reading for e in finding.evidence if e.what == threshold.signal and e.reading is not None]
    beyond = [r.number() for r in readings if r.is_known and threshold.holds(r.number())]
    ratios = (max(number / threshold.limit, 1e-9) for number in beyond)
    return max((min(1.0, abs(math.log10(ratio))) for ratio in ratios), default=0.0)


def _is_rising(finding: Finding, catalogue: Catalogue, memory: Memory) -> bool:
    signal = _symptom(finding, catalogue).signal
    return signal is not None and memory.is_rising(signal, finding.target)
