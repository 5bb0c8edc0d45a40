"""What happens in a demo: faults in waves, and what became of each, told from outside through the public interfaces."""

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import aiohttp

from mape_k.errors import TransientError
from mape_k.ports import Clock

POLL_SECONDS = 0.5
PAGE = 500


class Outcome(StrEnum):
    """What became of a fault."""

    HEALED = "healed"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    UNDETECTED = "undetected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of the world file: the alert that it raises, and the wave in which it is injected."""

    name: str
    title: str
    alert: str
    wave: int


@dataclass(slots=True, kw_only=True)
class Course:
    """How one fault went; the seconds count from its injection, None where it did not come to that.

    Args:
        symptom: that the pack has for the fault's alert.
        actions: the documents of what was done about it, oldest first.
        relapsed: it came back after it had been verified.
    """

    fault: Fault
    pack: str
    symptom: str
    injected_at: datetime | None = None
    detected_at: datetime | None = None
    verified_at: datetime | None = None
    actions: list[Mapping[str, Any]] = field(default_factory=list)
    relapsed: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more is expected of this fault."""
        return self.verified_at is not None

    @property
    def outcome(self) -> Outcome:
        """What became of it so far."""
        if self.verified_at is not None:
            return Outcome.FAILED if self.relapsed else Outcome.HEALED
        if self.detected_at is None:
            return Outcome.UNDETECTED
        if self.actions and self.actions[-1]["state"] == "rolled_back":
            return Outcome.ROLLED_BACK
        return Outcome.FAILED

    def seconds(self, moment: datetime | None) -> float | None:
        """Return the seconds from the injection to a moment."""
        if moment is None or self.injected_at is None:
            return None
        return round((moment - self.injected_at).total_seconds(), 2)

    def document(self) -> dict[str, Any]:
        """Return the fault's part of the demo's JSON object."""
        last = self.actions[-1] if self.actions else None
        return {
            "name": self.fault.name,
            "pack": self.pack,
            "alert": self.fault.alert,
            "injected_at": self.injected_at.isoformat() if self.injected_at else None,
            "detected_seconds": self.seconds(self.detected_at),
            "decided_seconds": self.seconds(_time(self.actions[0]["admitted_at"]) if self.actions else None),
            "applied_seconds": self.seconds(_time(last["applied_at"]) if last and last["applied_at"] else None),
            "verified_seconds": self.seconds(self.verified_at),
            "attempts": [
                {
                    "remediation": a["remediation"],
                    "policy_id": a["policy_id"],
                    "applied_seconds": self.seconds(_time(a["applied_at"]) if a["applied_at"] else None),
                    "verdict": a["verdict"],
                }
                for a in self.actions
            ],
            "outcome": self.outcome.value,
        }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the components of the stack listen."""

    prometheus: str
    alertmanager: str
    charter: str
    daemon: str


class Story:
    """Injects faults and watches them healed.

    Args:
        courses: one for each fault, in the order of injection.
        at: where the components listen.
        http, clock: to ask and to wait with.
        told: called with a line for people whenever something happened.
        progress: called with the courses after each look.
    """

    def __init__(
        self,
        courses: Sequence[Course],
        *,
        at: Addresses,
        http: aiohttp.ClientSession,
        clock: Clock,
        told: Callable[[str], None],
        progress: Callable[[Sequence[Course]], None] = lambda _: None,
    ) -> None:
        self.courses = courses
        self._at = at
        self._http = http
        self._clock = clock
        self._begun_at = clock.now()
        self._told = told
        self._progress = progress

    async def warm_up(self) -> None:
        """Wait until the daemon has completed three cycles with every source in sight."""
        while True:
            cycles = (await self._get(f"{self._at.daemon}/api/v1/cycles?limit=3"))["items"]
            if len(cycles) == 3 and all(c["result"] == "completed" for c in cycles):  # noqa: PLR2004 - the three above
                return
            await self._clock.sleep(POLL_SECONDS)

    async def play(self, seconds: float, *, between: Callable[[int], None] = lambda _: None) -> None:
        """Inject wave after wave; the next one begins when the one before is healed, or has had its share of time."""
        deadline = self._clock.monotonic() + seconds
        waves = sorted({course.fault.wave for course in self.courses})
        for left, wave in zip(range(len(waves), 0, -1), waves, strict=True):
            courses = [c for c in self.courses if c.fault.wave == wave]
            for course in courses:
                await self.inject(course)
            between(wave)
            with suppress(TimeoutError):
                async with asyncio.timeout((deadline - self._clock.monotonic()) / left):
                    await self._until_over(courses)

    async def _until_over(self, courses: Sequence[Course]) -> None:
        while not all(course.is_over for course in courses):
            await self._clock.sleep(POLL_SECONDS)
            await self.look()

    async def settle(self) -> None:
        """Wait until no alert of a healed fault fires any more: what is left of it must fade, not come back."""
        while True:
            await self.look()
            firing = await self.firing()
            if not any(c.is_over and not c.relapsed and c.fault.alert in firing for c in self.courses):
                return
            await self._clock.sleep(POLL_SECONDS)

    async def inject(self, course: Course) -> None:
        """Bring one fault about."""
        async with self._http.post(f"{self._at.charter}/api/v1/faults", json={"name": course.fault.name}) as answer:
            if answer.status >= 400:  # noqa: PLR2004 - HTTP's word for no
                raise TransientError(f"fault {course.fault.name} was refused: {await answer.text()}")
        course.injected_at = self._clock.now()
        self._told(f"{course.fault.name}: injected, {course.fault.title}")

    async def look(self) -> None:
        """Take in what the daemon says of every fault; a daemon that does not answer is asked again later."""
        try:
            incidents = (await self._get(f"{self._at.daemon}/api/v1/incidents?limit={PAGE}"))["items"]
            actions = (await self._get(f"{self._at.daemon}/api/v1/actions?limit={PAGE}"))["items"]
        except TransientError:
            return
        for course in self.courses:
            self._take_in(course, incidents, actions)
        self._progress(self.courses)

    def _take_in(
        self, course: Course, incidents: Sequence[Mapping[str, Any]], actions: Sequence[Mapping[str, Any]]
    ) -> None:
        begin = course.injected_at
        if begin is None:
            return
        about = {i["incident_id"]: _time(i["opened_at"]) for i in incidents if _is_about(i, course)}
        seen = sorted(opened_at for opened_at in about.values() if opened_at >= begin)
        if seen and course.detected_at is None:
            course.detected_at = seen[0]
            self._told(f"{course.fault.name}: {course.fault.alert} detected after {course.seconds(seen[0]):.1f} s")
        known = {a["execution_id"]: a for a in course.actions}
        course.actions = sorted(
            (a for a in actions if _is_for(a, course, about) and _time(a["admitted_at"]) >= begin),
            key=lambda a: str(a["admitted_at"]),
        )
        for action in course.actions:
            self._tell_of(course, action, known.get(action["execution_id"]))
        if course.verified_at is None:
            course.verified_at = min((_time(a["updated_at"]) for a in course.actions if _helped(a)), default=None)
        healed_at = course.verified_at
        if not course.relapsed and any(healed_at and _time(a["admitted_at"]) > healed_at for a in course.actions):
            course.relapsed = True
            self._told(f"{course.fault.name}: came back after it had been healed")

    def _tell_of(self, course: Course, action: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
        if before is not None and before["state"] == action["state"]:
            return
        what = f"{action['remediation']} on {action['target']}"
        self._told(f"{course.fault.name}: {what}: {action['state']} {action['verdict'] or ''}".rstrip())

    async def firing(self) -> frozenset[str]:
        """Return the names of the alerts that Alertmanager shows."""
        alerts = await self._get(f"{self._at.alertmanager}/api/v2/alerts")
        return frozenset(alert["labels"]["alertname"] for alert in alerts)

    async def cycles(self) -> dict[str, Any]:
        """Return how many cycles there were in this demo and how long they took."""
        cycles = [c for c in await self._all("cycles") if _time(c["as_of"]) >= self._begun_at]
        seconds = [float(c["seconds"]) for c in cycles]
        over = sum(any(t["seconds"] > t["budget_seconds"] for t in c["timings"]) for c in cycles)
        return {
            "count": len(seconds),
            "duration_p50_seconds": quantile(seconds, 0.5),
            "duration_p99_seconds": quantile(seconds, 0.99),
            "over_budget": over,
        }

    async def executions(self) -> Sequence[Mapping[str, Any]]:
        """Return everything that the daemon did."""
        return await self._all("actions")

    async def _all(self, kind: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        cursor = ""
        while True:
            page = await self._get(f"{self._at.daemon}/api/v1/{kind}?limit={PAGE}{cursor}")
            found += page["items"]
            if not page.get("next_cursor"):
                return found
            cursor = f"&cursor={page['next_cursor']}"

    async def _get(self, url: str) -> Any:  # noqa: ANN401 - JSON of several shapes
        try:
            async with self._http.get(url) as answer:
                if answer.status != 200:  # noqa: PLR2004 - HTTP's word for yes
                    raise TransientError(f"{url}: {answer.status}")
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransientError(f"{url}: {error}") from error


def _is_about(incident: Mapping[str, Any], course: Course) -> bool:
    if (incident["pack"], incident["symptom"]) == (course.pack, course.symptom):
        return True
    findings = [cause["finding"] for cause in incident.get("causes", ())]
    return any((f["pack"], f["symptom"]) == (course.pack, course.symptom) for f in findings)


def _is_for(action: Mapping[str, Any], course: Course, about: Container[str]) -> bool:
    """Whether an action was taken for the fault's symptom, or for an incident that the symptom is part of."""
    return (action["pack"], action["symptom"]) == (course.pack, course.symptom) or action["incident_id"] in about


def _helped(action: Mapping[str, Any]) -> bool:
    return bool(action["verdict"] == "improved")


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank quantile; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4)


def reconcile(journal: Sequence[Mapping[str, Any]], executions: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Hold the Charter's journal of effects against Knowledge, by idempotency key.

    Args:
        journal: the Charter's entries, each with the key of the request that caused it.
        executions: what the daemon says that it did.

    Returns:
        ``effects`` asked for, how many keys had more than one (``doubled``), how many Knowledge knows nothing of.
    """
    keys = [str(entry["idempotency_key"]) for entry in journal if entry.get("idempotency_key")]
    known = {str(e["execution_id"]) for e in executions}
    return {
        "effects": len(keys),
        "doubled": len(keys) - len(set(keys)),
        "unknown": sum(key.split(":", 1)[0] not in known for key in set(keys)),
    }
