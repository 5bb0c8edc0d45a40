"""Writing what is made of objectives: into the pack's own folder, and into a copy."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mape_k.cli import cli
from mape_k.errors import ConfigError
from mape_k.packbuild import build, generate
from objective_cases import annotate, write
from shipped_packs import document

PACK = "pack: shop\ntitle: T\njobs: {shop: {scrape_interval: 15s}}\nsignals: {}\nsymptoms: {}\nremediations: {}\n"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    write(folder)
    (folder / "pack.yaml").write_text(PACK, encoding="utf-8")
    return folder


def test_rules_and_a_board_are_written_into_the_pack(pack: Path) -> None:
    rules, board = generate(pack)
    assert (rules.relative_to(pack), board.relative_to(pack)) == (
        Path("rules/slo.rules.yaml"),
        Path("dashboards/objectives.json"),
    )
    assert rules.read_text().startswith("# Made by mape-k pack build from objectives/*.yaml; change that instead.\n")
    assert [group["name"] for group in document(rules)["groups"]] == ["slo-answers"]
    assert json.loads(board.read_text())["uid"] == "shop-objectives"


def test_writing_twice_is_writing_once(pack: Path) -> None:
    first = {path: path.read_bytes() for path in generate(pack)}
    assert {path: path.read_bytes() for path in generate(pack)} == first


def test_a_pack_without_objectives_gets_nothing(pack: Path) -> None:
    (pack / "objectives" / "answers.yaml").unlink()
    assert generate(pack) == ()
    assert not (pack / "rules").exists()


def test_nothing_is_written_when_something_is_wrong(pack: Path) -> None:
    write(pack, annotate(taem="x"))
    with pytest.raises(ConfigError, match="unknown annotation"):
        generate(pack)
    assert not (pack / "rules").exists()


def test_a_copy_has_its_rules_made_anew_and_divided(pack: Path, tmp_path: Path) -> None:
    (pack / "rules").mkdir()
    (pack / "rules" / "slo.rules.yaml").write_text("groups: [{name: old, rules: []}]", encoding="utf-8")
    built = build([pack], tmp_path / "out", 60)
    (rules,) = built.rule_files
    (group,) = document(rules)["groups"]
    assert (group["name"], group["interval"]) == ("slo-answers", "500ms")
    exprs = {rule.get("record") or rule["alert"]: rule["expr"] for rule in group["rules"]}
    assert exprs["slo:events:rate5m"] == 'sum(rate(r_total{job="shop"}[5s]))'
    assert "[12h:1m]) / 720" in exprs["slo:events:rate30d"]
    assert (built.packs[0] / "objectives" / "answers.yaml").is_file()


def test_what_is_wrong_with_an_objective_stops_a_copy_too(pack: Path, tmp_path: Path) -> None:
    write(pack, annotate(taem="x"))
    with pytest.raises(ConfigError, match="unknown annotation"):
        build([pack], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "written"), [((), ["slo.rules.yaml", "objectives.json"]), (("--no-boards",), ["slo.rules.yaml"])]
)
def test_the_command_says_what_it_wrote(pack: Path, options: tuple[str, ...], written: list[str]) -> None:
    result = CliRunner().invoke(cli, ["pack", "build", str(pack), "--json", *options])
    assert result.exit_code == 0, result.output
    assert [Path(path).name for path in json.loads(result.output)["written"]] == written


@pytest.mark.parametrize("option", [["--time-scale", "60"], ["--prometheus", "pack.yaml"]], ids=lambda each: each[0])
def test_what_makes_a_copy_needs_a_folder_for_it(
    pack: Path, monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    monkeypatch.chdir(pack)
    result = CliRunner().invoke(cli, ["pack", "build", str(pack), *option])
    assert result.exit_code == 2
    assert "say --out too" in result.output
