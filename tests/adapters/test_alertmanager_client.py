import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from fakes_peers import StandingClock
from integration.alertmanager_client import AlertmanagerClient, AlertmanagerStatus, PostableAlert
from integration.clock import SystemClock
from integration.http import HttpSession
from mape_k.errors import PermanentError, TransientError
from mape_k.model import Alert
from raw_peer import HANG, http_answer, raw_peer


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession(clock=StandingClock(), jitter=lambda: 0.5) as session:
        yield session


def shown(fingerprint: str = "f1", **changes: object) -> dict[str, object]:
    return {
        "fingerprint": fingerprint,
        "labels": {"alertname": "ForbiddenMetricSpike", "node_or_service": "node-7"},
        "annotations": {"summary": "31 attempts/s"},
        "startsAt": "2026-03-04T07:06:07.123456789+02:00",
        "updatedAt": "2026-03-04T05:06:37Z",
        "endsAt": "2026-03-04T05:09:37Z",
        "receivers": [{"name": "mape-k"}],
        "status": {"state": "suppressed", "silencedBy": ["s1"], "inhibitedBy": ["f9"], "mutedBy": []},
    } | changes


async def test_alerts_come_with_what_silences_and_inhibits_them(http: HttpSession) -> None:
    async with raw_peer(http_answer([shown()])) as peer:
        (alert,) = await AlertmanagerClient(http, [peer.url]).alerts(timeout_seconds=2.0)

    assert alert == Alert(
        fingerprint="f1",
        name="ForbiddenMetricSpike",
        labels={"alertname": "ForbiddenMetricSpike", "node_or_service": "node-7"},
        starts_at=datetime(2026, 3, 4, 5, 6, 7, 123_457, tzinfo=UTC),
        updated_at=datetime(2026, 3, 4, 5, 6, 37, tzinfo=UTC),
        summary="31 attempts/s",
        silenced_by=("s1",),
        inhibited_by=("f9",),
    )
    assert alert.starts_at.tzinfo is UTC


async def test_silenced_and_inhibited_alerts_are_asked_for(http: HttpSession) -> None:
    async with raw_peer(http_answer([])) as peer:
        assert await AlertmanagerClient(http, [f"{peer.url}/am"]).alerts(timeout_seconds=2.0) == ()

    line = peer.requests[0].split(b"\r\n")[0]
    assert line == b"GET /am/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=false HTTP/1.1"


async def test_alerts_are_ordered_by_age_whatever_the_answer_says(http: HttpSession) -> None:
    young = shown("a", startsAt="2026-03-04T08:00:00Z")
    async with raw_peer(http_answer([young, shown("c"), shown("b")])) as peer:
        alerts = await AlertmanagerClient(http, [peer.url]).alerts(timeout_seconds=2.0)

    assert [alert.fingerprint for alert in alerts] == ["b", "c", "a"]


async def test_hostile_labels_stay_values_and_are_bounded(http: HttpSession) -> None:
    hostile = {"alertname": 'a"\n<script>\x00\x1b[2J\u202e', "node_or_service": "x" * 1_000_000}
    async with raw_peer(http_answer([shown(labels=hostile, annotations={"summary": "y" * 9999})])) as peer:
        (alert,) = await AlertmanagerClient(http, [peer.url]).alerts(timeout_seconds=2.0)

    assert alert.name == hostile["alertname"]
    assert len(alert.labels["node_or_service"]) == 1024
    assert len(alert.summary) == 1024


async def test_an_alert_without_name_or_annotations_is_still_an_alert(http: HttpSession) -> None:
    bare = shown(labels={})
    del bare["annotations"]
    async with raw_peer(http_answer([bare])) as peer:
        (alert,) = await AlertmanagerClient(http, [peer.url]).alerts(timeout_seconds=2.0)

    assert (alert.name, alert.summary) == ("", "")


@pytest.mark.parametrize(
    "answer",
    [
        http_answer([shown(startsAt="2026-03-04T05:06:07")]),
        http_answer([shown(startsAt="0001-01-01T00:00:00+05:00")]),
        http_answer([shown(startsAt="yesterday")]),
        http_answer([shown(labels={"a": 1})]),
        http_answer([shown(status="firing")]),
        http_answer([{"labels": {}}]),
        http_answer({"alerts": []}),
        http_answer(b"<html>", content_type="text/html"),
    ],
    ids=[
        "no zone",
        "before all time",
        "no time",
        "a number label",
        "API v1 status",
        "no fingerprint",
        "object",
        "page",
    ],
)
async def test_an_unusable_answer_is_permanent(http: HttpSession, answer: bytes) -> None:
    async with raw_peer(answer) as peer:
        with pytest.raises(PermanentError, match="cannot be used"):
            await AlertmanagerClient(http, [peer.url]).alerts(timeout_seconds=2.0)


async def test_a_single_peer_is_asked_again(http: HttpSession) -> None:
    async with raw_peer(http_answer(b"", 503), http_answer([shown()])) as peer:
        assert len(await AlertmanagerClient(http, [peer.url]).alerts(timeout_seconds=2.0)) == 1


@pytest.mark.parametrize("failing", [http_answer(b"", 503), b"", http_answer(b"<html>", content_type="text/html")])
async def test_the_next_member_is_asked_when_one_fails_and_preferred_from_then_on(
    http: HttpSession, failing: bytes
) -> None:
    async with raw_peer(failing) as ill, raw_peer(http_answer([shown()])) as well:
        client = AlertmanagerClient(http, [ill.url, well.url])
        first = await client.alerts(timeout_seconds=2.0)
        asked_ill = len(ill.requests)
        second = await client.alerts(timeout_seconds=2.0)

    assert len(first) == len(second) == 1
    assert asked_ill >= 1
    assert len(ill.requests) == asked_ill, "the one that answered is asked first"
    assert len(well.requests) == 2


async def test_a_member_that_hangs_leaves_time_for_the_next() -> None:
    clock = SystemClock()
    async with (
        HttpSession(clock=clock, jitter=lambda: 0.5) as http,
        raw_peer(HANG) as hanging,
        raw_peer(http_answer([shown()])) as well,
    ):
        began = clock.monotonic()
        alerts = await AlertmanagerClient(http, [hanging.url, well.url]).alerts(timeout_seconds=2.0)

    assert len(alerts) == 1
    assert clock.monotonic() - began < 1.9


async def test_a_cluster_of_which_nobody_answers_is_transient_and_names_each(http: HttpSession) -> None:
    async with raw_peer(http_answer(b"", 503)) as one, raw_peer(http_answer(b"", 400)) as two:
        with pytest.raises(TransientError, match="no Alertmanager answered") as caught:
            await AlertmanagerClient(http, [one.url, two.url]).alerts(timeout_seconds=2.0)

    assert one.url.removeprefix("http://") in str(caught.value)
    assert two.url.removeprefix("http://") in str(caught.value)


async def test_a_cluster_that_answers_nonsense_throughout_is_permanent(http: HttpSession) -> None:
    async with raw_peer(http_answer(b"{")) as one, raw_peer(http_answer(b"", 400)) as two:
        with pytest.raises(PermanentError, match="no Alertmanager answered"):
            await AlertmanagerClient(http, [one.url, two.url]).alerts(timeout_seconds=2.0)


async def test_receivers_are_named(http: HttpSession) -> None:
    async with raw_peer(http_answer([{"name": "default"}, {"name": "mape-k"}])) as peer:
        assert await AlertmanagerClient(http, [peer.url]).receivers(timeout_seconds=2.0) == ("default", "mape-k")


@pytest.mark.parametrize(("peers", "count"), [([{"name": "a"}, {"name": "b"}], 2), (None, 0)])
async def test_the_status_says_since_when_a_member_can_know_anything(
    http: HttpSession, peers: object, count: int
) -> None:
    said = {
        "uptime": "2026-03-04T05:06:07.5Z",
        "versionInfo": {"version": "0.25.0", "branch": "x"},
        "cluster": {"status": "ready", "peers": peers},
        "config": {"original": "…"},
    }
    async with raw_peer(http_answer(said)) as peer:
        status = await AlertmanagerClient(http, [peer.url]).status(timeout_seconds=2.0)

    started = datetime(2026, 3, 4, 5, 6, 7, 500_000, tzinfo=UTC)
    assert status == AlertmanagerStatus(version="0.25.0", started_at=started, cluster="ready", peers=count)


async def test_a_test_alert_is_posted_and_its_empty_answer_accepted(http: HttpSession) -> None:
    alert = PostableAlert(labels={"alertname": "Test"}, ends_at=datetime(2026, 3, 4, tzinfo=UTC))
    async with raw_peer(http_answer(b"", content_type="")) as peer:
        await AlertmanagerClient(http, [peer.url]).post_alerts([alert], timeout_seconds=2.0)

    head, body = peer.requests[0].split(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v2/alerts ")
    assert json.loads(body) == [{"labels": {"alertname": "Test"}, "endsAt": "2026-03-04T00:00:00Z"}]
