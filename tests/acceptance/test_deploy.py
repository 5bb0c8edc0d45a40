"""Packs installed for real servers, which read them, and of which `pack verify` says what is there."""

import contextlib
import http.server
import json
import os
import threading

import pytest
import yaml

from daemon_process import charter_service, mape_k
from real_stack import server, wait_until
from real_tools import find_tool

JOB = "westworld-charter"
OF_CHARTER = ("critical-security", "security-warnings", "sre-warnings", "info-alerts")
RECEIVERS = ("default", "mape-k", *OF_CHARTER, "mape-k-page", "mape-k-team")


class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def listening():
    """Somebody for every receiver, by path."""
    somebody = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    somebody.heard = []
    thread = threading.Thread(target=somebody.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield somebody
    somebody.shutdown()
    thread.join()
    somebody.server_close()


def write_bases(folder, charter, alertmanager_port, somebody):
    job = {"job_name": JOB, "static_configs": [{"targets": [charter.removeprefix("http://")]}]}
    prometheus = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager_port}"]}]}]},
        "scrape_configs": [job],
    }
    ways = {name: f"http://127.0.0.1:{somebody.server_port}/{name}" for name in RECEIVERS}
    alertmanager = {
        "route": {"receiver": "default", "group_wait": "1s", "group_by": ["alertname", "system"]},
        "receivers": [{"name": name, "webhook_configs": [{"url": url}]} for name, url in ways.items()],
    }
    for name, base in (("prometheus", prometheus), ("alertmanager", alertmanager)):
        (folder / name).mkdir()
        (folder / name / f"{name}.base.yml").write_text(yaml.safe_dump(base))


def command(folder, *arguments, **urls):
    path = f"{find_tool('promtool').parent}:{os.environ['PATH']}"
    done = mape_k({"PATH": path, "STATE_DIRECTORY": str(folder), **urls}, "pack", *arguments, "--json")
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.mark.real
def test_installed_packs_are_read_verified_and_heard_of(tmp_path):
    folders = [f"--{name}-dir={tmp_path / name}" for name in ("prometheus", "alertmanager")]
    with contextlib.ExitStack() as up:
        charter, somebody = up.enter_context(charter_service(tmp_path)), up.enter_context(listening())
        write_bases(tmp_path, charter, 9, somebody)
        code, installed, said = command(tmp_path, "install", "charter", *folders, "--no-reload")
        assert (code, said) == (0, "")
        assert {row["checked_by"] for row in installed["written"]} == {"promtool", "amtool"}

        alerts = up.enter_context(server("alertmanager", lambda port: of_alertmanager(tmp_path, port), tmp_path)).url
        metrics = up.enter_context(server("prometheus", lambda port: of_prometheus(tmp_path, port), tmp_path)).url
        urls = {"PROMETHEUS_URL": metrics, "ALERTMANAGER_URL": alerts}
        wait_until(lambda: command(tmp_path, "verify", "charter", **urls)[0] == 0, "all of the pack there")
        code, verified, _ = command(tmp_path, "verify", "charter", "--test-alert", **urls)
        assert (code, verified["ok"]) == (0, True)
        assert "/security-warnings" in somebody.heard or "/default" in somebody.heard

        code, installed, said = command(tmp_path, "install", "charter", "mape-k", *folders, **urls)
        assert said == ""
        assert (code, [row["has_changed"] for row in installed["written"]]) == (0, [True, True])
        assert [row["is_good"] for row in installed["checked"]] == [True, True]

        code, verified, _ = command(tmp_path, "verify", "charter", "mape-k", **urls)
        bad = [row["what"] for row in verified["checked"] if not row["is_good"]]
        assert (code, bad) == (1, ["mape-k: targets of mape-k", "mape-k: metrics"])


def of_alertmanager(folder, port):
    return [
        f"--config.file={folder / 'alertmanager' / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager-data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]


def of_prometheus(folder, port):
    return [
        f"--config.file={folder / 'prometheus' / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-lifecycle",
    ]


def test_servers_that_are_not_there_are_told_apart_from_packs_that_are_not(tmp_path):
    code, verified, _ = command(tmp_path, "verify", "charter", PROMETHEUS_URL="http://127.0.0.1:9")

    assert (code, verified["ok"]) == (3, False)
