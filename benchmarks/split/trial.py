"""Two real replicas, a real PostgreSQL each reaches through a proxy of its own, and the reference Charter."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any

import aiohttp
from aiohttp import web

from crash.cells import Cells
from crash.reaper import die_with_parent
from frame.postgres import Server, postgres_server
from integration.clock import SystemClock
from mape_k.demo.stack import free_port
from split.proxy import Proxy

BENCHMARKS = Path(__file__).parents[1]
PACK = Path(__file__).with_name("cells")
LOOK_SECONDS = 0.02
GIVE_UP_SECONDS = 15.0
INTERVAL = 0.6
PATIENCE_INTERVALS = 2
PACE = {
    "MAPE_K_INTERVAL": f"{INTERVAL}",
    "MAPE_K_CYCLE_BUDGET": f"{INTERVAL}",
    "MAPE_K_MONITOR_BUDGET": "0.2",
    "MAPE_K_ANALYZE_BUDGET": "0.05",
    "MAPE_K_PLAN_BUDGET": "0.05",
    "MAPE_K_EXECUTE_BUDGET": "0.3",
    "MAPE_K_ACTION_BUDGET": "1000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The settings under trial, in seconds."""

    seconds: float
    renew_seconds: float

    @property
    def take_over_seconds(self) -> float:
        """Until when another replica must lead after the leader went silent."""
        return self.seconds + 1.5 * self.renew_seconds


@dataclass(slots=True)
class Replica:
    """One replica: its files, its proxy, and its process while there is one."""

    name: str
    folder: Path
    proxy: Proxy
    port: int
    environment: Mapping[str, str]
    process: asyncio.subprocess.Process | None = None

    @property
    def stop_file(self) -> Path:
        """Where this appears, it stops itself before its next request leaves."""
        return self.folder / "stop"

    @property
    def hang_file(self) -> Path:
        """While this is there, none of its cycles completes."""
        return self.folder / "hang"

    async def start(self) -> None:
        """Start the daemon."""
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "split.replica"),
                cwd=BENCHMARKS,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def ended(self) -> None:
        """Wait until the daemon has ended."""
        if self.process is not None:
            await self.process.wait()
            self.process = None

    def last_words(self) -> str:
        """Return the end of what the daemon told."""
        return (self.folder / "log").read_text(encoding="utf-8")[-800:]

    @property
    def is_stopped(self) -> bool:
        """Whether the kernel says that the process is stopped."""
        if self.process is None:
            return False
        return Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "T"


@dataclass(slots=True)
class Trial:
    """The running components."""

    folder: Path
    server: Server
    database: str
    replicas: tuple[Replica, Replica]
    lease: Lease
    http: aiohttp.ClientSession
    overlaps: int = 0
    samples: int = 0

    async def status(self, replica: Replica) -> dict[str, Any]:
        """Return what a replica says of itself; nothing: it does not answer."""
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self.http.get(f"http://127.0.0.1:{replica.port}/api/v1/status") as answer:
                return dict(await answer.json()) if answer.status == 200 else {}
        return {}

    async def leads(self, replica: Replica) -> int | None:
        """Return the epoch in which a replica says that it leads; None: it does not, or does not answer."""
        status = await self.status(replica)
        return int(status["epoch"]) if status.get("is_leader") else None

    async def both_look(self, within: float) -> bool:
        """Wait until both replicas have completed a cycle, and their last one; return whether they did in time."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            last = [(await self.status(replica)).get("last_cycle") for replica in self.replicas]
            if all(cycle and cycle["result"] == "completed" for cycle in last):
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    async def leader(self, *, but: Replica | None = None, within: float = GIVE_UP_SECONDS) -> Replica | None:
        """Return the replica that leads, as soon as one does; None: none within so many seconds."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            for replica in self.replicas:
                if replica is not but and replica.process is not None and await self.leads(replica) is not None:
                    return replica
            await asyncio.sleep(LOOK_SECONDS)
        return None

    def other(self, replica: Replica) -> Replica:
        """Return the one that is not this one."""
        return next(each for each in self.replicas if each is not replica)

    async def watch(self) -> None:
        """Count how often a replica leads before and after the other one says that it does, which is one too many."""
        one, other = self.replicas
        while True:
            before, between, after = await self.leads(one), await self.leads(other), await self.leads(one)
            self.samples += 1
            self.overlaps += None not in (before, between, after) and before == after
            await asyncio.sleep(LOOK_SECONDS)

    def effects(self) -> list[dict[str, Any]]:
        """Return the Charter's journal of what it was asked to do."""
        lines = (self.folder / "effects.jsonl").read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if entry["idempotency_key"]]

    def epochs(self) -> list[tuple[int, str, float]]:
        """Return every epoch that began, as the audit trail tells: its number, who led, and when (Unix seconds)."""
        with self.server.connected(self.database) as connection:
            rows = connection.execute(
                "SELECT event::json ->> 'epoch', event::json ->> 'replica', extract(epoch FROM at::timestamptz) "
                "FROM audit WHERE kind = 'start' ORDER BY sequence"
            ).fetchall()
        return [(int(str(epoch)), str(replica), float(str(at))) for epoch, replica, at in rows]


@asynccontextmanager
async def open_trial(folder: Path, lease: Lease, *, plant: str = "", seed: int = 1) -> AsyncIterator[Trial]:
    """Start everything, and end it whatever happens."""
    cells = Cells(folder / "effects.jsonl", Random(seed), SystemClock())
    runner = web.AppRunner(cells.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    scripted = f"http://127.0.0.1:{runner.addresses[0][1]}"
    charter = await _start_charter(folder)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as http:
        with postgres_server() as server:
            database = server.create()
            peers = {
                "PROMETHEUS_URL": scripted,
                "ALERTMANAGER_URL": scripted,
                "CHARTER_API_URL": json.loads(await charter.stdout.readline())["listening"],
            }
            told = _settings(folder, lease, server, plant) | peers
            replicas = (
                await _replica("a", folder, server, database, told),
                await _replica("b", folder, server, database, told | {"SPLIT_SKEW": "3600"}),
            )
            try:
                yield Trial(folder, server, database, replicas, lease, http)
            finally:
                for replica in replicas:
                    replica.signal(signal.SIGKILL)
                    await replica.ended()
                    await replica.proxy.close()
                charter.terminate()
                await asyncio.gather(charter.wait(), runner.cleanup())


async def _start_charter(folder: Path) -> asyncio.subprocess.Process:
    options = ("--listen", "127.0.0.1:0", "--state", folder / "charter.db", "--journal", folder / "effects.jsonl")
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "westworld", *options), stdout=subprocess.PIPE, preexec_fn=die_with_parent
    )


def _settings(folder: Path, lease: Lease, server: Server, plant: str) -> dict[str, str]:
    key = folder / "audit.key"
    key.write_text("ab" * 32, encoding="ascii")
    return {
        **PACE,
        "MAPE_K_MODE": "enforce",
        "MAPE_K_PACKS": str(PACK),
        "MAPE_K_KNOWLEDGE_PASSWORD": server.password,
        "MAPE_K_AUDIT_KEY_FILE": str(key),
        "MAPE_K_LEASE_SECONDS": f"{lease.seconds:g}",
        "MAPE_K_LEASE_RENEW_SECONDS": f"{lease.renew_seconds:g}",
        "SPLIT_PLANT": plant,
        "SPLIT_SKEW": "0",
    }


async def _replica(name: str, folder: Path, server: Server, database: str, told: Mapping[str, str]) -> Replica:
    proxy, port, place = Proxy(server.port), free_port(), folder / name
    await proxy.start()
    place.mkdir()
    own = {
        "MAPE_K_REPLICA": name,
        "MAPE_K_LISTEN": f"127.0.0.1:{port}",
        "MAPE_K_KNOWLEDGE_URL": server.url_of(database, port=proxy.port),
        "STATE_DIRECTORY": str(place),
        "SPLIT_STOP": str(place / "stop"),
        "SPLIT_HANG": str(place / "hang"),
    }
    return Replica(name, place, proxy, port, {**told, **own})
