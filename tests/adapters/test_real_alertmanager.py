"""The Alertmanager adapter against a real Alertmanager, and against a real Prometheus that feeds it."""

import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from builders import a_catalogue
from fakes import FakeMetricSource, FakeViolationSource
from integration.alertmanager_client import AlertmanagerClient, PostableAlert
from integration.clock import SystemClock
from integration.http import HttpSession
from mape_k.errors import TransientError
from mape_k.model import Alert, Quality, Snapshot
from mape_k.monitor import Monitor
from real_stack import Server, TinyExporter, alertmanager, answers, end, free_port, prometheus, wait_until

pytestmark = pytest.mark.real

TIMEOUT_SECONDS = 5.0
INHIBITION = '[{source_matchers: ["severity = critical"], target_matchers: ["severity = warning"], equal: [node]}]'
RULES = """
groups:
  - name: tiny
    rules:
      - alert: TooManyWaiting
        expr: jobs_waiting > 10
        labels: {severity: warning}
        annotations: {summary: "{{ $value }} wait"}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with alertmanager(tmp_path_factory.mktemp("alertmanager"), inhibit_rules=INHIBITION) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession(clock=SystemClock(), jitter=lambda: 0.5) as session:
        yield session


@pytest.fixture
def client(http: HttpSession, server: Server) -> AlertmanagerClient:
    return AlertmanagerClient(http, [server.url])


async def raise_alert(client: AlertmanagerClient, name: str, **labels: str) -> None:
    alert = PostableAlert(labels={"alertname": name, **labels}, annotations={"summary": "seen"})
    await client.post_alerts([alert], timeout_seconds=TIMEOUT_SECONDS)


async def end_alert(client: AlertmanagerClient, name: str) -> None:
    alert = PostableAlert(labels={"alertname": name}, ends_at=SystemClock().now() - timedelta(seconds=1))
    await client.post_alerts([alert], timeout_seconds=TIMEOUT_SECONDS)


async def named(client: AlertmanagerClient, name: str) -> list[Alert]:
    return [alert for alert in await client.alerts(timeout_seconds=TIMEOUT_SECONDS) if alert.name == name]


def silence(server: Server, name: str) -> None:
    now = SystemClock().now()
    document = {
        "matchers": [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=1)).isoformat(),
        "createdBy": "a test",
        "comment": "silenced",
    }
    request = urllib.request.Request(
        f"{server.url}/api/v2/silences", json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()


async def test_an_active_alert_is_read_with_its_labels_and_times(client: AlertmanagerClient) -> None:
    before = SystemClock().now()

    await raise_alert(client, "Active", node="node-7")

    (alert,) = await named(client, "Active")
    assert alert.labels["node"] == "node-7"
    assert alert.summary == "seen"
    assert alert.fingerprint
    assert abs(alert.starts_at - before) < timedelta(seconds=30)
    assert (alert.silenced_by, alert.inhibited_by) == ((), ())


async def test_the_same_alert_again_is_one_alert(client: AlertmanagerClient) -> None:
    for _ in range(3):
        await raise_alert(client, "Again")

    assert len(await named(client, "Again")) == 1


async def test_an_alert_that_ended_is_not_in_the_list(client: AlertmanagerClient) -> None:
    await raise_alert(client, "Ending")
    await end_alert(client, "Ending")

    assert await named(client, "Ending") == []


async def test_a_silenced_alert_is_in_the_list_and_names_its_silence(
    client: AlertmanagerClient, server: Server
) -> None:
    silence(server, "Silenced")

    await raise_alert(client, "Silenced")

    (alert,) = await named(client, "Silenced")
    assert len(alert.silenced_by) == 1


async def test_an_inhibited_alert_is_in_the_list_and_names_what_inhibits_it(client: AlertmanagerClient) -> None:
    await raise_alert(client, "Cause", severity="critical", node="node-9")
    await raise_alert(client, "Consequence", severity="warning", node="node-9")

    (cause,), (consequence,) = await named(client, "Cause"), await named(client, "Consequence")
    assert cause.inhibited_by == ()
    assert consequence.inhibited_by == (cause.fingerprint,)


async def test_receivers_and_status_tell_who_answers(client: AlertmanagerClient) -> None:
    assert await client.receivers(timeout_seconds=TIMEOUT_SECONDS) == ("nobody",)
    status = await client.status(timeout_seconds=TIMEOUT_SECONDS)
    assert status.version
    assert status.started_at < SystemClock().now()


async def test_a_dead_member_of_the_cluster_is_passed_over(http: HttpSession, server: Server) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    client = AlertmanagerClient(http, [dead, server.url])

    await raise_alert(client, "StillSeen")

    assert len(await named(client, "StillSeen")) == 1


async def test_a_killed_alertmanager_is_a_transient_failure_and_not_an_empty_list(
    http: HttpSession, tmp_path: Path
) -> None:
    with alertmanager(tmp_path) as running:
        client = AlertmanagerClient(http, [running.url])
        assert await client.alerts(timeout_seconds=TIMEOUT_SECONDS) == ()
        end(running.process)

        with pytest.raises(TransientError, match="alertmanager"):
            await client.alerts(timeout_seconds=TIMEOUT_SECONDS)


async def test_a_rule_that_fires_in_prometheus_is_seen_until_its_cause_is_gone(
    server: Server, client: AlertmanagerClient, tmp_path: Path
) -> None:
    address = server.url.removeprefix("http://")
    with (
        TinyExporter('jobs_waiting{queue="slow"} 41\n').serving() as exporter,
        prometheus(tmp_path, targets=[exporter.address], rules=RULES, alertmanagers=[address]),
    ):
        wait_until(lambda: b"TooManyWaiting" in answers(f"{server.url}/api/v2/alerts"), "the alert")
        (alert,) = await named(client, "TooManyWaiting")
        assert alert.labels["queue"] == "slow"
        assert alert.summary == "41 wait"

        exporter.text = 'jobs_waiting{queue="slow"} 3\n'
        wait_until(lambda: b"TooManyWaiting" not in answers(f"{server.url}/api/v2/alerts"), "its end")
        assert await named(client, "TooManyWaiting") == []


async def looked_at(client: AlertmanagerClient, alerts_return_seconds: float) -> Snapshot:
    monitor = Monitor(
        metrics=FakeMetricSource(),
        alerts=client,
        violations=FakeViolationSource(),
        clock=SystemClock(),
        budget_seconds=TIMEOUT_SECONDS,
        stale_after_intervals=2,
        alertmanager=client,
        alerts_return_seconds=alerts_return_seconds,
    )
    return await monitor.observe(SystemClock().now(), a_catalogue())


async def test_after_a_restart_it_has_forgotten_what_fires_and_its_silence_is_not_believed(
    http: HttpSession, tmp_path: Path
) -> None:
    with alertmanager(tmp_path) as before:
        client = AlertmanagerClient(http, [before.url])
        await raise_alert(client, "StillFiring")
        shown = await named(client, "StillFiring")
    with alertmanager(tmp_path) as after:
        client = AlertmanagerClient(http, [after.url])
        young, settled = await looked_at(client, 120), await looked_at(client, 0)

    assert (len(shown), young.alerts) == (1, ())
    assert (young.alerts_quality, settled.alerts_quality) == (Quality.PARTIAL, Quality.VALUE)
