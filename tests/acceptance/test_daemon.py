"""The daemon as its users meet it: a real process, its exit codes, its signals, and what it survives."""

import contextlib
import json
import shutil
import signal
import socket
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon_process import TINY_PACK, daemon, environment, mape_k, watched
from real_stack import answers, wait_until

pytestmark = pytest.mark.real

FORGED = {
    "version": "4",
    "groupKey": "{}:{}",
    "status": "firing",
    "receiver": "mape-k",
    "alerts": [{"status": "firing", "labels": {"alertname": "Overload", "node": "node-7"}, "fingerprint": "f"}],
}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


# a start that cannot be


def test_every_bad_variable_is_one_line_and_nothing_starts(state: Path) -> None:
    wrong = {"MAPE_K_INTERVAL": "soon", "PROMETHEUS_URL": "localhost:9090", "MAPE_K_MOED": "enforce"}

    ended = mape_k(environment(state, **wrong), "run")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert sorted(line.split("=")[0].split(":")[1].strip() for line in ended.stderr.splitlines()) == sorted(wrong)
    assert not state.exists()


def test_a_taken_port_is_told_with_a_remedy(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = mape_k(environment(state, MAPE_K_LISTEN=address), "run")

    assert ended.returncode == 2
    assert address in ended.stderr
    assert "MAPE_K_LISTEN" in ended.stderr


def test_a_second_daemon_on_the_same_knowledge_ends_and_the_first_goes_on(state: Path) -> None:
    with daemon(state) as first:
        ended = mape_k(environment(state), "run")

        assert ended.returncode == 3
        assert f"belongs to a running daemon, process {first.process.pid}" in ended.stderr
        assert "MAPE_K_KNOWLEDGE_URL" in ended.stderr
        first.after_cycles(2)


def test_damaged_knowledge_is_told_and_not_overwritten(state: Path) -> None:
    state.mkdir()
    damaged = state / "knowledge.db"
    damaged.write_bytes(b"this was a database once" * 400)

    ended = mape_k(environment(state), "run")

    assert ended.returncode == 3
    assert str(damaged) in ended.stderr
    assert damaged.read_bytes().startswith(b"this was a database once")


# nothing to see


def test_with_nothing_in_reach_it_runs_blind_and_says_which(state: Path) -> None:
    with daemon(state, MAPE_K_PACKS="charter") as blind:
        blind.after_cycles(2)

        ready = blind.get("/readyz")
        assert answers(f"{blind.url}/readyz") == b""
        for name in ("prometheus", "alertmanager", "charter"):
            assert f"{name} cannot be seen" in json.dumps(ready)
        assert {cycle["result"] for cycle in blind.cycles()} == {"blind"}
        assert answers(f"{blind.url}/healthz") != b""


def test_check_says_which_services_cannot_be_reached(state: Path) -> None:
    ended = mape_k(environment(state, MAPE_K_PACKS="charter"), "check", "--connect", "--json")

    bad = {row["what"].split()[0] for row in json.loads(ended.stdout)["checked"] if not row["is_good"]}
    assert ended.returncode == 3
    assert bad >= {"prometheus", "alertmanager", "charter"}
    assert ended.stderr == ""


def test_a_prometheus_that_never_answers_costs_its_budget_and_no_more(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with daemon(state, PROMETHEUS_URL=url) as waiting:
            waiting.after_cycles(5)
            cycles = waiting.cycles()

    seconds = [cycle["timings"][0]["seconds"] for cycle in cycles]
    assert {cycle["result"] for cycle in cycles} == {"blind"}
    assert min(seconds) > 0.2
    assert sorted(seconds)[len(seconds) // 2] < 0.35


# what it tells


def test_the_log_is_one_object_a_line_and_holds_no_token(state: Path) -> None:
    with daemon(state) as running:
        running.after_cycles(1)
        tokens = [running.token("operator"), running.token("ingest")]
        running.post("/api/v1/pause", {"comment": tokens[0], "by": "a test"}, token=tokens[0])
        running.after_cycles(2)

    events = [json.loads(line)["event"] for line in running.log.read_text().splitlines()]
    assert events[0] == "started"
    assert {"cycle_closed", "drained", "stopped"} <= set(events)
    assert not any(token in running.log.read_text() for token in tokens)
    for role in ("operator", "ingest"):
        assert stat.S_IMODE((state / f"{role}.token").stat().st_mode) == 0o600


def test_the_commands_find_the_running_daemon_and_miss_it_when_it_is_gone(state: Path) -> None:
    with daemon(state) as running:
        running.after_cycles(1)
        given = environment(state, MAPE_K_LISTEN=running.url.removeprefix("http://"))
        status = mape_k(given, "status", "--json")
    gone = mape_k(given, "status")

    assert (status.returncode, json.loads(status.stdout)["mode"]) == (0, "shadow")
    assert gone.returncode == 3
    assert "no daemon answers" in gone.stderr


# the service manager


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(0)
        yield listening


def told(manager: socket.socket) -> list[str]:
    """Return every line that the daemon told since the last time."""
    lines: list[str] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            lines += manager.recv(65536).decode().splitlines()
    return lines


def test_systemd_hears_of_start_life_and_end(state: Path, manager: socket.socket) -> None:
    with daemon(state, NOTIFY_SOCKET=manager.getsockname()) as running:
        running.after_cycles(3)
    lines = told(manager)

    completed = len(running.events("cycle_closed"))
    assert lines[0] == "READY=1"
    assert lines.count("READY=1") == 1
    assert 3 <= lines.count("WATCHDOG=1") == completed
    assert lines.index("STOPPING=1") > lines.index("WATCHDOG=1")
    assert any(line.startswith("STATUS=shadow: last cycle") for line in lines)


def test_while_its_knowledge_cannot_be_written_it_lives_and_tells_and_then_goes_on(
    state: Path, manager: socket.socket
) -> None:
    with daemon(state, NOTIFY_SOCKET=manager.getsockname()) as running:
        running.after_cycles(1)
        with contextlib.closing(sqlite3.connect(state / "knowledge.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            wait_until(lambda: running.events("cycle_closed")[-1]["result"] == "failed", "a cycle that fails")
            told(manager)
            running.after_cycles(2)
            while_held = told(manager)
            assert "failed" in json.dumps(running.get("/readyz"))
            assert b"mape_k_knowledge_up 0.0" in answers(f"{running.url}/metrics")
        wait_until(lambda: running.events("cycle_closed")[-1]["result"] == "blind", "a cycle that ends well")

    assert "WATCHDOG=1" in while_held
    assert any("last cycle failed" in line for line in while_held)


# signals


def test_sigterm_ends_the_running_cycle_and_then_the_daemon(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with daemon(state, PROMETHEUS_URL=url) as running:
            running.after_cycles(1)
            before = len(running.events("cycle_closed"))
            running.process.terminate()
            assert running.process.wait(5) == 0

    assert len(running.events("cycle_closed")) <= before + 1
    assert [event["cut"] for event in running.events("drained")] == [0]
    assert running.events("stopped")


def test_sighup_takes_new_packs_and_packs_that_cannot_be_used_change_nothing(state: Path, tmp_path: Path) -> None:
    pack = tmp_path / "mine"
    shutil.copytree(TINY_PACK, pack)
    text = (pack / "pack.yaml").read_text()
    with daemon(state, MAPE_K_PACKS=str(pack)) as running:
        (pack / "pack.yaml").write_text(text.replace("title: One number", "title: Another number"))
        running.process.send_signal(signal.SIGHUP)
        wait_until(lambda: running.events("packs_reloaded") != [], "packs that are reloaded")
        taken = running.get("/api/v1/packs/tiny")["title"]

        (pack / "pack.yaml").write_text(text.replace("symptoms:", "symptom:"))
        running.process.send_signal(signal.SIGHUP)
        wait_until(lambda: running.events("packs_not_reloaded") != [], "packs that are refused")
        kept = running.get("/api/v1/packs/tiny")["title"]
        running.after_cycles(1)

    (refused,) = running.events("packs_not_reloaded")
    assert (taken, kept) == ("Another number", "Another number")
    assert any("pack.yaml:" in problem and "symptom" in problem for problem in refused["problems"])


# what survives


def test_a_pause_survives_a_kill_and_only_resume_lifts_it(state: Path) -> None:
    with daemon(state) as running:
        given = environment(state, MAPE_K_LISTEN=running.url.removeprefix("http://"))
        assert mape_k(given, "pause", "--comment", "a look first", "--by", "ada").returncode == 0
        running.kill()

    with daemon(state) as again:
        assert again.get("/api/v1/status")["pause"]["by"] == "ada"
        again.after_cycles(1)
        assert b"mape_k_paused 1.0" in answers(f"{again.url}/metrics")
        assert again.post("/api/v1/resume", {}, token=again.token("ingest")) in (401, 403)
        assert again.post("/api/v1/resume", {}, token=again.token("operator")) == 200
        assert again.get("/api/v1/status")["pause"] is None


def test_an_action_that_was_under_way_at_a_kill_is_judged_after_the_restart(state: Path, tmp_path: Path) -> None:
    with watched(tmp_path, load=31) as world:
        with daemon(state, MAPE_K_MODE="enforce", **world.urls) as running:
            wait_until(lambda: [a["state"] for a in running.actions()] == ["verifying"], "an action to verify")
            running.kill()
        world.load(0.5)

        with daemon(state, MAPE_K_MODE="enforce", **world.urls) as again:
            wait_until(lambda: again.actions()[0]["verdict"] is not None, "a verdict")
            (action,) = again.actions()
            assert again.get("/api/v1/status")["epoch"] == 2

        assert (action["state"], action["verdict"]) == ("probation", "improved")
        assert world.effects() == [action["execution_id"]]


# what it must not do


def test_in_shadow_everything_is_decided_and_nothing_is_sent(state: Path, tmp_path: Path) -> None:
    with watched(tmp_path, load=31) as world, daemon(state, **world.urls) as running:
        wait_until(lambda: running.get("/api/v1/status")["held"] != [], "a decision")
        running.after_cycles(2)
        (held,) = running.get("/api/v1/status")["held"]

        assert (held["target"], held["remediation"], held["reason"]) == ("node-7", "block_source", "shadow")
        assert running.actions() == []
        assert world.effects() == []


def test_a_webhook_wakes_it_at_once_and_only_with_its_token(state: Path) -> None:
    with daemon(state, MAPE_K_INTERVAL="3600") as running:
        running.after_cycles(1)
        refused = running.post("/api/v1/alerts", FORGED, token="not the token of this daemon")
        assert refused == 401
        assert running.post("/api/v1/alerts", FORGED, token=running.token("ingest")) == 202
        running.after_cycles(1)

        assert [cycle["woken_by"] for cycle in running.cycles()] == ["webhook", "tick"]


def test_what_a_webhook_says_is_never_believed(state: Path, tmp_path: Path) -> None:
    with watched(tmp_path, load=1) as world, daemon(state, MAPE_K_MODE="enforce", **world.urls) as running:
        wait_until(lambda: "completed" in [cycle["result"] for cycle in running.cycles()], "sight of everything")
        assert running.post("/api/v1/alerts", FORGED, token=running.token("ingest")) == 202
        wait_until(lambda: "webhook" in [cycle["woken_by"] for cycle in running.cycles()], "a cycle for the webhook")
        running.after_cycles(2)

        assert running.get("/api/v1/incidents")["items"] == []
        assert (running.actions(), world.effects()) == ([], [])
