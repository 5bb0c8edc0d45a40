"""A small watcher over a simulated world: the eleven alerts as the rules mean them, without Prometheus."""

from collections import Counter, deque
from collections.abc import Callable
from itertools import count
from pathlib import Path

from westworld import worldfile
from westworld.happenings import Happenings
from westworld.influence import influence
from westworld.kinds import KINDS
from westworld.publisher import Publisher
from westworld.world import World
from westworld.worldfile import WorldFile

CONFIG = Path(__file__).parents[1] / "config" / "charter"
DOCUMENT = (CONFIG / "charter_policy.yaml").read_text(encoding="utf-8")
SLOW = {"validation_ns": 20_000, "notification_ms": 1000, "revocation_ms": 5000}
BEGIN = 1_800_000_000.0
FOR_SECONDS = {
    "CriticalViolationDetected": 0,
    "PolicyLoadFailure": 300,
    "EmergencyOverrideStayingActive": 1800,
    "ForbiddenMetricSpike": 300,
    "ValidationLatencySLAViolation": 300,
    "CommitteeNotificationLatencySLA": 300,
    "DataRevocationSLAViolation": 300,
    "PolicyLoadFrequencyAnomaly": 600,
    "CommitteeOverloaded": 600,
    "UnusualDataRevocationActivity": 1800,
    "HighViolationInvestigationRate": 300,
}


def shipped_world(name: str) -> WorldFile:
    return worldfile.load(CONFIG / "worlds" / f"{name}.yaml")


class Simulation:
    """A world, its time, and which alerts fire in it."""

    def __init__(self, file: WorldFile, *, scale: float, step: float = 0.1) -> None:
        self.file = file.scaled(scale)
        self.scale, self.step_seconds, self.now = scale, step, BEGIN
        numbers = count()
        self.world = World(
            self.file,
            publisher=Publisher(lambda: DOCUMENT, self.now),
            now=self.now,
            new_id=lambda: f"v{next(numbers)}",
            time_scale=scale,
        )
        self.fired: set[str] = set()
        self.firing: set[str] = set()
        self._totals: Counter[object] = Counter()
        self._past: deque[tuple[float, Counter[object]]] = deque([(self.now, Counter())])
        self._since: dict[str, float] = {}

    def befall(self, name: str) -> None:
        self.world.add(influence(name, self.file.faults[name], began_at=self.now, parameters={}))

    def enforce(self, kind: str, target: str | None = None, **parameters: float) -> None:
        target = target or KINDS[kind].target or ""
        effect = self.file.policies[kind]
        self.world.add(influence(kind, effect, began_at=self.now, target=target, parameters=parameters))

    def live(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += self.step_seconds
            self._add(self.world.step(self.now))
            if self.now - self._past[-1][0] >= 10 * self.step_seconds:
                self._past.append((self.now, self._totals.copy()))
                self._watch()

    def counted(self, seconds: float) -> Counter[object]:
        """What was counted in the last true ``seconds``."""
        since = self.now - seconds / self.scale
        return self._totals - next((totals for at, totals in self._past if at >= since), Counter())

    def _add(self, happened: Happenings) -> None:
        for (severity, _, _), number in happened.counted.items():
            self._totals["critical"] += number * (severity in ("PERMANENT_BAN", "CRIMINAL_REFERRAL"))
            self._totals["violations"] += number
        for (metric, node, _), number in happened.attempts.items():
            self._totals["attempts", metric, node] += number
        self._totals["investigations"] += sum(happened.investigations.values())
        self._totals["revocations"] += sum(happened.revocations.values())
        for latency, values in happened.latencies.items():
            self._totals[latency] += len(values)
            self._totals["slow", latency] += sum(value > SLOW.get(latency, 500) for value in values)

    def _watch(self) -> None:
        while self._past[0][0] < self.now - 3700 / self.scale:
            self._past.popleft()
        for alert, holds in self.conditions().items():
            if not holds:
                self._since.pop(alert, None)
            self.firing.discard(alert)
            if holds and self.now - self._since.setdefault(alert, self.now) >= FOR_SECONDS[alert] / self.scale:
                self.firing.add(alert)
        self.fired |= self.firing

    def conditions(self) -> dict[str, bool]:
        recent, half_hour, hour = self.counted(300), self.counted(1800), self.counted(3600)
        per_second = self.scale / 300
        attempts = [number for what, number in recent.items() if what[0] == "attempts"]
        return {
            "CriticalViolationDetected": recent["critical"] > 0,
            "PolicyLoadFailure": self.now - self.world.publisher.loaded_at > 86400 / self.scale,
            "EmergencyOverrideStayingActive": bool(self.world.overrides),
            "ForbiddenMetricSpike": max(attempts, default=0) * per_second > 10,
            "ValidationLatencySLAViolation": _share(recent, "validation_ns") > 0.01,
            "CommitteeNotificationLatencySLA": _share(recent, "notification_ms") > 0.01,
            "DataRevocationSLAViolation": _share(half_hour, "revocation_ms") > 0.01,
            "PolicyLoadFrequencyAnomaly": hour["policy_load_ms"] > 10,
            "CommitteeOverloaded": sum(self.world.committee.open_cases().values()) > 10,
            "UnusualDataRevocationActivity": recent["revocations"] * per_second * 60 > 1,
            "HighViolationInvestigationRate": recent["investigations"] * per_second > 5,
        }


def _share(counted: Counter[object], latency: str) -> float:
    return counted["slow", latency] / max(1, counted[latency])


def until(simulation: Simulation, holds: Callable[[], bool], *, at_most: float) -> float:
    """Live until something holds; return how long it took."""
    begin = simulation.now
    while not holds():
        simulation.live(0.5)
        assert simulation.now - begin < at_most, f"not within {at_most} s"
    return simulation.now - begin
