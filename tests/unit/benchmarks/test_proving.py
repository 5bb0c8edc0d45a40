"""What the proof of the packs rests on: which numbers are counts, what panels ask, what planted bugs change."""

import json

import pytest
import yaml

from play.documents import FaultDocument
from proving.campaign import batched_evenly, tasks_of
from proving.counts import Division
from proving.layout import PACKS, Rule, alerts_of
from proving.panels import boards_of, filled_in
from proving.plants import PLANTS
from proving.recorder import Notice, Recorder
from proving.routing import table_of
from proving.windows import Windows


@pytest.mark.parametrize(
    ("expr", "divided"),
    [
        ("sum(increase(a_total[5m])) > 10", "sum(increase(a_total[5m])) > 0.1"),
        ("10 * increase(a_total[5m]) >= 20", "10 * increase(a_total[5m]) >= 0.2"),
        ("(sum(increase(a_total[1h])) or vector(0)) > 3", "(sum(increase(a_total[1h])) or vector(0)) > 0.03"),
        ("sum by (k) (increase(a_total[5m])) > bool 3", "sum by (k) (increase(a_total[5m])) > bool 0.03"),
        ("x:failures:increase5m{job='a'} > 5", "x:failures:increase5m{job='a'} > 0.05"),
        ("delta(size[1h]) > 1e9", "delta(size[1h]) > 10000000"),
    ],
)
def test_what_is_compared_with_a_count_of_events_is_divided(expr, divided):
    assert divide(expr) == divided


@pytest.mark.parametrize(
    "expr",
    [
        "sum(rate(a_total[5m])) > 3",
        "sum(increase(a_total[5m])) / sum(increase(b_total[5m])) > 0.05",
        "1 - sum(increase(a_total[5m])) / sum(increase(b_total[5m])) < 0.5",
        "histogram_quantile(0.9, sum by (le) (increase(x_bucket[5m]))) > 4",
        "queue_length > 50",
        "count(increase(a_total[5m]) > 0) > 3",
        "increase(a_total[5m]) > 0",
    ],
)
def test_rates_shares_measures_and_nothing_at_all_stay(expr):
    assert divide(expr) == expr


def test_a_share_with_a_minimum_keeps_the_share_and_divides_the_minimum():
    both = "increase(a_total[5m]) / increase(b_total[5m]) > 0.1 and increase(b_total[5m]) > 20"

    assert divide(both) == "increase(a_total[5m]) / increase(b_total[5m]) > 0.1 and increase(b_total[5m]) > 0.2"


def divide(expr: str) -> str:
    division = Division(100.0)
    division.learn(
        [
            {"record": "x:all:increase5m", "expr": "sum(x:failures:increase5m)"},
            {"record": "x:failures:increase5m", "expr": "sum by (job) (increase(f_total[5m]))"},
        ]
    )
    return str(division.divide([{"alert": "A", "expr": expr}])[0]["expr"])


def test_what_others_record_is_a_count_where_its_own_query_is():
    assert divide("x:all:increase5m > 7") == "x:all:increase5m > 0.07"


def test_variables_of_a_panel_are_filled_in_whichever_way_they_are_written():
    query = 'rate(a_total{d=~"$domain", e="${env:regex}", f="[[flow]]"}[$__rate_interval]) * $__range_s'

    filled = filled_in(query, {"domain": "a|b", "env": "x", "flow": "y"})

    assert filled == 'rate(a_total{d=~"a|b", e="x", f="y"}[1m]) * 3600'


def test_the_panels_of_a_board_are_those_that_ask_prometheus(tmp_path):
    prometheus, loki = {"type": "prometheus", "uid": "p"}, {"type": "loki", "uid": "l"}
    panels = [
        {"title": "Rate", "targets": [{"expr": "a", "datasource": prometheus}, {"expr": "b", "hide": True}]},
        {"title": "Logs", "datasource": loki, "targets": [{"expr": '{job="a"}'}]},
        {"title": "Row", "type": "row", "panels": [{"title": "Inner", "targets": [{"expr": "c"}]}]},
    ]
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "one.json").write_text(json.dumps({"title": "One", "panels": panels}))

    (board,) = boards_of(tmp_path)

    assert [(str(panel), panel.queries) for panel in board.panels] == [("One: Rate", ("a",)), ("One: Inner", ("c",))]


def test_a_rule_looks_back_through_what_others_record_and_the_shorter_of_two_windows_ends_it():
    windows = Windows(
        [
            {"record": "x:bad:rate6h", "expr": "sum(rate(bad_total[6h]))"},
            {"record": "x:ratio:rate6h", "expr": "x:bad:rate6h / sum(rate(all_total[6h]))"},
            {"record": "x:ratio:rate30m", "expr": "sum(rate(bad_total[30m])) / sum(rate(all_total[30m]))"},
        ]
    )

    assert windows.longest("x:ratio:rate6h > 0.1") == 21_600
    assert windows.shows("x:ratio:rate6h > 0.1 and x:ratio:rate30m > 0.1") == 1800
    assert windows.shows("x:ratio:rate30m > 0.1 or rate(a_total[1h]) > 2") == 3600
    assert windows.shows("up == 0") == 0


def test_what_looks_back_for_hours_is_tried_apart():
    tasks = tasks_of([PACKS / "oneiric"])
    apart = {fault.alert for task in tasks if task.is_slow for fault in task.faults.values()}

    assert "OneiricResolutionSuccessBudgetLeak" in apart
    assert "OneiricDown" not in apart


def test_a_rule_that_looks_at_nothing_fires_for_ever():
    assert Rule(name="A", labels={}, expr="vector(1)", for_seconds=0).is_always_firing
    assert not Rule(name="A", labels={}, expr='absent(up{job="a"})', for_seconds=0).is_always_firing


def test_the_faults_of_a_pack_are_dealt_out_and_none_is_lost():
    fault = FaultDocument(alert="A", down=True)
    faults = [(f"fault_{number}", fault) for number in range(29)]

    parts = batched_evenly(faults, 14)

    assert [len(part) for part in parts] == [10, 10, 9]
    assert sorted(name for part in parts for name, _ in part) == sorted(name for name, _ in faults)


def test_a_table_answers_for_an_alert_that_has_one_row(tmp_path):
    rows = [
        {"alert": {"alertname": "A"}, "receivers": ["x", "y"]},
        {"alert": {"alertname": "B", "team": "t"}, "receivers": ["x"]},
        {"alert": {"alertname": "B", "team": "u"}, "receivers": ["y"]},
    ]
    (tmp_path / "alertmanager").mkdir()
    (tmp_path / "alertmanager" / "routes.test.yaml").write_text(yaml.safe_dump(rows))

    assert table_of(tmp_path) == {"A": frozenset({"x", "y"})}


def test_the_recorder_finds_what_was_told_of_an_alert_since_a_moment():
    told = [Notice(at=at, receiver="x", is_firing=at < 3, labels={"alertname": "A"}) for at in (1.0, 2.0, 3.0)]
    recorder = Recorder(notices=told)

    assert recorder.heard("A", 2.0) == told[1:2]
    assert recorder.heard("A", 0.0, is_firing=False) == told[2:]
    assert recorder.heard("B", 0.0) == []


def test_every_planted_bug_changes_something():
    rules = [{"alert": "A", "expr": 'up{job="a"} == 0'}, {"alert": "B", "expr": 'up{job="a"} == 0'}]
    config = {
        "route": {"receiver": "x", "routes": [{"receiver": "y", "continue": True}]},
        "receivers": [{"name": "x"}],
        "inhibit_rules": [],
    }
    change = [{"metric": "m", "rate": 1}, {"metric": "n", "rate": 1}]
    faults = {"one": {"alert": "A", "change": change[:1]}, "two": {"alert": "B", "change": change[1:]}}
    for plant in PLANTS.values():
        planted = [
            plant.rules(json.loads(json.dumps(rules))) != rules,
            plant.routes(json.loads(json.dumps(config))) != config,
            plant.scrape({"job_name": "a"}) != {"job_name": "a"},
            plant.scenarios(json.loads(json.dumps({"faults": faults}))) != {"faults": faults},
            plant.is_endless,
        ]
        assert sum(planted) == 1, plant.meaning


@pytest.mark.parametrize("pack", sorted(path.parent.name for path in PACKS.glob("*/scenarios.yaml")))
def test_every_alert_of_a_pack_has_a_scenario_and_every_scenario_names_alerts_that_exist(pack):
    alerts = set(alerts_of(PACKS / pack))
    faults = [fault for task in tasks_of([PACKS / pack]) for fault in task.faults.values()]
    named = {fault.alert for fault in faults}

    assert named <= alerts
    assert {name for fault in faults for name in fault.also} <= alerts
    assert alerts - named <= {"MapeKWatchdog"}
