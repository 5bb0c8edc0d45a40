"""A: what is wrong and why, and what became of what was done. Deterministic: a fold over snapshots."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from mape_k.analyze.correlate import correlate
from mape_k.analyze.findings import Sighting, find
from mape_k.analyze.judge import expiring, judge, ready_at
from mape_k.analyze.memory import Memory
from mape_k.analyze.outlook import known_targets, look_around
from mape_k.analyze.watch import WATCHED, watch
from mape_k.model import (
    Assessment,
    Catalogue,
    Execution,
    Incident,
    Judgement,
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
        blind = tuple(name for name, source in snapshot.sources.items() if not source.is_up)
        looks = [_next_look_at(e, catalogue) for e in ledger.open_executions]
        return Assessment(
            as_of=snapshot.as_of,
            incidents=incidents,
            judgements=tuple(_judgements(ledger, snapshot, catalogue)),
            expiring=tuple(expiring(ledger, snapshot, catalogue)),
            blind=blind,
            closed=() if blind else tuple(self._closed(ledger, incidents, snapshot, catalogue)),
            population={pack: len(known) for pack, known in known_targets(snapshot, catalogue).items()},
            outlooks=look_around(ledger.outlooks, findings, snapshot, catalogue),
            next_look_at=min((t for t in looks if t is not None and t > snapshot.as_of), default=None),
        )

    def _closed(
        self, ledger: Ledger, incidents: Sequence[Incident], snapshot: Snapshot, catalogue: Catalogue
    ) -> Iterable[str]:
        """Yield the open incidents whose symptom can be seen and is gone, and on which nothing is under way.

        A question that a person has not answered is nothing under way: it ends with its incident.
        """
        reported = {finding.key for incident in incidents for finding in incident.findings}
        under_way = (e for e in ledger.open_executions if e.state is not State.AWAITING_APPROVAL)
        busy = {e.incident_id for e in under_way if e.is_unsettled}
        for known in ledger.incidents:
            is_quiet = snapshot.as_of - known.last_seen_at >= self._close_after
            is_reported = (known.pack, known.symptom, known.target) in reported
            if is_quiet and not is_reported and known.incident_id not in busy and _can_see(known, snapshot, catalogue):
                yield known.incident_id


def _judgements(ledger: Ledger, snapshot: Snapshot, catalogue: Catalogue) -> Iterable[Judgement]:
    """Yield what is seen of every execution whose policy is in force."""
    for execution in ledger.open_executions:
        if execution.state is State.VERIFYING:
            yield judge(execution, snapshot, catalogue)
        elif execution.state in WATCHED and (seen := watch(execution, snapshot, catalogue)) is not None:
            yield seen


def _next_look_at(execution: Execution, catalogue: Catalogue) -> datetime | None:
    """Return from when on a look can settle something about an execution."""
    if execution.state is State.PROBATION:
        return execution.probation_until
    return ready_at(execution, catalogue) if execution.state is State.VERIFYING else None


def _can_see(known: OpenIncident, snapshot: Snapshot, catalogue: Catalogue) -> bool:
    """Whether silence about an incident means anything; an alert is silent, too, when its series are gone."""
    pack = catalogue.packs.get(known.pack)
    symptom = pack.symptoms.get(known.symptom) if pack else None
    if symptom is not None and symptom.alert is not None and snapshot.alerts_quality is not Quality.VALUE:
        return False
    is_raised_by_violations = symptom is not None and symptom.alert is None and symptom.violation_severities
    if is_raised_by_violations and snapshot.violations_quality is not Quality.VALUE:
        return False
    vector = snapshot.vectors.get(symptom.signal or "") if symptom else None
    return vector is None or vector.quality not in _UNSEEN
