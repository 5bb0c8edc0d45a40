import json
from pathlib import Path
from tempfile import TemporaryDirectory

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mape_k.packfiles import Inventory, RefusedError, read_inventory, read_inventory_file
from mape_k.packfiles.inventory import schema_text

SCHEMA = Path(__file__).parents[3] / "config" / "packs" / "metrics.schema.json"
TEXT = """\
metrics:
  shop_orders_total:
    type: counter
    help: Orders, by outcome.
    unit: orders
    labels:
      outcome: [done, failed]
      shop: {at_most: 20}
  shop_order_duration_seconds:
    type: histogram
    help: How long an order took.
    unit: seconds
    buckets: [0.1, 0.5, 1]
  shop_build_info:
    type: info
    help: What runs.
    labels: {version: {at_most: 5}}
    job: shop
"""


def read(tmp_path: Path, text: str) -> Inventory:
    path = tmp_path / "metrics.yaml"
    path.write_text(text)
    return read_inventory_file(path)


def test_an_inventory_tells_type_labels_unit_and_buckets(tmp_path):
    inventory = read(tmp_path, TEXT)

    orders = inventory.metrics["shop_orders_total"]
    assert (orders.type, orders.unit, orders.line) == ("counter", "orders", 2)
    assert orders.labels["outcome"].values == ("done", "failed")
    assert (orders.labels["shop"].is_closed, orders.labels["shop"].at_most) == (False, 20)
    assert inventory.metrics["shop_order_duration_seconds"].buckets == (0.1, 0.5, 1.0)
    assert inventory.metrics["shop_build_info"].job == "shop"
    assert len(inventory) == len(list(inventory)) == 3


def test_the_series_of_a_histogram_belong_to_it(tmp_path):
    inventory = read(tmp_path, TEXT)

    found = inventory.find("shop_order_duration_seconds_bucket")
    assert found is inventory.metrics["shop_order_duration_seconds"]
    assert found.series == tuple(f"shop_order_duration_seconds_{part}" for part in ("bucket", "sum", "count"))
    assert inventory.find("shop_orders_total").series == ("shop_orders_total",)
    assert inventory.find("shop_orders_total_count") is None


def test_a_folder_without_inventory_has_none(tmp_path):
    assert read_inventory(tmp_path) is None


@pytest.mark.parametrize(
    ("written", "instead", "complaint"),
    [
        ("type: counter", "type: count", "3: metrics.shop_orders_total.type: expected 'counter', 'gauge', "),
        ("unit: orders\n", "units: orders\n", "5: metrics.shop_orders_total.units: unknown key; did you mean 'unit'?"),
        ("    unit: orders\n", "", "2: metrics.shop_orders_total: unit is missing; add it"),
        ("    help: Orders, by outcome.\n", "", "2: metrics.shop_orders_total.help: is missing; add it"),
        ("[done, failed]", "[1, failed]", "7: metrics.shop_orders_total.labels.outcome[0]: expected text, got 1; put"),
        ("[done, failed]", "[]", "7: metrics.shop_orders_total.labels.outcome: expected at least 1 of them"),
        ("[done, failed]", "[done, done]", "6: metrics.shop_orders_total.labels: the label outcome has a value twice"),
        ("at_most: 20", "at_most: 0", "8: metrics.shop_orders_total.labels.shop.at_most: expected at least 1, got 0"),
        ("shop: {at", "le: {at", "2: metrics.shop_orders_total: the label le belongs to the buckets"),
        ("[0.1, 0.5, 1]", "[0.1, 0.5, 0.5]", "13: metrics.shop_order_duration_seconds.buckets: expected finite"),
        (
            "    buckets: [0.1, 0.5, 1]\n",
            "",
            "9: metrics.shop_order_duration_seconds: expected buckets for a histogram",
        ),
        (
            "shop_build_info",
            "shop_order_duration_seconds_sum",
            "14: metrics.shop_order_duration_seconds_sum: is a series",
        ),
        ("shop_build_info", "shop-build", "14: metrics.shop-build: "),
        ("metrics:", "metrics: &all", "1: metrics: anchor &all is not allowed"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_key_and_remedy(tmp_path, written, instead, complaint):
    assert written in TEXT

    with pytest.raises(RefusedError) as refused:
        read(tmp_path, TEXT.replace(written, instead, 1))

    assert f"{tmp_path / 'metrics.yaml'}:{complaint}" in "\n".join(refused.value.problems)


@pytest.mark.parametrize("content", [b"\0\1", b"\xff\xfe", b"[", b"a: *b", b"", b"x" * 4_000_001, b"- 1"])
def test_a_file_that_is_no_inventory_is_refused(tmp_path, content):
    path = tmp_path / "metrics.yaml"
    path.write_bytes(content)

    with pytest.raises(RefusedError) as refused:
        read_inventory_file(path)

    assert all(each.path == path and each.line >= 1 and each.sentence for each in refused.value.refusals)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["metrics", "type", "labels", "buckets", "a"]), inner, max_size=4)
        ),
    )
)
def test_no_document_brings_the_reader_down(value):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.yaml"
        path.write_text(yaml.safe_dump({"metrics": {"a": value}}))
        with pytest.raises(RefusedError):
            read_inventory_file(path)


def test_the_published_schema_is_that_of_the_code():
    assert SCHEMA.read_text() == schema_text()


def test_the_schema_accepts_an_inventory_and_refuses_an_unknown_key():
    schema = json.loads(schema_text())
    jsonschema.validate(yaml.safe_load(TEXT), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(TEXT.replace("unit:", "units:", 1)), schema)
