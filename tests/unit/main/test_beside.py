"""What runs beside the loop: the end of leadership ends the daemon loudly, telling people is begun again."""

import asyncio
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from fakes_peers import StandingClock
from integration.systemd import Systemd
from mape_k.main.beside import beside
from mape_k.main.daemon import TELL_AGAIN_SECONDS, Daemon
from mape_k.settings import load_settings
from mape_k.telemetry import Metrics

FOREVER = 3600


async def fails():
    raise KeyError("a mistake")


async def ends():
    """Return at once."""


class PausingClock(StandingClock):
    """Lets others run instead of time, and notes the pauses."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        await asyncio.sleep(0)


class People:
    """Fails, ends, and then tells."""

    def __init__(self) -> None:
        self.served = 0
        self.telling = asyncio.Event()

    async def serve(self):
        self.served += 1
        if self.served == 1:
            raise KeyError("a mistake")
        if self.served > 2:
            self.telling.set()
            await asyncio.sleep(FOREVER)


def a_daemon(tmp_path, **changes) -> Daemon:
    clock = PausingClock()
    lease = SimpleNamespace(is_held=True, epoch=3)
    daemon = Daemon(
        settings=load_settings({"STATE_DIRECTORY": str(tmp_path)}),
        loop=SimpleNamespace(run_forever=lambda: asyncio.sleep(FOREVER)),
        knowledge=SimpleNamespace(lease=lease, journal=None),
        metrics=Metrics(),
        systemd=Systemd(None, clock=clock),
        clock=clock,
    )
    for name, value in changes.items():
        setattr(daemon, name, value)
    return daemon


@pytest.mark.parametrize("keep", [fails, ends])
async def test_a_daemon_whose_leadership_ends_by_itself_ends_loudly(tmp_path, keep):
    daemon = a_daemon(tmp_path, leadership=SimpleNamespace(keep=keep))
    with capture_logs() as logs, pytest.raises(ExceptionGroup):
        await asyncio.wait_for(daemon.run(), 5)
    assert [(e["what"], e["log_level"]) for e in logs if e["event"] == "ended_unexpectedly"] == [
        ("leadership", "critical")
    ]


async def test_telling_people_is_logged_and_begun_again_after_a_pause_whatever_ended_it(tmp_path):
    people = People()
    daemon = a_daemon(tmp_path, people=people)
    telling = asyncio.create_task(daemon.tell_people())
    with capture_logs() as logs:
        await asyncio.wait_for(people.telling.wait(), 5)
    telling.cancel()
    assert [e["event"] for e in logs if e["log_level"] == "error"] == ["people_not_told"] * 2
    assert daemon.clock.pauses == [TELL_AGAIN_SECONDS] * 2


async def test_what_runs_beside_a_block_ends_with_it():
    begun, cut = asyncio.Event(), asyncio.Event()

    async def endless():
        begun.set()
        try:
            await asyncio.sleep(FOREVER)
        finally:
            cut.set()

    async with beside(endless=endless()):
        await begun.wait()
    assert cut.is_set()
