"""A real daemon tells people about a frozen target: one channel works, the other one is down."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from daemon_process import DaemonProcess, daemon, environment, mape_k
from knowledge_cases import brought_to, opened
from mape_k.model import State
from real_stack import wait_until

FROZEN = "Roll-back failed: block_source on charter/node-7"
SECRET_PATH = "/services/T000/B000/correct-horse-battery-staple"


class Receiver(ThreadingHTTPServer):
    """Keeps the documents that it took; while ``is_down`` it answers 503."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.is_down, self.taken = False, []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.server.is_down:
            self.server.taken.append(document)
        self.send_response(503 if self.server.is_down else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"status": "success"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder in whose Knowledge a target is frozen."""
    folder = tmp_path / "state"
    folder.mkdir()
    asyncio.run(_freeze(folder))
    (folder / "knowledge.sqlite").rename(folder / "knowledge.db")
    return folder


async def _freeze(folder: Path) -> None:
    async with opened(folder) as knowledge:
        execution = await brought_to(knowledge.journal, State.IN_FORCE)
        for to in (State.ROLLING_BACK, State.FROZEN):
            execution = await knowledge.journal.move(execution, to)


def told(receiver: Receiver, subject: str) -> list[Any]:
    """Return the messages of this subject that a receiver took, whatever its form."""
    return [each for each in receiver.taken if subject in json.dumps(each)]


def letters(running: DaemonProcess, channel: str) -> list[Any]:
    """Return the dead letters about the frozen target that wait for a channel."""
    page = running.get("/api/v1/dlq")["items"]
    return [letter for letter in page if letter["channel"] == channel and letter["document"]["subject"] == FROZEN]


def test_a_frozen_target_is_told_once_over_each_channel_whatever_is_down_and_killed(state: Path) -> None:
    with receiver() as slack, receiver() as pagerduty:
        slack.is_down = True
        given = {
            "MAPE_K_NOTIFY_SLACK_URL": f"{slack.url}{SECRET_PATH}",
            "MAPE_K_NOTIFY_PAGERDUTY_KEY": "a-routing-key",
            "MAPE_K_NOTIFY_PAGERDUTY_URL": pagerduty.url,
        }
        with daemon(state, **given) as first:
            wait_until(lambda: letters(first, "slack"), "the dead letter")
            wait_until(lambda: told(pagerduty, FROZEN), "the delivery")
            first.after_cycles(3)
            (letter,) = letters(first, "slack")
            first.kill()
        slack.is_down = False
        with daemon(state, **given) as second:
            second.after_cycles(3)
            assert told(slack, FROZEN) == [], "its dead letter waits for five minutes"
            address = second.url.removeprefix("http://")
            ordered = mape_k(environment(state, MAPE_K_LISTEN=address), "dlq", "retry", letter["letter_id"])
            assert ordered.returncode == 0, ordered.stderr
            wait_until(lambda: told(slack, FROZEN), "the delivery", seconds=15)
            wait_until(lambda: not letters(second, "slack"), "the end of the letter")
            second.after_cycles(3)
            logs = first.log.read_text() + second.log.read_text()

    assert (len(told(slack, FROZEN)), len(told(pagerduty, FROZEN))) == (1, 1)
    assert letter["attempts"] == 0
    assert "503" in letter["error"]
    assert SECRET_PATH not in logs + letter["error"]


def test_without_any_channel_the_daemon_says_that_nobody_is_told(state: Path) -> None:
    with daemon(state) as running:
        running.after_cycles(1)
        (said,) = running.events("nobody_is_told")

    assert "MAPE_K_NOTIFY_" in said["remedy"]
