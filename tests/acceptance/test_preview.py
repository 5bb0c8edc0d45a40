"""A preview in a real browser: data of a real Prometheus, drawn without a complaint."""

import json
import os
import re
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mape_k.packbuild.grafana import (
    BarGauge,
    Board,
    Choice,
    Gauge,
    Heatmap,
    Pie,
    Row,
    Stat,
    StateTimeline,
    Table,
    TimeSeries,
    draw,
)
from real_stack import TinyExporter, answers, prometheus, wait_until
from real_tools import find_tool

pytestmark = pytest.mark.real

HOSTILE = '</script><script>document.title="taken"</script>'
REQUESTS = 'requests_total{route=~"$route"}'
SIZE = (700, 560)
BOARD = Board(
    uid="of-a-test",
    title="Of a test",
    system="tiny",
    description="Every kind of panel.",
    variables=[Choice("route", "Route", metric="requests_total", label="route")],
    rows=[
        Row(
            "Over time",
            [
                TimeSeries("Requests", {"{{route}}": f"sum by (route) (rate({REQUESTS}[5s]))"}, unit="reqps"),
                TimeSeries(
                    "Stacked", {"{{route}}": f"sum by (route) (rate({REQUESTS}[5s]))"}, unit="reqps", stacked=True
                ),
                Heatmap(
                    "Durations", {"{{le}}": "sum by (le) (rate(duration_seconds_bucket[5s]))"}, unit="s", buckets=True
                ),
                StateTimeline("Up", {"{{instance}}": "up"}, unit="short", values={1: ("up", "green")}),
            ],
        ),
        Row(
            "Now",
            [
                Stat("Stat", {"": "sum(rate(requests_total[5s]))"}, unit="reqps", sparkline=True),
                Gauge("Gauge", {"{{route}}": "requests_total"}, unit="short", thresholds=("green", 1e9, "red")),
                BarGauge("Bars", {"{{route}}": "requests_total"}, unit="short"),
                Pie("Pie", {"{{route}}": "requests_total"}, unit="short"),
                Table("Table", {"count": "requests_total"}, unit="short", columns={"route": "Route"}),
                Stat("Nothing", {"": "no_such_metric"}, unit="short"),
            ],
        ),
    ],
)


def metrics(at: float) -> str:
    """Counters that have risen since the test began; one label is as hostile as can be."""
    hostile = json.dumps(HOSTILE)
    buckets = "\n".join(f'duration_seconds_bucket{{le="{le}"}} {int(at * rate)}' for le, rate in [("0.1", 8), ("1", 9)])
    return (
        f'requests_total{{route="/a"}} {int(at * 20)}\nrequests_total{{route={hostile}}} {int(at * 10)}\n'
        f'{buckets}\nduration_seconds_bucket{{le="+Inf"}} {int(at * 10)}\n'
    )


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Where it was scraped, and until when."""

    url: str
    until: float


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traffic]:
    """A Prometheus that has scraped a few seconds of traffic."""
    began = time.monotonic()
    exporter = TinyExporter(metrics(0))
    with exporter.serving(), prometheus(tmp_path_factory.mktemp("real"), targets=[exporter.address]) as running:

        def has_traffic() -> bool:
            exporter.text = metrics(time.monotonic() - began)
            found = answers(f"{running.url}/api/v1/query?query=min(count_over_time(requests_total[10s]))")
            return b'"value"' in found and float(json.loads(found)["data"]["result"][0]["value"][1]) > 30

        wait_until(has_traffic, "30 scrapes")
        yield Traffic(url=running.url, until=time.time())  # noqa: TID251 -- that of the Prometheus


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What the command said, and the page that it wrote."""

    code: int
    said: dict[str, object]
    page: Path


def preview(traffic: Traffic, folder: Path, *options: str) -> Preview:
    board, page = folder / "of-a-test.json", folder / "page.html"
    board.write_text(draw(BOARD))
    span = ("--at", f"{traffic.until:.0f}", "--range", "10s", "--scrape-interval", "200ms")
    command = [
        "pack",
        "preview",
        str(board),
        "--out",
        str(page),
        "--prometheus",
        traffic.url,
        "--json",
        *span,
        *options,
    ]
    done = subprocess.run([sys.executable, "-m", "mape_k", *command], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return Preview(code=done.returncode, said=json.loads(done.stdout), page=page)


def browse(page: Path, folder: Path, *options: str) -> tuple[str, list[str]]:
    """Return what a browser prints about a page, and what the page told its console."""
    browser = [
        find_tool("chromium"),
        *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
        *("--enable-logging=stderr", "--virtual-time-budget=3000", f"--window-size={SIZE[0]},{SIZE[1]}"),
        f"--user-data-dir={folder / 'profile'}",
        *options,
        page.as_uri(),
    ]
    environment = {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(browser, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_every_panel_gets_the_data_of_a_real_prometheus(traffic: Traffic, tmp_path: Path):
    found = preview(traffic, tmp_path)

    panels = {panel["title"]: panel for panel in found.said["panels"]}  # type: ignore[attr-defined]
    assert {title for title, panel in panels.items() if not panel["has_data"]} == {"Nothing"}
    assert panels["Requests"]["series"] == 2
    assert found.code == 0


def test_strictness_makes_an_empty_panel_a_failure(traffic: Traffic, tmp_path: Path):
    found = preview(traffic, tmp_path, "--strict")

    assert (found.code, found.said["empty"]) == (1, [{"board": "of-a-test", "panel": "Nothing"}])


def test_a_browser_draws_every_line_and_complains_about_nothing(traffic: Traffic, tmp_path: Path):
    found = preview(traffic, tmp_path, "--theme", "light")

    dom, console = browse(found.page, tmp_path, "--dump-dom")

    assert console == []
    assert re.findall(r'data-drawn="([^"]*)"', dom) == ["2"]
    assert len(re.findall(r"<canvas", dom)) == 2
    assert "<title>Of a test · mape-k</title>" in dom


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_are_really_to_be_seen(traffic: Traffic, tmp_path: Path, theme: str):
    found = preview(traffic, tmp_path, "--theme", theme)

    browse(found.page, tmp_path, f"--screenshot={tmp_path / 'shot.png'}")

    pixels = read_png(tmp_path / "shot.png")
    assert pixels.shape[:2] == (SIZE[1], SIZE[0])
    assert bool(pixels[5, 5].mean() > 200) is (theme == "light")
    red, green = (pixels[:, :, colour].astype(int) for colour in (0, 1))
    assert (green - red > 40).sum() > 150  # the first line; nothing else up there is green


def read_png(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Return the pixels of a PNG of 8 bits as (rows, columns, 3)."""
    raw = path.read_bytes()
    width, height, _, kind = struct.unpack(">IIBB", raw[16:26])
    data, at = b"", 8
    while at < len(raw):
        (length,) = struct.unpack(">I", raw[at : at + 4])
        data += raw[at + 8 : at + 8 + length] if raw[at + 4 : at + 8] == b"IDAT" else b""
        at += length + 12
    size = 4 if kind == 6 else 3
    lines, stride, above, rows = zlib.decompress(data), 1 + width * size, bytes(width * size), []
    for start in range(0, height * stride, stride):
        above = unfiltered(lines[start], lines[start + 1 : start + stride], above, size)
        rows.append(above)
    return np.frombuffer(b"".join(rows), np.uint8).reshape(height, width, size)[:, :, :3]


def unfiltered(kind: int, line: bytes, above: bytes, size: int) -> bytes:
    """Return a line of pixels as it was before it was filtered for the PNG."""
    if kind == 0:
        return line
    done = bytearray(size) + line
    up, corners = above, bytes(size) + above
    for x, byte in enumerate(line):
        left, guess = done[x], 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up[x]
        elif kind == 3:
            guess = (left + up[x]) // 2
        else:
            guess = nearest(left, up[x], corners[x])
        done[x + size] = (byte + guess) & 255
    return bytes(done[size:])


def nearest(left: int, up: int, corner: int) -> int:
    to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if to_left <= to_up and to_left <= to_corner:
        return left
    return up if to_up <= to_corner else corner


def test_nobody_to_ask_is_told_as_such(tmp_path: Path):
    board = tmp_path / "board.json"
    board.write_text(draw(BOARD))
    command = ["pack", "preview", str(board), "--out", str(tmp_path / "x.html"), "--prometheus", "http://127.0.0.1:9"]

    done = subprocess.run([sys.executable, "-m", "mape_k", *command], capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert "prometheus" in done.stderr
    assert not (tmp_path / "x.html").exists()
