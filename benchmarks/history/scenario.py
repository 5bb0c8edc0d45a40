"""One scenario: a town, a daemon, a story, and what turns out to be wrong at its end."""

import asyncio
import math
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from frame.virtual_time import VirtualClock, VirtualTimeLoop
from history.daemon import Daemon
from history.town import Effect, Town
from mape_k.model import Catalogue, Limits, Reason, Verdict


@dataclass(slots=True, kw_only=True)
class Stage:
    """Where a scenario plays.

    Args:
        folder: of the daemon's Knowledge.
        clock: the time; everything below is in seconds since the beginning.
        wrong: sentences, one for each thing that must not have been.
        held: sentences, one for each thing that was not done in time.
    """

    folder: Path
    clock: VirtualClock
    wrong: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    town: Town = field(init=False)
    daemon: Daemon = field(init=False)

    def build(self, *, nodes: int = 20, more: tuple[str, ...] = (), **variables: str) -> Town:
        """Build a town and a daemon that is not started yet; ``variables`` are settings."""
        self.town = Town(self.clock, (*(f"node-{number:02}" for number in range(1, nodes + 1)), *more))
        self.daemon = Daemon(self.folder, self.town, self.clock, **variables)
        return self.town

    def change(self, remediation: str = "", *, limits: dict[str, Any] | None = None, **fields: Any) -> None:  # noqa: ANN401
        """Change limits, and fields of one remediation, of the pack that the daemon reads."""
        before = self.daemon.changed
        self.daemon.changed = lambda catalogue: _changed(before(catalogue), remediation, fields, limits or {})

    async def until(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.until(seconds)

    def effects(
        self, *, since: float = 0.0, until: float = math.inf, what: str = "apply", node: str = ""
    ) -> list[Effect]:
        """Return what the Charter did in a time."""
        return [
            effect
            for effect in self.town.effects
            if since <= effect.at < until and effect.what == what and node in ("", effect.node)
        ]

    def demand(self, holds: object, sentence: str) -> None:
        """Note a sentence unless it holds."""
        if not holds:
            self.wrong.append(sentence)

    def demand_nothing_done(self, *, since: float = 0.0, until: float = math.inf, node: str = "") -> None:
        """Demand that the Charter did nothing in a time."""
        done = [*self.effects(since=since, until=until, node=node)]
        done += self.effects(since=since, until=until, node=node, what="undo")
        self.demand(not done, f"done: {'; '.join(_told(effect) for effect in done[:4])}")

    def demand_told(self, *reasons: Reason, since: float = 0.0, until: float = 10**9) -> None:
        """Demand that one of these reasons was given in a time."""
        told = self.daemon.told(since, until)
        names = " or ".join(reasons)
        self.demand(told.intersection(reasons), f"not told: {names}; but {', '.join(sorted(told)) or 'nothing'}")

    def demand_healed(self, *nodes: str) -> None:
        """Demand that nothing is wrong any more, anywhere or on these services."""
        ill = [node for node in nodes or self.town.nodes if self.town.is_ill(node)]
        self.demand(not ill, f"still ill: {', '.join(ill)}")

    def demand_first_one_alone(self) -> None:
        """Demand that several were treated, and none besides the first before that one was seen to be well."""
        first, *others = self.effects() or [None]
        well_at = self.judged_at(first.node) if first else 0.0
        self.demand(others, "not more than one was treated")
        self.demand(all(effect.at >= well_at for effect in others), "a second was treated before the first was well")

    def judged_at(self, node: str, *, since: float = 0.0) -> float:
        """Return when an action on a service was first seen to have helped; infinity when never."""
        moves = self.daemon.moves
        helped = (at for at, e in moves if e.target == node and e.verdict is Verdict.IMPROVED and at >= since)
        return min(helped, default=math.inf)


Play = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What became of a scenario; ``held``: what was not done in time, ``wrong``: whatever else is not as it must be."""

    name: str
    wrong: tuple[str, ...]
    held: tuple[str, ...]
    cycles: int
    virtual_seconds: float

    @property
    def is_good(self) -> bool:
        """Whether all was as it must be."""
        return not self.wrong and not self.held


def play(name: str, story: Play, scratch: Path) -> Played:
    """Play one scenario in a folder of its own."""
    with tempfile.TemporaryDirectory(dir=scratch, prefix="scenario-") as folder:
        loop = VirtualTimeLoop()
        stage = Stage(folder=Path(folder), clock=VirtualClock(loop))
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            with _every_error_noted(stage):
                runner.run(_play(stage, story))
            return Played(
                name=name,
                wrong=tuple(stage.wrong),
                held=tuple(stage.held),
                cycles=len(stage.daemon.reports),
                virtual_seconds=stage.clock.monotonic(),
            )


async def _play(stage: Stage, story: Play) -> None:
    try:
        await story(stage)
    finally:
        await stage.daemon.stop()


@contextmanager
def _every_error_noted(stage: Stage) -> Iterator[None]:
    """Let a scenario that falls over count as one that did not hold."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it was, the others are played all the same
        stage.wrong.append(f"fell over: {error!r}")


def _told(effect: Effect) -> str:
    return f"{effect.what} {effect.kind} on {effect.node} at {effect.at:.0f}"


def _changed(catalogue: Catalogue, remediation: str, fields: dict[str, Any], limits: dict[str, Any]) -> Catalogue:
    pack = catalogue.packs["town"]
    remediations = dict(pack.remediations)
    if remediation:
        remediations[remediation] = replace(remediations[remediation], **fields)
    changed = replace(pack, remediations=remediations, limits=_with(pack.limits, limits))
    return replace(catalogue, packs={"town": changed})


def _with(limits: Limits, fields: dict[str, Any]) -> Limits:
    return replace(limits, **fields)
