import socket
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from fakes_peers import StandingClock
from integration.clock import SystemClock
from integration.systemd import Systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end of the conversation."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify") if request.param == "path" else f"\0mape-k-test-{tmp_path}")
        listening.settimeout(2.0)
        yield listening


def told(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().split("\n")


def systemd(manager: socket.socket) -> Systemd:
    name = manager.getsockname()
    address = f"@{name[1:].decode()}" if isinstance(name, bytes) else name
    return Systemd(address, clock=StandingClock(seconds=12.5))


def test_the_states_of_a_service_are_told(manager: socket.socket) -> None:
    service = systemd(manager)

    assert service.ready("watching 3 sources")
    assert told(manager) == ["READY=1", "STATUS=watching 3 sources"]
    assert service.watchdog()
    assert told(manager) == ["WATCHDOG=1"]
    assert service.reloading()
    assert told(manager) == ["RELOADING=1", "MONOTONIC_USEC=12500000"]
    assert service.stopping()
    assert told(manager) == ["STOPPING=1"]


def test_a_status_cannot_smuggle_in_another_assignment(manager: socket.socket) -> None:
    systemd(manager).status("blind\nREADY=1\r\n  on prometheus")

    assert told(manager) == ["STATUS=blind READY=1 on prometheus"]


@pytest.mark.parametrize("address", [None, "", "relative/path", "vsock:2:1234", "/no/such/socket", "/" + "x" * 500])
def test_without_a_listener_nothing_is_told_and_nothing_fails(address: str | None) -> None:
    assert not Systemd(address, clock=StandingClock()).ready("up")


def test_an_empty_status_is_not_worth_a_message(manager: socket.socket) -> None:
    assert not systemd(manager).status("  ")


def test_a_service_manager_that_does_not_read_never_blocks(manager: socket.socket) -> None:
    service = systemd(manager)

    sent = [service.watchdog() for _ in range(2000)]

    assert sent[0]
    assert not sent[-1]


async def test_the_system_clock_is_aware_and_never_goes_back() -> None:
    clock = SystemClock()
    before, wall = clock.monotonic(), clock.now()

    await clock.sleep(0)

    assert wall.tzinfo is UTC
    assert clock.now() >= wall
    assert clock.monotonic() >= before
