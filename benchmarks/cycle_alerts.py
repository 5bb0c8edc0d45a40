"""What cycles cost when very many alerts are true: one webhook announces them, and Alertmanager shows all of them.

Each size is a daemon of its own with its shipped settings, acting, with one pack of so many targets; every alert is
about another one. The first cycle after the webhook opens all incidents, the next one finds them open. A whole cycle
counts, also what is kept of it after its last phase. Guards must keep the daemon from acting in such a storm at all.

With others at work on both processors, the largest cycle took 3 to 5 s and 9 to 13 times as long as one of a tenth. The
limits leave twice that, less than a cycle may take in all; a square would have been a hundredfold.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp
from aiohttp import web

from door.peers import ALERT, BEGAN, LABEL, WELL, Peers, peers, webhook, write_pack
from door.servers import TOKEN, Server, acting_daemon
from frame.figures import Limit, Measured, run

QUICK_SIZES, SIZES = (1000, 10_000), (100, 1000, 10_000)
LONGEST_SECONDS = 120.0
LIMITS = {
    "webhook_seconds": Limit(at_most=2.0),
    "opening_seconds": Limit(at_most=10.0),
    "cycle_seconds": Limit(at_most=10.0),
    "growth": Limit(at_most=25.0),
    "actions": Limit(at_most=0),
}


class Crowd(Peers):
    """The peers with very many targets, all of them ill or none."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.targets = [f"node-{number}" for number in range(size)]
        self.are_ill = False
        self.policies = 0
        self._shown = json.dumps([_alert(target) for target in self.targets])

    def _answer(self, query: str, moment: float) -> Iterator[tuple[dict[str, str], float]]:
        if query.startswith(("timestamp(", "up{")):
            yield from super()._answer(query, moment)
        else:
            yield from (({LABEL: target}, 0.0) for target in WELL)
            yield from (({LABEL: target}, 10.0 * self.are_ill) for target in self.targets)

    async def _alerts(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._shown if self.are_ill else "[]", content_type="application/json")

    async def _policy(self, request: web.Request) -> web.Response:
        self.policies += 1
        return await super()._policy(request)

    def announced(self) -> dict[str, object]:
        """Return one webhook that tells of all."""
        alert = {"status": "firing", "startsAt": BEGAN}
        alerts = [alert | {"fingerprint": t, "labels": {"alertname": ALERT, LABEL: t}} for t in self.targets]
        return webhook("") | {"alerts": alerts}


def _alert(target: str) -> dict[str, object]:
    labels, status = {"alertname": ALERT, LABEL: target}, {"silencedBy": [], "inhibitedBy": []}
    return {"fingerprint": target, "labels": labels, "startsAt": BEGAN, "updatedAt": BEGAN, "status": status}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What so many alerts cost (seconds): until they were taken, and each cycle that saw all of them."""

    alerts: int
    webhook: float
    opening: float
    cycle: float
    actions: int


async def measure(scratch: Path, quick: bool) -> Measured:
    """Return the figures of the largest size, and how a cycle grew over the last tenfold."""
    costs = [await _cost(scratch / str(size), size) for size in (QUICK_SIZES if quick else SIZES)]
    before, largest = costs[-2:]
    return Measured(
        figures={
            "webhook_seconds": round(largest.webhook, 3),
            "opening_seconds": round(largest.opening, 3),
            "cycle_seconds": round(largest.cycle, 3),
            "growth": round(largest.cycle / before.cycle, 2),
            "actions": sum(cost.actions for cost in costs),
        },
        conditions={"alerts": "taken, opening cycle, next cycle (seconds)"}
        | {str(c.alerts): f"{c.webhook:.3f}, {c.opening:.3f}, {c.cycle:.3f}" for c in costs},
    )


async def _cost(scratch: Path, size: int) -> Cost:
    pack = write_pack(_made(scratch))
    async with peers(crowd := Crowd(size)), acting_daemon(scratch, crowd.port, pack) as daemon:
        log = scratch / "daemon.log"
        await _cycles(log, alerts=0)
        crowd.are_ill = True
        begun = time.perf_counter()
        await _announce(daemon, crowd)
        taken = time.perf_counter() - begun
        opening, cycle = (await _cycles(log, alerts=size, count=2))[:2]
    return Cost(alerts=size, webhook=taken, opening=opening, cycle=cycle, actions=crowd.policies)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def _announce(daemon: Server, crowd: Crowd) -> None:
    url, headers = f"http://127.0.0.1:{daemon.port}/api/v1/alerts", {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession() as http, http.post(url, json=crowd.announced(), headers=headers) as answer:
        answer.raise_for_status()


async def _cycles(log: Path, *, alerts: int, count: int = 1) -> Sequence[float]:
    """Wait for so many cycles that saw all alerts; return how long each took, from its beginning until it was kept."""
    async with asyncio.timeout(LONGEST_SECONDS):
        while len(ended := _ended(log, alerts)) < count:  # noqa: ASYNC110 - another process writes the log
            await asyncio.sleep(0.2)
    return ended


def _ended(log: Path, alerts: int) -> Sequence[float]:
    whole = (line for line in log.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n"))
    events = [json.loads(line) for line in whole if "cycle_closed" in line]
    return [
        (datetime.fromisoformat(event["timestamp"]) - datetime.fromisoformat(event["as_of"])).total_seconds()
        for event in events
        if event["alerts"] == alerts and event["result"] == "completed"
    ]


if __name__ == "__main__":
    sys.exit(run(__doc__, LIMITS, measure, quick=f"{len(QUICK_SIZES)} sizes instead of {len(SIZES)}"))
