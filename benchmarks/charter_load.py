"""A thousand violations a second into the reference Charter, with the daemon watching it.

Violations are sent on a fixed schedule, whether or not the earlier ones were answered; every acknowledged one is read
back afterwards, so that the latency counts from the sender's clock to the moment at which the committee was told, and
none can be missing unseen. Meanwhile the daemon runs in shadow beside a real Prometheus and a real Alertmanager.
"""

import argparse
import asyncio
import json
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from integration.clock import SystemClock
from mape_k.demo.stack import Component, Stack, find_tool, free_port, python_module
from mape_k.packbuild import Stack as Addressed
from mape_k.packbuild import build
from westworld import policy_document
from westworld.metrics import Metrics
from westworld.validator import MetricValidator

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config"
RATE = 1000
BATCH = 20
SENDERS = 64
CALLS = 1_000_000
NOTIFIED_WITHIN_SECONDS = 10.0
LIMITS = {
    "violations_per_second": 0.99 * RATE,
    "lost": 0,
    "notification_p99_seconds": 1.0,
    "validation_p99_seconds": 10e-6,
    "cycle_p99_seconds": 15.0,
}
READY = {"charter": "/health", "prometheus": "/-/ready", "alertmanager": "/-/ready", "daemon": "/healthz"}
TYPES = ("data_extraction", "exploitation", "other")


@dataclass(slots=True)
class Load:
    """What was sent and what became of it: send times by id, ids acknowledged, requests refused."""

    sent_at: dict[str, float] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0
    seconds: float = 0.0


def main() -> int:
    """Run the benchmark; return 0 when every figure holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 seconds of load instead of 10 minutes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="charter-load-") as scratch:
        result = asyncio.run(measure(Path(scratch), seconds=20.0 if options.quick else 600.0))
    print(json.dumps(result) if options.json else table(result))
    return 0 if result["ok"] else 1


async def measure(scratch: Path, *, seconds: float) -> dict[str, Any]:
    """Return figures, conditions and whether the figures hold."""
    validation, baseline = validation_quantiles()
    interval = 30 if seconds > 60 else 2
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        stack, urls = lay_out(scratch, interval)
        running = Stack(stack, http, SystemClock())
        try:
            await running.start(lambda _name: None)
            load = await send(http, urls["charter"], seconds)
            await asyncio.sleep(NOTIFIED_WITHIN_SECONDS / 4)
            found = await read_back(http, urls["charter"], load)
            cycles = await cycle_seconds(http, urls["daemon"])
            cpu = {name: cpu_seconds(component) for name, component in stack.items()}
        finally:
            await running.end()
    delays = [found.get(name, math.inf) - load.sent_at[name] for name in load.acknowledged]
    figures = {
        "violations_per_second": round(len(load.acknowledged) / load.seconds, 1),
        "lost": len(load.acknowledged - found.keys()),
        "notification_p99_seconds": quantile(delays, 0.99),
        "validation_p99_seconds": validation,
        "cycle_p99_seconds": quantile(cycles, 0.99),
    }
    conditions = {
        "violations": len(load.acknowledged),
        "lost_bound": 3 / max(1, len(load.acknowledged)),
        "refused_requests": load.refused,
        "seconds": round(load.seconds, 1),
        "notification_p50_seconds": quantile(delays, 0.5),
        "validation_calls": CALLS,
        "empty_call_p99_seconds": baseline,
        "cycles": len(cycles),
        "cycle_interval_seconds": interval,
        "cpu_seconds": cpu,
        "processors": os.cpu_count(),
        "python": platform.python_version(),
    }
    return {"figures": figures, "conditions": conditions, "ok": holds(figures)}


def holds(figures: Mapping[str, float | None]) -> bool:
    """Return whether every figure was measured and keeps its limit."""
    return all(
        value is not None and (value >= LIMITS[name] if name == "violations_per_second" else value <= LIMITS[name])
        for name, value in figures.items()
    )


def validation_quantiles() -> tuple[float, float]:
    """Return the 99th percentile of one validation with its metrics recorded, and of an empty call, in seconds."""
    document = policy_document.parse((CONFIG / "charter" / "charter_policy.yaml").read_text(encoding="utf-8"))
    validator = MetricValidator(document, Metrics(["node-1"]).observe_validation_ns)
    names = (*sorted(document.allowed), *sorted(document.forbidden), "unheard_of")
    return call_p99(validator.check, names), call_p99(lambda _name: None, names)


def call_p99(call: Callable[[str], object], names: Sequence[str]) -> float:
    """Return the 99th percentile of the duration of a call, in seconds."""
    clock, count, durations = time.perf_counter_ns, len(names), []
    for number in range(CALLS):
        name = names[number % count]
        begin = clock()
        call(name)
        durations.append((clock() - begin) * 1e-9)
    return quantile(durations, 0.99) or math.inf


async def send(http: aiohttp.ClientSession, charter: str, seconds: float) -> Load:
    """Send on schedule for so long."""
    load, free, pending = Load(), asyncio.Semaphore(SENDERS), set()
    begin = time.monotonic()
    for number in range(int(seconds * RATE / BATCH)):
        await asyncio.sleep(max(0.0, begin + number * BATCH / RATE - time.monotonic()))
        await free.acquire()
        task = asyncio.create_task(send_batch(http, charter, number, load))
        task.add_done_callback(lambda _task: free.release())
        pending.add(task)
        task.add_done_callback(pending.discard)
    await asyncio.gather(*pending)
    load.seconds = time.monotonic() - begin
    return load


async def send_batch(http: aiohttp.ClientSession, charter: str, number: int, load: Load) -> None:
    """Send one batch; what is refused is not acknowledged."""
    now = time.time_ns() / 1e9
    ids = [f"load-{number * BATCH + index}" for index in range(BATCH)]
    load.sent_at |= dict.fromkeys(ids, now)
    at = datetime.fromtimestamp(now, UTC).isoformat()
    violations = [
        {"id": name, "detected_at": at, "violation_type": TYPES[i % 3], "node_or_service": f"node-{i % 7 + 1}"}
        for i, name in enumerate(ids)
    ]
    async with http.post(f"{charter}/api/v1/violations", json={"violations": violations}) as answer:
        if answer.status == 202:
            load.acknowledged |= set(ids)
        else:
            load.refused += 1


async def read_back(http: aiohttp.ClientSession, charter: str, load: Load) -> dict[str, float]:
    """Return when the committee was told of each violation that the Charter knows, as Unix seconds; never: infinity."""
    since = datetime.fromtimestamp(min(load.sent_at.values()), UTC).isoformat().replace("+00:00", "Z")
    found, query = {}, f"since={since}"
    while query:
        async with http.get(f"{charter}/api/v1/violations?limit=1000&{query}") as answer:
            page = await answer.json()
        found |= {v["id"]: told_at(v["notified_at"]) for v in page["violations"] if v["id"] in load.acknowledged}
        query = f"cursor={page['next_cursor']}" if page["next_cursor"] else ""
    return found


def told_at(text: str | None) -> float:
    """Return the moment, or infinity for none."""
    return math.inf if text is None else datetime.fromisoformat(text).timestamp()


async def cycle_seconds(http: aiohttp.ClientSession, daemon: str) -> list[float]:
    """Return how long the daemon's cycles took."""
    seconds, query = [], ""
    while True:
        async with http.get(f"{daemon}/api/v1/cycles?limit=100{query}") as answer:
            page = await answer.json()
        seconds += [float(cycle["seconds"]) for cycle in page["items"]]
        if not page.get("next_cursor"):
            return seconds
        query = f"&cursor={page['next_cursor']}"


def lay_out(scratch: Path, interval: int) -> tuple[dict[str, Component], dict[str, str]]:
    """Return Charter, Prometheus, Alertmanager and the daemon in shadow, not started yet, and where they will be."""
    here = {name: f"127.0.0.1:{free_port()}" for name in ("charter", "prometheus", "alertmanager", "daemon")}
    (scratch / "token").write_text("load-trial-only")
    built = build(
        [CONFIG / "packs" / "charter", CONFIG / "packs" / "mape-k"],
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
    commands = {
        "charter": python_module("westworld", "--listen", here["charter"], "--state", str(scratch / "charter.db")),
        "prometheus": server("prometheus", built.prometheus, here, "--storage.tsdb.path", scratch),
        "alertmanager": [
            *server("alertmanager", built.alertmanager, here, "--storage.path", scratch),
            "--cluster.listen-address=",
        ],
        "daemon": python_module("mape_k", "run"),
    }
    urls = {name: f"http://{address}" for name, address in here.items()}
    return {
        name: Component(
            name=name,
            command=command,
            ready_url=urls[name] + READY[name],
            log=scratch / f"{name}.log",
            env=daemon_environment(scratch, urls, interval) if name == "daemon" else None,
        )
        for name, command in commands.items()
    }, urls


def server(name: str, config: Path | None, here: dict[str, str], storage: str, scratch: Path) -> list[str]:
    """Return the command of a real server."""
    options = [f"--config.file={config}", f"{storage}={scratch / name}", f"--web.listen-address={here[name]}"]
    return [str(find_tool(name)), *options, "--log.level=error"]


def daemon_environment(scratch: Path, urls: dict[str, str], interval: int) -> dict[str, str]:
    """Return the daemon's environment: in shadow, as it is by default."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAPE_K_")}
    return inherited | {
        "PROMETHEUS_URL": urls["prometheus"],
        "ALERTMANAGER_URL": urls["alertmanager"],
        "CHARTER_API_URL": urls["charter"],
        "MAPE_K_LISTEN": urls["daemon"].removeprefix("http://"),
        "MAPE_K_KNOWLEDGE_URL": f"sqlite:///{scratch / 'knowledge.db'}",
        "STATE_DIRECTORY": str(scratch),
        **dict(pace(interval)),
    }


def pace(interval: int) -> Iterator[tuple[str, str]]:
    """Return the daemon's timing: the shipped one, or one that fits a short trial."""
    yield "MAPE_K_INTERVAL", str(interval)
    if interval < 30:
        yield "MAPE_K_CYCLE_BUDGET", str(interval)
        for phase in ("MONITOR", "ANALYZE", "PLAN", "EXECUTE"):
            yield f"MAPE_K_{phase}_BUDGET", str(interval / 4)


def cpu_seconds(component: Component) -> float:
    """Return the processor time that a component used so far."""
    if component.process is None:
        return 0.0
    fields = Path(f"/proc/{component.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 1)


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the value that at most ``1 - share`` of the values exceed; None when it is beyond measure."""
    value = sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else math.inf
    return value if math.isfinite(value) else None


def table(result: dict[str, Any]) -> str:
    """Return the figures for people."""
    lines = [f"{name:28} {value!s:22} limit {LIMITS[name]:g}" for name, value in result["figures"].items()]
    lines += [f"  {name}: {value}" for name, value in result["conditions"].items()]
    return "\n".join([*lines, "holds" if result["ok"] else "does NOT hold"])


if __name__ == "__main__":
    sys.exit(main())
