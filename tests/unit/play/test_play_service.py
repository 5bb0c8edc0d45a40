"""The player over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from play.controls import Controls
from play.reading import read_part
from play.service import make_app
from play.tracks import Moment
from play.world import World

SHOP = Path(__file__).parent / "shop"


@asynccontextmanager
async def playing() -> AsyncIterator[TestClient]:
    world = World(read_part(SHOP), lambda: Moment(elapsed=0.0, wall=0.0))
    controls = Controls(world, lambda: datetime(2026, 3, 2, tzinfo=UTC))
    async with TestServer(make_app(world, controls)) as server, TestClient(server) as client:
        yield client


async def test_metrics_are_in_the_text_format_and_those_of_a_job_have_their_own_path():
    async with playing() as client:
        whole = await client.get("/metrics")
        door = await client.get("/metrics/door")

        assert whole.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "shop_uptime_seconds" in await door.text()


async def test_faults_are_switched_on_and_off_and_what_is_unknown_is_told():
    async with playing() as client:
        assert (await client.post("/scenario", json={"fault": "closed"})).status == 200
        assert (await client.get("/metrics")).status == 503
        told = await (await client.get("/scenario")).json()
        assert (await client.delete("/scenario/closed")).status == 200

        assert told["faults"] == [{"fault": "closed", "cured": False}]
        assert "refusing" in told["known"]
        assert (await client.get("/metrics")).status == 200
        assert (await client.delete("/scenario/closed")).status == 404
        assert (await client.post("/scenario", json={"fault": "nothing"})).status == 404
        assert (await client.post("/scenario", data=b"[]")).status == 400


async def test_an_order_over_http_carries_its_key_and_its_epoch():
    headers = {"Idempotency-Key": "k", "X-Fencing-Token": "4"}
    async with playing() as client:
        await client.post("/scenario", json={"fault": "refusing"})
        answer = await client.post("/control/v1/shops/no%20rth/restock", json={}, headers=headers)
        said = await answer.json()
        again = await client.post("/control/v1/shops/no%20rth/restock", json={}, headers=headers)
        stale = await client.post("/control/v1/reopen", json={}, headers={"X-Fencing-Token": "3"})
        bad = await client.post("/control/v1/reopen", json={}, headers={"X-Fencing-Token": "x"})
        journal = (await (await client.get("/control/v1/journal")).json())["entries"]
        action = await (await client.get(f"/control/v1/actions/{said['action_id']}")).json()

        assert [answer.status, again.status, stale.status, bad.status] == [201, 200, 412, 400]
        assert (await stale.json())["current_epoch"] == 4
        assert said == await again.json()
        assert [(entry["target"], entry["epoch"]) for entry in journal] == [("no rth", 4)]
        assert action["status"] == "in_force"
        assert (await client.get("/control/v1/actions/none")).status == 404


async def test_a_restart_begins_anew():
    async with playing() as client:
        assert (await client.post("/restart")).status == 200
