"""The world: causes become quantities, quantities become what can be measured. Pure, seeded, stepped from outside.

Faults and policies are both influences: they change quantities and carry out acts, and never appear by name.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from westworld.acts import (
    Act,
    ClearBacklog,
    CloseDuplicates,
    EndOverride,
    FileInvestigations,
    PublishDefect,
    ReloadPolicy,
    RestoreSnapshot,
    RollBackPolicy,
    StartOverride,
)
from westworld.capacity import revocation_path, validation_ns
from westworld.committee import Committee
from westworld.escalation import AttemptWatch, Repetition
from westworld.happenings import Happenings, Violation
from westworld.influence import Influence
from westworld.noise import Noise
from westworld.publisher import Publisher
from westworld.quantities import as_part, changed
from westworld.station import Station
from westworld.vocabulary import severity_of
from westworld.worldfile import WorldFile

_LONGEST_STEP_SECONDS = 1.0
_DAY = 86400.0
REVOKING = "revocation"
"""The service that carries revocations out, as their metrics name it."""


class World:
    """One Charter and everything that happens to it.

    Args:
        file: the world as it was written, durations already scaled.
        publisher: of the policy document.
        now: Unix seconds.
        new_id: makes the id of a violation.
        repetition: what is known of earlier violations.
        time_scale: divides the durations of the policy document.
    """

    def __init__(
        self,
        file: WorldFile,
        *,
        publisher: Publisher,
        now: float,
        new_id: Callable[[], str],
        repetition: Repetition | None = None,
        time_scale: float = 1.0,
    ) -> None:
        self.publisher = publisher
        self.committee = Committee(now)
        self.overrides: list[tuple[str, str]] = []
        self.nodes = tuple(file.sources)
        self._noise = Noise(file.seed, file.noise)
        self._base = file.quantities()
        self._revocations: Station[str | None] = Station(now)
        self._watch = AttemptWatch(time_scale)
        self._repetition = repetition or Repetition()
        self._scale = time_scale
        self._new_id = new_id
        self._influences: dict[str, Influence] = {}
        self._acted: set[str] = set()
        self._in_force: tuple[str, ...] = ()
        self._happened = Happenings()
        self._now = now
        self._read_quantities()

    @property
    def quantities(self) -> Mapping[str, float]:
        """Every number that the equations read, as it is now."""
        return self._quantities

    def add(self, influence: Influence) -> None:
        """Let something act upon the world, from the next step on or later; one of the same id is replaced."""
        self._influences[influence.influence_id] = influence

    def remove(self, influence_id: str) -> None:
        """End the changes of an influence; what its acts did stays done."""
        self._influences.pop(influence_id, None)
        self._acted.discard(influence_id)

    def step(self, now: float) -> Happenings:
        """Let the time pass until ``now`` (Unix seconds) and return what happened since the last step.

        After a long silence only the last second is lived through: causes are rates, and nobody was looking.
        """
        dt = min(max(0.0, now - self._now), _LONGEST_STEP_SECONDS)
        self._now = max(self._now, now)
        self._apply_influences()
        self._attempts(dt)
        self._violations(dt)
        self._validation(dt)
        self._revoke(dt)
        self._publish()
        self.committee.step(self._quantities, self._now, dt, self._noise, self._happened)
        happened, self._happened = self._happened, Happenings()
        return happened

    def assess(
        self,
        violation_type: str,
        node: str,
        *,
        at: float,
        metric: str | None = None,
        severity: str | None = None,
        violation_id: str | None = None,
        response: str | None = None,
    ) -> Violation:
        """Return the violation with its severity by type and its level by repetition; nothing else follows yet."""
        document = self.publisher.document
        window = document.violation_policy.window_days * _DAY / self._scale
        level = self._repetition.level(node, at, window)
        return Violation(
            violation_id=violation_id or self._new_id(),
            detected_at=at,
            severity=severity or severity_of(violation_type),
            violation_type=violation_type,
            node_or_service=node,
            metric_name=metric,
            level=level,
            response=response or document.responses[level],
        )

    def take(self, violation: Violation, *, now: float, report_ms: float) -> None:
        """Let a violation have its consequences: counted, investigated, notified.

        Args:
            violation: already stored, or stored with the next happenings.
            now: Unix seconds.
            report_ms: how long it took from the detection to the report.
        """
        happened = self._happened
        happened.counted[violation.severity, violation.violation_type, violation.node_or_service] += 1
        happened.investigations[violation.violation_type, "system"] += 1
        happened.latencies["report_ms"].append(report_ms)
        self.committee.take(violation, now, self._quantities["committee.triage_ms"] / 1000.0)

    def notify_again(self, severity: str, violation_id: str, now: float) -> None:
        """Queue the notification of a violation that an earlier run took and could not deliver."""
        self.committee.notifier.arrive((severity, violation_id), now)

    def attempt(self, metric: str, node: str) -> None:
        """Let a source reach for a forbidden metric."""
        if self._quantities.get(f"sources.{as_part(node)}.blocked", 0.0) > 0.0:
            self._happened.attempts[metric, node, "blocked"] += 1
            return
        rule = self.publisher.document.enforcement.forbidden_attempts
        status, response = self._watch.attempt(metric, self._now, rule)
        self._happened.attempts[metric, node, status] += 1
        if response is not None:
            self._detect("silent_collection", node, metric=metric, response=response)

    def state(self) -> dict[str, Any]:
        """Return what a restart needs, as JSON-ready values."""
        return {
            "publisher": self.publisher.state(),
            "committee": self.committee.state(),
            "overrides": [list(override) for override in self.overrides],
            "acted": sorted(self._acted),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where an earlier run stopped; the caller brings publisher and influences back."""
        self.committee.restore(state["committee"])
        self.overrides = [(reason, who) for reason, who in state["overrides"]]
        self._acted = set(state["acted"])

    def _apply_influences(self) -> None:
        ordered = sorted(self._influences.values(), key=lambda i: (i.is_remedy, i.starts_at))
        due = tuple(i.influence_id for i in ordered if i.starts_at <= self._now)
        for influence_id in due:
            if influence_id not in self._acted:
                self._act(self._influences[influence_id])
        if due != self._in_force:
            self._in_force = due
            self._read_quantities()

    def _act(self, influence: Influence) -> None:
        self._acted.add(influence.influence_id)
        for act in influence.acts:
            self._carry_out(act)
        self._happened.acted.append(influence.influence_id)

    def _carry_out(self, act: Act) -> None:
        match act:
            case PublishDefect():
                self.publisher.defect = act.section
            case RestoreSnapshot():
                self.publisher.loaded_at = self._now - act.age_seconds
            case StartOverride():
                self.overrides.append((act.reason, act.who))
                self._happened.overrides[act.reason, act.who] += 1
            case FileInvestigations():
                self.committee.file(act, self._happened)
            case _:
                self._repair(act)

    def _repair(self, act: Act) -> None:
        repairs: Mapping[type[Act], Callable[[], object]] = {
            ReloadPolicy: self._load,
            RollBackPolicy: self._roll_back,
            EndOverride: self.overrides.clear,
            CloseDuplicates: self.committee.close_duplicates,
            ClearBacklog: lambda: self.committee.clear_backlog(self._now, self._happened),
        }
        repairs[type(act)]()

    def _read_quantities(self) -> None:
        changes = [change for name in self._in_force for change in self._influences[name].changes]
        self._quantities = changed(self._base, changes)
        self._flows = {
            cause: [(name, _flow(name), rate) for name, rate in self._quantities.items() if _causes(name, cause, rate)]
            for cause in ("attempts", "violations", "per_second")
        }

    def _arrivals(self, cause: str, dt: float) -> Iterator[tuple[str, str]]:
        for name, (source, what), rate in self._flows[cause]:
            for _ in range(self._noise.arrivals(name, rate * dt)):
                yield source, what

    def _attempts(self, dt: float) -> None:
        for node, metric in self._arrivals("attempts", dt):
            self.attempt(metric, node)

    def _violations(self, dt: float) -> None:
        for node, violation_type in self._arrivals("violations", dt):
            self._detect(violation_type, node)

    def _detect(self, violation_type: str, node: str, **evidence: str) -> None:
        violation = self.assess(violation_type, node, at=self._now, **evidence)
        self._happened.violations.append(violation)
        self.take(violation, now=self._now, report_ms=self._noise.around(self._quantities["committee.report_ms"]))

    def _validation(self, dt: float) -> None:
        middle = validation_ns(self._quantities)
        timed = self._noise.arrivals("validation.timed", self._quantities["validation.timed_per_second"] * dt)
        self._happened.latencies["validation_ns"] += [self._noise.around(middle) for _ in range(timed)]

    def _revoke(self, dt: float) -> None:
        for _, reason in self._arrivals("per_second", dt):
            self._revocations.arrive(reason, self._now)
        for _ in range(self._noise.arrivals("drills", self._quantities["revocations.drills_per_second"] * dt)):
            self._revocations.arrive(None, self._now)
        workers, milliseconds = revocation_path(self._quantities)
        for served in self._revocations.advance(
            self._now, servers=workers, service_seconds=lambda: self._noise.around(milliseconds) / 1000.0
        ):
            self._happened.latencies["revocation_ms"].append(served.milliseconds)
            if served.item is not None:
                self._happened.revocations[served.item, REVOKING] += 1

    def _publish(self) -> None:
        if self._now - self.publisher.tried_at >= self._quantities["publisher.interval_seconds"]:
            self._load()

    def _load(self) -> None:
        if self.publisher.load(self._now):
            self._note_load()

    def _roll_back(self) -> None:
        self.publisher.roll_back(self._now)
        self._note_load()

    def _note_load(self) -> None:
        self._happened.latencies["policy_load_ms"].append(self._noise.around(self._quantities["publisher.load_ms"]))


def _flow(name: str) -> tuple[str, str]:
    parts = name.split(".")
    return parts[1], parts[-1]


def _causes(name: str, cause: str, rate: float) -> bool:
    parts = name.split(".")
    return rate > 0.0 and parts[-2] == cause
