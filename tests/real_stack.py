"""Real Prometheus and Alertmanager servers for tests: on free loopback ports, in a temporary folder, always ended."""

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from real_tools import find_tool

READY_SECONDS = 30.0
POLL_SECONDS = 0.05
END_SECONDS = 10.0
PORT_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server: where it listens, its process, and what it said."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path


def wait_until(fact: Callable[[], bool], what: str, *, seconds: float = READY_SECONDS) -> None:
    """Poll until ``fact`` holds; raises TimeoutError naming ``what`` when it does not in time."""
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(POLL_SECONDS)


def answers(url: str) -> bytes:
    """Return what ``url`` answers; nothing when it does not answer 200."""
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return bytes(answer.read())
    return b""


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def ended_whatever_happens(command: Sequence[str | Path], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """Run ``command``; its process group ends with the block, and with this process even when that is killed."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command], stdout=out, stderr=out, start_new_session=True
        )
        try:
            yield process
        finally:
            end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask the process group to end; kill it when it does not."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
            return


@contextlib.contextmanager
def server(name: str, arguments: Callable[[int], Sequence[str]], folder: Path) -> Iterator[Server]:
    """Run the real program ``name`` until it is ready; a port lost to someone else is tried again with another."""
    log = folder / f"{name}.log"
    for _ in range(PORT_ATTEMPTS):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        with ended_whatever_happens([find_tool(name), *arguments(port)], log) as process:
            wait_until(lambda: process.poll() is not None or answers(f"{url}/-/ready") != b"", f"{name} ready")  # noqa: B023
            if process.poll() is None:
                yield Server(url=url, process=process, log=log)
                return
    raise RuntimeError(f"{name} does not start: {log.read_text()[-2000:]}")


@contextlib.contextmanager
def prometheus(
    folder: Path, *, targets: Sequence[str] = (), rules: str = "", alertmanagers: Sequence[str] = ()
) -> Iterator[Server]:
    """Run a Prometheus that scrapes ``targets`` (host:port) as job ``tiny`` and evaluates ``rules``, every 100 ms.

    Args:
        alertmanagers: host:port of each.
    """
    (folder / "test.rules.yml").write_text(rules or "groups: []\n")
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 100ms, scrape_timeout: 100ms, evaluation_interval: 100ms}\n"
        f"rule_files: [{folder / 'test.rules.yml'}]\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: {list(alertmanagers)}}}]}}]}}\n"
        f"scrape_configs: [{{job_name: tiny, static_configs: [{{targets: {list(targets)}}}]}}]\n"
    )

    def arguments(port: int) -> list[str]:
        return [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]

    with server("prometheus", arguments, folder) as running:
        yield running


@contextlib.contextmanager
def alertmanager(folder: Path, *, inhibit_rules: str = "[]") -> Iterator[Server]:
    """Run an Alertmanager that keeps what it is told and notifies nobody."""
    (folder / "alertmanager.yml").write_text(
        f"route: {{receiver: nobody}}\nreceivers: [{{name: nobody}}]\ninhibit_rules: {inhibit_rules}\n"
    )

    def arguments(port: int) -> list[str]:
        return [
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]

    with server("alertmanager", arguments, folder) as running:
        yield running


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.server.text.encode()  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class TinyExporter(http.server.ThreadingHTTPServer):
    """A metrics endpoint that shows ``text``, which a test changes as it likes."""

    def __init__(self, text: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.text = text
        self.status = http.HTTPStatus.OK

    @property
    def address(self) -> str:
        """``host:port``, as a scrape target."""
        return f"127.0.0.1:{self.server_port}"

    def breaks(self) -> None:
        """Answer no scrape any more."""
        self.status = http.HTTPStatus.INTERNAL_SERVER_ERROR

    @contextlib.contextmanager
    def serving(self) -> Iterator["TinyExporter"]:
        """Answer scrapes while the block runs."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()
