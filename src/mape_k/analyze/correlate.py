"""From findings to incidents: what belongs together, what likely caused it, and how much is at stake."""

import hashlib
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from mape_k.analyze.memory import Memory
from mape_k.model import Bound, Catalogue, Cause, Detector, Finding, Incident, OpenIncident, Risk, Severity, Symptom

Key: TypeAlias = tuple[str, str, str]
"""Pack, symptom and target."""

Effect: TypeAlias = tuple[str, str, str | None]
"""Pack and symptom, with the target where it matters: a symptom of the system as a whole has None."""

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
    remembered: dict[Key, list[OpenIncident]] = {}
    for incident in known:
        remembered.setdefault((incident.pack, incident.symptom, incident.target), []).append(incident)
    incidents = [
        _incident(group, remembered, catalogue=catalogue, memory=memory, now=now)
        for group in _groups(findings, catalogue)
    ]
    return tuple(sorted(incidents, key=lambda incident: (-incident.risk.score, incident.incident_id)))


def _groups(findings: Sequence[Finding], catalogue: Catalogue) -> Iterable[Sequence[Finding]]:
    """Return what belongs together, by the names that findings share: a storm brings thousands of them."""
    group_of = list(range(len(findings)))

    def first_of(place: int) -> int:
        while group_of[place] != place:
            group_of[place] = place = group_of[group_of[place]]
        return place

    for linked in _links(findings, catalogue):
        for place in linked:
            group_of[first_of(place)] = first_of(linked[0])
    groups: dict[int, list[Finding]] = {}
    for place, finding in enumerate(findings):
        groups.setdefault(first_of(place), []).append(finding)
    return groups.values()


def _links(findings: Sequence[Finding], catalogue: Catalogue) -> Iterator[Sequence[int]]:
    """Yield the places of findings on one target, and of those that explain something with what they explain."""
    on_target: dict[tuple[str, str], list[int]] = {}
    causes: dict[Effect, list[int]] = {}
    effects: dict[Effect, list[int]] = {}
    for place, finding in enumerate(findings):
        if finding.target:
            on_target.setdefault((finding.pack, finding.target), []).append(place)
        effects.setdefault(_effect(finding, finding.symptom, catalogue), []).append(place)
        for effect in _explained_by(finding, catalogue):
            causes.setdefault(effect, []).append(place)
    yield from on_target.values()
    yield from (causes[effect] + effects[effect] for effect in causes if effect in effects)


def _explained_by(finding: Finding, catalogue: Catalogue) -> Iterator[Effect]:
    """Yield what the pack says that a finding brings about, on the same target or on the system as a whole."""
    return (_effect(finding, name, catalogue) for name in _symptom(finding, catalogue).explains)


def _effect(finding: Finding, symptom: str, catalogue: Catalogue) -> Effect:
    known = catalogue.packs[finding.pack].symptoms.get(symptom)
    is_of_the_target = known is None or known.target.label is not None
    return finding.pack, symptom, finding.target if is_of_the_target else None


def _symptom(finding: Finding, catalogue: Catalogue) -> Symptom:
    return catalogue.packs[finding.pack].symptoms[finding.symptom]


def _incident(
    group: Sequence[Finding],
    remembered: Mapping[Key, Sequence[OpenIncident]],
    *,
    catalogue: Catalogue,
    memory: Memory,
    now: datetime,
) -> Incident:
    causes = rank_causes(group, catalogue)
    continued = (incident for finding in group for incident in remembered.get(finding.key, ()))
    oldest = min(continued, key=lambda incident: (incident.opened_at, incident.incident_id), default=None)
    return Incident(
        incident_id=oldest.incident_id if oldest else incident_id(causes[0].finding, now),
        opened_at=oldest.opened_at if oldest else now,
        causes=causes,
        risk=assess_risk(group, catalogue=catalogue, memory=memory, now=now),
    )


def incident_id(root: Finding, opened_at: datetime) -> str:
    """Return the name of an incident; the same for every replica that sees it open in the same cycle."""
    text = "|".join((*root.key, opened_at.isoformat()))
    return "inc-" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def rank_causes(group: Sequence[Finding], catalogue: Catalogue) -> tuple[Cause, ...]:
    """Return the findings of an incident by how likely each is the cause of the others, best first."""
    effects = [_effect(finding, finding.symptom, catalogue) for finding in group]
    explained = {effect for finding in group for effect in _explained_by(finding, catalogue)}
    terms = _cause_terms(group, Counter(effects), catalogue)
    total = math.fsum(math.fsum(t.values()) for t in terms)
    causes = [
        Cause(
            finding=finding,
            confidence=math.fsum(shares.values()) / total,
            is_explained=effect in explained,
            terms=shares,
        )
        for finding, effect, shares in zip(group, effects, terms, strict=True)
    ]
    return tuple(sorted(causes, key=lambda cause: (-cause.confidence, cause.finding.key)))


def _cause_terms(
    group: Sequence[Finding], effects: Mapping[Effect, int], catalogue: Catalogue
) -> list[dict[str, float]]:
    begun, others = sorted(finding.since for finding in group), len(group) - 1
    return [
        {
            "explains": CAUSE_WEIGHTS["explains"]
            * _share(sum(effects.get(effect, 0) for effect in _explained_by(finding, catalogue)), others),
            "came_first": CAUSE_WEIGHTS["came_first"] * _share(others - bisect_left(begun, finding.since), others),
            "severity": CAUSE_WEIGHTS["severity"] * SEVERITY_RISK[finding.severity] / SEVERITY_RISK[Severity.CRITICAL],
            "agreement": CAUSE_WEIGHTS["agreement"] * len({e.detector for e in finding.evidence}) / len(Detector),
        }
        for finding in group
    ]


def _share(count: int, others: int) -> float:
    """Return which share of the others it is; who is alone is the cause."""
    return count / others if others else 1.0


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
