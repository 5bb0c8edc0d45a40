"""What packs need of running servers: that these read them again, and that everything of them is really there."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from integration.alertmanager_client import Deliveries, PostableAlert
from integration.clock import SystemClock
from mape_k.deploy.expected import Seen, jobs_of, looks
from mape_k.errors import MapeKError, TransientError, UncertainError
from mape_k.main.trial import CHECK_SECONDS, Checked
from mape_k.main.wiring import Peers, open_peers
from mape_k.packfiles import PackFolder, read_folder
from mape_k.settings import Settings
from mape_k.telemetry import Metrics, configure_logging

TEST_ALERT = "PackTestAlert"
TEST_SECONDS = 90.0
"""How long a test alert may take to its receivers: the waiting times of its groups, and the channels."""
_POLL_SECONDS = 1.0


def reload_servers(settings: Settings, places: Collection[str]) -> list[Checked]:
    """Have Prometheus and Alertmanager read their folders again; Grafana and Loki look by themselves."""
    return asyncio.run(_with_peers(settings, lambda peers: _reload(peers, places)))


def verify(settings: Settings, packs: Sequence[Path], *, test_alert: bool = False) -> list[Checked]:
    """Look whether all that packs bring is really there.

    Args:
        settings: where Prometheus and Alertmanager are.
        packs: the folders of the packs.
        test_alert: also raise an alert for each pack, and see it leave to a receiver of that pack.

    Raises:
        ConfigError: a file of a pack cannot be used.
    """
    folders = [read_folder(pack.resolve()) for pack in packs]
    return asyncio.run(_with_peers(settings, lambda peers: _verify(peers, folders, test_alert=test_alert)))


async def _with_peers(settings: Settings, work: Callable[[Peers], Awaitable[list[Checked]]]) -> list[Checked]:
    configure_logging("CRITICAL", settings.log_format, stream=sys.stderr)
    async with open_peers(settings, SystemClock(), Metrics()) as peers:
        return await work(peers)


async def _reload(peers: Peers, places: Collection[str]) -> list[Checked]:
    servers = {"prometheus": peers.prometheus.reload, "alertmanager": peers.alertmanager.reload}
    return [await _reloaded(name, reload) for name, reload in servers.items() if name in places]


async def _reloaded(name: str, reload: Callable[..., Awaitable[None]]) -> Checked:
    what = f"{name} reads its configuration again"
    try:
        await reload(timeout_seconds=CHECK_SECONDS)
    except MapeKError as error:
        remedy = "--web.enable-lifecycle allows it, or reload the service by hand"
        return _not_so(what, error, f"{error}; {remedy}" if name == "prometheus" else str(error))
    return Checked(what=what, is_good=True)


async def _verify(peers: Peers, folders: Sequence[PackFolder], *, test_alert: bool) -> list[Checked]:
    try:
        seen = await _see(peers, [job for folder in folders for job in jobs_of(folder)])
    except MapeKError as error:
        return [_not_so("what Prometheus and Alertmanager have", error)]
    found = [look for folder in folders for look in looks(folder, seen)]
    checked = [Checked(what=look.what, is_good=look.is_good, detail=look.detail) for look in found]
    return checked + (await _test_ways(peers, folders) if test_alert else [])


async def _see(peers: Peers, jobs: Sequence[str]) -> Seen:
    loaded = await peers.prometheus.rules(timeout_seconds=CHECK_SECONDS)
    receivers = await peers.alertmanager.receivers(timeout_seconds=CHECK_SECONDS)
    up, targets = await _by_job(peers, "sum by (job) (up)"), await _by_job(peers, "count by (job) (up)")
    return Seen(
        targets={job: (int(up.get(job, 0)), int(count)) for job, count in targets.items()},
        rules={rule.name: rule.error for rule in sorted(loaded, key=lambda rule: rule.error != "")},
        metrics={job: await _names(peers, job) for job in jobs},
        receivers=frozenset(receivers),
    )


async def _by_job(peers: Peers, query: str) -> Mapping[str, float]:
    answer = await peers.prometheus.query(query, at=_now(), timeout_seconds=CHECK_SECONDS)
    return {labels.get("job", ""): float(value) for labels, value in zip(answer.labels, answer.values, strict=True)}


async def _names(peers: Peers, job: str) -> frozenset[str]:
    # The name of a metric is dropped from every answer; a label of its own is not.
    named = 'label_replace(count by (__name__) ({job="%s"}), "metric", "$1", "__name__", "(.+)")' % job  # noqa: UP031
    answer = await peers.prometheus.query(named, at=_now(), timeout_seconds=CHECK_SECONDS)
    return frozenset(labels.get("metric", "") for labels in answer.labels)


def _now() -> datetime:
    return SystemClock().now()


async def _test_ways(peers: Peers, folders: Sequence[PackFolder]) -> list[Checked]:
    """Raise one alert for each pack and see which receivers hear it, and that notifications leave."""
    heard_of = [folder for folder in folders if folder.fragment is not None]
    try:
        before = await peers.alertmanager.deliveries(timeout_seconds=CHECK_SECONDS)
        alerts = [_test_alert(folder.path.name) for folder in heard_of]
        await peers.alertmanager.post_alerts(alerts, timeout_seconds=CHECK_SECONDS)
        heard = await _heard(peers, len(alerts))
        after = await _left(peers, before)
    except MapeKError as error:
        return [_not_so(f"test alert {TEST_ALERT}", error)]
    ways = [_way(folder, heard.get(folder.path.name, ())) for folder in heard_of]
    return [*ways, _delivered(before, after)]


def _test_alert(system: str) -> PostableAlert:
    return PostableAlert(
        labels={"alertname": TEST_ALERT, "system": system, "severity": "warning", "team": "test", "component": "test"},
        annotations={"summary": f"A test of the way to the receivers of {system}; nothing is wrong."},
        ends_at=_now() + timedelta(minutes=5),
    )


async def _heard(peers: Peers, count: int) -> Mapping[str, tuple[str, ...]]:
    heard: Mapping[str, tuple[str, ...]] = {}
    for _ in range(int(CHECK_SECONDS / _POLL_SECONDS)):
        heard = await peers.alertmanager.heard_by(TEST_ALERT, timeout_seconds=CHECK_SECONDS)
        if len(heard) >= count:
            break
        await asyncio.sleep(_POLL_SECONDS)
    return heard


async def _left(peers: Peers, before: Deliveries) -> Deliveries:
    after = before
    for _ in range(int(TEST_SECONDS / _POLL_SECONDS)):
        after = await peers.alertmanager.deliveries(timeout_seconds=CHECK_SECONDS)
        if after.sent > before.sent:
            break
        await asyncio.sleep(_POLL_SECONDS)
    return after


def _way(folder: PackFolder, heard: Sequence[str]) -> Checked:
    own = {receiver.name for receiver in folder.fragment.receivers} if folder.fragment else set()
    detail = f"heard by {', '.join(heard)}" if heard else "heard by nobody"
    is_good = bool(own.intersection(heard)) if own else bool(heard)
    return Checked(what=f"{folder.path.name}: test alert {TEST_ALERT}", is_good=is_good, detail=detail)


def _delivered(before: Deliveries, after: Deliveries) -> Checked:
    sent, failed = after.sent - before.sent, after.failed - before.failed
    return Checked(
        what="notifications since then",
        is_good=sent > 0 and failed == 0,
        detail=f"{sent:g} sent, {failed:g} of them failed; look at the receivers too",
    )


def _not_so(what: str, error: MapeKError, detail: str = "") -> Checked:
    is_reached = not isinstance(error, TransientError | UncertainError)
    return Checked(what=what, is_good=False, detail=detail or str(error), is_reached=is_reached)
