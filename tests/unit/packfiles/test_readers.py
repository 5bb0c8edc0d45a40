"""The other files of a pack and of strangers: what is read from them, and what is refused."""

import json
from textwrap import dedent

import pytest

from mape_k.packfiles import (
    RefusedError,
    counts,
    read_alertmanager_file,
    read_any,
    read_board,
    read_folder,
    read_rule_file,
)
from mape_k.packfiles.inventory import Inventory
from mape_k.packfiles.prometheus import PrometheusFile, read_scrape_jobs
from mape_k.packfiles.rule_files import RuleFile
from mape_k.packfiles.rule_tests import RuleTests
from mape_k.packfiles.texts import log_queries_of, read_objectives

RULES = """\
groups:
  - name: shop
    interval: 30s
    labels: {system: shop}
    rules:
      - record: shop:orders:rate5m
        expr: sum(rate(shop_orders_total[5m]))
      - alert: ShopQueue
        expr: |
          max(shop_queue_length) > 100
        for: 5m
        labels: {severity: critical}
        annotations:
          summary: Too many wait
"""
ROUTES = """\
global: {slack_api_url_file: /x}
route:
  receiver: default
  group_by: [alertname]
  routes:
    # Pages.
    - matchers: ['severity = critical, team =~ "a|b"']
      receiver: pager # not the default
      continue: true
    - match: {team: shop}
      match_re: {severity: warn.*}
      receiver: default
inhibit_rules:
  - source_matchers: ['{alertname="A", x!="y"}']
    target_match: {alertname: B}
    equal: [cluster]
receivers:
  - name: default
  - name: pager
    webhook_configs: [{url: http://x}]
"""
BOARD = {
    "uid": "shop",
    "title": "Shop",
    "panels": [
        {"type": "row", "title": "Row", "panels": [{"type": "text", "title": "Words"}]},
        {
            "type": "stat",
            "title": "Queue",
            "datasource": {"type": "prometheus"},
            "fieldConfig": {
                "defaults": {
                    "unit": "none",
                    "thresholds": {"steps": [{"value": None}, {"value": 50}, {"value": 100.5}]},
                }
            },
            "targets": [{"expr": "max(a)"}, {"expr": 'min(a{b="c"})'}],
        },
    ],
}


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return path

    return write


def test_a_rule_file_tells_each_rule_with_its_lines(write):
    recording, alert = read_rule_file(write("rules.yaml", RULES)).rules

    assert (recording.is_alert, recording.name, recording.line, recording.interval) == (
        False,
        "shop:orders:rate5m",
        6,
        30,
    )
    assert (alert.is_alert, alert.name, alert.lasting, alert.severity) == (True, "ShopQueue", 300, "critical")
    assert alert.labels == {"system": "shop", "severity": "critical"}
    assert (alert.line, alert.lines["expr"], alert.lines["annotations.summary"]) == (8, 9, 14)


def test_the_rules_of_the_prometheus_operator_are_read_too(write):
    inner = "".join(f"  {line}\n" for line in RULES.splitlines())
    file = read_any(write("rule.yaml", f"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec:\n{inner}"))

    assert isinstance(file, RuleFile)
    assert [rule.line for rule in file.rules] == [9, 11]


@pytest.mark.parametrize(
    ("written", "instead", "complaint"),
    [
        ("for: 5m", "for: 5", "11: groups[0].rules[1].for: expected a duration"),
        ("for: 5m", "fro: 5m", "11: groups[0].rules[1].fro: unknown key; did you mean 'for'?"),
        (
            "alert: ShopQueue",
            "record: x\n        alert: A",
            "8: groups[0].rules[1]: expected exactly one of alert and record",
        ),
        ("name: shop", "name: ''", "2: groups[0]: the group has no name; add one"),
        ("interval: 30s", "interval: [1]", "3: groups[0].interval: expected a duration"),
        ("labels: {system: shop}", "labels: shop", "4: groups[0].labels: expected keys with values"),
        ("        expr: sum(rate(shop_orders_total[5m]))\n", "", "6: groups[0].rules[0]: expr is missing; add it"),
    ],
)
def test_a_rule_file_of_another_form_is_refused(write, written, instead, complaint):
    assert written in RULES

    with pytest.raises(RefusedError) as refused:
        read_rule_file(write("rules.yaml", RULES.replace(written, instead, 1)))

    assert complaint in str(refused.value)


def test_alertmanagers_file_is_read_in_its_old_and_new_form(write):
    file = read_alertmanager_file(write("alertmanager.yml", ROUTES))

    first, second = file.route.routes
    assert [(each.label, each.op, each.value) for each in first.matchers] == [
        ("severity", "=", "critical"),
        ("team", "=~", "a|b"),
    ]
    assert [(each.label, each.op, each.value) for each in second.matchers] == [
        ("team", "=", "shop"),
        ("severity", "=~", "warn.*"),
    ]
    assert (first.goes_on, second.goes_on, first.line) == (True, False, 7)
    assert "Pages." in first.comments
    assert "not the default" in first.comments
    (inhibition,) = file.inhibitions
    assert [each.op for each in inhibition.source] == ["=", "!="]
    assert inhibition.equal == ("cluster",)
    assert [(each.name, len(each.channels)) for each in file.receivers] == [("default", 0), ("pager", 1)]
    assert len(list(file.routes())) == 3


def test_a_matcher_that_is_none_is_refused(write):
    with pytest.raises(RefusedError, match="expected a matcher"):
        read_alertmanager_file(write("alertmanager.yml", ROUTES.replace("severity = critical", "severity is critical")))


def test_a_board_tells_its_panels(write):
    board = read_board(write("board.json", BOARD))

    words, queue = board.panels
    assert (board.uid, words.title, words.queries) == ("shop", "Words", ())
    assert (queue.kind, queue.unit, queue.limits, queue.source) == ("stat", "none", (50.0, 100.5), "prometheus")
    lines = (write("board.json", BOARD)).read_text().splitlines()
    assert [lines[line - 1].strip() for line, _ in queue.queries] == ['"expr": "max(a)"', '"expr": "min(a{b=\\"c\\"})"']


def test_what_a_file_is_is_told_by_what_it_holds(write):
    assert isinstance(read_any(write("a", "scrape_configs: [{job_name: a}]")), PrometheusFile)
    assert isinstance(read_any(write("b", "- {job_name: a}")), PrometheusFile)
    assert isinstance(read_any(write("c", "metrics: {a: {type: gauge, help: A., unit: things}}")), Inventory)


def test_scrape_jobs_have_the_interval_of_all_unless_they_state_their_own(write, tmp_path):
    write("scrape.yaml", "- {job_name: a}\n- {job_name: b, scrape_interval: 5s}\n")

    assert [(job.name, job.interval) for job in read_scrape_jobs(tmp_path)] == [("a", 60), ("b", 5)]


def test_log_queries_have_a_title_and_end_at_a_blank_line(tmp_path):
    content = '# First one\n{a="b"}\n  |= `x`\n\n# Second\n\n{c="d"}\n'

    queries = list(log_queries_of(tmp_path, content))

    assert [(each.title, each.line) for each in queries] == [("First one", 2), ("Second", 7)]
    assert queries[0].text == '{a="b"}\n  |= `x`'


def test_the_queries_of_an_objective_are_found_wherever_they_stand(write, tmp_path):
    write("objectives/a.yaml", "spec:\n  indicator:\n    total: {query: up}\n    bad:\n      - {query: down}\n")

    (objective,) = read_objectives(tmp_path)
    assert objective.queries == ((3, "up"), (5, "down"))


def test_what_a_pack_has_is_counted(write, tmp_path):
    write("metrics.yaml", "metrics: {a: {type: gauge, help: A., unit: things}}")
    write("rules/a.rules.yaml", RULES)
    write("rules/slo.rules.yaml", RULES)
    write("alertmanager/routes.yaml", ROUTES)
    write("dashboards/a.json", BOARD)
    write("dashboards/objectives.json", BOARD)
    write("runbooks/ShopQueue.md", "x")
    write("runbooks/maintenance/Upgrade.md", "x")
    write("logs/a.logql", '# A\n{a="b"}\n')
    write("logs/rules.yaml", RULES)
    write("objectives/a.yaml", "{}")

    assert counts(read_folder(tmp_path)) == {
        "metrics": 1,
        "alerts": 1,
        "critical": 1,
        "warning": 0,
        "info": 0,
        "burn_rate_alerts": 1,
        "log_alerts": 1,
        "recordings": 1,
        "objective_recordings": 1,
        "dashboards": 1,
        "panels": 2,
        "objective_dashboards": 1,
        "objective_panels": 2,
        "objectives": 1,
        "runbooks": 1,
        "maintenance_runbooks": 1,
        "log_queries": 1,
        "receivers": 2,
        "routes": 2,
        "inhibitions": 1,
    }


def test_what_a_pack_lacks_counts_nothing(tmp_path):
    assert set(counts(read_folder(tmp_path)).values()) == {0}


def test_a_root_route_with_matchers_is_a_part_of_a_larger_file(write):
    part = "route: {receiver: a, matchers: [system = shop]}\nreceivers: [{name: a}]\n"

    assert read_any(write("part.yaml", part)).is_fragment
    assert not read_any(write("whole.yaml", ROUTES)).is_fragment


def test_unit_tests_of_rules_tell_their_series(write):
    text = """
        rule_files: [a.rules.yaml]
        evaluation_interval: 1m
        tests:
          - input_series:
              - {series: 'shop_orders_total{outcome="failed", shop="x"}', values: 0+1x5}
              - {series: up, values: 1x5}
              - {series: '{__name__="a b"}', values: 1x5}
        """

    read = read_any(write("a.test.yaml", dedent(text)))
    assert isinstance(read, RuleTests)
    assert read.series == (("shop_orders_total", {"outcome": "failed", "shop": "x"}), ("up", {}))
