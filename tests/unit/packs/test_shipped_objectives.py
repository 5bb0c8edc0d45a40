"""The objectives of the shipped packs, and what is made of them."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mape_k.catalogue import shipped_packs
from mape_k.packbuild.generated import boards_of, rule_files_of
from mape_k.packbuild.objectives import BurnAlert, Objective, read_objectives
from mape_k.packfiles import read_inventory
from shipped_packs import CONFIG, document

Finder = Callable[[str], Path]

PACKS = tuple(pack for pack in shipped_packs().values() if (pack / "objectives").is_dir())
OBJECTIVES = [objective for pack in PACKS for objective in read_objectives(pack, pack.name)]
ALERTS = [(objective, alert) for objective in OBJECTIVES for alert in objective.alerts]

of_packs = pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
of_objectives = pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda each: f"{each.system}-{each.name}")
of_alerts = pytest.mark.parametrize(("objective", "alert"), ALERTS, ids=lambda each: each.name)


@of_packs
def test_what_lies_in_a_pack_is_what_its_objectives_make(pack: Path) -> None:
    objectives = read_objectives(pack, pack.name)
    for path, text in (rule_files_of(objectives) | boards_of(objectives)).items():
        assert (pack / path).read_text(encoding="utf-8") == text, f"write it anew: mape-k pack build {pack.name}"


@pytest.mark.parametrize(
    ("system", "objectives", "indicators"),
    [("charter", 5, 5), ("oneiric", 3, 6), ("cosmetica5", 5, 5), ("dawsos", 3, 3)],
)
def test_every_objective_that_a_system_has_is_written(system: str, objectives: int, indicators: int) -> None:
    own = read_objectives(CONFIG / "packs" / system, system)
    assert (len({objective.part_of for objective in own}), len(own)) == (objectives, indicators)


def test_the_clinic_has_the_burn_alerts_that_its_documents_name() -> None:
    assert {alert.name: alert.severity for objective, alert in ALERTS if objective.system == "cosmetica5"} == {
        "SalePaidSLOFastBurn": "critical",
        "SalePaidSLOSlowBurn": "warning",
        "StockConsumeLatencySLOBurn": "warning",
        "RefundSLOFastBurn": "critical",
        "RefundSLOSlowBurn": "warning",
        "PublicLeadsSLOFastBurn": "critical",
        "PublicLeadsSLOSlowBurn": "warning",
    }


@of_objectives
def test_an_objective_counts_metrics_of_its_inventory_by_labels_and_bounds_that_they_have(objective: Objective) -> None:
    inventory = read_inventory(CONFIG / "packs" / objective.system)
    assert inventory is not None
    found = [each for query in (objective.good, objective.bad, objective.total) for each in _selected(query or "")]
    assert found
    for name, matchers in found:
        metric = inventory.find(name)
        assert metric is not None, name
        assert matchers["job"]
        assert matchers.keys() - {"job", "le"} <= metric.labels.keys()
        if bound := re.match(r"[0-9.]+", matchers.get("le", "")):
            assert float(bound[0]) in metric.buckets


def _selected(query: str) -> list[tuple[str, dict[str, str]]]:
    found = re.findall(r"([a-z_0-9]+)\{([^}]*)\}", query)
    return [(name, dict(re.findall(r'(\w+)(?:=~|!=|!~|=)"([^"]*)"', matchers))) for name, matchers in found]


def test_what_is_shipped_is_what_the_schema_for_editors_takes() -> None:
    schema = json.loads((CONFIG / "packs" / "objective.schema.json").read_text(encoding="utf-8"))
    for path in CONFIG.glob("packs/*/objectives/*.yaml"):
        jsonschema.validate(document(path), schema)


@of_alerts
def test_an_alert_about_a_budget_has_a_runbook(objective: Objective, alert: BurnAlert) -> None:
    path = CONFIG / "packs" / objective.system / "runbooks" / f"{alert.name}.md"
    assert path.read_text(encoding="utf-8").startswith(f"# {alert.name}\n")


@of_packs
def test_every_alert_and_every_recording_is_tried(pack: Path) -> None:
    tests = document(pack / "tests" / "slo.test.yaml")["tests"]
    looks = [look for case in tests for look in case.get("alert_rule_test", [])]
    asked = {look["expr"] for case in tests for look in case.get("promql_expr_test", []) if look["exp_samples"]}
    for rule in _rules(pack):
        if "record" in rule:
            assert rule["record"] in asked
        else:
            seen = {bool(look.get("exp_alerts")) for look in looks if look["alertname"] == rule["alert"]}
            assert seen == {True, False}, rule["alert"]


def _rules(pack: Path) -> list[dict[str, Any]]:
    groups = document(pack / "rules" / "slo.rules.yaml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


@of_packs
def test_every_panel_of_the_board_shows_something(real_tool: Finder, tmp_path: Path, pack: Path) -> None:
    case = document(pack / "tests" / "slo.test.yaml")["tests"][0]
    asked = [f"count({query}) > bool 0" for query in _panel_queries(pack / "dashboards" / "objectives.json")]
    one = [{"labels": "{}", "value": 1}]
    looks = [{"expr": expr, "eval_time": "90m", "exp_samples": one} for expr in asked]
    shown = {"interval": case["interval"], "input_series": case["input_series"], "promql_expr_test": looks}
    rules = [str(pack / "rules" / "slo.rules.yaml")]
    test = {"rule_files": rules, "evaluation_interval": "1m", "tests": [shown]}
    (tmp_path / "board.test.yaml").write_text(yaml.safe_dump(test), encoding="utf-8")
    command = [real_tool("promtool"), "test", "rules", tmp_path / "board.test.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def _panel_queries(board: Path) -> list[str]:
    panels = json.loads(board.read_text(encoding="utf-8"))["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(found) > 10
    return [query.replace("$slo", ".*") for query in found]


def test_selectors_of_recordings_name_the_system_and_the_objective() -> None:
    for pack in PACKS:
        for rule in _rules(pack):
            for name, matchers in re.findall(r"(slo:[a-z_]+:\w+)(\{[^}]*\})?", rule["expr"]):
                wanted = f'{{system="{pack.name}", slo="{rule["labels"]["slo"]}"}}'
                assert matchers == wanted, name
