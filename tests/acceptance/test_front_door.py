"""The webhook of the real daemon: what it acknowledged is on disk, however much it was and however it ends."""

import json
import sqlite3
import time
from contextlib import closing

import pytest

from daemon_process import daemon, watched
from real_stack import answers, wait_until

MANY = 10_000
BUDGET_SECONDS = 30  # how long it really takes is for benchmarks/cycle_alerts.py to say
BUDGETS = {
    "MAPE_K_INTERVAL": "31",
    "MAPE_K_CYCLE_BUDGET": str(BUDGET_SECONDS),
    "MAPE_K_MONITOR_BUDGET": "1",
    "MAPE_K_ANALYZE_BUDGET": "1",
    "MAPE_K_PLAN_BUDGET": "1",
    "MAPE_K_EXECUTE_BUDGET": "1",
}

ENFORCE = BUDGETS | {
    "MAPE_K_MODE": "enforce",
    "MAPE_K_ALERTS_RETURN_SECONDS": "1",
    "MAPE_K_MONITOR_BUDGET": "2",
}


def loads(number):
    """Return the same load of very many nodes, as Prometheus scrapes it."""
    return "".join(f'tiny_load{{node="node-{node}"}} {number}\n' for node in range(MANY))


def active(world):
    return len(json.loads(answers(f"{world.urls['ALERTMANAGER_URL']}/api/v2/alerts") or b"[]"))


def a_webhook(count):
    alerts = [
        {
            "status": "firing",
            "labels": {"alertname": "Overload", "node": f"node-{number}", "severity": "warning"},
            "annotations": {"summary": "y" * 150},
            "startsAt": "2026-03-01T12:00:00.123456789Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": f"{number:016x}",
        }
        for number in range(count)
    ]
    return {"version": "4", "status": "firing", "groupKey": "{}", "receiver": "mape-k", "alerts": alerts}


def kept(state):
    with closing(sqlite3.connect(state / "knowledge.db")) as database:
        return database.execute("SELECT count(*), sum(times) FROM notices").fetchone()


def test_ten_thousand_alerts_in_one_webhook_are_on_disk_when_acknowledged_and_the_next_cycle_keeps_its_budget(tmp_path):
    with daemon(tmp_path / "state", **BUDGETS) as running:
        running.after_cycles(1)
        begun = time.monotonic()
        status = running.post("/api/v1/alerts", a_webhook(MANY), token=running.token("ingest"))
        seconds = time.monotonic() - begun
        running.after_cycles(1)
        cycle = running.cycles()[0]
        running.kill()

    assert status == 202
    assert seconds < BUDGET_SECONDS
    assert (cycle["woken_by"], cycle["seconds"] < BUDGET_SECONDS) == ("webhook", True)
    assert kept(tmp_path / "state") == (MANY, MANY)


def test_what_was_acknowledged_is_still_there_after_the_daemon_was_killed(tmp_path):
    with daemon(tmp_path / "state", **BUDGETS) as running:
        status = running.post("/api/v1/alerts", a_webhook(3), token=running.token("ingest"))
        running.kill()
    with daemon(tmp_path / "state", **BUDGETS) as running:
        again = running.post("/api/v1/alerts", a_webhook(5), token=running.token("ingest"))
        running.kill()

    assert (status, again) == (202, 202)
    assert kept(tmp_path / "state") == (5, 8)


def in_the_storm(running):
    """Send webhooks until two cycles have seen all of it; return the last status and what those cycles tell."""
    for _ in range(8):
        status = running.post("/api/v1/alerts", a_webhook(MANY), token=running.token("ingest"))
        running.after_cycles(1)
        told = [event for event in running.events("cycle_closed") if event["incidents"] == MANY]
        if len(told) > 1:
            break
    return status, told


@pytest.mark.real
def test_ten_thousand_true_alerts_are_taken_cycles_keep_their_budget_and_nothing_is_done_in_the_storm(tmp_path):
    with watched(tmp_path, load=0) as world, daemon(tmp_path / "state", **ENFORCE, **world.urls) as running:
        running.after_cycles(1)
        world.exporter.text = loads(31)
        wait_until(lambda: active(world) == MANY, "all alerts in Alertmanager")
        status, told = in_the_storm(running)
        held = {incident["reason"] for incident in running.get("/api/v1/status")["held"]}
        effects = world.effects()
        running.kill()

    assert status == 202
    assert len(told) > 1
    assert all(cycle["result"] == "completed" and cycle["seconds"] < BUDGET_SECONDS for cycle in told)
    assert held <= {"storm", "blast_radius"}
    assert held
    assert effects == []
