"""A: what is wrong and why, and what became of what was done. Deterministic: a fold over snapshots."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from mape_k.analyze.correlate import correlate
from mape_k.analyze.findings import Sighting, find
from mape_k.analyze.judge import expiring, judge, ready_at
from mape_k.analyze.memory import Memory
from mape_k.analyze.outlook import known_targets, look_around
from mape_k.model import (
    Assessment,
    Catalogue,
    Incident,
    Ledger,
    OpenIncident,
    Quality,
    Snapshot,
    State,
)

__all__ = ["Analyst", "Memory"]

_UNSEEN = frozenset({Quality.STALE, Quality.PARTIAL, Quality.UNREACHABLE})
"""How a whole signal is when nobody could see it; an empty answer is an answer."""


class Analyst:
    """Turns a snapshot into an assessment, and remembers the recent past of the signals that packs name.

    Args:
        close_after_seconds: how long an incident's findings must be gone before it is closed.
    """

    def __init__(self, *, close_after_seconds: float) -> None:
        self.memory = Memory()
        self._close_after = timedelta(seconds=close_after_seconds)

    def assess(self, snapshot: Snapshot, ledger: Ledger, catalogue: Catalogue) -> Assessment:
        """Return incidents, verdicts and policies near their end; updates the memory and nothing else."""
        self.memory.remember(snapshot, tuple(s.full_name for s in catalogue.signals if s.trend))
        findings = find(Sighting(snapshot, ledger, catalogue, self.memory))
        incidents = correlate(findings, ledger.incidents, catalogue=catalogue, memory=self.memory, now=snapshot.as_of)
        verifying = [e for e in ledger.open_executions if e.state is State.VERIFYING]
        blind = tuple(name for name, source in snapshot.sources.items() if not source.is_up)
        ready = [ready_at(e, catalogue) for e in verifying]
        return Assessment(
            as_of=snapshot.as_of,
            incidents=incidents,
            judgements=tuple(judge(e, snapshot, catalogue) for e in verifying),
            expiring=tuple(expiring(ledger, snapshot, catalogue)),
            blind=blind,
            closed=() if blind else tuple(self._closed(ledger, incidents, snapshot, catalogue)),
            population={pack: len(known) for pack, known in known_targets(snapshot, catalogue).items()},
            outlooks=look_around(ledger.outlooks, findings, snapshot, catalogue),
            next_look_at=min((t for t in ready if t is not None and t > snapshot.as_of), default=None),
        )

    def _closed(
        self, ledger: Ledger, incidents: Sequence[Incident], snapshot: Snapshot, catalogue: Catalogue
    ) -> Iterable[str]:
        """Yield the open incidents whose symptom can be seen and is gone, and on which nothing is under way."""
        reported = {finding.key for incident in incidents for finding in incident.findings}
        busy = {e.incident_id for e in ledger.open_executions if e.is_unsettled}
        for known in ledger.incidents:
            is_quiet = snapshot.as_of - known.last_seen_at >= self._close_after
            is_reported = (known.pack, known.symptom, known.target) in reported
            if is_quiet and not is_reported and known.incident_id not in busy and _can_see(known, snapshot, catalogue):
                yield known.incident_id


def _can_see(known: OpenIncident, snapshot: Snapshot, catalogue: Catalogue) -> bool:
    """Whether silence about an incident means anything; an alert is silent, too, when its series are gone."""
    pack = catalogue.packs.get(known.pack)
    symptom = pack.symptoms.get(known.symptom) if pack else None
    is_raised_by_violations = symptom is not None and symptom.alert is None and symptom.violation_severities
    if is_raised_by_violations and snapshot.violations_quality is not Quality.VALUE:
        return False
    vector = snapshot.vectors.get(symptom.signal or "") if symptom else None
    return vector is None or vector.quality not in _UNSEEN
