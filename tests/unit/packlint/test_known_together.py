"""What files that are looked at together, and their texts, tell about each other."""

import pytest

from mape_k.packfiles import RuleFile, read_any
from mape_k.packfiles.rule_tests import RuleTests
from mape_k.packlint import check_files
from mape_k.packlint.promql import parsed, written
from mape_k.packlint.quantities import periods
from mape_k.packlint.suite import Suite

RECORDED = """
groups:
  - name: shop
    rules:
      - {record: "shop:failed:rate5m", expr: 'sum(rate(shop_orders_total{outcome="failed"}[5m]))'}
      - {record: "shop:all:rate5m", expr: "sum(rate(shop_orders_total[5m]))"}
      - {record: "shop:failed:ratio", expr: "shop:failed:rate5m / shop:all:rate5m"}
      - {alert: ShopFails, expr: 'shop:failed:ratio{job="shop"} > 0.1'}
      - {alert: ShopFailed, expr: "max_over_time(shop:failed:ratio[1h]) > 0.1"}
"""


def suite_of(tmp_path, **texts):
    paths = []
    for name, text in texts.items():
        paths.append(tmp_path / f"{name}.yaml")
        paths[-1].write_text(text)
    read = [read_any(path) for path in paths]
    return Suite(
        rule_files=[each for each in read if isinstance(each, RuleFile)],
        tests=[each for each in read if isinstance(each, RuleTests)],
    )


def test_recordings_are_written_out_where_they_are_read(tmp_path):
    suite = suite_of(tmp_path, rules=RECORDED)
    failed, every, ratio, alert, over_time = suite.queries
    divided = f"({failed.text}) / ({every.text})"

    assert written(suite.in_full(ratio)) == written(parsed(divided))
    assert written(suite.in_full(alert)) == written(alert.expr)
    assert written(suite.in_full(alert, is_whole=True)) == written(parsed(f"({divided}) > 0.1"))
    assert written(suite.in_full(over_time, is_whole=True)) == written(over_time.expr)


TESTED = """
tests:
  - interval: 1m
    input_series:
      - {series: 'shop_seconds_bucket{le="0.5",job="shop"}', values: 1x5}
      - {series: 'shop_seconds_bucket{le="2"}', values: 1x5}
      - {series: 'shop_seconds_bucket{le="+Inf"}', values: 1x5}
      - {series: 'part_seconds_bucket{le="2"}', values: 1x5}
      - {series: up, values: 1x5}
"""


def test_unit_tests_tell_buckets_values_and_names(tmp_path):
    suite = suite_of(tmp_path, tests=TESTED)

    assert suite.highest_bucket("shop_seconds_bucket") == 2
    assert suite.highest_bucket("part_seconds_bucket") is None, "the test need not have all of its buckets"
    assert suite.values_in_tests["shop_seconds_bucket", "job"] == {"shop"}
    assert suite.series_in_tests >= {"up", "shop_seconds_bucket"}


@pytest.mark.parametrize(
    ("comment", "highest"),
    [
        ("# buckets: 0.1, 0.5, 1", 1),
        ("# shop_seconds has the buckets 0.1, 0.5, 1", 1),
        ("# Buckets = 100 | 250 | 1e3 ms", 1000),
        ("# buckets of another_seconds: 1, 2, 30", 30),
        ("# the third bucket of 5", None),
        ("# buckets: 5, 1, 2", None),
    ],
)
def test_comments_tell_buckets(tmp_path, comment, highest):
    rule = (
        "groups: [{name: a, rules: [{alert: A, expr: 'histogram_quantile(0.9, rate(shop_seconds_bucket[5m])) > 1'}]}]"
    )
    suite = suite_of(tmp_path, rules=f"{comment}\n{rule}\n")

    assert suite.highest_bucket("shop_seconds_bucket") == highest


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("busy for 15 minutes", [900]),
        ("silent for more than 2h, or for the last 5m", [7200, 300]),
        ("for {{ $value }} minutes", []),
        ("for 3 reasons", []),
    ],
)
def test_texts_tell_how_long_something_lasts(text, told):
    assert [seconds for seconds, _ in periods(text)] == told


@pytest.mark.parametrize(
    ("expr", "is_checked"),
    [
        ('rate(a_total{b=~"c|d"}[5m]) / rate(a_total[5m]) > bool 2 +', True),
        ('sum(count_over_time({app="shop"} |= "failed" [5m])) > 5 +', False),
        ('sum(rate({app="shop"}[5m])) > 5 +', False),
        ('{app="shop"} != "debug" +', False),
    ],
)
def test_rules_for_logs_are_told_from_rules_with_patterns(tmp_path, expr, is_checked):
    path = tmp_path / "rules.yaml"
    path.write_text(f"groups: [{{name: a, rules: [{{alert: A, expr: '{expr}'}}]}}]\n")

    assert [each.check for each in check_files([path]).complaints] == ["broken-query"] * is_checked


def test_complaints_about_several_files_name_the_rule(tmp_path):
    one, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    one.write_text("groups: [{name: a, rules: [{alert: Lost, expr: 'sum(a_total{b=\"LOST\"}) > 3'}]}]\n")
    other.write_text("groups: [{name: a, rules: [{record: 'a:b', expr: 'sum(a_total{b=\"lost\"})'}]}]\n")

    told = [str(each) for each in check_files([one, other]).complaints]
    assert [text for text in told if ": alert Lost: " in text or ": recording a:b: " in text] == told
