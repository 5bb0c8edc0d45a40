"""The trial of one stack: health first, then one fault after another.

The next fault begins while the alerts of those before still resolve, which takes as long as the windows of their rules;
two faults never last at once, so that what begins to fire is the doing of the one that lasts, or of one just ended.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import repeat

import aiohttp

from play.documents import FaultDocument
from proving.layout import Rule
from proving.recorder import Notice
from proving.routing import Routing
from proving.stack import Running, wall

POLL_SECONDS = 0.25
MARGIN_SECONDS = 12.0
"""What a busy machine may take besides the time that the rules need."""

MOST_WINDOW_SECONDS = 60.0
"""A longer window need not be full for an alert to fire: what it saw of a fault shows in it at once."""

MOST_RESOLVING_SECONDS = 420.0
SETTLING_SECONDS = 15.0
AFTERGLOW_SECONDS = 3.0
"""So much longer than a rule looks back, its alert may begin after a fault."""

GROUPING_SECONDS = 600.0
"""In true time: what Alertmanager may wait until it tells of an alert."""

LINGERING_SECONDS = 0.6
"""So long a fault lasts on after its alert was heard: what else it fires is to be seen."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of one fault; seconds from its beginning, or from its end for what resolves.

    Args:
        pack, fault, alert: what was tried.
        allowed: the alerts that it may fire.
        fired, routed, resolved: after so many seconds; None: not in time.
        complaints: what was not as it should be.
    """

    pack: str
    fault: str
    alert: str
    allowed: frozenset[str]
    begun: float = 0.0
    ended: float = 0.0
    fired: float | None = None
    routed: float | None = None
    resolved: float | None = None
    labels: list[Mapping[str, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    is_resolving: bool = False


@dataclass(slots=True)
class Trial:
    """Tries faults on a running stack.

    Args:
        running: the stack.
        faults: those to try, by name.
        table: who hears of which alert, as the pack's own table has it.
        told: called after each outcome.
        is_endless: whether no fault is ended, as a planted bug.
        is_together: whether faults that have nothing to do with each other last at once.
        healthy_seconds: so long at most nothing is wrong before the first fault.
    """

    running: Running
    faults: Mapping[str, FaultDocument]
    table: Mapping[str, frozenset[str]]
    told: Callable[[Outcome], None]
    is_endless: bool = False
    is_together: bool = False
    healthy_seconds: float = 30.0
    outcomes: list[Outcome] = field(default_factory=list)
    undeclared: dict[str, str] = field(default_factory=dict)
    firing: list[Mapping[str, str]] = field(default_factory=list)
    unheard_always: list[str] = field(default_factory=list)
    _rules: dict[str, list[Rule]] = field(default_factory=dict, init=False)
    _routing: Routing = field(init=False)
    _begun: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        for rule in self.running.layout.rules:
            self._rules.setdefault(rule.name, []).append(rule)
        self._routing = Routing(self.running.layout.intended)

    @property
    def always(self) -> set[str]:
        """The alerts that fire for ever on purpose."""
        return {name for name, rules in self._rules.items() if all(rule.is_always_firing for rule in rules)}

    async def run(self) -> None:
        """Try everything."""
        await self._settle()
        watching = asyncio.create_task(self._watch())
        try:
            await self._be_healthy()
            await self._try_all()
            await self._hear_always()
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await self._look_back()

    async def _settle(self) -> None:
        """Wait until everything is scraped and what fired before that is over; Prometheus takes seconds to begin."""
        deadline = time.monotonic() + SETTLING_SECONDS
        while time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            with suppress(aiohttp.ClientError, TimeoutError):
                self.firing = await self.running.firing()
                if await self.running.query("min(up) == 1") and not self._firing_names() - self.always:
                    break
        self._begun = wall()

    async def _be_healthy(self) -> None:
        longest = max((rule.for_seconds for rule in self.running.layout.rules), default=0.0)
        await asyncio.sleep(min(longest + 2.0, self.healthy_seconds))

    async def _try_all(self) -> None:
        pending, waiting_since = dict(self.faults), time.monotonic()
        async with asyncio.TaskGroup() as group:
            while pending:
                names = [name for name, fault in pending.items() if self._can_begin(fault)]
                if not names:
                    await asyncio.sleep(POLL_SECONDS)
                    if time.monotonic() - waiting_since > max(map(self._quiet_within, pending.values())):
                        self.outcomes += [self._never_begun(name, fault) for name, fault in pending.items()]
                        return
                    continue
                wave = self._at_once({name: pending[name] for name in names}) if self.is_together else names[:1]
                outcomes = await asyncio.gather(*(self._try(name, pending.pop(name)) for name in wave))
                waiting_since = time.monotonic()
                for outcome in outcomes:
                    group.create_task(self._resolve(outcome))

    def _quiet_within(self, fault: FaultDocument) -> float:
        """Return how long the alerts of a fault may take to be quiet after other faults."""
        rules = [rule for name in (fault.alert, *fault.also) for rule in self._rules.get(name, ())]
        shows = max((rule.shows_seconds for rule in rules), default=0.0)
        return min(shows, MOST_RESOLVING_SECONDS) + 2 * MARGIN_SECONDS + 2 * self._scaled(GROUPING_SECONDS)

    def _never_begun(self, name: str, fault: FaultDocument) -> Outcome:
        outcome = self._outcome(name, fault)
        outcome.complaints.append(
            f"{fault.alert} or what goes with it fired all the time before this fault could begin"
        )
        return outcome

    def _outcome(self, name: str, fault: FaultDocument) -> Outcome:
        allowed = frozenset({fault.alert, *fault.also})
        pack, now = self.running.layout.pack, time.monotonic()
        return Outcome(pack=pack, fault=name, alert=fault.alert, allowed=allowed, begun=now)

    def _at_once(self, faults: Mapping[str, FaultDocument]) -> list[str]:
        """Return faults that have nothing to do with each other: neither in what they do nor in what they fire."""
        chosen: list[str] = []
        taken: set[str] = set()
        for name, fault in faults.items():
            touched = {fault.alert, *fault.also, *fault.absent, *(change.metric for change in fault.change)}
            if not touched & taken and not fault.down:
                chosen.append(name)
                taken |= touched
        return chosen or list(faults)[:1]

    def _can_begin(self, fault: FaultDocument) -> bool:
        """Whether what the fault fires is quiet, and nothing that it fires is waited for to end."""
        unresolved = {each.alert for each in self.outcomes if each.is_resolving}
        return fault.alert not in self._firing_names() and not unresolved & {fault.alert, *fault.also}

    async def _try(self, name: str, fault: FaultDocument) -> Outcome:
        outcome = self._outcome(name, fault)
        self.outcomes.append(outcome)
        await self.running.begin(name)
        if await self._wait(lambda: self._note_labels(outcome), self._patience(fault.alert)):
            outcome.fired = time.monotonic() - outcome.begun
            await self._route(outcome)
            await asyncio.sleep(LINGERING_SECONDS)
        else:
            outcome.complaints.append(f"{fault.alert} did not fire within {self._patience(fault.alert):.0f} s")
        if not self.is_endless:
            await self.running.end(name)
        outcome.ended = time.monotonic()
        return outcome

    async def _route(self, outcome: Outcome) -> None:
        seconds = MARGIN_SECONDS + self._scaled(GROUPING_SECONDS)

        wanted = [await self._routing.receivers(labels) for labels in outcome.labels]
        if await self._wait(lambda: all(map(self._heard_by, repeat(outcome), outcome.labels, wanted)), seconds):
            outcome.routed = time.monotonic() - outcome.begun
        for labels, receivers in zip(outcome.labels, wanted, strict=True):
            if not self._heard_by(outcome, labels, receivers):
                heard = {notice.receiver for notice in self._notices(outcome, labels)}
                outcome.complaints.append(f"{outcome.alert} was to reach {_all(receivers)}; it reached {_all(heard)}")
        if (own := self.table.get(outcome.alert)) is not None and any(own != each for each in wanted):
            outcome.routed = None
            outcome.complaints.append(f"routes.test.yaml sends {outcome.alert} to {_all(own)}, the routes do not")

    async def _resolve(self, outcome: Outcome) -> None:
        if outcome.fired is None:
            return
        shows = max(rule.shows_seconds for rule in self._rules[outcome.alert])
        seconds = min(shows, MOST_RESOLVING_SECONDS) + MARGIN_SECONDS + 2 * self._scaled(GROUPING_SECONDS)
        outcome.is_resolving = True
        if await self._wait(lambda: self._is_over(outcome), seconds):
            outcome.resolved = time.monotonic() - outcome.ended
        else:
            lasts = outcome.alert in self._firing_names()
            outcome.complaints.append(f"{outcome.alert} {'still fires' if lasts else 'is over, and not all were told'}")
        outcome.is_resolving = False
        self.told(outcome)

    def _is_over(self, outcome: Outcome) -> bool:
        if outcome.alert in self._firing_names():
            return False
        told_since = outcome.begun + (outcome.fired or 0.0)
        over = self.running.recorder.heard(outcome.alert, told_since, is_firing=False)
        told = {(notice.receiver, _frozen(notice.labels)) for notice in over}
        firing = self.running.recorder.heard(outcome.alert, outcome.begun)
        to_tell = {(notice.receiver, _frozen(notice.labels)) for notice in firing}
        return all(each in told or each[0] in self.running.layout.quiet_receivers for each in to_tell)

    async def _hear_always(self) -> None:
        """See that what fires for ever reaches whom it must."""
        for name in self.always:
            labels = next((each for each in self.firing if each["alertname"] == name), None)
            wanted = await self._routing.receivers(labels) if labels else frozenset[str]()
            heard = {notice.receiver for notice in self.running.recorder.heard(name, 0.0)}
            if not labels or heard != wanted:
                self.unheard_always.append(f"{name} was to reach {_all(wanted)} all the time; it reached {_all(heard)}")

    async def _watch(self) -> None:
        before: set[str] = set()
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                self.firing = await self.running.firing()
                for name in self._firing_names() - before - self._allowed():
                    self._complain_of(name)
                before = self._firing_names()
            await asyncio.sleep(POLL_SECONDS)

    def _complain_of(self, alert: str) -> None:
        if not self.outcomes:
            self.undeclared.setdefault(f"{alert} in health", alert)
            return
        lasting = [each.fault for each in self.outcomes if not each.ended] or [f"{self.outcomes[-1].fault}, ended"]
        self.undeclared.setdefault(f"{alert} with {' and '.join(lasting)}", alert)

    async def _look_back(self) -> None:
        """Find what fired between two looks."""
        allowed = self.always.union(*(each.allowed for each in self.outcomes))
        for alert in await self.running.ever_fired(self._begun) - allowed - set(self.undeclared.values()):
            self.undeclared[f"{alert} at some moment"] = alert

    def _allowed(self) -> set[str]:
        """Return what may fire now: what is declared of the faults that last, and of those that rules still see."""
        now, allowed = time.monotonic(), set(self.always)
        for outcome in self.outcomes:
            past = now - outcome.ended if outcome.ended else 0.0
            allowed |= {name for name in outcome.allowed if past < self._is_seen(name)}
        return allowed

    def _is_seen(self, alert: str) -> float:
        """Return how long after a fault an alert may still begin because of it."""
        rules = self._rules.get(alert, [])
        return max((rule.for_seconds + rule.longest_seconds for rule in rules), default=0.0) + AFTERGLOW_SECONDS

    def _firing_names(self) -> set[str]:
        return {labels["alertname"] for labels in self.firing}

    def _note_labels(self, outcome: Outcome) -> bool:
        outcome.labels = [labels for labels in self.firing if labels["alertname"] == outcome.alert]
        return bool(outcome.labels)

    def _notices(self, outcome: Outcome, labels: Mapping[str, str]) -> list[Notice]:
        return [each for each in self.running.recorder.heard(outcome.alert, outcome.begun) if each.labels == labels]

    def _heard_by(self, outcome: Outcome, labels: Mapping[str, str], receivers: frozenset[str]) -> bool:
        return {notice.receiver for notice in self._notices(outcome, labels)} == receivers

    def _patience(self, alert: str) -> float:
        """Return how long an alert may take to fire."""
        rules = self._rules.get(alert, [])
        own = [rule.for_seconds + min(rule.longest_seconds, MOST_WINDOW_SECONDS) for rule in rules]
        return MARGIN_SECONDS + max(own, default=0.0) + self._scaled(GROUPING_SECONDS)

    def _scaled(self, seconds: float) -> float:
        return seconds / self.running.layout.time_scale

    async def _wait(self, fact: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not fact():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS / 2)
        return True


def _frozen(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


def _all(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"
