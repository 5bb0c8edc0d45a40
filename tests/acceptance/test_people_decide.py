"""A real daemon that asks before it acts: nothing leaves without a yes, and every yes is about what was shown."""

import contextlib
import http.server
import shutil
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from daemon_process import TINY_PACK, DaemonProcess, daemon, environment, mape_k, watched
from real_stack import wait_until

pytestmark = pytest.mark.real

ASKING = {"MAPE_K_MODE": "approve", "MAPE_K_ALERTS_RETURN_SECONDS": "1"}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def told(running: DaemonProcess, *arguments: str) -> tuple[int, str]:
    """Run a command against the daemon; return its exit code and what it said."""
    listen = running.url.removeprefix("http://")
    ended = mape_k(environment(running.state, MAPE_K_LISTEN=listen), *arguments)
    return ended.returncode, ended.stdout + ended.stderr


def approvals(running: DaemonProcess) -> list[Any]:
    return list(running.get("/api/v1/status")["approvals"])


def question(running: DaemonProcess) -> Mapping[str, Any]:
    """Wait until a person is asked, and return the question."""
    wait_until(lambda: approvals(running) != [], "a question")
    return dict(approvals(running)[0])


def ended(running: DaemonProcess, execution_id: str) -> str:
    """Wait until an action has failed, and return why."""
    path = f"/api/v1/actions/{execution_id}"
    wait_until(lambda: running.get(path)["state"] == "failed", "the end of the question")
    return str(running.get(path)["reason"])


def test_nothing_is_sent_until_a_person_agrees_and_then_it_is_applied_and_verified(state, tmp_path):
    with watched(tmp_path, load=31) as world, daemon(state, **ASKING, **world.urls) as running:
        asked = question(running)
        running.after_cycles(3)
        before = world.effects()

        code, said = told(running, "approve", asked["execution_id"], "--by", "ada", "--comment", "go on")
        wait_until(lambda: world.effects() != [], "the effect")
        world.load(0.5)
        wait_until(lambda: running.actions()[0]["verdict"] is not None, "a verdict")
        (action,) = running.actions()

    assert before == []
    assert code == 0, said
    assert asked["plan_hash"] in said
    assert world.effects() == [asked["execution_id"]]
    assert (action["state"], action["verdict"]) == ("in_force", "improved") or action["state"] == "probation"
    assert (action["consent"]["by"], action["consent"]["comment"]) == ("ada", "go on")


def test_what_a_person_rejected_is_not_sent_and_not_asked_again_within_the_cooldown(state, tmp_path):
    with watched(tmp_path, load=31) as world, daemon(state, **ASKING, **world.urls) as running:
        asked = question(running)
        assert told(running, "reject", asked["execution_id"])[0] == 0
        reason = ended(running, asked["execution_id"])
        running.after_cycles(4)
        (held,) = running.get("/api/v1/status")["held"]

        assert (reason, held["reason"]) == ("rejected_by_person", "rejected_by_person")
        assert (approvals(running), len(running.actions())) == ([], 1)
        assert world.effects() == []


def test_a_kill_between_asking_and_answering_loses_nothing(state, tmp_path):
    with watched(tmp_path, load=31) as world:
        with daemon(state, **ASKING, **world.urls) as running:
            asked = question(running)
            running.after_cycles(1)
            running.kill()
        with daemon(state, **ASKING, **world.urls) as again:
            asked_still = question(again)
            code, said = told(again, "approve", asked["execution_id"])
            again.kill()
        with daemon(state, **ASKING, **world.urls) as third:
            wait_until(lambda: world.effects() != [], "the effect")
            (action,) = third.actions()

    assert code == 0, said
    assert (asked_still["execution_id"], asked_still["plan_hash"]) == (asked["execution_id"], asked["plan_hash"])
    assert world.effects() == [asked["execution_id"]]
    assert action["consent"]["plan_hash"] == asked["plan_hash"]


def test_an_approval_after_the_fault_is_gone_does_nothing(state, tmp_path):
    with watched(tmp_path, load=31) as world, daemon(state, **ASKING, **world.urls) as running:
        asked = question(running)
        world.load(0.5)
        wait_until(lambda: not world.firing(), "the alert's end")
        running.after_cycles(1)

        told(running, "approve", asked["execution_id"])
        reason = ended(running, asked["execution_id"])
        late, said = told(running, "approve", asked["execution_id"])

        assert reason == "withdrawn"
        assert world.effects() == []
        assert (late, "nobody is asked" in said) == (1, True)


def test_of_two_who_answer_the_first_one_is_heard(state, tmp_path):
    with watched(tmp_path, load=31) as world, daemon(state, **ASKING, **world.urls) as running:
        asked = question(running)
        path, body = f"/api/v1/actions/{asked['execution_id']}", {"plan_hash": asked["plan_hash"]}
        token = running.token("operator")

        statuses = [running.post(f"{path}/{verb}", body, token=token) for verb in ("reject", "approve", "reject")]
        ended(running, asked["execution_id"])
        running.after_cycles(2)

        assert statuses == [200, 409, 200]
        assert world.effects() == []


def test_who_answers_too_late_is_told_and_nothing_is_sent(state, tmp_path):
    soon = {"MAPE_K_APPROVAL_SECONDS": "1"}
    with watched(tmp_path, load=31) as world, daemon(state, **ASKING, **soon, **world.urls) as running:
        asked = question(running)
        reason = ended(running, asked["execution_id"])

        status = running.post(
            f"/api/v1/actions/{asked['execution_id']}/approve",
            {"plan_hash": asked["plan_hash"]},
            token=running.token("operator"),
        )
        running.after_cycles(2)

        assert (reason, status) == ("approval_expired", 409)
        assert world.effects() == []


def test_a_pack_that_changes_between_asking_and_answering_is_asked_about_anew(state, tmp_path):
    pack = tmp_path / "mine"
    shutil.copytree(TINY_PACK, pack)
    with (
        watched(tmp_path, load=31) as world,
        daemon(state, MAPE_K_PACKS=str(pack), **ASKING, **world.urls) as running,
    ):
        asked = question(running)
        text = (pack / "pack.yaml").read_text()
        (pack / "pack.yaml").write_text(text.replace("lifetime: {ttl: 1h", "lifetime: {ttl: 2h"))
        running.process.send_signal(signal.SIGHUP)
        reason = ended(running, asked["execution_id"])
        wait_until(lambda: [a["execution_id"] for a in approvals(running)] not in ([], [asked["execution_id"]]), "anew")
        (anew,) = approvals(running)
        status = running.post(
            f"/api/v1/actions/{anew['execution_id']}/approve",
            {"plan_hash": asked["plan_hash"]},
            token=running.token("operator"),
        )
        running.after_cycles(2)

        assert (reason, status) == ("plan_changed", 409)
        assert anew["plan_hash"] != asked["plan_hash"]
        assert anew["requests"][0]["ttl_seconds"] == 7200.0
        assert world.effects() == []


@pytest.mark.parametrize("scope", [(), ("--remediation", "tiny/block_source"), ("--target", "tiny/node-7")])
def test_what_was_agreed_to_waits_while_it_is_paused_and_begins_when_resumed(state, tmp_path, scope):
    with watched(tmp_path, load=31) as world, daemon(state, **ASKING, **world.urls) as running:
        asked = question(running)
        assert told(running, "pause", *scope, "--comment", "a look first")[0] == 0
        assert told(running, "approve", asked["execution_id"])[0] == 0
        running.after_cycles(3)
        (held,) = running.get("/api/v1/status")["held"]
        before = world.effects()
        assert told(running, "resume", *scope)[0] == 0
        wait_until(lambda: world.effects() != [], "the effect")

    assert (held["reason"], before) == ("paused", [])
    assert world.effects() == [asked["execution_id"]]


class Slow(http.server.ThreadingHTTPServer):
    """Alertmanager behind a wire that takes a second; ``asked`` counts the questions about alerts."""

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _SlowWire)
        self.peer, self.asked = url, 0


class _SlowWire(http.server.BaseHTTPRequestHandler):
    server: Slow

    def do_GET(self) -> None:
        if self.path.startswith("/api/v2/alerts"):
            self.server.asked += 1
            time.sleep(1)
        with urllib.request.urlopen(self.server.peer + self.path, timeout=5) as answer:
            body = answer.read()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def slowly(url: str) -> Iterator[tuple[Slow, str]]:
    with Slow(url) as wire:
        thread = threading.Thread(target=wire.serve_forever)
        thread.start()
        try:
            yield wire, f"http://127.0.0.1:{wire.server_address[1]}"
        finally:
            wire.shutdown()
            thread.join()


PACE = {
    "MAPE_K_MODE": "enforce",
    "MAPE_K_INTERVAL": "6",
    "MAPE_K_CYCLE_BUDGET": "6",
    "MAPE_K_MONITOR_BUDGET": "2",
    "MAPE_K_EXECUTE_BUDGET": "3",
}


def test_a_pause_stops_what_is_decided_already_and_about_to_leave(state, tmp_path):
    with (
        watched(tmp_path, load=31) as world,
        slowly(world.urls["ALERTMANAGER_URL"]) as (wire, slow),
        daemon(state, **world.urls | {"ALERTMANAGER_URL": slow}, **PACE) as running,
    ):
        wait_until(lambda: wire.asked >= 2, "the last look before acting")
        begun = time.monotonic()
        assert running.post("/api/v1/pause", {"by": "ada"}, token=running.token("operator")) == 200
        seconds = time.monotonic() - begun
        running.after_cycles(2)
        refused = running.events("action_not_admitted")
        while_paused = world.effects(), running.actions()
        assert running.post("/api/v1/resume", {}, token=running.token("operator")) == 200
        wait_until(lambda: world.effects() != [], "the effect")

    assert [line["reason"] for line in refused] == ["paused"]
    assert while_paused == ([], [])
    assert seconds < 1
