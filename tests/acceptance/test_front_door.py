"""The webhook of the real daemon: what it acknowledged is on disk, however much it was and however it ends."""

import sqlite3
import time
from contextlib import closing

from daemon_process import daemon

MANY = 10_000
BUDGETS = {
    "MAPE_K_INTERVAL": "6",
    "MAPE_K_CYCLE_BUDGET": "5",
    "MAPE_K_MONITOR_BUDGET": "1",
    "MAPE_K_ANALYZE_BUDGET": "1",
    "MAPE_K_PLAN_BUDGET": "1",
    "MAPE_K_EXECUTE_BUDGET": "1",
}


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
    assert seconds < 5
    assert (cycle["woken_by"], cycle["seconds"] < 5) == ("webhook", True)
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
