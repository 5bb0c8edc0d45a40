"""The daemon and the bare receiver, each as a process of its own with a file on the same disk."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from mape_k.demo.stack import free_port, python_module

TOKEN = "of-the-benchmark"  # noqa: S105 (nobody else listens to it)
START_SECONDS = 30
BENCHMARKS = Path(__file__).parents[1]
NOWHERE = dict.fromkeys(("PROMETHEUS_URL", "ALERTMANAGER_URL", "CHARTER_API_URL"), "http://127.0.0.1:9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server: where it listens, where it writes, its process."""

    port: int
    file: Path
    process: asyncio.subprocess.Process

    def cpu_seconds(self) -> float:
        """Return the processor time that it used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        await self.process.wait()

    def kept(self) -> set[str]:
        """Return the fingerprints in its file."""
        with closing(sqlite3.connect(self.file)) as database:
            return {row[0] for row in database.execute("SELECT fingerprint FROM notices")}


@asynccontextmanager
async def bare_receiver(folder: Path) -> AsyncIterator[Server]:
    """Run the bare receiver."""
    port, file = free_port(), folder / "bare.db"
    command = [sys.executable, str(Path(__file__).with_name("receiver.py")), str(file), TOKEN, str(port)]
    async with _running(command, port, file, folder / "bare.log", dict(os.environ)) as server:
        yield server


@asynccontextmanager
async def daemon(folder: Path, plant: str | None = None) -> AsyncIterator[Server]:
    """Run the daemon with its shipped settings, or with a bug; the peers that it looks at are not there."""
    port, file = free_port(), folder / "knowledge.db"
    planted = [sys.executable, "-m", "door.planted", str(plant)]
    command = planted if plant else python_module("mape_k", "run")
    env = _settings(folder, file, port) | NOWHERE
    async with _running(command, port, file, folder / "daemon.log", env) as server:
        yield server


@asynccontextmanager
async def acting_daemon(folder: Path, peers_port: int, pack: Path) -> AsyncIterator[Server]:
    """Run the daemon with its shipped settings and one pack, acting on peers that share a port."""
    port, file, peers = free_port(), folder / "knowledge.db", f"http://127.0.0.1:{peers_port}"
    own = {"MAPE_K_MODE": "enforce", "MAPE_K_PACKS": str(pack), "MAPE_K_ACTION_BUDGET": "1000"}
    env = _settings(folder, file, port) | dict.fromkeys(NOWHERE, peers) | own
    async with _running(python_module("mape_k", "run"), port, file, folder / "daemon.log", env) as server:
        yield server


@asynccontextmanager
async def script(folder: Path, peers_port: int) -> AsyncIterator[Server]:
    """Run the script that asks, keeps and sends as the daemon does, and decides nothing."""
    port, file = free_port(), folder / "script.db"
    words = [str(file), TOKEN, str(port), f"http://127.0.0.1:{peers_port}"]
    command = [sys.executable, "-m", "door.script", *words]
    async with _running(command, port, file, folder / "script.log", dict(os.environ)) as server:
        yield server


def _settings(folder: Path, file: Path, port: int) -> dict[str, str]:
    own = {
        "MAPE_K_LISTEN": f"127.0.0.1:{port}",
        "MAPE_K_KNOWLEDGE_URL": f"sqlite:///{file}",
        "MAPE_K_INGEST_TOKEN": TOKEN,
        "STATE_DIRECTORY": str(folder),
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("MAPE_K_")} | own


@asynccontextmanager
async def _running(command: list[str], port: int, file: Path, log: Path, env: dict[str, str]) -> AsyncIterator[Server]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output, env=env, cwd=BENCHMARKS)
    try:
        async with asyncio.timeout(START_SECONDS):
            await _listening(port, process)
        yield Server(port=port, file=file, process=process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise RuntimeError(f"the server ended with {process.returncode} before it listened")
