"""Scenarios that show what the inventory does not allow are refused, with the line and the remedy."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from mape_k.errors import ConfigError
from play.documents import schema_text
from play.reading import read_part

SHOP = Path(__file__).parent / "shop"
SCHEMA = Path(__file__).parents[3] / "config" / "packs" / "scenarios.schema.json"


def refused(tmp_path: Path, old: str, new: str) -> str:
    """Return why the shop cannot be played once ``old`` reads ``new``."""
    text = (SHOP / "scenarios.yaml").read_text()
    assert old in text
    (tmp_path / "scenarios.yaml").write_text(text.replace(old, new, 1))
    (tmp_path / "metrics.yaml").write_bytes((SHOP / "metrics.yaml").read_bytes())
    with pytest.raises(ConfigError) as error:
        read_part(tmp_path)
    return str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("metric: shop_queue", "metric: shop_queu", "did you mean 'shop_queue'"),
        ("outcome: done, shop", "outcome: gone, shop", "is never 'gone'; it is one of done, failed"),
        ("{outcome: done, shop: north}", "{outcome: done}", "write all of them and no others"),
        (
            "shop: south",
            "shop: s1}, rate: 0}\n      - {metric: shop_orders_total, labels: {outcome: failed, shop: s2",
            "more values than at_most allows",
        ),
        ("rate: 5", "value: 5", "is of type counter; expected a rate"),
        ("observed: {0.7: 1}", "observed: {0.7: 0.5}", "add up to 1"),
        ("observed: {0.7: 1}", "observed: {much: 1}", "expected numbers as observed values"),
        (", rate: 10, observed: {0.7: 1}", ", rate: 10", "expected a rate and what is observed"),
        ("shop_queue, value: 3", "shop_queue, value: 3, age: 2", "expected exactly one of value, age, uptime"),
        ("age: 600", "age: 600, grows: 1", "only a value can grow"),
        ("  - {metric: shop_uptime_seconds, uptime: 86400}\n", "", "no series shows it"),
        ("cured_by: [reopen]", "cured_by: [reopn]", "did you mean 'reopen'"),
        ("absent: [shop_queue]", "absent: [shop_que]", "did you mean 'shop_queue'"),
        ("{alert: ShopDown, down: true}", "{alert: ShopDown}", "at least one of change, absent, down"),
        ("value: 100", "valu: 100", "did you mean 'value'"),
        ("path: /control/v1/reopen", "path: control", "reopen"),
        ("value: 3", "value: .nan", "not a finite number"),
        ("  - {metric: shop_queue", "  - {metric: shop_queue, value: 9}\n  - {metric: shop_queue", "remove one"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_the_remedy(tmp_path, old, new, told):
    said = refused(tmp_path, old, new)

    assert told in said
    assert f"{tmp_path / 'scenarios.yaml'}:" in said
    assert int(said.split(":")[1]) > 0


def test_everything_that_is_wrong_is_told_at_once(tmp_path):
    said = refused(tmp_path, "value: 3}", "uptime: 3, value: 1}\n  - {metric: shop_x, value: 1}")

    assert len(said.splitlines()) == 2


def test_the_published_schema_is_the_one_of_the_reader():
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()


def test_the_published_schema_takes_what_the_reader_takes():
    document = json.loads(json.dumps(yaml.safe_load((SHOP / "scenarios.yaml").read_text())))

    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
