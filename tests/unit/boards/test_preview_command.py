"""What `mape-k pack preview` refuses before it asks anybody, and what the pages about boards promise."""

import re
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from draw_boards import ROOT
from mape_k.cli import cli
from mape_k.packbuild.grafana import draw

ELSEWHERE = {"PROMETHEUS_URL": "http://127.0.0.1:9"}


def preview(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["pack", "preview", *arguments, "--out", str(tmp_path / "page.html")], env=ELSEWHERE)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["charter", "--at", "noon"], "--at noon: expected a time such as 2026-11-26T12:00:00Z"),
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


def test_the_board_that_the_page_shows_can_be_drawn(tmp_path: Path):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "dashboards.md").read_text(), re.DOTALL)
    (tmp_path / "board.py").write_text(example)

    assert '"uid": "my-overview"' in draw(runpy.run_path(str(tmp_path / "board.py"))["BOARD"])


def test_the_library_in_the_page_comes_with_its_licence():
    static = ROOT / "src" / "mape_k" / "preview" / "static"

    assert "v1.6.32" in (static / "uPlot.iife.min.js").read_text()[:200]
    assert "MIT" in (static / "uPlot.LICENSE").read_text()
