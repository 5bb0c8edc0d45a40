"""Single looks, for people who set the daemon up: one cycle, one check of everything it needs."""

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from integration.alertmanager_client import PostableAlert
from integration.clock import SystemClock
from mape_k.catalogue import load_catalogue
from mape_k.errors import MapeKError, StoreError, TransientError, UncertainError
from mape_k.knowledge import copy_database
from mape_k.main.people import channels
from mape_k.main.reach import catalogue_for, missing_servers
from mape_k.main.wiring import Peers, make_loop, make_monitor, open_peers, opened
from mape_k.model import Catalogue, CycleReport, Message, Mode, Pack, Quality, Urgency, Vector, WokenBy
from mape_k.ports import Notifier
from mape_k.settings import Settings
from mape_k.telemetry import Metrics, configure_logging

CHECK_SECONDS = 10.0
"""How long ``check`` waits for the services, and ``once`` for what it started."""


def once(settings: Settings, *, dry_run: bool) -> CycleReport:
    """Run one cycle against the configured services and return all that it saw and decided.

    Args:
        settings: as for the daemon.
        dry_run: decide on a copy of Knowledge, write nothing and do nothing; a running daemon is not disturbed.

    Raises:
        ConfigError, StoreError: as :func:`run`.
    """
    configure_logging("ERROR", settings.log_format, stream=sys.stderr)
    if not dry_run:
        return asyncio.run(_once(settings))
    with tempfile.TemporaryDirectory(prefix="mape-k-") as folder:
        url = copy_database(settings.knowledge_file_url, Path(folder))
        copied = {"knowledge_url": url, "state_directory": folder, "audit_key_file": _copied_key(settings, folder)}
        trial = settings.model_copy(update={"mode": Mode.SHADOW, "reserve_megabytes": 0, **copied})
        return asyncio.run(_once(trial))


def _copied_key(settings: Settings, folder: str) -> Path:
    """Return where a copy of the key of the audit trail is; of none there is none."""
    copy = Path(folder, "audit.key")
    if settings.audit_key_path.exists():
        copy.touch(mode=0o600)
        copy.write_bytes(settings.audit_key_path.read_bytes())
    return copy


async def _once(settings: Settings) -> CycleReport:
    clock, metrics, catalogue = SystemClock(), Metrics(), catalogue_for(settings)
    async with (
        opened(settings, clock, metrics, replica=f"{settings.replica_name}/once") as knowledge,
        open_peers(settings, clock, metrics, knowledge) as peers,
    ):
        if not knowledge.lease.is_held:
            raise StoreError("a running daemon leads; look with --dry-run, or ask that one")
        loop = make_loop(settings, peers=peers, knowledge=knowledge, catalogue=catalogue, clock=clock, metrics=metrics)
        report = await loop.run_cycle(WokenBy.OPERATOR)
        await loop.executor.drain(CHECK_SECONDS)
        return report


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One thing that was checked; not ``is_reached``: nobody was there to say whether it is good."""

    what: str
    is_good: bool
    detail: str = ""
    is_reached: bool = True


def check(
    settings: Settings, *, connect: bool, test_alert: bool = False, test_notification: bool = False
) -> list[Checked]:
    """Check packs and, when asked, every service, every query and every Alertmanager receiver.

    Args:
        settings: as for the daemon; that they could be loaded is already checked.
        connect: ask the services.
        test_alert: also post an alert named ``MapeKTestAlert`` that resolves by itself after five minutes.
        test_notification: also send a message over each channel to people, and another that it is over.
    """
    catalogue = load_catalogue(settings.packs)
    checked = [Checked(what=f"pack {p.name}", is_good=True, detail=_counts(p)) for p in catalogue.packs.values()]
    checked += _missing_servers(settings, catalogue)
    configure_logging("CRITICAL", settings.log_format, stream=sys.stderr)
    if connect:
        checked += asyncio.run(_connect(settings, catalogue, test_alert=test_alert, test_people=test_notification))
    return checked


def _missing_servers(settings: Settings, catalogue: Catalogue) -> list[Checked]:
    """Return what the packs act through and nobody configured; as long as nothing is sent, that is no fault."""
    is_shadow = settings.mode is Mode.SHADOW
    suffix = " (before the mode is changed: shadow sends nothing)" if is_shadow else ""
    return [
        Checked(what="servers of packs", is_good=is_shadow, detail=problem + suffix)
        for problem in missing_servers(catalogue, settings)
    ]


def _counts(pack: Pack) -> str:
    return f"{len(pack.signals)} signals, {len(pack.symptoms)} symptoms, {len(pack.remediations)} remediations"


async def _connect(settings: Settings, catalogue: Catalogue, *, test_alert: bool, test_people: bool) -> list[Checked]:
    clock, metrics = SystemClock(), Metrics()
    async with open_peers(settings, clock, metrics) as peers:
        monitor = make_monitor(settings, peers, clock, budget_seconds=CHECK_SECONDS)
        snapshot = await monitor.observe(clock.now(), catalogue)
        at = _addresses(settings)
        checked = [
            Checked(what=f"{s.name} at {at[s.name]}", is_good=s.is_up, detail=s.detail, is_reached=s.is_up)
            for s in snapshot.sources.values()
        ]
        checked += [
            Checked(what=f"job {s.job}", is_good=s.quality is Quality.VALUE, detail=s.detail or f"{s.targets} up")
            for s in snapshot.scrapes.values()
        ]
        checked += [_checked_signal(v) for v in snapshot.vectors.values()]
        checked += [await _check_server(peers, name, url) for name, url in settings.http_servers.items()]
        checked += await _check_receivers(peers, clock, test_alert=test_alert)
        ways = channels(settings, peers.http, clock) if test_people else ()
        return checked + [await _check_channel(way, clock) for way in ways]


async def _check_server(peers: Peers, name: str, url: str) -> Checked:
    """Ask a server that packs act through for what it takes, which changes nothing."""
    what = f"server {name} at {url}"
    try:
        await peers.servers.greet(name, timeout_seconds=CHECK_SECONDS)
    except MapeKError as error:
        return Checked(what=what, is_good=False, detail=str(error), is_reached=not isinstance(error, TransientError))
    return Checked(what=what, is_good=True, detail="answers")


async def _check_channel(channel: Notifier, clock: SystemClock) -> Checked:
    what, text = f"notifications over {channel.name}", f"A test at {clock.now():%Y-%m-%d %H:%M:%S} UTC."
    begun = Message(subject="A test; nothing is wrong", urgency=Urgency.INFO, text=text, about="test")
    try:
        for message in (begun, replace(begun, subject=f"Over: {begun.subject}", is_over=True)):
            key = message.content_hash(channel.name)
            await channel.send(message, key=key, timeout_seconds=CHECK_SECONDS)
    except MapeKError as error:
        is_reached = not isinstance(error, TransientError | UncertainError)
        return Checked(what=what, is_good=False, detail=str(error), is_reached=is_reached)
    return Checked(what=what, is_good=True, detail="sent; look there")


def _addresses(settings: Settings) -> Mapping[str, str]:
    return {
        "prometheus": settings.prometheus_url,
        "alertmanager": ", ".join(settings.alertmanager_urls),
        "charter": settings.charter_url,
    }


def _checked_signal(vector: Vector) -> Checked:
    rows = f"{len(vector.targets)} rows" if vector.targets else "no rows yet"
    is_good = vector.quality in (Quality.VALUE, Quality.EMPTY)
    return Checked(what=f"signal {vector.signal}", is_good=is_good, detail=vector.detail or rows)


async def _check_receivers(peers: Peers, clock: SystemClock, *, test_alert: bool) -> list[Checked]:
    try:
        receivers = await peers.alertmanager.receivers(timeout_seconds=CHECK_SECONDS)
        checked = [Checked(what="alertmanager receivers", is_good=bool(receivers), detail=", ".join(receivers))]
        if test_alert:
            await peers.alertmanager.post_alerts([_test_alert(clock.now())], timeout_seconds=CHECK_SECONDS)
            checked.append(Checked(what="test alert MapeKTestAlert", is_good=True, detail="posted; look there"))
    except MapeKError as error:
        is_reached = not isinstance(error, TransientError)
        return [Checked(what="alertmanager receivers", is_good=False, detail=str(error), is_reached=is_reached)]
    return checked


def _test_alert(now: datetime) -> PostableAlert:
    return PostableAlert(
        labels={"alertname": "MapeKTestAlert", "severity": "info", "team": "test", "component": "mape-k"},
        annotations={"summary": "A test of the way from Alertmanager to its receivers; nothing is wrong."},
        ends_at=now + timedelta(minutes=5),
    )
