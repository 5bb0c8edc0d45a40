import asyncio
import json

import aiohttp
import pytest

from fakes_daemon import AS_OPERATOR, calling
from mape_k.api import Events, serve
from mape_k.model import WokenBy


async def test_a_pause_is_kept_with_who_and_why_and_wakes_the_loop(api, daemon):
    body = {"by": "dolores", "comment": "maintenance"}

    answer = await (await api.post("/api/v1/pause", json=body, headers=AS_OPERATOR)).json()

    assert (answer["paused"], answer["by"], answer["comment"]) == (True, "dolores", "maintenance")
    assert daemon.archive.paused.comment == "maintenance"
    assert daemon.woken == [WokenBy.OPERATOR]


async def test_a_resume_lifts_it_and_may_be_repeated(api, daemon):
    await api.post("/api/v1/pause", headers=AS_OPERATOR)

    answers = [await (await api.post("/api/v1/resume", headers=AS_OPERATOR)).json() for _ in range(2)]

    assert answers == [{"paused": False, "scope": ""}] * 2
    assert daemon.archive.paused is None


async def test_a_pause_that_is_not_durable_is_not_confirmed(api, daemon):
    daemon.archive.is_down = True

    response = await api.post("/api/v1/pause", headers=AS_OPERATOR)

    assert response.status == 503
    assert daemon.woken == []


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"comment": "\xff"}', "application/json", 400),
        (b"[]", "application/json", 422),
        (b'{"comment": 1}', "application/json", 422),
        (b'{"coment": "typo"}', "application/json", 422),
        (json.dumps({"comment": "x" * 501}).encode(), "application/json", 422),
        (b'{"seconds": 0}', "application/json", 422),
        (b'{"seconds": 1e9}', "application/json", 422),
        (b'{"until": "2026-03-01T14:00:00"}', "application/json", 422),
        (b'{"until": "2026-03-01T11:00:00Z"}', "application/json", 422),
        (b'{"until": "2026-03-01T14:00:00Z", "seconds": 60}', "application/json", 422),
        (b'{"scope": "charter/block_source"}', "application/json", 422),
        (b'{"scope": "remediation:charter/block_sauce"}', "application/json", 422),
        (b'{"scope": "remediation:chart/block_source"}', "application/json", 422),
        (b'{"scope": "target:charter/"}', "application/json", 422),
        (b'{"comment": "form"}', "text/plain", 415),
        (b" " * 20_000, "application/json", 413),
    ],
)
async def test_a_command_that_is_not_understood_changes_nothing(api, daemon, body, content_type, status):
    headers = {**AS_OPERATOR, "Content-Type": content_type}

    response = await api.post("/api/v1/pause", data=body, headers=headers)

    assert response.status == status
    assert daemon.archive.paused is None


async def test_closed_cycles_are_streamed(daemon):
    services = daemon.services()
    async with calling(services) as api, api.get("/api/v1/events") as stream:
        assert stream.content_type == "text/event-stream"
        await stream.content.readuntil(b"\n\n")

        services.events.publish("cycle_closed", {"text": "two\nlines"}, "c-1")
        event = await stream.content.readuntil(b"\n\n")

    assert event == b'id: c-1\nevent: cycle_closed\ndata: {"text":"two\\nlines"}\n\n'


async def test_one_listener_too_many_is_told_to_come_back(daemon):
    services = daemon.services(events=Events(max_listeners=1))
    async with calling(services) as api, api.get("/api/v1/events"):
        refused = await api.get("/api/v1/events")

        assert refused.status == 503
        assert refused.headers["Retry-After"] == "30"


async def test_a_listener_that_leaves_frees_its_place(daemon):
    services = daemon.services(events=Events(max_listeners=1))
    async with calling(services) as api:
        async with api.get("/api/v1/events") as stream:
            await stream.content.readuntil(b"\n\n")
        status = 503
        async with asyncio.timeout(5):
            while status != 200:
                services.events.publish("cycle_closed", {})
                async with api.get("/api/v1/events") as stream:
                    status = stream.status

    assert status == 200


def test_a_listener_that_is_slow_loses_the_oldest_events():
    events = Events(backlog=2)
    with events.listen() as queue:
        for number in range(5):
            events.publish("e", {"n": number})

        kept = [queue.get_nowait(), queue.get_nowait()]

    assert [chunk[-11:] for chunk in kept] == [b'a: {"n":3}\n\n'[-11:], b'a: {"n":4}\n\n'[-11:]]


async def test_stopping_does_not_wait_for_the_listeners(daemon):
    runner = await serve(daemon.services(), "127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as api:
        stream = await api.get("/api/v1/events")
        await stream.content.readuntil(b"\n\n")

        async with asyncio.timeout(1):
            await runner.cleanup()
            rest = await stream.content.read()

    assert rest == b""
