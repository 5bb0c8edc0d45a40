"""The command ``mape-k pack check``, as people and CI systems call it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mape_k.cli import cli
from mape_k.packlint import CHECKS

CORPUS = Path(__file__).parents[3] / "benchmarks" / "corpus"
BAD = CORPUS / "02-per-hour-as-per-second" / "bad" / "rules.yaml"
GOOD = BAD.parents[1] / "good" / "rules.yaml"
WARNED = CORPUS / "05-first-failure" / "bad" / "rules.yaml"


def check(*arguments):
    return CliRunner().invoke(cli, ["pack", "check", *map(str, arguments)])


def test_a_fault_is_told_with_file_line_and_name_and_the_exit_code_is_1():
    result = check(BAD)

    assert result.exit_code == 1
    assert result.stdout.startswith(f"{BAD}:6: error: alert PolicyChurn: ")
    assert "[unit-slip]" in result.stdout
    assert "1 errors, 0 warnings" in result.stdout


def test_files_without_fault_are_as_they_should_be():
    result = check(GOOD)

    assert (result.exit_code, result.stdout) == (0, "everything is as it should be\n")


def test_a_warning_alone_is_no_failure():
    result = check(WARNED)

    assert result.exit_code == 0
    assert "0 errors, 1 warnings" in result.stdout


def test_a_warning_is_a_failure_where_that_is_wanted():
    assert (check(WARNED, "--strict").exit_code, check(GOOD, "--strict").exit_code) == (1, 0)


def test_a_folder_without_a_pack_stands_for_the_files_in_it():
    result = check(BAD.parent)

    assert result.exit_code == 1
    assert "[unit-slip]" in result.stdout


def test_complaints_are_told_as_json():
    document = json.loads(check(BAD, "--json").stdout)

    assert document["ok"] is False
    assert document["problems"] == []
    (complaint,) = document["complaints"]
    assert {key: complaint[key] for key in ("path", "line", "check", "severity")} == {
        "path": str(BAD),
        "line": 6,
        "check": "unit-slip",
        "severity": "error",
    }
    assert complaint["message"]
    assert complaint["remedy"]


def test_a_file_that_cannot_be_used_is_a_problem_in_one_line(tmp_path):
    (tmp_path / "rules.yaml").write_text("groups: [")

    result = check(tmp_path / "rules.yaml")

    assert result.exit_code == 1
    assert result.stderr.startswith(f"mape-k: {tmp_path / 'rules.yaml'}:")
    assert "not YAML" in result.stderr
    assert result.stderr.count("\n") == 1


def test_packs_and_files_are_checked_in_one_go():
    document = json.loads(check("charter", GOOD, "--json").stdout)

    assert [row["pack"] for row in document["packs"]] == ["charter"]


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_every_rule_is_explained(name):
    told = json.loads(check("--explain", name, "--json").stdout)

    assert told["name"] == name
    assert told["severity"] in {"error", "warning"}
    assert 20 < len(told["explanation"]) < 150
    assert "\n" not in told["explanation"]
    assert told["remedy"]


def test_a_rule_that_does_not_exist_is_refused_with_the_nearest_one():
    result = check("--explain", "unit-slips")

    assert result.exit_code == 2
    assert "did you mean 'unit-slip'?" in result.stderr


def test_the_rules_are_listed():
    listed = json.loads(check("--list-rules", "--json").stdout)["items"]

    assert [each["name"] for each in listed] == sorted(CHECKS)


def test_complaints_are_written_as_sarif(tmp_path, monkeypatch):
    monkeypatch.chdir(BAD.parents[3])
    target = tmp_path / "found.sarif"
    (tmp_path / "broken.yaml").write_text("groups: [")

    check(BAD, tmp_path / "broken.yaml", "--sarif", target)

    log = json.loads(target.read_text())
    assert (log["version"], log["$schema"]) == ("2.1.0", "https://json.schemastore.org/sarif-2.1.0.json")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) == len(CHECKS) + 1
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning"}
        assert result["message"]["text"]
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] >= 1
    uris = [each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in run["results"]]
    assert uris == [(tmp_path / "broken.yaml").as_uri(), "corpus/02-per-hour-as-per-second/bad/rules.yaml"]


def test_a_sarif_file_that_cannot_be_written_is_refused(tmp_path):
    result = check(GOOD, "--sarif", tmp_path / "no" / "where.sarif")

    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_a_rule_that_looks_at_several_files_sees_those_of_one_call():
    folder = CORPUS / "21-equal-on-what-differs" / "bad"

    together = check(*folder.iterdir())
    alone = check(folder / "alertmanager.yml")

    assert "[inhibition-matches-nothing]" in together.stdout
    assert alone.exit_code == 0


def test_without_the_parser_the_command_says_what_to_install():
    program = "import sys; sys.modules['promql_parser'] = None; from mape_k.cli import main; main()"
    command = [sys.executable, "-c", program, "pack", "check", str(GOOD)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert result.returncode == 2
    assert result.stderr == "mape-k: checking rules needs promql-parser; install it with: pip install 'mape-k[lint]'\n"
