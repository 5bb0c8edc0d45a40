"""One daemon with its peers, and what can be seen of it from outside: metrics, and the Charter's own journal."""

import asyncio
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any

import aiohttp
from aiohttp import web

from crash.cells import Cells, write_pack
from crash.reaper import die_with_parent
from integration.clock import SystemClock
from mape_k.demo.stack import free_port

BENCHMARKS = Path(__file__).parents[1]
INTERVAL = 0.8
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 30.0
PACE = {
    "MAPE_K_INTERVAL": str(INTERVAL),
    "MAPE_K_CYCLE_BUDGET": str(INTERVAL),
    "MAPE_K_MONITOR_BUDGET": "0.3",
    "MAPE_K_ANALYZE_BUDGET": "0.05",
    "MAPE_K_PLAN_BUDGET": "0.05",
    "MAPE_K_EXECUTE_BUDGET": "0.4",
    "MAPE_K_MODE": "enforce",
    "MAPE_K_RESERVE_MEGABYTES": "1",
    "MAPE_K_ACTION_BUDGET": "1000",
    "MAPE_K_ACTION_BUDGET_WINDOW": "1",
}
IN_DOUBT_SECONDS = 0.5
"""A request that left before a fault was noticed may still arrive for so long."""


@dataclass(slots=True)
class World:
    """A daemon, or none at the moment, in a folder of its own.

    Args:
        folder: for everything.
        charter, scripted: addresses of its peers.
        http: one kept connection, so that it can be asked while it can take no other.
        plant: the bug to plant; None: none.
    """

    folder: Path
    charter: str
    scripted: str
    http: aiohttp.ClientSession
    plant: str | None
    state: Path
    process: asyncio.subprocess.Process | None = None
    port: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def file(self) -> Path:
        """The daemon's Knowledge."""
        return self.state / "knowledge.db"

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        if self.process is None:
            raise RuntimeError("no daemon was started")
        return self.process.pid

    async def start(self, *within: str) -> None:
        """Start the daemon, behind the command ``within`` where one is given."""
        self.port = free_port()
        command = [*within, sys.executable, "-m", "faults.daemon", *([self.plant] if self.plant else [])]
        with (self.folder / "daemon.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command,
                cwd=BENCHMARKS,
                env=self._environment(),
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAPE_K_")}
        own = {
            "PROMETHEUS_URL": self.scripted,
            "ALERTMANAGER_URL": self.scripted,
            "CHARTER_API_URL": self.charter,
            "MAPE_K_LISTEN": f"127.0.0.1:{self.port}",
            "MAPE_K_PACKS": str(self.folder / "cells"),
            "STATE_DIRECTORY": str(self.state),
        }
        return inherited | PACE | own

    async def stop(self) -> int:
        """End the daemon as a service manager would; return its exit code."""
        if self.process is None:
            return 0
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        code = await self._ended(PATIENCE_SECONDS)
        self.process = None
        return code

    async def _ended(self, seconds: float) -> int:
        if self.process is None:
            return 0
        try:
            async with asyncio.timeout(seconds):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()

    async def exit_code(self) -> int:
        """Wait for the daemon to end by itself; return its exit code."""
        return await self._ended(PATIENCE_SECONDS)

    def last_words(self) -> str:
        """Return the end of the daemon's log."""
        return (self.folder / "daemon.log").read_text(encoding="utf-8")[-200:]

    def metrics_text(self) -> str:
        """Return where its metrics are."""
        return f"http://127.0.0.1:{self.port}/metrics"

    async def metrics(self) -> dict[str, float]:
        """Return its metrics that have no labels, with ``cycles`` and ``sources_up``; none where it does not answer."""
        try:
            async with self.http.get(self.metrics_text()) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return {}
        found = {name: float(value) for name, value in re.findall(r"^mape_k_(\w+) (\S+)$", text, re.MULTILINE)}
        found["cycles"] = sum(map(float, re.findall(r"^mape_k_cycles_total\{.*\} (\S+)$", text, re.MULTILINE)))
        found["sources_up"] = min(
            map(float, re.findall(r"^mape_k_source_up\{.*\} (\S+)$", text, re.MULTILINE)), default=0
        )
        return found

    async def seen(self, is_so: Callable[[dict[str, float]], bool], *, cycles: int | None = None) -> bool:
        """Wait until the metrics say so; False: after so many cycles, or a long time, they do not."""
        begun = (await self.metrics()).get("cycles", 0.0)
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            found = await self.metrics()
            if found and is_so(found):
                return True
            if cycles is not None and found.get("cycles", 0.0) > begun + cycles:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return False

    async def acts(self) -> bool:
        """Wait until the Charter hears of something new."""
        heard, until = len(self.effects()), time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            if len(self.effects()) > heard:
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    async def is_still(self, seconds: float, *, but_for: str = "") -> bool:
        """Return whether the Charter hears of nothing for so long, from a moment from now on, but for one effect."""
        await asyncio.sleep(IN_DOUBT_SECONDS)
        heard = len(self.effects())
        await asyncio.sleep(seconds)
        told = [entry for entry in self.effects()[heard:] if entry["effect"] != but_for]
        self.notes += [f"sent all the same: {entry['effect']} {entry['idempotency_key']}" for entry in told[:3]]
        return not told

    def effects(self) -> list[dict[str, Any]]:
        """Return what was really done at somebody's request, by the Charter's own journal."""
        path = self.folder / "effects.jsonl"
        whole = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
        return [entry for entry in map(json.loads, whole) if entry["idempotency_key"] is not None]

    def unfounded(self) -> list[str]:
        """Return the effects that no durable intent stands behind, and those that happened twice."""
        heard = self.effects()
        with self._stopped_copy() as copy, closing(sqlite3.connect(copy)) as connection:
            intents = {name for (name,) in connection.execute("SELECT execution_id FROM executions")}
        ours = [(str(entry["idempotency_key"]), entry["effect"]) for entry in heard]
        doubled = [f"{key} {effect} {times} times" for (key, effect), times in Counter(ours).items() if times > 1]
        return doubled + [f"{key} has no intent" for key, _ in ours if key.partition(":")[0] not in intents]

    @contextmanager
    def _stopped_copy(self) -> Iterator[Path]:
        """Yield a copy of Knowledge, made while the daemon stands still; it may be in mounts of its own."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            copy = Path(folder, self.file.name)
            if self.process is not None:
                self.process.send_signal(signal.SIGSTOP)
            try:
                for part in ("", "-wal"):
                    source = self.file.with_name(self.file.name + part)
                    if source.exists():
                        shutil.copyfile(source, f"{copy}{part}")
            finally:
                if self.process is not None:
                    self.process.send_signal(signal.SIGCONT)
            yield copy


@asynccontextmanager
async def open_world(folder: Path, *, plant: str | None, state: Path | None = None) -> AsyncIterator[World]:
    """Start everything but the daemon; end it all whatever happens."""
    write_pack(folder, asks=False)
    journal = folder / "effects.jsonl"
    app = Cells(journal, Random(7), SystemClock()).app()
    app.on_response_prepare.append(_forgetting)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    charter = await _charter(folder, journal)
    kept = aiohttp.TCPConnector(limit=1, keepalive_timeout=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(connector=kept, timeout=aiohttp.ClientTimeout(total=3)) as http:
        world = World(
            folder=folder,
            charter=json.loads(await _line(charter))["listening"],
            scripted=f"http://127.0.0.1:{runner.addresses[0][1]}",
            http=http,
            plant=plant,
            state=state or folder / "state",
        )
        try:
            yield world
        finally:
            await world.stop()
            charter.terminate()
            await asyncio.gather(charter.wait(), runner.cleanup())


async def _forgetting(_request: web.Request, response: web.StreamResponse) -> None:
    """End the connection, so that each look at the world needs a new one."""
    response.force_close()


async def _charter(folder: Path, journal: Path) -> asyncio.subprocess.Process:
    options: Sequence[object] = ("--listen", "127.0.0.1:0", "--state", folder / "charter.db", "--journal", journal)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "westworld", *map(str, options)), stdout=subprocess.PIPE, preexec_fn=die_with_parent
    )


async def _line(process: asyncio.subprocess.Process) -> bytes:
    if process.stdout is None:
        raise RuntimeError("started without a pipe")
    return await process.stdout.readline()
