"""The fakes and the real adapters keep one contract: the same cases run against both."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from builders import QUEUE, a_call
from fakes_peers import FakeAlertSource, FakeEffector, FakeMetricSource, FakeViolationSource, StandingClock
from integration.alertmanager_client import AlertmanagerClient
from integration.charter_client import CharterClient
from integration.http import HttpSession
from integration.http_effector import HttpServers
from integration.prometheus_client import PrometheusClient
from mape_k.errors import TransientError
from mape_k.model import Alert, PolicyRequest, Violation
from mape_k.ports import AlertSource, Effector, InstantVector, MetricSource, RangeSeries, ViolationSource

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
BLOCK = PolicyRequest(name="block", kind="block_source", scope={"node_or_service": "node-7"}, ttl_seconds=60)
UNBLOCK = PolicyRequest(name="unblock", kind="unblock_source", scope={"node_or_service": "node-7"})
PIN = replace(BLOCK, call=a_call())
UNPIN = replace(UNBLOCK, call=a_call("/actions/{id}", method="DELETE"))
VIOLATIONS = tuple(
    Violation(
        violation_id=f"v{n}", detected_at=NOON + timedelta(hours=n), severity="low", violation_type="t", target="x"
    )
    for n in (-1, 0, 1)
)
ALERT = Alert(
    fingerprint="f1", name="Spike", labels={"alertname": "Spike"}, starts_at=NOON, updated_at=NOON, silenced_by=("s",)
)


@dataclass(frozen=True)
class Peers:
    """The four ports onto one small world, and what the effector takes."""

    metrics: MetricSource
    alerts: AlertSource
    violations: ViolationSource
    effector: Effector
    request: PolicyRequest = BLOCK
    undo: PolicyRequest = UNBLOCK


def fakes() -> Peers:
    up = InstantVector(labels=({"job": "a"}, {"job": "b"}), values=np.array([1.0, np.nan]))
    series = RangeSeries(labels={"job": "a"}, times=np.array([1.0]), values=np.array([2.0]))
    return Peers(
        FakeMetricSource(vectors={"up": up}, ranges={"up": (series,)}),
        FakeAlertSource(held=(ALERT,)),
        FakeViolationSource(held=VIOLATIONS),
        FakeEffector(),
    )


def fakes_down() -> Peers:
    down = TransientError("down")
    return Peers(
        FakeMetricSource(vectors={"up": down}),
        FakeAlertSource(failure=down),
        FakeViolationSource(failure=down),
        FakeEffector(failures=[down, down]),
    )


class SmallWorld:
    """Prometheus, Alertmanager and an idempotent Charter behind one address."""

    def __init__(self) -> None:
        self.policies: dict[str, dict[str, Any]] = {}
        self.app = web.Application()
        self.app.router.add_get("/api/v1/query", self.query)
        self.app.router.add_get("/api/v1/query_range", self.query_range)
        self.app.router.add_get("/api/v2/alerts", self.alerts)
        self.app.router.add_get("/api/v1/violations", self.violations)
        self.app.router.add_post("/api/v1/policies", self.apply)
        self.app.router.add_post("/api/v1/policies/{id}/rollback", self.roll_back)
        self.app.router.add_post("/nodes/node-7/pin", self.pin)
        self.app.router.add_delete("/actions/{id}", self.roll_back)

    async def query(self, request: web.Request) -> web.Response:
        rows = [{"metric": {"job": job}, "value": [1, value]} for job, value in (("a", "1"), ("b", "NaN"))]
        return _success("vector", rows if request.query["query"] == "up" else [])

    async def query_range(self, request: web.Request) -> web.Response:
        return _success(
            "matrix", [{"metric": {"job": "a"}, "values": [[1, "2"]]}] if request.query["query"] == "up" else []
        )

    async def alerts(self, _: web.Request) -> web.Response:
        status = {"state": "suppressed", "silencedBy": ["s"], "inhibitedBy": []}
        moments = {"startsAt": NOON.isoformat(), "updatedAt": NOON.isoformat()}
        return web.json_response([{"fingerprint": "f1", "labels": ALERT.labels, "status": status} | moments])

    async def violations(self, _: web.Request) -> web.Response:
        return web.json_response(
            [
                {
                    "id": seen.violation_id,
                    "detected_at": seen.detected_at.isoformat(),
                    "severity": seen.severity,
                    "violation_type": seen.violation_type,
                    "node_or_service": seen.target,
                }
                for seen in VIOLATIONS
            ]
        )

    async def apply(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        status = 200 if key in self.policies else 201
        self.policies.setdefault(key, msgspec.json.decode(await request.read()))
        return web.json_response({"policy_id": key, "idempotency_key": key}, status=status)

    async def pin(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        status = 200 if key in self.policies else 201
        self.policies.setdefault(key, {})
        return web.json_response({"action_id": key, "idempotency_key": key}, status=status)

    async def roll_back(self, request: web.Request) -> web.Response:
        known = self.policies.pop(request.match_info["id"], None)
        return web.json_response({}, status=200 if known else 404)


def _success(kind: str, result: object) -> web.Response:
    return web.json_response({"status": "success", "data": {"resultType": kind, "result": result}})


@asynccontextmanager
async def real(app: web.Application, effector: str) -> AsyncIterator[Peers]:
    async with TestServer(app) as server, HttpSession(clock=StandingClock(), jitter=lambda: 0.5) as http:
        url = str(server.make_url("/"))
        charter = CharterClient(http, url)
        peers = Peers(PrometheusClient(http, url), AlertmanagerClient(http, [url]), charter, charter)
        yield (
            peers
            if effector == "charter"
            else replace(peers, effector=HttpServers(http, {"queue": url}).effector_of(QUEUE), request=PIN, undo=UNPIN)
        )


@asynccontextmanager
async def busy(effector: str) -> AsyncIterator[Peers]:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=503)

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", refuse)
    async with real(app, effector) as peers:
        yield peers


@pytest.fixture(params=["fake", "charter", "http"])
async def peers(request: pytest.FixtureRequest) -> AsyncIterator[Peers]:
    async with AsyncExitStack() as stack:
        yield (
            fakes()
            if request.param == "fake"
            else await stack.enter_async_context(real(SmallWorld().app, request.param))
        )


@pytest.fixture(params=["fake", "charter", "http"])
async def peers_down(request: pytest.FixtureRequest) -> AsyncIterator[Peers]:
    async with AsyncExitStack() as stack:
        yield fakes_down() if request.param == "fake" else await stack.enter_async_context(busy(request.param))


async def apply(peers: Peers, key: str) -> Any:
    return await peers.effector.apply(peers.request, key=key, epoch=1, traceparent="", timeout_seconds=2.0)


async def roll_back(peers: Peers, policy_id: str | None, compensation: PolicyRequest | None) -> None:
    await peers.effector.roll_back(policy_id, compensation, key="k-r", epoch=1, traceparent="", timeout_seconds=2.0)


async def test_a_query_answers_in_columns(peers: Peers) -> None:
    vector = await peers.metrics.query("up", at=NOON, timeout_seconds=2.0)

    assert vector.labels == ({"job": "a"}, {"job": "b"})
    assert vector.values[0] == 1.0
    assert np.isnan(vector.values[1])


async def test_a_query_for_what_is_not_there_has_no_rows(peers: Peers) -> None:
    vector = await peers.metrics.query("nothing", at=NOON, timeout_seconds=2.0)

    assert (vector.labels, vector.values.tolist(), vector.warnings) == ((), [], ())


@pytest.mark.parametrize(("promql", "values"), [("up", [[2.0]]), ("nothing", [])])
async def test_a_range_answers_in_series(peers: Peers, promql: str, values: list[list[float]]) -> None:
    found = await peers.metrics.query_range(promql, start=NOON, end=NOON, step_seconds=15, timeout_seconds=2.0)

    assert [series.values.tolist() for series in found] == values


async def test_silenced_alerts_are_shown_as_such(peers: Peers) -> None:
    assert await peers.alerts.alerts(timeout_seconds=2.0) == (ALERT,)


async def test_violations_begin_at_the_moment_asked_for(peers: Peers) -> None:
    page = await peers.violations.violations(since=NOON, timeout_seconds=2.0)

    assert page.violations == VIOLATIONS[1:]
    assert not page.is_partial


async def test_the_same_key_is_applied_once(peers: Peers) -> None:
    first, second, other = [await apply(peers, key) for key in ("k-1", "k-1", "k-2")]

    assert (first.was_known, second.was_known, other.was_known) == (False, True, False)
    assert first.policy_id == second.policy_id != other.policy_id
    assert first.is_idempotent
    assert peers.effector.is_idempotent


async def test_what_was_rolled_back_is_not_in_force_any_more(peers: Peers) -> None:
    applied = await apply(peers, "k-1")

    await roll_back(peers, applied.policy_id, peers.undo)

    assert not (await apply(peers, "k-1")).was_known


async def test_rolling_back_twice_or_nothing_at_all_is_no_error(peers: Peers) -> None:
    applied = await apply(peers, "k-1")

    for policy_id, undo in ((applied.policy_id, peers.undo), (applied.policy_id, peers.undo), (None, None)):
        await roll_back(peers, policy_id, undo)

    assert not (await apply(peers, "k-1")).was_known


async def test_a_peer_that_is_down_raises_transient_errors(peers_down: Peers) -> None:
    with pytest.raises(TransientError):
        await peers_down.metrics.query("up", at=NOON, timeout_seconds=2.0)
    with pytest.raises(TransientError):
        await peers_down.alerts.alerts(timeout_seconds=2.0)
    with pytest.raises(TransientError):
        await peers_down.violations.violations(since=NOON, timeout_seconds=2.0)
    with pytest.raises(TransientError):
        await apply(peers_down, "k-1")
    with pytest.raises(TransientError):
        await roll_back(peers_down, "p-1", peers_down.undo)
