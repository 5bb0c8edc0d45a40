"""The other side of a webhook: scripted peers that say what is ill, and note when a policy for it arrives."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

JOB, LABEL, ALERT, KIND = "nodes", "node", "NodeIll", "block_source"
WELL = tuple(f"well-{number}" for number in range(20))
"""Targets that are never ill, so that nobody suspects a storm."""
BEGAN = "2026-03-01T12:00:00Z"
PACK = f"""\
pack: nodes
title: Nodes that fall ill
jobs:
  {JOB}: {{scrape_interval: 15s}}
limits:
  max_targets: 1000
  settle_after_blindness: 0s
  budgets: {{remediation: 1000, target: 1000, per: 1h}}
  stages: {{share: 1.0}}
signals:
  harm: {{query: 'node_harm{{job="{JOB}"}}', unit: harm, job: {JOB}, target_label: {LABEL}}}
symptoms:
  ill:
    severity: critical
    alert: {ALERT}
    target: {{label: {LABEL}}}
    signal: harm
    threshold: {{above: 1}}
    remediations: [block]
remediations:
  block:
    policy: {{kind: {KIND}}}
    prior: {{success: 0.9, weight: 1000}}
    cost: 0
    verify: {{all: [{{signal: harm, below: 1}}], samples: 1, deadline: 1m}}
    compensation: nothing
    lifetime: once
    cooldown: 1s
    attempts: {{max: 1000, per: 1h}}
"""


def write_pack(folder: Path) -> Path:
    """Write the pack that knows the nodes; return its folder."""
    pack = folder / "nodes"
    pack.mkdir()
    (pack / "pack.yaml").write_text(PACK, encoding="utf-8")
    return pack


class Peers:
    """Prometheus, Alertmanager and the Charter on one port of loopback; one target at a time is ill."""

    def __init__(self) -> None:
        self.ill: str | None = None
        self._well = list(WELL)
        self.port = 0
        self._arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def fall_ill(self, target: str) -> "asyncio.Future[float]":
        """Let a target fall ill; the result is when a policy for it arrived (seconds, as ``perf_counter``)."""
        self.ill, self._arrived = target, asyncio.get_running_loop().create_future()
        return self._arrived

    def app(self) -> web.Application:
        """Return the interface of all three."""
        app = web.Application()
        app.router.add_route("*", "/api/v1/query", self._query)
        app.router.add_get("/api/v2/alerts", self._alerts)
        app.router.add_get("/api/v2/status", self._status)
        app.router.add_get("/api/v1/violations", self._violations)
        app.router.add_post("/api/v1/policies", self._policy)
        return app

    async def _query(self, request: web.Request) -> web.Response:
        params = await request.post() if request.method == "POST" else request.query
        moment = float(str(params["time"]))
        rows = [
            {"metric": {"job": JOB, **labels}, "value": [moment, str(value)]}
            for labels, value in self._answer(str(params["query"]), moment)
        ]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": rows}})

    def _answer(self, query: str, moment: float) -> Iterator[tuple[dict[str, str], float]]:
        if query.startswith("timestamp("):
            yield {}, moment
        elif query.startswith("up{"):
            yield {}, 1.0
        else:
            yield from (({LABEL: name}, 0.0) for name in self._well)
            if self.ill is not None:
                yield {LABEL: self.ill}, 10.0

    async def _alerts(self, _request: web.Request) -> web.Response:
        return web.json_response([_alert(self.ill)] if self.ill is not None else [])

    async def _status(self, _request: web.Request) -> web.Response:
        return web.json_response({"uptime": BEGAN})

    async def _violations(self, _request: web.Request) -> web.Response:
        return web.json_response({"violations": []})

    async def _policy(self, request: web.Request) -> web.Response:
        arrived = time.perf_counter()
        policy, key = await request.json(), request.headers.get("Idempotency-Key")
        if policy["scope"].get("node_or_service") == self.ill:
            self._well.append(self.ill)
            self.ill = None
            self._arrived.set_result(arrived)
        answer = {"policy_id": f"pol-{key}", "version": 1, "status": "active", "idempotency_key": key}
        return web.json_response(answer, status=201)


def _alert(target: str) -> dict[str, object]:
    now = datetime.now(UTC).isoformat()  # noqa: TID251 - what a real Alertmanager would say
    return {
        "fingerprint": target,
        "labels": {"alertname": ALERT, LABEL: target},
        "startsAt": now,
        "updatedAt": now,
        "status": {"silencedBy": [], "inhibitedBy": []},
    }


def webhook(target: str) -> dict[str, object]:
    """Return what Alertmanager announces about a target that fell ill."""
    alert = {
        "status": "firing",
        "labels": {"alertname": ALERT, LABEL: target},
        "startsAt": BEGAN,
        "fingerprint": target,
    }
    return {"version": "4", "status": "firing", "groupKey": "{}", "receiver": "mape-k", "alerts": [alert]}


@asynccontextmanager
async def peers(served: Peers | None = None) -> AsyncIterator[Peers]:
    """Serve the three."""
    served = served or Peers()
    runner = web.AppRunner(served.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        served.port = runner.addresses[0][1]
        yield served
    finally:
        await runner.cleanup()
