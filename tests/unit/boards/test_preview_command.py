"""What `mape-k pack preview` refuses before it asks anybody, and what the pages about boards promise."""

import http.server
import logging
import re
import runpy
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from draw_boards import ROOT
from mape_k.cli import cli
from mape_k.main.asking import ask_prometheus
from mape_k.packbuild.grafana import draw
from mape_k.ports import MetricSource
from mape_k.settings import load_settings

ELSEWHERE = {"PROMETHEUS_URL": "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Commands configure the log of the whole process; the next test gets it as this one did."""
    yield
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], force=True)


def preview(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["pack", "preview", *arguments, "--out", str(tmp_path / "page.html")], env=ELSEWHERE)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["charter", "--at", "noon"], "--at noon: expected a time such as 2026-11-26T12:00:00Z"),
        (["charter", "--at", "0001-01-01"], "--at 0001-01-01: expected a time after 1970"),
        (["charter", "--range", "long"], "--range long: expected a duration such as 30s"),
        (["charter", "--range", "9999d"], "--range 9999d: expected 1s to 366d"),
        (["charter", "--var", "node"], "--var node: expected NAME=VALUE"),
        (["charter", "--var", "nod=x"], "no board has the variable nod; did you mean 'node'?"),
        (["chartr"], "did you mean 'charter'?"),
        (["gone.json"], "gone.json:1: cannot be read"),
        (["."], "no boards: expected a JSON file, or a pack with dashboards/*.json"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_remedy(tmp_path: Path, arguments: list[str], sentence: str):
    refused = preview(tmp_path, *arguments)

    assert refused.exit_code == 2
    assert sentence in refused.output
    assert not (tmp_path / "page.html").exists()


class Listener(http.server.BaseHTTPRequestHandler):
    """Answers every query with one number, and notes who was asked by whom."""

    def do_GET(self) -> None:
        self.server.heard.append(self.headers.get("Authorization"))  # type: ignore[attr-defined]
        body = b'{"status": "success", "data": {"resultType": "scalar", "result": [0, "7"]}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def listener() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        server.heard = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("is_own", "heard"), [(True, "Bearer secret"), (False, None)])
def test_the_token_goes_to_the_daemons_own_prometheus_only(
    listener: http.server.ThreadingHTTPServer, is_own: bool, heard: str | None
):
    url = f"http://127.0.0.1:{listener.server_port}"
    own = url if is_own else "http://127.0.0.1:9"
    settings = load_settings(
        {"PROMETHEUS_URL": own, "MAPE_K_PROMETHEUS_TOKEN": "secret", "STATE_DIRECTORY": "/nowhere"}
    )

    async def ask(source: MetricSource) -> float:
        vector = await source.query("7", at=datetime.now(UTC), timeout_seconds=5)  # noqa: TID251 -- any time does
        return float(vector.values[0])

    assert ask_prometheus(settings, url, ask) == 7
    assert listener.heard == [heard]  # type: ignore[attr-defined]


def test_the_board_that_the_page_shows_can_be_drawn(tmp_path: Path):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "dashboards.md").read_text(), re.DOTALL)
    (tmp_path / "board.py").write_text(example)

    assert '"uid": "my-overview"' in draw(runpy.run_path(str(tmp_path / "board.py"))["BOARD"])


def test_the_library_in_the_page_comes_with_its_licence():
    static = ROOT / "src" / "mape_k" / "preview" / "static"

    assert "v1.6.32" in (static / "uPlot.iife.min.js").read_text()[:200]
    assert "MIT" in (static / "uPlot.LICENSE").read_text()
