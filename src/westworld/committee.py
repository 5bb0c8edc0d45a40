"""The audit committee: open investigations, who closes them, and the notifier that tells its members."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from westworld.acts import FileInvestigations
from westworld.happenings import Happenings, Violation
from westworld.noise import Noise
from westworld.station import Station
from westworld.vocabulary import SEVERITIES, TRIAGED

Notice = tuple[str, str | None]
"""Severity, and the id of the violation that it is about; None for a routine notice."""


class Committee:
    """Cases wait for members; mild ones are closed by triage; every violation is notified.

    Args:
        now: Unix seconds.
    """

    def __init__(self, now: float) -> None:
        self.cases = {severity: {"single": 0, "duplicate": 0} for severity in SEVERITIES}
        self.notifier: Station[Notice] = Station(now)
        self._in_triage: deque[tuple[float, str]] = deque()
        self._closing = 0.0

    def take(self, violation: Violation, now: float, triage_seconds: float) -> None:
        """Open an investigation and queue the notification; both count from now."""
        if violation.severity in TRIAGED:
            self._in_triage.append((now + triage_seconds, violation.severity))
        else:
            self.cases[violation.severity]["single"] += 1
        self.notifier.arrive((violation.severity, violation.violation_id), now)

    def file(self, cases: FileInvestigations, happened: Happenings) -> None:
        """Take many cases at once, part of them duplicates."""
        duplicates = round(cases.count * cases.duplicates)
        self.cases[cases.severity]["duplicate"] += duplicates
        self.cases[cases.severity]["single"] += cases.count - duplicates
        happened.investigations[cases.violation_type, cases.initiated_by] += cases.count

    def close_duplicates(self) -> None:
        """Close every case that repeats another one."""
        for of_severity in self.cases.values():
            of_severity["duplicate"] = 0

    def open_cases(self) -> dict[str, int]:
        """Return the number of open investigations by severity."""
        counts = {severity: of["single"] + of["duplicate"] for severity, of in self.cases.items()}
        for _, severity in self._in_triage:
            counts[severity] += 1
        return counts

    def step(self, quantities: Mapping[str, float], now: float, dt: float, noise: Noise, happened: Happenings) -> None:
        """Close cases, and deliver notifications."""
        while self._in_triage and self._in_triage[0][0] <= now:
            self._in_triage.popleft()
        self._close(quantities, dt)
        for _ in range(noise.arrivals("notifier.routine", quantities["notifier.routine_per_second"] * dt)):
            self.notifier.arrive(("WARNING", None), now)
        self._deliver(quantities, now, noise, happened)

    def clear_backlog(self, now: float, happened: Happenings) -> None:
        """Deliver what waits as one digest."""
        for served in self.notifier.clear(now):
            _note_delivery(served.item, served.finished_at, served.milliseconds, happened)

    def state(self) -> dict[str, Any]:
        """Return what a restart needs; what is in triage would be closed by then."""
        return {severity: dict(of) for severity, of in self.cases.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where an earlier run stopped."""
        self.cases = {severity: dict(state[severity]) for severity in SEVERITIES}

    def _close(self, quantities: Mapping[str, float], dt: float) -> None:
        self._closing += quantities["committee.members"] * quantities["committee.cases_per_member_second"] * dt
        while self._closing >= 1.0:
            self._closing -= 1.0
            self._close_one(critical_first=quantities["committee.critical_first"] > 0.0)
        if not any(sum(of.values()) for of in self.cases.values()):
            self._closing = 0.0

    def _close_one(self, *, critical_first: bool) -> None:
        open_here = [s for s in reversed(SEVERITIES) if sum(self.cases[s].values())]
        if not open_here:
            return
        severity = open_here[0] if critical_first else max(open_here, key=lambda s: sum(self.cases[s].values()))
        of_severity = self.cases[severity]
        of_severity["single" if of_severity["single"] else "duplicate"] -= 1

    def _deliver(self, quantities: Mapping[str, float], now: float, noise: Noise, happened: Happenings) -> None:
        channel = "backup_ms" if quantities["notifier.on_backup"] > 0.0 else "primary_ms"
        milliseconds = quantities[f"notifier.{channel}"]
        for served in self.notifier.advance(
            now,
            servers=max(1, round(quantities["notifier.senders"])),
            service_seconds=lambda: noise.around(milliseconds) / 1000.0,
            batch=max(1, round(quantities["notifier.batch_size"])),
        ):
            _note_delivery(served.item, served.finished_at, served.milliseconds, happened)


def _note_delivery(notice: Notice, at: float, milliseconds: float, happened: Happenings) -> None:
    severity, violation_id = notice
    happened.notifications[severity] += 1
    happened.latencies["notification_ms"].append(milliseconds)
    if violation_id is not None:
        happened.notified.append((violation_id, at))
