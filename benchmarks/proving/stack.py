"""One running stack: the player, a real Prometheus that scrapes it, a real Alertmanager that tells the recorder."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from integration.clock import SystemClock
from mape_k.demo.stack import Component, Stack, find_tool, free_port, python_module
from mape_k.packbuild import prometheus_flags
from proving.layout import Addresses, Layout, lay_out
from proving.plants import NONE, Plant
from proving.recorder import Recorder, recording

BENCHMARKS = Path(__file__).parents[1]
LEAST_LOOKBACK_SECONDS = 2.0
RESEND_SECONDS = 2.0
"""Prometheus tells Alertmanager again so often, and an alert lives four times as long: longer than a busy moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A stack that runs.

    Args:
        layout: what it runs.
        recorder: hears what Alertmanager tells.
        urls: of player, prometheus and alertmanager.
        http: a session to ask them.
        begun: when it was ready, in Unix seconds.
    """

    layout: Layout
    recorder: Recorder
    urls: Mapping[str, str]
    http: aiohttp.ClientSession
    begun: float

    async def query(self, expr: str) -> list[Any]:
        """Return the result of an instant query now; nothing where Prometheus refuses it."""
        return await self._ask("query", {"query": expr})

    async def query_range(self, expr: str, seconds: float, step: float) -> list[Any]:
        """Return the result of a query over the last so many seconds."""
        end = wall()
        return await self._ask("query_range", {"query": expr, "start": end - seconds, "end": end, "step": step})

    async def label_values(self, label: str, selector: str) -> list[str]:
        """Return the values that a label ever had, in the series of a selector where one is given."""
        asked = {"match[]": selector} if selector else {}
        return [str(each) for each in await self._get(f"label/{label}/values", asked)]

    async def firing(self) -> list[Mapping[str, str]]:
        """Return the labels of every alert that fires now, as Alertmanager gets them."""
        found = await self.query('ALERTS{alertstate="firing"}')
        return [self.labels_of(each["metric"]) for each in found]

    def labels_of(self, metric: Mapping[str, str]) -> Mapping[str, str]:
        """Return an alert's labels from its series."""
        own = {name: value for name, value in metric.items() if name not in {"__name__", "alertstate"}}
        return {**self.layout.external_labels, **own}

    async def ever_fired(self, since: float) -> set[str]:
        """Return the name of every alert that fired since a moment, in Unix seconds."""
        asked = {"match[]": 'ALERTS{alertstate="firing"}', "start": f"{since}", "end": f"{wall()}"}
        found = await self._get("series", asked)
        return {each["alertname"] for each in found}

    async def begin(self, fault: str) -> None:
        """Let the system fall ill."""
        async with self.http.post(f"{self.urls['player']}/scenario", json={"fault": fault}) as answer:
            answer.raise_for_status()

    async def end(self, fault: str) -> None:
        """Let the system be well again."""
        async with self.http.delete(f"{self.urls['player']}/scenario/{fault}") as answer:
            answer.raise_for_status()

    async def _ask(self, what: str, parameters: Mapping[str, Any]) -> list[Any]:
        found = await self._get(what, parameters)
        return list(found["result"]) if isinstance(found, dict) and isinstance(found["result"], list) else []

    async def _get(self, what: str, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- as Prometheus answers
        url = f"{self.urls['prometheus']}/api/v1/{what}"
        async with self.http.get(url, params=parameters) as answer:
            return (await answer.json()).get("data", [])


@asynccontextmanager
async def running(pack: Path, folder: Path, time_scale: float, plant: Plant = NONE) -> AsyncIterator[Running]:
    """Run a stack for a pack until the block ends; its files are in ``folder``, which is made.

    Raises:
        ConfigError: the pack cannot be built, or a program is missing. TransientError: something does not start.
    """
    here = {name: f"127.0.0.1:{free_port()}" for name in ("player", "alertmanager", "prometheus")}
    async with recording() as recorder, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        addresses = Addresses(player=here["player"], alertmanager=here["alertmanager"], recorder=recorder.url)
        layout = await asyncio.to_thread(lay_out, pack, folder, addresses, time_scale, plant)
        stack = Stack(_components(layout, folder, here), http, SystemClock())
        urls = {name: f"http://{address}" for name, address in here.items()}
        try:
            await stack.start(lambda _name: None)
            yield Running(layout=layout, recorder=recorder, urls=urls, http=http, begun=wall())
        finally:
            await asyncio.shield(stack.end())


def wall() -> float:
    """Return Unix seconds."""
    return time.time_ns() / 1e9


def _components(layout: Layout, folder: Path, here: Mapping[str, str]) -> dict[str, Component]:
    return {
        name: Component(
            name=name,
            command=command,
            ready_url=f"http://{here[name]}{ready}",
            log=folder / f"{name}.log",
            env={**os.environ, "PYTHONPATH": str(BENCHMARKS)} if name == "player" else None,
        )
        for name, (command, ready) in commands_of(layout, folder, here).items()
    }


def commands_of(layout: Layout, folder: Path, here: Mapping[str, str]) -> dict[str, tuple[Sequence[str], str]]:
    """Return how each part is started, in this order, and the path at which it says that it is ready.

    Args:
        layout: what it runs.
        folder: for their data.
        here: the addresses of player, alertmanager and prometheus.
    """
    player = python_module(
        "play", str(layout.player), "--listen", here["player"], "--time-scale", f"{layout.time_scale:g}"
    )
    alerts = _server("alertmanager", layout.alertmanager, here, folder, "--storage.path", "--cluster.listen-address=")
    metrics = _server("prometheus", layout.prometheus, here, folder, "--storage.tsdb.path", *_flags(layout))
    return {
        "player": (player, "/health"),
        "alertmanager": (alerts, "/-/ready"),
        "prometheus": (metrics, "/-/ready"),
    }


def _flags(layout: Layout) -> list[str]:
    """Return Prometheus' flags, none so short that a busy moment would look like a gap."""
    lookback = max(LEAST_LOOKBACK_SECONDS, 300 / layout.time_scale)
    named = dict(flag.split("=", 1) for flag in prometheus_flags(layout.time_scale))
    named |= {"--query.lookback-delta": f"{round(1000 * lookback)}ms"}
    named |= {"--rules.alert.resend-delay": f"{RESEND_SECONDS:g}s"}
    return [f"{name}={value}" for name, value in named.items()]


def _server(name: str, config: Path, here: Mapping[str, str], folder: Path, storage: str, *more: str) -> list[str]:
    options = [f"--config.file={config}", f"{storage}={folder / name}", f"--web.listen-address={here[name]}"]
    return [str(find_tool(name)), *options, "--log.level=error", *more]
