"""The real daemon beside a real Prometheus, a real Alertmanager and the reference Charter, on loopback."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from integration.clock import SystemClock
from mape_k.demo.stack import Component, Stack, find_tool, free_port, python_module
from mape_k.packbuild import Built, build
from mape_k.packbuild import Stack as Addressed

CONFIG = Path(__file__).parents[2] / "config"
PACKS = ("charter", "mape-k")
READY = {"charter": "/health", "prometheus": "/-/ready", "alertmanager": "/-/ready", "daemon": "/healthz"}
SHIPPED_INTERVAL = 30
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """The running components, where they are, and a session to ask them."""

    components: Mapping[str, Component]
    urls: Mapping[str, str]
    http: aiohttp.ClientSession

    async def cycle_seconds(self) -> list[float]:
        """Return how long each of the daemon's cycles took, newest first."""
        seconds: list[float] = []
        query = ""
        while True:
            async with self.http.get(f"{self.urls['daemon']}/api/v1/cycles?limit=100{query}") as answer:
                page = await answer.json()
            seconds += [float(cycle["seconds"]) for cycle in page["items"]]
            if not page.get("next_cursor"):
                return seconds
            query = f"&cursor={page['next_cursor']}"

    def cpu_seconds(self, name: str) -> float:
        """Return the processor time that a component used so far."""
        fields = self._proc(name, "stat").rsplit(")", 1)[1].split()
        return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 2)

    def rss_mb(self, name: str) -> float:
        """Return how much of a component is resident now, in megabytes."""
        pages = int(self._proc(name, "statm").split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE, 1)

    def _proc(self, name: str, file: str) -> str:
        process = self.components[name].process
        if process is None:
            raise RuntimeError(f"{name} was not started")
        return Path(f"/proc/{process.pid}/{file}").read_text(encoding="utf-8")


@asynccontextmanager
async def local_stack(scratch: Path, *, interval: float) -> AsyncIterator[LocalStack]:
    """Run everything, the daemon in shadow as it is by default; ``interval`` is that of its cycles, in seconds."""
    here = {name: f"127.0.0.1:{free_port()}" for name in READY}
    components = _lay_out(scratch, here, interval)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        running = Stack(components, http, SystemClock())
        try:
            await running.start(lambda _name: None)
            yield LocalStack(components=components, urls=_urls(here), http=http)
        finally:
            await asyncio.shield(running.end())


def _urls(here: Mapping[str, str]) -> dict[str, str]:
    return {name: f"http://{address}" for name, address in here.items()}


def _lay_out(scratch: Path, here: Mapping[str, str], interval: float) -> dict[str, Component]:
    built = _build(scratch, here)
    commands = {
        "charter": python_module("westworld", "--listen", here["charter"], "--state", str(scratch / "charter.db")),
        "prometheus": _server("prometheus", built.prometheus, here, "--storage.tsdb.path", scratch),
        "alertmanager": [
            *_server("alertmanager", built.alertmanager, here, "--storage.path", scratch),
            "--cluster.listen-address=",
        ],
        "daemon": python_module("mape_k", "run"),
    }
    environment = _daemon_environment(scratch, _urls(here), interval)
    return {
        name: Component(
            name=name,
            command=command,
            ready_url=f"http://{here[name]}{READY[name]}",
            log=scratch / f"{name}.log",
            env=environment if name == "daemon" else None,
        )
        for name, command in commands.items()
    }


def _build(scratch: Path, here: Mapping[str, str]) -> Built:
    (scratch / "token").write_text("benchmark-only", encoding="utf-8")
    return build(
        [CONFIG / "packs" / name for name in PACKS],
        scratch / "config",
        prometheus=CONFIG / "prometheus" / "prometheus.yml",
        alertmanager=CONFIG / "alertmanager" / "alertmanager.yml",
        stack=Addressed(
            targets={"westworld-charter": here["charter"], "mape-k": here["daemon"]},
            alertmanager=here["alertmanager"],
            webhook_url=None,
            token_file=scratch / "token",
        ),
    )


def _server(name: str, config: Path | None, here: Mapping[str, str], storage: str, scratch: Path) -> list[str]:
    options = [f"--config.file={config}", f"{storage}={scratch / name}", f"--web.listen-address={here[name]}"]
    return [str(find_tool(name)), *options, "--log.level=error"]


def _daemon_environment(scratch: Path, urls: Mapping[str, str], interval: float) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAPE_K_")}
    return inherited | {
        "PROMETHEUS_URL": urls["prometheus"],
        "ALERTMANAGER_URL": urls["alertmanager"],
        "CHARTER_API_URL": urls["charter"],
        "MAPE_K_LISTEN": urls["daemon"].removeprefix("http://"),
        "MAPE_K_KNOWLEDGE_URL": f"sqlite:///{scratch / 'knowledge.db'}",
        "STATE_DIRECTORY": str(scratch),
        **dict(_pace(interval)),
    }


def _pace(interval: float) -> Iterator[tuple[str, str]]:
    """Return the daemon's timing: the shipped one, or one that fits a short trial."""
    yield "MAPE_K_INTERVAL", f"{interval:g}"
    if interval < SHIPPED_INTERVAL:
        yield "MAPE_K_CYCLE_BUDGET", f"{interval:g}"
        for phase in ("MONITOR", "ANALYZE", "PLAN", "EXECUTE"):
            yield f"MAPE_K_{phase}_BUDGET", f"{interval / 4:g}"
