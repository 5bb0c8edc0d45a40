"""What the running service tells of each cycle: the service manager, its metrics, and who asks if it is ready."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from fakes_peers import StandingClock
from integration.systemd import Systemd
from mape_k.main.daemon import FENCED, Daemon
from mape_k.model import CycleResult, Reason
from mape_k.settings import load_settings
from mape_k.telemetry import Metrics
from sample_reports import a_report

STORE_DOWN = {"result": CycleResult.FAILED, "failure": "analyze: StoreError: disk full", "is_store_up": False}


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(0)
        yield listening


@pytest.fixture
def daemon(manager: socket.socket, tmp_path: Path) -> Daemon:
    clock = StandingClock()
    return Daemon(
        settings=load_settings({"STATE_DIRECTORY": str(tmp_path)}),
        loop=SimpleNamespace(
            executor=SimpleNamespace(is_fenced=False, fenced_by=9, hold=None, held={}), last_report=None
        ),
        knowledge=SimpleNamespace(
            lease=SimpleNamespace(is_held=True, epoch=3), epoch=3, store=SimpleNamespace(hold=None, reserve_bytes=0)
        ),
        metrics=Metrics(),
        systemd=Systemd(manager.getsockname(), clock=clock),
        clock=clock,
    )


def told(manager: socket.socket) -> str:
    heard = b""
    with suppress(BlockingIOError):
        while True:
            heard += manager.recv(4096) + b"\n"
    return heard.decode()


def gauge(daemon: Daemon, name: str, **labels: str) -> float | None:
    return daemon.metrics.registry.get_sample_value(f"mape_k_{name}", labels)


@pytest.mark.parametrize(
    ("fields", "is_fed", "is_store_up"),
    [
        pytest.param({}, True, 1, id="completed"),
        pytest.param({"result": CycleResult.BLIND}, True, 1, id="blind"),
        pytest.param({"result": CycleResult.FAILED, "failure": "plan: a mistake"}, False, 1, id="failed"),
        pytest.param(STORE_DOWN, True, 0, id="a restart mends no store"),
    ],
)
def test_the_watchdog_is_fed_by_cycles_that_a_restart_would_not_make_better(
    daemon, manager, fields, is_fed, is_store_up
):
    daemon.closed(a_report(**fields))
    assert ("WATCHDOG=1" in told(manager)) is is_fed
    assert gauge(daemon, "knowledge_up") == is_store_up


@pytest.mark.parametrize("is_fenced", [True, False])
def test_who_is_fenced_is_neither_leader_nor_ready(daemon, is_fenced):
    daemon.loop.executor.is_fenced = is_fenced
    daemon.loop.last_report = report = a_report(snapshot=None)
    daemon.closed(report)
    assert gauge(daemon, "leader") == (not is_fenced)
    told = f"the other side follows epoch 9, this daemon has 3: {FENCED}"
    assert (told in daemon.not_ready()) is is_fenced


def test_who_has_no_lease_does_not_lead_and_is_ready_all_the_same(daemon):
    daemon.knowledge.lease.is_held = False
    daemon.loop.last_report = report = a_report(snapshot=None)
    daemon.closed(report)
    assert gauge(daemon, "leader") == 0
    assert not [reason for reason in daemon.not_ready() if FENCED in reason]


@pytest.mark.parametrize(("hold", "expected"), [(Reason.ASKED_TO_WAIT, 1), (None, 0)])
def test_whether_requests_to_the_charter_are_held_back_is_told(daemon, hold, expected):
    daemon.loop.executor.held = {"charter": hold} if hold else {}
    daemon.closed(a_report())
    assert gauge(daemon, "circuit_state", target="charter") == expected


def test_whether_peers_are_left_alone_is_told_for_each_source(daemon):
    daemon.circuits = lambda: {"prometheus": 1.0, "charter": 0.5}
    daemon.closed(a_report())
    told = {name: gauge(daemon, "circuit_state", target=name) for name in ("prometheus", "alertmanager", "charter")}
    assert told == {"prometheus": 1.0, "alertmanager": 0.0, "charter": 0.5}


def test_people_are_shown_every_cycle_that_ended(daemon):
    seen = []
    daemon.people = SimpleNamespace(observe=seen.append)
    daemon.closed(report := a_report())
    assert seen == [report]


def test_before_the_first_cycle_after_a_failed_one_and_while_stopping_it_is_not_ready(daemon):
    assert daemon.not_ready() == ["no cycle has completed yet"]
    daemon.loop.last_report = a_report(**STORE_DOWN)
    assert daemon.not_ready() == ["the last cycle failed: analyze: StoreError: disk full"]
    daemon.is_draining = True
    assert daemon.not_ready() == ["the daemon is stopping"]
