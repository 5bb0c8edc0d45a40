"""A thousand violations a second into the reference Charter, with the daemon watching it.

Violations are sent on a fixed schedule, whether or not the earlier ones were answered; every acknowledged one is read
back afterwards, so that the latency counts from the sender's clock to the moment at which the committee was told, and
none can be missing unseen. Meanwhile the daemon runs in shadow beside a real Prometheus and a real Alertmanager.
"""

import asyncio
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from frame.figures import Limit, Measured, quantile, run
from frame.local_stack import CONFIG, SHIPPED_INTERVAL, local_stack
from westworld import policy_document
from westworld.metrics import Metrics
from westworld.validator import MetricValidator

RATE = 1000
BATCH = 20
SENDERS = 64
CALLS = 1_000_000
NOTIFIED_WITHIN_SECONDS = 10.0
LIMITS = {
    "violations_per_second": Limit(at_least=0.99 * RATE),
    "lost": Limit(at_most=0),
    "notification_p99_seconds": Limit(at_most=1.0),
    "validation_p99_seconds": Limit(at_most=10e-6),
    "cycle_p99_seconds": Limit(at_most=15.0),
}
TYPES = ("data_extraction", "exploitation", "other")


@dataclass(slots=True)
class Load:
    """What was sent and what became of it: send times by id, ids acknowledged, requests refused."""

    sent_at: dict[str, float] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0
    seconds: float = 0.0


async def measure(scratch: Path, quick: bool) -> Measured:
    """Return the figures of ten minutes of load, or of 20 seconds when quick."""
    validation, baseline = validation_quantiles()
    seconds, interval = (20.0, 2) if quick else (600.0, SHIPPED_INTERVAL)
    async with local_stack(scratch, interval=interval) as stack:
        load = await send(stack.http, stack.urls["charter"], seconds)
        await asyncio.sleep(NOTIFIED_WITHIN_SECONDS / 4)
        found = await read_back(stack.http, stack.urls["charter"], load)
        cycles = await stack.cycle_seconds()
        cpu = {name: stack.cpu_seconds(name) for name in stack.components}
    delays = [found.get(name, math.inf) - load.sent_at[name] for name in load.acknowledged]
    return Measured(
        figures={
            "violations_per_second": round(len(load.acknowledged) / load.seconds, 1),
            "lost": len(load.acknowledged - found.keys()),
            "notification_p99_seconds": quantile(delays, 0.99),
            "validation_p99_seconds": validation,
            "cycle_p99_seconds": quantile(cycles, 0.99),
        },
        conditions={
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
        },
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


if __name__ == "__main__":
    sys.exit(run(__doc__, LIMITS, measure, quick="20 seconds of load instead of 10 minutes"))
