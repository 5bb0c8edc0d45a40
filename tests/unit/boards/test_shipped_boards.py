"""The boards that are shipped: drawn from their descriptions, and asking only for what their systems export."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from draw_boards import NOT_OURS, PACKS, ROOT, boards, drawn, packs
from mape_k.packbuild.grafana.units import is_unit
from mape_k.packfiles import Inventory, read_inventory
from mape_k.preview.variables import Chosen, Span, Substitution

COUNTS = {
    "charter": {"violations-threats": 7, "enforcement-performance": 7},
    "cosmetica5": {
        "cosmetica5-overview": 6,
        "cosmetica5-sales-stock": 6,
        "cosmetica5-refunds": 6,
        "cosmetica5-public-leads": 6,
    },
    "dawsos": {
        "dawsos-api-overview": 8,
        "dawsos-agent-performance": 7,
        "dawsos-alert-delivery": 8,
        "dawsos-slo": 8,
    },
    "oneiric": {
        "oneiric-overview": 8,
        "oneiric-resolution": 8,
        "oneiric-lifecycle": 9,
        "oneiric-remote": 10,
        "oneiric-activity": 7,
        "oneiric-performance": 8,
    },
}
"""Panels by board, where it was agreed on how many there are."""

OF_PROMETHEUS = {"ALERTS", "ALERTS_FOR_STATE", "up", "scrape_duration_seconds", "scrape_samples_scraped"}
OF_EVERY_SERIES = {"job", "instance", "le", "__name__"}
EXACTLY = {"MatchOp.Equal", "MatchOp.NotEqual"}
RUNBOOK = re.compile(r"^\$\{runbooks\}/(config/packs/.+\.md)$")


def files(pack: str) -> list[Path]:
    return sorted(path for path in (PACKS / pack / "dashboards").glob("*.json") if path.name != NOT_OURS)


BOARDS = [pytest.param(path, id=f"{pack}-{path.stem}") for pack in packs() for path in files(pack)]
every_board = pytest.mark.parametrize("path", BOARDS)


def document(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels, those of collapsed rows too, without the rows."""
    inside = [inner for panel in board["panels"] for inner in panel.get("panels", [])]
    return [panel for panel in [*board["panels"], *inside] if panel["type"] != "row"]


def queries(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The title of a panel and one of its PromQL queries, as Prometheus gets it."""
    chosen = {v["name"]: Chosen(values=("x",), is_pattern=True) for v in board["templating"]["list"]}
    substitute = Substitution(Span(start=0, end=3600), 15, chosen)
    for panel in panels(board):
        for target in panel.get("targets", []):
            if target["datasource"]["type"] == "prometheus":
                yield panel["title"], substitute(target["expr"])
    yield "the annotation", substitute(board["annotations"]["list"][0]["expr"])


def rule_files(path: Path) -> list[Path]:
    return sorted(path.parent.parent.glob("rules/*.rules.yaml"))


def recorded(path: Path) -> set[str]:
    """The names that the rules of the board's pack record."""
    groups = [group for file in rule_files(path) for group in yaml.safe_load(file.read_text())["groups"]]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


def selectors(expr: str) -> list[Any]:
    return selectors_in(promql_parser.parse(expr))


def selectors_in(expr: Any) -> list[Any]:
    found: list[Any] = []

    def visit(node: Any) -> bool:
        if type(node).__name__ == "VectorSelector":
            found.append(node)
        return True

    promql_parser.walk(expr, visit)
    return found


@pytest.mark.parametrize("pack", packs())
def test_boards_are_as_their_descriptions_draw_them(pack: str):
    shipped = {path: path.read_text() for path in files(pack)}

    assert shipped == drawn(pack), "run .venv/bin/python tools/draw_boards.py"


@pytest.mark.parametrize("pack", packs())
def test_boards_bear_the_name_of_their_pack(pack: str):
    assert {board.system for board in boards(pack)} == {pack}


@pytest.mark.parametrize(("pack", "counts"), COUNTS.items())
def test_a_pack_has_as_many_panels_as_agreed(pack: str, counts: dict[str, int]):
    assert {path.stem: len(panels(document(path))) for path in files(pack)} == counts


@pytest.mark.parametrize("pack", packs())
def test_a_packs_readme_tells_how_many_boards_and_panels_there_are(pack: str):
    shipped, readme = files(pack), (PACKS / pack / "README.md").read_text()
    count, total = len(shipped), sum(len(panels(document(path))) for path in shipped)

    assert re.search(rf"\b{count} (dashboards? )?with {total} panels", readme), f"{count} with {total} panels"
    assert ("and `objectives.json`" in readme) == (PACKS / pack / "dashboards" / NOT_OURS).is_file()


def test_addresses_of_boards_are_unique():
    uids = [document(path)["uid"] for pack in packs() for path in files(pack)]

    assert len(set(uids)) == len(uids)


@every_board
def test_panels_have_ids_of_their_own_and_lie_apart(path: Path):
    board = document(path)

    ids = [panel["id"] for panel in [*board["panels"], *(p for row in board["panels"] for p in row.get("panels", []))]]
    assert len(set(ids)) == len(ids)
    assert not any(_overlap(one["gridPos"], other["gridPos"]) for one, other in combinations(board["panels"], 2))


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


@every_board
def test_every_number_has_a_unit(path: Path):
    for panel in panels(document(path)):
        if panel["type"] in ("text", "logs") or "ALERTS{" in str(panel["targets"]):
            continue
        assert is_unit(panel["fieldConfig"]["defaults"].get("unit", "")), panel["title"]


@every_board
def test_data_come_from_variables_only(path: Path):
    text = path.read_text()

    assert set(re.findall(r'"uid": "([^"]*)"', text)) <= {"$datasource", "$loki", path.stem}


@every_board
def test_every_query_is_promql(path: Path):
    for title, expr in queries(document(path)):
        try:
            promql_parser.parse(expr)
        except ValueError as error:
            pytest.fail(f"{title}: {error}\n{expr}")


@every_board
def test_every_metric_is_exported_or_recorded(path: Path):
    inventory, known = inventory_of(path), recorded(path) | OF_PROMETHEUS

    unknown = {
        f"{title}: {selector.name}"
        for title, expr in queries(document(path))
        for selector in selectors(expr)
        if selector.name not in known and inventory.find(selector.name or "") is None
    }
    assert not unknown


@every_board
def test_every_label_matched_exists_with_the_value(path: Path):
    inventory = inventory_of(path)
    problems = {
        f"{title}: {problem}"
        for title, expr in queries(document(path))
        for selector in selectors(expr)
        for problem in wrong_matchers(selector, inventory)
    }
    assert not problems


def wrong_matchers(selector: Any, inventory: Inventory) -> Iterator[str]:
    metric = inventory.find(selector.name or "")
    for matcher in selector.matchers.matchers if metric else ():
        if matcher.name in OF_EVERY_SERIES:
            continue
        label = metric.labels.get(matcher.name)
        if label is None:
            yield f"{metric.name} has no label {matcher.name}"
        elif label.is_closed and str(matcher.op) in EXACTLY and matcher.value not in {*label.values, "x"}:
            yield f"{metric.name}: {matcher.name} is never {matcher.value}"


@every_board
def test_every_label_summed_by_is_one_of_the_metric(path: Path):
    inventory = inventory_of(path)
    problems = {
        f"{title}: {label}"
        for title, expr in queries(document(path))
        for label in unknown_groupings(promql_parser.parse(expr), inventory)
    }
    assert not problems


def unknown_groupings(expr: Any, inventory: Inventory) -> set[str]:
    found: set[str] = set()

    def visit(node: Any) -> bool:
        if type(node).__name__ == "AggregateExpr" and node.modifier and str(node.modifier.type).endswith("By"):
            metrics = [inventory.find(selector.name or "") for selector in selectors_in(node.expr)]
            if all(metrics):  # what a rule recorded has labels that the inventory does not know
                known = OF_EVERY_SERIES.union(*(metric.labels for metric in metrics if metric))
                found.update(set(node.modifier.labels) - known)
        return True

    promql_parser.walk(expr, visit)
    return found


@every_board
def test_every_label_in_a_legend_or_column_is_one_of_the_query(path: Path):
    for panel in panels(document(path)):
        for target in panel.get("targets", []):
            for label in re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"]):
                assert label in target["expr"] or label == "instance", (panel["title"], label)
        for change in panel.get("transformations", []):
            for label in change["options"].get("renameByName", {}):
                assert label.startswith("Value") or label in str(panel["targets"]), (panel["title"], label)


@every_board
def test_every_runbook_linked_exists(path: Path):
    board = document(path)
    links = [*board["links"], *(link for panel in panels(board) for link in panel.get("links") or [])]

    for link in links:
        if link["type"] == "link":
            found = RUNBOOK.match(link["url"])
            assert found, link
            assert (ROOT / found[1]).is_file(), link["url"]


@pytest.mark.parametrize("pack", packs())
def test_boards_that_alerts_link_exist(pack: str):
    shipped = {document(path)["uid"] for path in (PACKS / pack / "dashboards").glob("*.json")}
    linked = {
        uid
        for file in (PACKS / pack).glob("rules/*.rules.yaml")
        for uid in re.findall(r"dashboard: \"?/d/([a-z0-9-]+)", file.read_text())
    }
    assert linked <= shipped


@pytest.mark.parametrize("pack", packs())
def test_the_runbook_of_every_alert_is_linked_from_the_board_that_it_names(pack: str):
    shipped = {board["uid"]: board for board in map(document, (PACKS / pack / "dashboards").glob("*.json"))}

    missing = {
        f"{alert} on {uid}"
        for alert, uid, runbook in alerts(pack)
        if uid not in shipped or f"${{runbooks}}/{runbook}" not in linked(shipped[uid])
    }
    assert not missing


def alerts(pack: str) -> Iterator[tuple[str, str, str]]:
    """The name, board and runbook of each alert of a pack, on metrics and in logs."""
    files = [*(PACKS / pack).glob("rules/*.rules.yaml"), *(PACKS / pack).glob("logs/rules.yaml")]
    for group in (group for file in files for group in yaml.safe_load(file.read_text())["groups"]):
        for rule in group["rules"]:
            if "alert" in rule:
                notes = rule["annotations"]
                yield rule["alert"], notes["dashboard"].removeprefix("/d/"), notes["runbook_url"]


def linked(board: dict[str, Any]) -> set[str]:
    """The addresses that a board and its panels link to."""
    return {link["url"] for each in [board, *panels(board)] for link in each.get("links") or [] if link.get("url")}


def inventory_of(path: Path) -> Inventory:
    inventory = read_inventory(path.parent.parent)
    assert inventory is not None, "the pack has no metrics.yaml"
    return inventory
