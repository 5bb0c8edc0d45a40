"""What only packs are asked: they are complete, and their parts fit together."""

import json

import pytest

from mape_k.packlint import check_pack

PACK = """\
pack: shop
title: The shop
jobs: {shop: {scrape_interval: 15s}}
signals: {}
symptoms: {}
remediations: {}
"""
INVENTORY = """\
metrics:
  shop_queue_length:
    type: gauge
    help: Orders that wait.
    unit: orders
"""
ALERT = """\
      - alert: {name}
        expr: {expr}
        for: 5m
        labels: {{severity: warning, team: shop, component: queue, system: shop}}
        annotations:
          summary: It is ill
          description: The shop is ill.
          action: Look.
          dashboard: /d/shop
          runbook_url: config/packs/shop/runbooks/{name}.md
"""
RULES = (
    "groups:\n  - name: shop\n    rules:\n"
    + ALERT.format(name="ShopQueue", expr='max(shop_queue_length{job="shop"}) > 100')
    + ALERT.format(name="ShopDown", expr='up{job="shop"} == 0 or absent(up{job="shop"})')
)
BOARD = {
    "uid": "shop",
    "title": "Shop",
    "panels": [
        {
            "type": "stat",
            "title": "Queue",
            "fieldConfig": {"defaults": {"unit": "none"}},
            "targets": [{"expr": 'max(shop_queue_length{job="shop"})'}],
        }
    ],
}
FILES = {
    "pack.yaml": PACK,
    "metrics.yaml": INVENTORY,
    "rules/shop.rules.yaml": RULES,
    "runbooks/ShopQueue.md": "Look at `shop_queue_length`.\n",
    "runbooks/ShopDown.md": "Start it.\n",
    "runbooks/maintenance/Upgrade.md": "Every month.\n",
    "dashboards/shop.json": json.dumps(BOARD, indent=2),
}


def checked(tmp_path, **changed):
    for name, content in {**FILES, **changed}.items():
        if content is not None:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    return check_pack(tmp_path)


def test_a_complete_pack_is_left_in_peace(tmp_path):
    report = checked(tmp_path)

    assert [str(each) for each in (*report.complaints, *report.refusals)] == []


@pytest.mark.parametrize(
    ("changed", "check", "told"),
    [
        ({"rules/shop.rules.yaml": RULES.replace("team: shop, ", "", 1)}, "incomplete-alert", "lacks labels.team"),
        (
            {"rules/shop.rules.yaml": RULES.replace("          action: Look.\n", "", 1)},
            "incomplete-alert",
            "annotations.action",
        ),
        (
            {"rules/shop.rules.yaml": RULES.replace('_length{job="shop"}', "_length")},
            "selector-without-job",
            "every job",
        ),
        ({"runbooks/ShopQueue.md": None}, "missing-runbook", "alert ShopQueue: there is no"),
        ({"runbooks/Other.md": "x\n"}, "missing-runbook", "no alert links to Other.md"),
        (
            {"rules/shop.rules.yaml": RULES[: RULES.index("      - alert: ShopDown")], "runbooks/ShopDown.md": None},
            "no-alert-for-target-down",
            "fires when their target is down",
        ),
        (
            {"runbooks/ShopDown.md": "Look at `shop_orders_total`.\n"},
            "unknown-metric-in-text",
            "no inventory has shop_orders_total",
        ),
        (
            {"metrics.yaml": INVENTORY + INVENTORY.partition("\n")[2].replace("queue_length", "orders")},
            "unused-metric",
            "nothing uses shop_orders",
        ),
        ({"dashboards/shop.json": json.dumps({**BOARD, "uid": ""})}, "board-without-uid", "has no uid"),
    ],
)
def test_what_a_pack_lacks_is_told(tmp_path, changed, check, told):
    report = checked(tmp_path, **changed)

    found = {each.check: str(each) for each in report.complaints}
    assert check in found, found
    assert told in found[check]


def test_a_pack_with_a_broken_file_is_refused(tmp_path):
    report = checked(tmp_path, **{"rules/shop.rules.yaml": "groups: 1"})

    assert [each.sentence for each in report.refusals] == ["expected a list"]


def test_the_queries_of_signals_are_checked_too(tmp_path):
    signals = "signals:\n  waiting: {query: max(shop_line_length), job: shop, unit: orders, on_missing: ignore}\n"
    report = checked(tmp_path, **{"pack.yaml": PACK.replace("signals: {}\n", signals)})

    assert [each.check for each in report.complaints] == ["unknown-metric"], report
