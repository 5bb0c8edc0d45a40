import asyncio
import gzip
import io
import json

import pytest

from fakes_daemon import AS_ALERTMANAGER, AS_OPERATOR, calling
from mape_k.api.webhook import LARGE_BYTES
from mape_k.model import WokenBy

HEADERS = {**AS_ALERTMANAGER, "Content-Type": "application/json"}
HOSTILE = {"alertname": 'x"\n<script>', "node": "\u202e"}


def payload(**changes) -> bytes:
    alert = {"status": "firing", "labels": HOSTILE, "startsAt": "2026-03-01T12:00:00Z", "fingerprint": "f"}
    whole = {"version": "4", "status": "firing", "groupKey": "{}", "receiver": "mape-k", "alerts": [alert, alert]}
    return json.dumps(whole | changes).encode()


@pytest.fixture
async def narrow(daemon):
    """An interface that takes small webhooks, one at a time, and waits for none."""
    services = daemon.services(webhook_max_bytes=2000, webhooks_at_once=1, body_seconds=0.2)
    async with calling(services) as client:
        yield client


def counted(daemon, result: str) -> float:
    return daemon.metrics.registry.get_sample_value("mape_k_webhooks_total", {"result": result})


async def test_a_webhook_wakes_the_loop_and_says_how_many_alerts_it_had(api, daemon):
    response = await api.post("/api/v1/alerts", data=payload(), headers=HEADERS)

    assert (response.status, await response.json()) == (202, {"accepted": 2, "new": 1, "known": 1})
    assert daemon.woken == [WokenBy.WEBHOOK]


async def test_the_same_webhook_again_has_nothing_new_and_wakes_the_loop_all_the_same(api, daemon):
    await api.post("/api/v1/alerts", data=payload(), headers=HEADERS)

    response = await api.post("/api/v1/alerts", data=payload(), headers=HEADERS)

    assert await response.json() == {"accepted": 2, "new": 0, "known": 2}
    assert daemon.woken == [WokenBy.WEBHOOK, WokenBy.WEBHOOK]


async def test_what_cannot_be_kept_is_asked_for_again(api, daemon):
    daemon.notices.is_down = True

    response = await api.post("/api/v1/alerts", data=payload(), headers=HEADERS)

    assert (response.status, response.headers["Retry-After"]) == (503, "5")
    assert "the disk is full" in (await response.json())["detail"]
    assert daemon.woken == []
    assert counted(daemon, "refused") == 1


async def test_large_webhooks_have_few_places_of_their_own(daemon):
    release, sent, large, statuses = asyncio.Event(), asyncio.Event(), payload() + b" " * LARGE_BYTES, []
    async with calling(daemon.services(large_webhooks_at_once=1)) as client:
        first = asyncio.create_task(client.post("/api/v1/alerts", data=stalled(release, sent), headers=HEADERS))
        async with asyncio.timeout(5):
            await sent.wait()
            while 503 not in statuses and not first.done():
                response = await client.post("/api/v1/alerts", data=io.BytesIO(large), headers=HEADERS)
                statuses.append(response.status)
        small = await client.post("/api/v1/alerts", data=payload(), headers=HEADERS)
        release.set()
        await first

    assert (statuses[-1], small.status) == (503, 202)


async def test_nothing_that_a_webhook_says_is_shown(api, daemon):
    await api.post("/api/v1/alerts", data=payload(), headers=HEADERS)

    assert "<script>" not in await (await api.get("/api/v1/status")).text()
    assert daemon.archive.documents.keys() == {"cycles", "incidents", "actions"}


@pytest.mark.parametrize("version", ["3", "5", "", None])
async def test_another_version_is_told_what_is_expected(api, daemon, version):
    body = json.dumps({} if version is None else {"version": version}).encode()

    response = await api.post("/api/v1/alerts", data=body, headers=HEADERS)

    assert response.status == 422
    assert '"version": "4"' in (await response.json())["detail"]
    assert daemon.woken == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'{"version": 4}',
        b'{"version": "4"}',
        b'{"version": "4", "status": "firing", "alerts": [{"labels": {"a": 1}, "status": "firing"}]}',
        b'{"version": "4", "status": "firing", "alerts": "many"}',
        b'{"version": "4", "status": "firing", "alerts": [{"labels": {}, "status": "burning"}]}',
        b'{"version": "4", "status": "firing", "alerts": [], "truncatedAlerts": -1}',
        b'{"version": "4", "status": "firing", "alerts": [{"labels": {"a": "\\ud800"}, "status": "firing"}]}',
        b'{"version": "4", "status": "firing", "alerts": [{"labels": {}, "status": "firing", "startsAt": "%s"}]}'
        % (b"x" * 65),
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"version": "4", "status": "\xff", "alerts": []}',
    ],
)
async def test_what_is_no_webhook_is_refused_and_wakes_nobody(api, daemon, body):
    response = await api.post("/api/v1/alerts", data=body, headers=HEADERS)

    assert response.status == 400
    assert daemon.woken == []


async def test_another_content_type_is_refused(api):
    response = await api.post("/api/v1/alerts", data=payload(), headers={**HEADERS, "Content-Type": "text/plain"})

    assert response.status == 415


async def test_ten_thousand_alerts_in_one_webhook_are_taken(api):
    alert = {"status": "firing", "labels": {"alertname": "x", "text": "y" * 300}}

    response = await api.post("/api/v1/alerts", data=io.BytesIO(payload(alerts=[alert] * 10_000)), headers=HEADERS)

    assert await response.json() == {"accepted": 10_000, "new": 1, "known": 9_999}


async def test_a_webhook_that_alertmanager_cut_wakes_the_loop_all_the_same(api, daemon):
    response = await api.post("/api/v1/alerts", data=payload(truncatedAlerts=7), headers=HEADERS)

    assert response.status == 202
    assert daemon.woken == [WokenBy.WEBHOOK]
    assert daemon.metrics.registry.get_sample_value("mape_k_truncated_alerts_total") == 7


async def test_a_body_that_is_too_large_is_refused_by_its_header(narrow, daemon):
    response = await narrow.post("/api/v1/alerts", data=b" " * 2001, headers=HEADERS)

    assert response.status == 413
    assert counted(daemon, "too_large") == 1
    assert daemon.woken == []


async def test_a_compressed_body_is_not_unpacked(api):
    bomb = gzip.compress(b" " * 50_000_000)

    response = await api.post("/api/v1/alerts", data=bomb, headers={**HEADERS, "Content-Encoding": "gzip"})

    assert response.status == 415


async def endless(chunk: bytes):
    while True:
        yield chunk
        await asyncio.sleep(0)


async def test_a_body_without_an_end_is_cut(narrow):
    response = await narrow.post("/api/v1/alerts", data=endless(b" " * 100), headers=HEADERS)

    assert response.status == 413


async def stalled(release: asyncio.Event, sent: asyncio.Event | None = None):
    yield b"{"
    if sent:
        sent.set()
    await release.wait()


async def test_a_body_that_does_not_come_is_not_waited_for(narrow):
    release = asyncio.Event()

    response = await narrow.post("/api/v1/alerts", data=stalled(release), headers=HEADERS)
    release.set()

    assert response.status == 408


async def test_more_at_once_than_places_are_told_to_come_again(narrow):
    release = asyncio.Event()
    first = asyncio.create_task(narrow.post("/api/v1/alerts", data=stalled(release), headers=HEADERS))
    statuses = []
    async with asyncio.timeout(5):
        while 503 not in statuses and not first.done():
            response = await narrow.post("/api/v1/alerts", data=payload(), headers=HEADERS)
            statuses.append(response.status)
    release.set()
    await first

    assert statuses[-1] == 503
    assert response.headers["Retry-After"] == "5"


async def test_without_its_token_a_body_is_not_even_read(narrow, daemon):
    response = await narrow.post("/api/v1/alerts", data=b"{" * 2001)
    other = await narrow.post("/api/v1/alerts", data=payload(), headers={**HEADERS, **AS_OPERATOR})

    assert (response.status, other.status) == (401, 403)
    assert counted(daemon, "unauthorized") == 2


async def test_while_stopping_alertmanager_is_asked_to_send_again(api, daemon):
    daemon.is_draining = True

    response = await api.post("/api/v1/alerts", data=payload(), headers=HEADERS)

    assert response.status == 503
    assert daemon.woken == []


async def test_results_are_counted(narrow, daemon):
    for body in (payload(alerts=[]), payload(version="3"), b"nonsense"):
        await narrow.post("/api/v1/alerts", data=body, headers=HEADERS)

    assert [counted(daemon, result) for result in ("accepted", "wrong_version", "malformed")] == [1, 1, 1]
