"""A build as a whole: what the real tools and the catalogue say of it, and what stops it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mape_k.catalogue import load_catalogue
from mape_k.errors import ConfigError
from mape_k.model import Catalogue
from mape_k.packbuild import Built, Stack, build
from mape_k.recording import to_document
from shipped_packs import CONFIG, PACKS, document

PROMETHEUS = CONFIG / "prometheus" / "prometheus.yml"
ALERTMANAGER = CONFIG / "alertmanager" / "alertmanager.yml"
STACK = Stack(
    targets={"westworld-charter": "127.0.0.1:1801"},
    alertmanager="127.0.0.1:1802",
    webhook_url="http://127.0.0.1:1803/api/v1/alerts",
    token_file=Path("/run/token"),
)


def build_all(out: Path, time_scale: float, stack: Stack | None = None) -> Built:
    return build(PACKS, out, time_scale, prometheus=PROMETHEUS, alertmanager=ALERTMANAGER, stack=stack)


def catalogue(built: Built) -> Catalogue:
    return load_catalogue([str(pack) for pack in built.packs])


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKS[0], tmp_path / "mine" / "charter"))


def problems(*packs: Path, out: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build(packs, out, 60)
    assert not out.exists()
    return caught.value.problems


@pytest.mark.parametrize("time_scale", [1, 60, 100, 7.5])
@pytest.mark.parametrize("stack", [None, STACK], ids=["as it is", "local"])
def test_prometheus_and_alertmanager_take_what_was_built(
    real_tool: Callable[[str], Path], tmp_path: Path, time_scale: float, stack: Stack | None
) -> None:
    built = build_all(tmp_path, time_scale, stack)
    for command in (
        [real_tool("promtool"), "check", "config", built.prometheus],
        [real_tool("amtool"), "check-config", built.alertmanager],
    ):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout


def test_in_true_time_packs_and_configuration_mean_what_they_meant(tmp_path: Path) -> None:
    built = build_all(tmp_path, 1)
    shipped = load_catalogue([str(pack) for pack in PACKS])
    assert catalogue(built).packs == shipped.packs
    assert document(built.packs[0] / "rules" / "policy.rules.yaml") == document(
        PACKS[0] / "rules" / "policy.rules.yaml"
    )
    assert document(built.packs[0] / "rules" / "charter.rules.yaml") == document(
        PACKS[0] / "rules" / "charter.rules.yaml"
    )
    assert built.alertmanager
    assert document(built.alertmanager)["global"] == document(ALERTMANAGER)["global"]


def test_durations_of_the_catalogue_are_divided_and_all_else_stays(tmp_path: Path) -> None:
    shipped, built = load_catalogue([str(pack) for pack in PACKS]), catalogue(build_all(tmp_path, 60))
    before, after = (dict(_leaves(to_document(each.packs["charter"]))) for each in (shipped, built))
    changed = {path for path in before if before[path] != after[path]}
    assert before.keys() == after.keys()
    assert {path for path in before if path[-1].endswith("_seconds") and before[path]} <= changed
    assert {path[-1] for path in changed if not path[-1].endswith("_seconds")} == {"query", "above", "below"}
    assert {path[:2] for path in changed if path[-1] in ("above", "below")} == {
        ("symptoms", "stale_policy"),
        ("remediations", "reload_policy"),
        ("remediations", "rollback_policy"),
    }


def _leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, str(key)))]
    if isinstance(value, list | tuple):
        return [leaf for index, item in enumerate(value) for leaf in _leaves(item, (*path, str(index)))]
    return [(path, value)]


def test_an_age_that_was_a_day_is_a_day_of_the_trial(tmp_path: Path) -> None:
    rules = document(build_all(tmp_path, 60).packs[0] / "rules" / "policy.rules.yaml")["groups"][0]["rules"]
    (stale,) = [rule for rule in rules if rule.get("alert") == "PolicyLoadFailure"]
    assert "> 1440 # age" in stale["expr"]
    assert stale["for"] == "5s"


def test_a_local_stack_is_pointed_at_and_notifies_the_daemon_alone(tmp_path: Path) -> None:
    built = build_all(tmp_path, 60, STACK)
    assert built.prometheus
    assert built.alertmanager
    prometheus, alertmanager = document(built.prometheus), document(built.alertmanager)
    (job,) = prometheus["scrape_configs"]
    assert (job["job_name"], job["static_configs"]) == ("westworld-charter", [{"targets": ["127.0.0.1:1801"]}])
    assert prometheus["alerting"]["alertmanagers"] == [{"static_configs": [{"targets": ["127.0.0.1:1802"]}]}]
    assert [tmp_path / path for path in prometheus["rule_files"]] == list(built.rule_files)
    loud = {receiver["name"]: receiver for receiver in alertmanager["receivers"] if len(receiver) > 1}
    assert loud.keys() == {"mape-k"}
    (webhook,) = loud["mape-k"]["webhook_configs"]
    assert webhook["url"] == STACK.webhook_url
    assert webhook["http_config"]["authorization"]["credentials_file"] == "/run/token"


def test_without_a_webhook_nobody_is_notified(tmp_path: Path) -> None:
    built = build_all(tmp_path, 1, Stack(targets={}, alertmanager="127.0.0.1:1802"))
    assert built.alertmanager
    assert all(receiver.keys() == {"name"} for receiver in document(built.alertmanager)["receivers"])


def test_templates_are_found_from_the_new_place(tmp_path: Path) -> None:
    built = build_all(tmp_path, 1)
    assert built.alertmanager
    (pattern,) = document(built.alertmanager)["templates"]
    (template,) = built.alertmanager.parent.glob(pattern)
    assert template.read_text() == (ALERTMANAGER.parent / "templates" / template.name).read_text()


def test_runbooks_come_along_and_unit_tests_of_true_time_do_not(tmp_path: Path) -> None:
    (folder,) = build([PACKS[0]], tmp_path, 60).packs
    assert (folder / "runbooks" / "PolicyLoadFailure.md").is_file()
    assert not (folder / "tests").exists()


def test_building_twice_is_building_once(tmp_path: Path) -> None:
    first = build_all(tmp_path, 60)
    texts = [path.read_bytes() for path in first.rule_files]
    assert build_all(tmp_path, 60) == first
    assert [path.read_bytes() for path in first.rule_files] == texts


@pytest.mark.parametrize("time_scale", [0, -1, float("nan"), float("inf")])
def test_a_time_scale_that_divides_nothing_is_refused(tmp_path: Path, time_scale: float) -> None:
    with pytest.raises(ConfigError, match="expected a finite number over 0"):
        build(PACKS, tmp_path, time_scale)


def test_a_rule_that_cannot_be_divided_is_named_by_file_line_and_key(pack: Path, tmp_path: Path) -> None:
    rules = pack / "rules" / "own.rules.yaml"
    rules.write_text(
        "groups:\n- name: own\n  rules:\n  - alert: A\n    expr: x\n    for: 5 minutes\n", encoding="utf-8"
    )
    (problem,) = problems(pack, out=tmp_path / "out")
    assert problem.startswith(f"{rules}:6: groups.0.rules.0.for: expected a duration")


def test_every_problem_of_every_file_is_told_at_once(pack: Path, tmp_path: Path) -> None:
    (pack / "pack.yaml").write_text("pack: charter\nnonsense: 1\n", encoding="utf-8")
    (pack / "rules" / "a.rules.yaml").write_text("groups: [\n", encoding="utf-8")
    (pack / "rules" / "b.rules.yaml").write_text("- not rules\n", encoding="utf-8")
    (pack / "rules" / "c.rules.yaml").write_text("groups: [{rules: [{expr: 'rate(x[300])'}]}]\n", encoding="utf-8")
    (pack / "rules" / "d.rules.yaml").write_bytes(b"\xff\xfe")
    (pack / "rules" / "e.rules.yaml").write_text("#" * 1_000_001, encoding="utf-8")
    told = "\n".join(problems(pack, out=tmp_path / "out"))
    for part in (
        "pack.yaml:2: nonsense",
        "a.rules.yaml:2",
        "b.rules.yaml:1: expected keys with values",
        "c.rules.yaml:1: groups.0.rules.0.expr: the duration 300 has no unit",
        "d.rules.yaml: cannot be read",
        "e.rules.yaml: over 1000000 bytes",
    ):
        assert part in told


def test_a_folder_without_a_pack_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "nowhere", out=tmp_path / "out")
    assert "nowhere/pack.yaml" in problem


def test_a_configuration_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yml: cannot be read"):
        build([PACKS[0]], tmp_path / "out", 60, prometheus=tmp_path / "absent.yml")


def test_two_packs_of_one_name_would_overwrite_each_other(pack: Path, tmp_path: Path) -> None:
    (problem,) = problems(PACKS[0], pack, out=tmp_path / "out")
    assert "would be written over it; choose another folder" in problem


def test_a_pack_is_never_written_over_itself(tmp_path: Path) -> None:
    source = Path(shutil.copytree(PACKS[0], tmp_path / "packs" / "charter"))
    before = (source / "pack.yaml").read_bytes()
    with pytest.raises(ConfigError, match="would be written over it"):
        build([source], tmp_path, 60)
    assert (source / "pack.yaml").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be written"):
        build([PACKS[0]], tmp_path / "out", 60)
