"""Prometheus' and Alertmanager's own tools on everything that is shipped for them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shipped_packs import CONFIG, TEST_FILES, document

ALERTMANAGER = CONFIG / "alertmanager" / "alertmanager.yml"
ROUTES = document(CONFIG / "alertmanager" / "routes.test.yaml")

Finder = Callable[[str], Path]


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_its_configuration_and_every_rule_file(real_tool: Finder) -> None:
    said = run(real_tool("promtool"), "check", "config", CONFIG / "prometheus" / "prometheus.yml")
    assert "2 rule files" in said or "3 rule files" in said


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_the_rules_pass_their_unit_tests(real_tool: Finder, path: Path) -> None:
    run(real_tool("promtool"), "test", "rules", path)


def test_alertmanager_takes_its_configuration(real_tool: Finder) -> None:
    assert "7 receivers" in run(real_tool("amtool"), "check-config", ALERTMANAGER)


@pytest.mark.parametrize("case", ROUTES, ids=lambda case: case["alert"]["alertname"])
def test_an_alert_reaches_whom_it_concerns(real_tool: Finder, case: dict[str, dict[str, str]]) -> None:
    labels = [f"{name}={value}" for name, value in case["alert"].items()]
    receivers = ",".join(case["receivers"])
    route_test = ("config", "routes", "test", f"--config.file={ALERTMANAGER}", f"--verify.receivers={receivers}")
    run(real_tool("amtool"), *route_test, *labels)


def test_every_receiver_is_reached_by_some_alert() -> None:
    named = {receiver["name"] for receiver in document(ALERTMANAGER)["receivers"]}
    assert named == {receiver for case in ROUTES for receiver in case["receivers"]}


@pytest.mark.parametrize("template", ["charter.title", "charter.text"])
def test_the_notification_templates_can_be_rendered(real_tool: Finder, template: str) -> None:
    glob = CONFIG / "alertmanager" / "templates" / "*.tmpl"
    text = f'{{{{ template "{template}" . }}}}'
    said = run(real_tool("amtool"), "template", "render", f"--template.glob={glob}", f"--template.text={text}")
    assert said.strip()
