"""One daemon, one Charter and their cells: it is killed and started again until there were kills enough."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any, Protocol

from aiohttp import web

from crash import points
from crash.cells import Cells, write_pack
from crash.reaper import Life, die_with_parent
from crash.store import Store
from integration.clock import SystemClock

BENCHMARKS = Path(__file__).parents[1]
LIFE = (sys.executable, "-m", "crash.life")
EACH_POINT = 2
FEW = 8
AFRESH_EVERY = 5
LONGEST_LIFE_SECONDS = 5.0
IMPORT_SECONDS = 4.0
LONGEST_RANDOM_LIFE_SECONDS = 1.5
LONGEST_PEACE_SECONDS = 40.0
PEACEFUL_LOOKS = 2
FIRST_ANSWER = points.at("applying>verifying", points.AFTER)
WARM_UP_LIVES = 12
"""After so many lives a world without an answer is taken as it is: a bug may keep the Charter from answering at all."""
PACE = {
    "MAPE_K_INTERVAL": "0.8",
    "MAPE_K_CYCLE_BUDGET": "0.8",
    "MAPE_K_MONITOR_BUDGET": "0.3",
    "MAPE_K_ANALYZE_BUDGET": "0.1",
    "MAPE_K_PLAN_BUDGET": "0.05",
    "MAPE_K_EXECUTE_BUDGET": "0.35",
}
UNSETTLED = "SELECT count(*) FROM executions WHERE state NOT IN ('succeeded', 'rolled_back', 'inconclusive', 'failed')"
COMPLETED = "SELECT count(*) FROM cycles WHERE result = 'completed'"


class Process(Protocol):
    """A life under way, forked or started afresh."""

    pid: int

    async def wait(self) -> int:
        """Return its exit code, or the negative number of the signal that ended it."""
        ...


@dataclass(slots=True)
class Forked:
    """A child of the server that has imported the daemon already."""

    pid: int
    server: asyncio.subprocess.Process

    async def wait(self) -> int:
        """Return its exit code, or the negative number of the signal that ended it."""
        return await _number(self.server)


async def _number(server: asyncio.subprocess.Process) -> int:
    return int(await server.stdout.readline())


class Aim:
    """Where the kills landed, over all worlds, and where the next one should.

    Args:
        kills: so many.
        until: no further kill after that time (monotonic seconds).
        everywhere: go on until each point was met often enough, too.
        rng: draws points.
        where: the points that there are.
    """

    def __init__(
        self, *, kills: int, until: float, everywhere: bool, rng: Random, where: Sequence[str] = points.EVERYWHERE
    ) -> None:
        self.landed: Counter[str] = Counter()
        self.where = where
        self._kills = kills
        self._until = until
        self._everywhere = everywhere
        self._rng = rng

    @property
    def is_over(self) -> bool:
        """Whether there were kills enough, or the time is up."""
        is_enough = self.landed.total() >= self._kills and not (self._everywhere and self.missing)
        return is_enough or time.monotonic() >= self._until

    @property
    def missing(self) -> list[str]:
        """The points that were not met often enough."""
        return self.met_less_than(EACH_POINT)

    def met_less_than(self, times: int) -> list[str]:
        """Return the points that were met less often."""
        return [point for point in self.where if self.landed[point] < times]

    def next(self) -> dict[str, int]:
        """Return the points to die at, each with the how manieth time; none: at any time.

        Those that were never met come first, half of them at a time, so that the rare ones, deep in a life, are
        reached, too, and not all worlds die at the same one.
        """
        if self._rng.random() < (0.03 if self.missing else 0.25):
            return {}
        wanted = self.met_less_than(1) or self.missing
        chosen = self._rng.sample(wanted, min(len(wanted), max(FEW, len(wanted) // 2)))
        further = self._rng.sample(self.missing, min(len(self.missing), FEW - min(FEW, len(chosen))))
        return dict.fromkeys(chosen + further or [self._rng.choice(self.where)], 1)


@dataclass(slots=True)
class World:
    """What one daemon lives in, with what became of it.

    Args:
        folder: for everything that is kept.
        store: where Knowledge is kept.
        charter, scripted: the addresses of the servers.
        server: forks lives.
        cells: what is watched.
        plant: the bug to plant; None: none.
        rng: draws times.
        asks: a person is asked before anything is done.
        lives: so many began.
        fell: what ended otherwise than by a kill, a sentence each.
        read: so many bytes of the trace were read.
        waiting: a process started afresh for a life to come.
    """

    folder: Path
    store: Store
    charter: str
    scripted: str
    server: asyncio.subprocess.Process
    cells: Cells
    plant: str | None
    rng: Random
    asks: bool = False
    lives: int = 0
    fell: list[str] = field(default_factory=list)
    read: int = 0
    waiting: asyncio.subprocess.Process | None = None

    @property
    def trace(self) -> Path:
        """What the daemon acknowledged to itself."""
        return self.folder / "trace.jsonl"

    @property
    def journal(self) -> Path:
        """The Charter's effects."""
        return self.folder / "effects.jsonl"

    async def be_killed(self, aim: Aim) -> None:
        """Live and die again and again."""
        has_answered = False
        while not aim.is_over:
            armed = aim.next() if has_answered or self.lives >= WARM_UP_LIVES else self._warming_up(aim)
            process = await self._begin(armed)
            code = await _killed_after(process, self._longest(armed))
            point = self._died_at()
            has_answered = has_answered or point == FIRST_ANSWER
            aim.landed[point] += 1
            if code != -signal.SIGKILL:
                self.fell.append(f"life {self.lives} ended by itself with {code}: {self._last_words()}")

    async def live_in_peace(self) -> None:
        """Let one more daemon bring everything to an end, and end it as a service manager would."""
        self.cells.calm_down()
        looked = self.store.count(COMPLETED)
        process = await self._begin({})
        until = time.monotonic() + LONGEST_PEACE_SECONDS
        while time.monotonic() < until:
            await asyncio.sleep(0.25)
            if self.store.count(COMPLETED) >= looked + PEACEFUL_LOOKS and not self.store.count(UNSETTLED):
                break
        with suppress(ProcessLookupError):  # one that has ended by itself is told of by its exit code
            os.kill(process.pid, signal.SIGTERM)
        if code := await _killed_after(process, LONGEST_PEACE_SECONDS):
            self.fell.append(f"the last life ended with {code}: {self._last_words()}")

    def traced(self, what: str) -> list[dict[str, Any]]:
        """Return the lines of one sort in the trace."""
        text = self.trace.read_text(encoding="utf-8") if self.trace.exists() else ""
        return [line for line in map(json.loads, text.splitlines()) if line["what"] == what]

    def _died_at(self) -> str:
        """Return where the life that has just ended did so."""
        with self.trace.open("rb") as file:
            file.seek(self.read)
            lines = file.readlines()
        self.read += sum(map(len, lines))
        last = json.loads(lines[-1]) if lines else {}
        return last.get("point", points.ANY_TIME)

    def _warming_up(self, aim: Aim) -> dict[str, int]:
        """Die while migrating, then let the Charter answer once: until then nothing says that it honours keys."""
        migrating = [point for point in points.MIGRATION if point in aim.missing]
        return {FIRST_ANSWER: 1} | dict.fromkeys(migrating[:1], 1)

    def _longest(self, armed: Mapping[str, int]) -> float:
        if not armed:
            return self.rng.uniform(0.05, LONGEST_RANDOM_LIFE_SECONDS)
        return LONGEST_LIFE_SECONDS + (IMPORT_SECONDS if self._is_afresh else 0.0)

    @property
    def _is_afresh(self) -> bool:
        return self.lives % AFRESH_EVERY == 0

    async def _begin(self, armed: Mapping[str, int]) -> Process:
        self.lives += 1
        life = Life(
            trace=str(self.trace),
            log=str(self.folder / "daemon.log"),
            environment=self._environment(),
            armed=armed,
            plant=self.plant,
            seed=self.rng.randrange(2**32),
        )
        order = json.dumps(asdict(life)).encode() + b"\n"
        if self._is_afresh:
            process, self.waiting = self.waiting or await _started(), None
            process.stdin.write(order)
            return process
        self.waiting = self.waiting or await _started()
        self.server.stdin.write(order)
        return Forked(await _number(self.server), self.server)

    def _environment(self) -> dict[str, str]:
        return PACE | {
            "PROMETHEUS_URL": self.scripted,
            "ALERTMANAGER_URL": self.scripted,
            "CHARTER_API_URL": self.charter,
            "MAPE_K_LISTEN": "127.0.0.1:0",
            "MAPE_K_MODE": "approve" if self.asks else "enforce",
            "MAPE_K_ACTION_BUDGET": "1000",
            "MAPE_K_ACTION_BUDGET_WINDOW": "1",
            "MAPE_K_PACKS": str(self.folder / "cells"),
            "STATE_DIRECTORY": str(self.folder),
            **self.store.environment,
        }

    def _last_words(self) -> str:
        return (self.folder / "daemon.log").read_text(encoding="utf-8")[-500:]


async def _started(*arguments: str) -> asyncio.subprocess.Process:
    """Start a process that waits for the lives to live."""
    pipe = subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *LIFE, *arguments, cwd=BENCHMARKS, stdin=pipe, stdout=pipe, preexec_fn=die_with_parent
    )


async def _killed_after(process: Process, seconds: float) -> int:
    """Return how a process ended; after so many seconds it is killed."""
    ending = asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait({ending}, timeout=seconds)
    finally:
        if not ending.done():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
    return await ending


@asynccontextmanager
async def open_world(folder: Path, store: Store, *, plant: str | None, seed: int, asks: bool) -> AsyncIterator[World]:
    """Start everything but the daemon; end it whatever happens."""
    write_pack(folder, asks=asks)
    store.begin_old()  # not beside others: the tool for migrations knows one at a time
    rng, journal = Random(seed), folder / "effects.jsonl"
    cells = Cells(journal, Random(rng.random()), SystemClock())
    runner = web.AppRunner(cells.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    command = ("-m", "westworld", "--listen", "127.0.0.1:0", "--state", folder / "charter.db", "--journal", journal)
    charter = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=subprocess.PIPE, preexec_fn=die_with_parent
    )
    server = await _started("serve")
    world = World(
        folder=folder,
        store=store,
        asks=asks,
        charter=json.loads(await charter.stdout.readline())["listening"],
        scripted=f"http://127.0.0.1:{runner.addresses[0][1]}",
        server=server,
        cells=cells,
        plant=plant,
        rng=rng,
    )
    try:
        yield world
    finally:
        for process in filter(None, (server, world.waiting)):
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        charter.terminate()
        await asyncio.gather(charter.wait(), runner.cleanup())
