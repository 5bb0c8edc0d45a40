"""Prometheus' and Alertmanager's own tools on everything that is shipped for them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mape_k.catalogue import shipped_packs
from mape_k.packbuild import build
from shipped_packs import CONFIG, TEST_FILES, document

BASE = CONFIG / "alertmanager" / "alertmanager.yml"
PROMETHEUS = CONFIG / "prometheus" / "prometheus.yml"
ROUTE_TESTS = (
    CONFIG / "alertmanager" / "routes.test.yaml",
    *(pack / "alertmanager" / "routes.test.yaml" for pack in shipped_packs().values()),
)
ROUTES = [(case, path) for path in ROUTE_TESTS for case in document(path)]
TEMPLATES = CONFIG / "alertmanager" / "templates" / "*.tmpl"
ALERT = {
    "status": "firing",
    "labels": {"alertname": "A"},
    "annotations": {"summary": "Summed up", "description": "Told", "action": "Act", "runbook_url": "config/A.md"},
}

Finder = Callable[[str], Path]


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the configuration of all shipped packs together."""
    packs = list(shipped_packs().values())
    out = tmp_path_factory.mktemp("whole")
    build(packs, out, prometheus=PROMETHEUS, alertmanager=BASE)
    return out


def test_prometheus_takes_the_base_by_itself(real_tool: Finder) -> None:
    run(real_tool("promtool"), "check", "config", PROMETHEUS)


def test_prometheus_takes_what_all_packs_together_make_of_it(real_tool: Finder, whole: Path) -> None:
    rule_files = [path for pack in shipped_packs().values() for path in pack.glob("rules/*.rules.yaml")]
    said = run(real_tool("promtool"), "check", "config", whole / "prometheus.yml")
    assert f"{len(rule_files)} rule files found" in said
    jobs = [job["job_name"] for job in document(whole / "prometheus.yml")["scrape_configs"]]
    wanted = {name for pack in shipped_packs().values() for name in document(pack / "pack.yaml")["jobs"]}
    assert wanted == set(jobs)
    assert len(jobs) == len(wanted)


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_the_rules_pass_their_unit_tests(real_tool: Finder, path: Path) -> None:
    run(real_tool("promtool"), "test", "rules", path)


def test_alertmanager_takes_the_base_by_itself(real_tool: Finder) -> None:
    assert "3 receivers" in run(real_tool("amtool"), "check-config", BASE)


def test_alertmanager_takes_what_all_packs_together_make_of_it(real_tool: Finder, whole: Path) -> None:
    receivers = {each["name"] for path in _routing_files() for each in document(path)["receivers"]}
    said = run(real_tool("amtool"), "check-config", whole / "alertmanager.yml")
    assert f"{len(receivers)} receivers" in said
    assert "1 templates" in said


@pytest.mark.parametrize(("case", "path"), ROUTES, ids=lambda each: getattr(each, "parent", Path()).parent.name)
def test_an_alert_reaches_whom_it_concerns(real_tool: Finder, whole: Path, case: dict[str, Any], path: Path) -> None:
    labels = [f"{name}={value}" for name, value in case["alert"].items()]
    receivers = ",".join(case["receivers"])
    config = f"--config.file={whole / 'alertmanager.yml'}"
    assert path.is_file()
    run(real_tool("amtool"), "config", "routes", "test", config, f"--verify.receivers={receivers}", *labels)


def test_every_receiver_is_reached_by_some_alert() -> None:
    named = {receiver["name"] for path in _routing_files() for receiver in document(path)["receivers"]}
    assert named == {receiver for case, _ in ROUTES for receiver in case["receivers"]}


def _routing_files() -> list[Path]:
    return [BASE, *(pack / "alertmanager" / "routes.yaml" for pack in shipped_packs().values())]


@pytest.mark.parametrize(
    "case",
    [
        ("title", "firing", {"severity": "critical"}, "[FIRING 2] critical: A"),
        ("title", "resolved", {"system": "charter", "node_or_service": "node-7"}, "[RESOLVED] A on node-7 (charter)"),
        ("colour", "firing", {"severity": "critical"}, "danger"),
        ("colour", "firing", {"severity": "warning"}, "warning"),
        ("colour", "firing", {}, "#439FE0"),
        ("colour", "resolved", {"severity": "critical"}, "good"),
        ("text", "firing", {}, "*Summed up*\nTold\nTo do: Act\nRunbook: config/A.md\n\n" * 2),
        ("text", "resolved", {}, "*Summed up*\nTold\nTo do: Act\nRunbook: config/A.md\n\n" * 2),
    ],
)
def test_a_notification_says_what_it_should(
    real_tool: Finder, tmp_path: Path, case: tuple[str, str, dict[str, str], str]
) -> None:
    template, status, labels, shown = case
    notified = {"status": status, "alerts": [ALERT, ALERT], "commonLabels": {"alertname": "A", **labels}}
    (tmp_path / "data.json").write_text(json.dumps(notified), encoding="utf-8")
    said = run(
        *(real_tool("amtool"), "template", "render", f"--template.glob={TEMPLATES}"),
        *(f"--template.data={tmp_path / 'data.json'}", f'--template.text={{{{ template "mape.{template}" . }}}}'),
    )
    assert said.strip() == shown.strip()
