"""The daemon as a process of its own, at a pace that fits tests, and the real servers that it watches."""

import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real_stack import TinyExporter, alertmanager, answers, ended_whatever_happens, prometheus, wait_until

TINY_PACK = Path(__file__).parent / "packs" / "tiny"
ANSWER_SECONDS = 30
"""A daemon in a storm may be busy with a cycle first."""
NOWHERE = dict.fromkeys(("PROMETHEUS_URL", "ALERTMANAGER_URL", "CHARTER_API_URL"), "http://127.0.0.1:9")
PACE = {
    "MAPE_K_INTERVAL": "0.6",
    "MAPE_K_CYCLE_BUDGET": "0.6",
    "MAPE_K_MONITOR_BUDGET": "0.25",
    "MAPE_K_ANALYZE_BUDGET": "0.05",
    "MAPE_K_PLAN_BUDGET": "0.05",
    "MAPE_K_EXECUTE_BUDGET": "0.25",
    "MAPE_K_STALE_AFTER_INTERVALS": "30",
}
RULES = """
groups:
  - name: tiny
    rules:
      - alert: Overload
        expr: sum by (node) (tiny_load) > 10
        labels: {severity: warning}
        annotations: {summary: too much}
"""


def environment(state: Path, **changes: str) -> dict[str, str]:
    """Return what a daemon with the tiny pack is started with; it keeps everything in ``state``."""
    own = {"MAPE_K_LISTEN": "127.0.0.1:0", "MAPE_K_PACKS": str(TINY_PACK), "STATE_DIRECTORY": str(state)}
    return NOWHERE | PACE | own | changes


def mape_k(given: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = ["env", *_pairs(given), sys.executable, "-m", "mape_k", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _pairs(given: Mapping[str, str]) -> list[str]:
    return [f"{name}={text}" for name, text in given.items()]


@dataclass(frozen=True, kw_only=True)
class DaemonProcess:
    """A running daemon: where it listens, its process, its log and its state folder."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path
    state: Path

    def get(self, path: str) -> Any:
        """Return the document there, also of an answer that says no."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=ANSWER_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def post(self, path: str, document: object, *, token: str) -> int:
        """Send a document with a bearer token and return the status."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(self.url + path, json.dumps(document).encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def token(self, role: str) -> str:
        """Return one of the two tokens that the daemon made."""
        return (self.state / f"{role}.token").read_text().strip()

    def cycles(self) -> list[Any]:
        """Return the newest cycles, newest first."""
        return list(self.get("/api/v1/cycles?limit=100")["items"])

    def actions(self) -> list[Any]:
        """Return what was done, newest first."""
        return list(self.get("/api/v1/actions")["items"])

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of the log that tell of ``name``."""
        return [event for event in logged(self.log) if event["event"] == name]

    def after_cycles(self, count: int) -> None:
        """Wait until so many more cycles have ended."""
        before = len(self.events("cycle_closed"))
        wait_until(lambda: len(self.events("cycle_closed")) >= before + count, f"{count} more cycles")

    def stop(self) -> int:
        """Ask it to end, and return with which code it did."""
        self.process.terminate()
        return self.process.wait(ANSWER_SECONDS)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


def logged(log: Path) -> list[dict[str, Any]]:
    """Return the lines of a log that are whole."""
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


@contextlib.contextmanager
def daemon(state: Path, **changes: str) -> Iterator[DaemonProcess]:
    """Run the daemon until it listens, and end it with the block."""
    state.mkdir(exist_ok=True)
    log = state / f"daemon-{len(list(state.glob('daemon-*.log')))}.log"
    command = ["env", *_pairs(environment(state, **changes)), sys.executable, "-m", "mape_k", "run"]
    with ended_whatever_happens(command, log) as process:
        wait_until(lambda: process.poll() is not None or '"started"' in log.read_text(), "the daemon's start")
        assert process.poll() is None, log.read_text()[-2000:]
        (started,) = (event for event in logged(log) if event["event"] == "started")
        yield DaemonProcess(url=f"http://{started['listening']}", process=process, log=log, state=state)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A real Prometheus that scrapes ``exporter``, a real Alertmanager, and the reference Charter."""

    exporter: TinyExporter
    urls: Mapping[str, str]
    journal: Path

    def load(self, number: float) -> None:
        """Set the one number, on node-7."""
        self.exporter.text = f'tiny_load{{node="node-7"}} {number}\n'

    def firing(self) -> bool:
        """Whether Alertmanager shows an alert."""
        return answers(f"{self.urls['ALERTMANAGER_URL']}/api/v2/alerts") not in (b"", b"[]\n", b"[]")

    def effects(self) -> list[str]:
        """Return the idempotency keys in the Charter's journal, in order."""
        return [json.loads(line)["idempotency_key"] for line in self.journal.read_text().splitlines()]


@contextlib.contextmanager
def watched(folder: Path, *, load: float) -> Iterator[Watched]:
    """Run the servers until an alert fires for a load above ten."""
    with contextlib.ExitStack() as up:
        exporter = up.enter_context(TinyExporter().serving())
        charter = up.enter_context(charter_service(folder))
        alerts = up.enter_context(alertmanager(folder)).url
        peer = [alerts.removeprefix("http://")]
        metrics = up.enter_context(prometheus(folder, targets=[exporter.address], rules=RULES, alertmanagers=peer)).url
        urls = {"PROMETHEUS_URL": metrics, "ALERTMANAGER_URL": alerts, "CHARTER_API_URL": charter}
        world = Watched(exporter=exporter, urls=urls, journal=folder / "charter.journal")
        world.load(load)
        wait_until(lambda: world.firing() == (load > 10), "the alert as it should be")
        yield world


@contextlib.contextmanager
def charter_service(folder: Path) -> Iterator[str]:
    """Run the reference Charter and yield its address."""
    log, journal = folder / "charter.log", folder / "charter.journal"
    options = ["--listen", "127.0.0.1:0", "--state", folder / "charter.db", "--journal", journal, "--time-scale", "60"]
    with ended_whatever_happens([sys.executable, "-m", "westworld", *options], log) as process:
        wait_until(lambda: process.poll() is not None or "listening" in log.read_text(), "the Charter's start")
        yield json.loads(log.read_text().splitlines()[0])["listening"]
