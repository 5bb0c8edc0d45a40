"""What packs bring to the servers' configuration, and what is refused when they come together."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mape_k.errors import ConfigError
from mape_k.packbuild import build
from shipped_packs import document

PACK = """pack: {name}
title: T
jobs: {{{name}: {{scrape_interval: 15s}}}}
signals: {{}}
symptoms: {{}}
remediations: {{}}
"""
DAEMON = {"receiver": "mape-k", "continue": True}
LAST = {"receiver": "default"}


def pack(parent: Path, name: str, *, jobs: Any = None, routes: Any = None) -> Path:
    folder = parent / name
    (folder / "alertmanager").mkdir(parents=True)
    (folder / "pack.yaml").write_text(PACK.format(name=name), encoding="utf-8")
    if jobs is not None:
        (folder / "scrape.yaml").write_text(yaml.safe_dump(jobs), encoding="utf-8")
    if routes is not None:
        (folder / "alertmanager" / "routes.yaml").write_text(yaml.safe_dump(routes), encoding="utf-8")
    return folder


def routes(name: str, receiver: str = "", **more: Any) -> dict[str, Any]:
    receiver = receiver or f"{name}-team"
    route = {"matchers": [f"system = {name}"], "receiver": receiver, "group_wait": "30s"}
    return {"route": route, "receivers": [{"name": receiver}], **more}


def base(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def alertmanager(folder: Path, *own: dict[str, Any], packs: list[Path], time_scale: float = 1) -> Any:
    receivers = [{"name": "mape-k"}, {"name": "default", "slack_configs": [{"channel": "#own"}]}]
    start = base(folder, "base.yml", {"route": {"receiver": "default", "routes": list(own)}, "receivers": receivers})
    built = build(packs, folder / "out", time_scale, alertmanager=start)
    assert built.alertmanager
    return document(built.alertmanager)


def prometheus(folder: Path, jobs: list[Any], *packs: Path) -> Any:
    start = base(folder, "base.yml", {"scrape_configs": jobs})
    built = build(packs, folder / "out", 60, prometheus=start)
    assert built.prometheus
    return document(built.prometheus)["scrape_configs"]


def problem(folder: Path, *packs: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        alertmanager(folder, DAEMON, LAST, packs=list(packs))
    (told,) = caught.value.problems
    assert not (folder / "out").exists()
    return told


def test_routes_of_packs_come_right_after_the_daemons_in_the_order_asked_for(tmp_path: Path) -> None:
    packs = [pack(tmp_path, "one", routes=routes("one")), pack(tmp_path, "two", routes=routes("two"))]
    first = {"matchers": ["alertname = Watchdog"], "receiver": "default"}
    whole = alertmanager(tmp_path, first, DAEMON, LAST, packs=packs)
    assert [each["receiver"] for each in whole["route"]["routes"]] == [
        "default",
        "mape-k",
        "one-team",
        "two-team",
        "default",
    ]


def test_without_a_route_of_the_daemon_the_packs_come_first(tmp_path: Path) -> None:
    whole = alertmanager(tmp_path, LAST, packs=[pack(tmp_path, "one", routes=routes("one"))])
    assert [each["receiver"] for each in whole["route"]["routes"]] == ["one-team", "default"]


def test_what_a_pack_brings_is_divided_too(tmp_path: Path) -> None:
    folder = pack(tmp_path, "one", routes=routes("one"))
    whole = alertmanager(tmp_path, DAEMON, packs=[folder], time_scale=60)
    assert whole["route"]["routes"][1]["group_wait"] == "500ms"
    kept = document(tmp_path / "out" / "packs" / "one" / "alertmanager" / "routes.yaml")
    assert kept["route"]["group_wait"] == "500ms"


def test_inhibitions_of_all_are_kept(tmp_path: Path) -> None:
    rules = [{"source_matchers": ["a = b"], "target_matchers": ["c = d"]}]
    packs = [pack(tmp_path, name, routes=routes(name, inhibit_rules=rules)) for name in ("one", "two")]
    assert alertmanager(tmp_path, DAEMON, packs=packs)["inhibit_rules"] == rules * 2


def test_a_receiver_that_the_base_has_stays_as_the_base_has_it(tmp_path: Path) -> None:
    whole = alertmanager(tmp_path, DAEMON, packs=[pack(tmp_path, "one", routes=routes("one", "default"))])
    assert [each for each in whole["receivers"] if each["name"] == "default"] == [
        {"name": "default", "slack_configs": [{"channel": "#own"}]}
    ]


def test_two_packs_with_one_receiver_name_are_refused(tmp_path: Path) -> None:
    packs = [pack(tmp_path, name, routes=routes(name, "team")) for name in ("one", "two")]
    told = problem(tmp_path, *packs)
    assert told.startswith(f"{packs[1]}/alertmanager/routes.yaml:2: receivers[0].name: team is in {packs[0]}")
    assert told.endswith("give each its own name")


def test_a_receiver_that_nobody_has_is_refused(tmp_path: Path) -> None:
    fragment = routes("one")
    fragment["route"]["routes"] = [{"receiver": "nobody"}]
    told = problem(tmp_path, pack(tmp_path, "one", routes=fragment))
    assert "route: nobody is a receiver that neither this file nor the base has; define it under receivers" in told


@pytest.mark.parametrize("matcher", ["system = one", "system=one", 'system = "one"', 'system="one"'])
def test_a_route_of_its_own_system_is_taken(tmp_path: Path, matcher: str) -> None:
    fragment = routes("one")
    fragment["route"]["matchers"] = ["severity = critical", matcher]
    assert alertmanager(tmp_path, DAEMON, packs=[pack(tmp_path, "one", routes=fragment)])


@pytest.mark.parametrize("matcher", ["system = two", "system =~ one", "system != one", "severity = critical"])
def test_a_route_that_takes_alerts_of_others_is_refused(tmp_path: Path, matcher: str) -> None:
    fragment = routes("one")
    fragment["route"]["matchers"] = [matcher]
    told = problem(tmp_path, pack(tmp_path, "one", routes=fragment))
    assert "route.matchers: expected one of them to be `system = one`" in told


@pytest.mark.parametrize(
    ("fragment", "told"),
    [
        ({"receivers": []}, "route: is missing; add it"),
        ({**routes("one"), "templates": ["x"]}, "templates: unknown key"),
        ({**routes("one"), "receivers": [{"slack_configs": []}]}, "receivers[0].name: is missing; add it"),
        (
            {"route": {"matchers": ["system = one"], "receiver": "default", "routes": "all"}},
            "route.routes: expected a list",
        ),
        (
            {"route": {"matchers": ["system = one"], "receiver": "default", "routes": [{"routes": [1]}]}},
            "expected keys",
        ),
        ("text", "expected keys with values"),
    ],
)
def test_a_fragment_of_another_form_is_refused(tmp_path: Path, fragment: Any, told: str) -> None:
    assert told in problem(tmp_path, pack(tmp_path, "one", routes=fragment))


def test_a_wait_that_is_no_duration_is_named(tmp_path: Path) -> None:
    fragment = routes("one")
    fragment["route"]["group_wait"] = "soon"
    told = problem(tmp_path, pack(tmp_path, "one", routes=fragment))
    assert "routes.yaml:4: route.group_wait: expected a duration" in told


def test_jobs_of_packs_are_scraped_behind_those_of_the_base(tmp_path: Path) -> None:
    one = pack(tmp_path, "one", jobs=[{"job_name": "one", "scrape_interval": "10s"}])
    own = {"job_name": "two", "static_configs": [{"targets": ["own:1"]}]}
    two = pack(tmp_path, "two", jobs=[{"job_name": "two", "static_configs": [{"targets": ["packs:1"]}]}])
    assert prometheus(tmp_path, [own], one, two) == [own, {"job_name": "one", "scrape_interval": "167ms"}]


def test_rules_of_the_base_are_still_found(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    start = base(tmp_path / "base", "base.yml", {"rule_files": ["own/*.yml", "/etc/rules/*.yml"]})
    folder = pack(tmp_path, "one")
    (folder / "rules").mkdir()
    (folder / "rules" / "one.rules.yaml").write_text("groups: []", encoding="utf-8")
    built = build([folder], tmp_path / "out", prometheus=start)
    assert built.prometheus
    assert document(built.prometheus)["rule_files"] == [
        f"{tmp_path}/base/own/*.yml",
        "/etc/rules/*.yml",
        "packs/one/rules/one.rules.yaml",
    ]


def test_two_packs_with_one_job_are_refused(tmp_path: Path) -> None:
    packs = [pack(tmp_path, name, jobs=[{"job_name": "same"}]) for name in ("one", "two")]
    with pytest.raises(
        ConfigError, match=r"two/scrape\.yaml:1: \[0\]\.job_name: same is in .*one/scrape\.yaml already"
    ):
        prometheus(tmp_path, [], *packs)


@pytest.mark.parametrize(
    ("jobs", "told"),
    [
        ({"job_name": "one"}, "expected a list of scrape jobs"),
        ([{"job": "one"}], r"\[0\]\.job_name: is missing"),
        ([{"job_name": "one", "scrape_interval": "15"}], r"\[0\]\.scrape_interval: expected a duration"),
    ],
)
def test_jobs_of_another_form_are_refused(tmp_path: Path, jobs: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        prometheus(tmp_path, [], pack(tmp_path, "one", jobs=jobs))


def test_what_the_servers_do_not_read_comes_along_and_what_holds_in_true_time_only_does_not(tmp_path: Path) -> None:
    folder = pack(tmp_path, "one", routes=routes("one"))
    taken = ("metrics.yaml", "dashboards/a.json", "logs/errors.logql", "logs/rules.yaml", "runbooks/maintenance/A.md")
    left = ("README.md", "scenarios.yaml", "tests/a.test.yaml", "alertmanager/routes.test.yaml")
    for name in (*taken, *left):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}", encoding="utf-8")
    (built,) = build([folder], tmp_path / "out").packs
    found = {str(path.relative_to(built)) for path in built.rglob("*") if path.is_file()}
    assert found == {*taken, "pack.yaml", "alertmanager/routes.yaml"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"route": "all"}, ":1: route: expected keys with values"),
        ({"route": {"routes": {"a": 1}}}, ":2: route.routes: expected a list"),
        ({"route": {"routes": ["a"]}}, ":3: route.routes.0: expected keys with values"),
        ({"receivers": ["team"]}, ":2: receivers.0: expected keys with values"),
        ({"inhibit_rules": "none"}, ":1: inhibit_rules: expected a list"),
        ({"templates": [{"a": 1}]}, ":2: templates.0: expected text"),
    ],
)
def test_a_base_of_another_form_is_refused(tmp_path: Path, content: Any, told: str) -> None:
    start = base(tmp_path, "base.yml", content)
    with pytest.raises(ConfigError) as caught:
        build([pack(tmp_path, "one", routes=routes("one"))], tmp_path / "out", alertmanager=start)
    assert f"{start}{told}" in caught.value.problems


@pytest.mark.parametrize("content", [{"scrape_configs": {"a": 1}}, {"scrape_configs": ["a"]}, {"rule_files": [1]}])
def test_a_base_of_prometheus_of_another_form_is_refused(tmp_path: Path, content: Any) -> None:
    start = base(tmp_path, "base.yml", content)
    with pytest.raises(ConfigError, match=r"base\.yml:[12]: .*: expected (a list|keys with values|text)"):
        build([pack(tmp_path, "one")], tmp_path / "out", prometheus=start)


@pytest.mark.parametrize("content", [{}, {"route": None, "receivers": None}, {"route": {"routes": None}}])
def test_a_base_with_next_to_nothing_in_it_is_completed(tmp_path: Path, content: Any) -> None:
    start = base(tmp_path, "base.yml", {"note": "nothing", **content})
    built = build([pack(tmp_path, "one", routes=routes("one"))], tmp_path / "out", alertmanager=start)
    assert built.alertmanager
    assert [each["name"] for each in document(built.alertmanager)["receivers"]] == ["one-team"]
