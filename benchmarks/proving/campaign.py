"""The trials of all packs: cut into parts, a few stacks at a time, and summed up."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from play.documents import FaultDocument
from play.reading import read_part
from proving.layout import Rule, alerts_of, rules_of
from proving.panels import Panel, boards_of, filled
from proving.plants import Plant
from proving.routing import table_of
from proving.stack import Running, running
from proving.trial import Outcome, Trial

FAULTS_OF_A_PART = 12
SLOW_SECONDS, SLOW_FOR_SECONDS = 6 * 3600, 3600
SLOW_FACTOR = 5
"""What waits or looks back for hours is tried with time divided by so much more, before health dilutes its faults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one stack tries: some faults of a pack.

    Args:
        pack: its folder.
        faults: by name.
        name: of the task.
        is_slow: whether its alerts look back for hours: time is divided by more, and its faults last at once.
    """

    pack: Path
    faults: Mapping[str, FaultDocument]
    name: str
    is_slow: bool = False


@dataclass(slots=True, kw_only=True)
class Result:
    """What the trials found.

    Args:
        alerts: those to be tried, by pack.
        outcomes: of every fault.
        undeclared: what fired that nobody declared.
        always: the alerts that fire for ever on purpose, by pack.
        complaints: about those.
        panels: every panel, and its queries that had data.
        divided: alerts whose counts were divided with the time.
    """

    alerts: dict[str, list[str]] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    undeclared: list[str] = field(default_factory=list)
    always: dict[str, set[str]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    panels: dict[tuple[str, Panel], set[str]] = field(default_factory=dict)
    divided: set[str] = field(default_factory=set)


class Progress:
    """A bar on a terminal; nothing elsewhere."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._is_shown = sys.stderr.isatty()

    def step(self, outcome: Outcome) -> None:
        """Show that one more fault is done."""
        self._done += 1
        if self._is_shown:
            width = 30 * self._done // max(1, self._total)
            bar = f"[{'=' * width}{' ' * (30 - width)}] {self._done}/{self._total} {outcome.pack} {outcome.fault}"
            sys.stderr.write(f"\r{bar[:110]:110}")

    def end(self) -> None:
        """Leave the line."""
        if self._is_shown:
            sys.stderr.write("\r" + 110 * " " + "\r")


def tasks_of(packs: Sequence[Path], *, only: Sequence[str] = (), quickly: int = 0) -> list[Task]:
    """Return what there is to try, the longest first.

    Args:
        packs: their folders.
        only: the faults to try; empty: all.
        quickly: so many faults of each pack at most, those whose alerts fire soonest; 0: all.
    """
    tasks = []
    for pack in packs:
        every = read_part(pack).scenarios.faults.items()
        rules = rules_of(pack)
        slow_alerts = {rule.name: -rule.shows_seconds for rule in rules if is_slow(rule)}
        chosen = [(name, fault) for name, fault in every if not only or name in only]
        slow = {name: fault for name, fault in chosen if fault.alert in slow_alerts}
        slow = dict(sorted(slow.items(), key=lambda item: slow_alerts[item[1].alert]))
        soon = [(name, fault) for name, fault in chosen if name not in slow]
        if slow and not quickly:
            tasks.append(Task(pack=pack, faults=slow, name=f"{pack.name}-slow", is_slow=True))
        if quickly:
            soonest = {rule.name: rule.for_seconds + rule.longest_seconds for rule in rules}
            soon = sorted(soon, key=lambda item: soonest.get(item[1].alert, 0.0))[:quickly]
        parts = batched_evenly(soon, FAULTS_OF_A_PART)
        tasks += [Task(pack=pack, faults=dict(part), name=f"{pack.name}-{n}") for n, part in enumerate(parts) if part]
    return sorted(tasks, key=lambda task: (not task.is_slow, -len(task.faults)))


def is_slow(rule: Rule) -> bool:
    """Return whether a rule waits or looks back for hours."""
    return rule.longest_seconds >= SLOW_SECONDS or rule.for_seconds >= SLOW_FOR_SECONDS


def batched_evenly(faults: Sequence[tuple[str, FaultDocument]], most: int) -> list[list[tuple[str, FaultDocument]]]:
    """Return parts of about the same size, none greater than ``most``."""
    parts = max(1, -(-len(faults) // most))
    return [list(faults[number::parts]) for number in range(parts)]


@dataclass(slots=True, kw_only=True)
class Campaign:
    """Runs tasks, a few stacks at a time.

    Args:
        scratch: an empty folder.
        time_scale: what durations are divided by.
        stacks: so many at once.
        plant: the bug that is planted.
        progress: shown to people.
        fills_panels: whether the panels of dashboards are asked for too.
        healthy_seconds: so long at most nothing is wrong before the first fault.
    """

    scratch: Path
    time_scale: float
    stacks: int
    plant: Plant
    progress: Progress
    fills_panels: bool = True
    healthy_seconds: float = 30.0
    result: Result = field(default_factory=Result)

    async def run(self, tasks: Sequence[Task]) -> Result:
        """Run every task.

        Raises:
            ConfigError: a pack cannot be built. TransientError: a server does not start.
        """
        free = asyncio.Semaphore(self.stacks)
        try:
            async with asyncio.TaskGroup() as group:
                for task in tasks:
                    group.create_task(self._when_free(free, task))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            self.progress.end()
        return self.result

    async def _when_free(self, free: asyncio.Semaphore, task: Task) -> None:
        async with free:
            time_scale = self.time_scale * (SLOW_FACTOR if task.is_slow else 1)
            async with running(task.pack, self.scratch / task.name, time_scale, self.plant) as stack:
                trial = Trial(
                    stack,
                    task.faults,
                    table_of(task.pack),
                    self.progress.step,
                    is_endless=self.plant.is_endless,
                    is_together=task.is_slow,
                    healthy_seconds=self.healthy_seconds,
                )
                await trial.run()
                if self.fills_panels:
                    await self._fill(task.pack, stack)
            self._sum_up(task.pack, trial)

    async def _fill(self, pack: Path, stack: Running) -> None:
        for board in boards_of(pack):
            found = await filled(stack, board)
            for panel in board.panels:
                had = self.result.panels.setdefault((pack.name, panel), set())
                had |= {query for query in panel.queries if (panel, query) in found}

    def _sum_up(self, pack: Path, trial: Trial) -> None:
        name, result = pack.name, self.result
        result.alerts.setdefault(name, alerts_of(pack))
        result.outcomes += trial.outcomes
        result.undeclared += [f"{name}: {each}" for each in trial.undeclared]
        result.always.setdefault(name, set()).update(trial.always)
        result.complaints += [f"{name}: {each}" for each in trial.unheard_always]
        result.divided |= {f"{name}: {each}" for each in trial.running.layout.divided}
