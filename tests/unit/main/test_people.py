"""Settings become channels; the test of them reaches real receivers; circuits are told and hold acting back."""

from collections.abc import AsyncIterator

import pytest

from fakes import FakeEffector
from fakes_peers import StandingClock
from integration.clock import SystemClock
from integration.http import HttpSession
from integration.http_effector import HttpServers
from mape_k.execute.gate import Gate
from mape_k.main.people import channels
from mape_k.main.trial import _check_channel
from mape_k.main.wiring import Peers
from mape_k.model import Reason
from mape_k.settings import load_settings
from raw_peer import http_answer, raw_peer

EVERY_CHANNEL = {
    "MAPE_K_NOTIFY_SLACK_URL": "https://hooks.slack.com/services/T/B/x",
    "MAPE_K_NOTIFY_PAGERDUTY_KEY": "a-routing-key",
    "MAPE_K_NOTIFY_EMAIL_SMTP": "smtps://mail.example.org",
    "MAPE_K_NOTIFY_EMAIL_FROM": "mape-k@example.org",
    "MAPE_K_NOTIFY_EMAIL_TO": "sre@example.org",
    "MAPE_K_NOTIFY_WEBHOOK_URL": "https://example.org/hook",
}


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession(clock=SystemClock(), jitter=lambda: 0.0) as session:
        yield session


async def test_each_channel_that_is_set_is_used_and_no_other(http):
    all_set = load_settings({"HOME": "/home/someone"} | EVERY_CHANNEL)
    none_set = load_settings({"HOME": "/home/someone"})

    assert [way.name for way in channels(all_set, http, SystemClock())] == ["slack", "pagerduty", "email", "webhook"]
    assert channels(none_set, http, SystemClock()) == ()


@pytest.mark.parametrize(
    ("answer", "is_good", "is_reached"),
    [(http_answer(b""), True, True), (http_answer(b"", 403), False, True), (http_answer(b"", 503), False, False)],
)
async def test_a_channel_is_tried_with_a_message_and_its_end(http, answer, is_good, is_reached):
    async with raw_peer(answer) as raw:
        given = {"HOME": "/home/someone", "MAPE_K_NOTIFY_WEBHOOK_URL": raw.url}
        (way,) = channels(load_settings(given), http, SystemClock())
        checked = await _check_channel(way, SystemClock())

    assert (checked.is_good, checked.is_reached) == (is_good, is_reached)
    if is_good:
        assert [b'"status":"over"' in request for request in raw.requests] == [False, True]


async def test_the_circuits_of_the_sources_are_told_and_those_of_channels_are_not(http):
    for name in ("charter", "slack"):
        http.peer(name, "http://127.0.0.1:1", body_cap_bytes=1)
    servers = HttpServers(http, {"oneiric": "http://127.0.0.1:1"})
    peers = Peers(prometheus=None, alertmanager=None, charter=None, servers=servers, http=http)

    assert peers.circuits() == {"charter": 0.0, "oneiric": 0.0}
    assert peers.left_alone() == ()


def test_whoever_gives_no_answer_is_held_back_and_nobody_else():
    gate = Gate(lambda _: FakeEffector(), StandingClock(), 1.0, left_alone=lambda: ["charter"])

    assert gate.held == {"charter": Reason.CIRCUIT_OPEN}
    assert gate.hold is None
