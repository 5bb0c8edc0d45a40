"""The packs of this checkout as the tests look at them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mape_k.catalogue import shipped_packs
from mape_k.catalogue.promql import Token, tokens
from mape_k.packfiles import Inventory, read_inventory
from mape_k.telemetry import TABLE

CONFIG = Path(__file__).parent.parent / "config"
PACKS = tuple(shipped_packs().values())
SLO_RULES = "slo.rules.yaml"
"""The rules that are generated from the objectives."""
RULE_FILES = tuple(sorted(path for pack in PACKS for path in pack.glob("rules/*.rules.yaml")))
TEST_FILES = tuple(sorted(path for pack in PACKS for path in pack.glob("tests/*.test.yaml")))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule with the file that it is in."""

    path: Path
    body: dict[str, Any]

    @property
    def pack(self) -> Path:
        """The folder of its pack."""
        return self.path.parent.parent

    @property
    def is_generated(self) -> bool:
        """Whether it comes from an objective."""
        return self.path.name == SLO_RULES

    @property
    def name(self) -> str:
        """What it records or the alert that it raises."""
        return str(self.body.get("alert") or self.body["record"])


def document(path: Path) -> Any:
    """Return a YAML file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def rules(kind: str) -> tuple[Rule, ...]:
    """Return every shipped rule that has the key ``kind``: alert or record."""
    return tuple(rule for rule in _rules_in(RULE_FILES) if kind in rule.body)


@cache
def log_rules() -> tuple[Rule, ...]:
    """Return every shipped alert on logs."""
    return tuple(_rules_in(sorted(path for pack in PACKS for path in pack.glob("logs/rules.yaml"))))


def _rules_in(paths: Iterable[Path]) -> Iterator[Rule]:
    for path in paths:
        for group in document(path)["groups"]:
            yield from (Rule(path=path, body=rule) for rule in group["rules"])


@cache
def looks(pack: Path, kind: str) -> tuple[dict[str, Any], ...]:
    """Return every look of that kind of the promtool tests of a pack: alert_rule_test or promql_expr_test."""
    cases = [case for path in sorted(pack.glob("tests/*.test.yaml")) for case in document(path)["tests"]]
    return tuple(look for case in cases for look in case.get(kind, []))


def inventories() -> Iterator[Inventory]:
    """Yield the inventory of every shipped pack that has one."""
    yield from filter(None, map(read_inventory, PACKS))


def _known() -> dict[str, frozenset[str]]:
    daemon = {name: frozenset({*entry.labels, "le"}) for entry in TABLE for name in _series(entry.full_name)}
    watched = {
        name: frozenset({*each.labels, "le"}) for found in inventories() for each in found for name in each.series
    }
    return daemon | watched


def _series(name: str) -> tuple[str, ...]:
    return (name, *(name + suffix for suffix in ("_bucket", "_sum", "_count")))


LABELS = _known()
"""The labels of every series that anything shipped exports, the daemon included."""
FAMILIES = tuple({f"{name.partition('_')[0]}_" for name in LABELS})
"""How their names begin: what begins so and is not among them is misspelt."""


def selectors(query: str) -> Iterator[tuple[str, str]]:
    """Yield each metric that ``query`` selects, with the text of its label matchers."""
    pieces = [token for token in tokens(query) if token.kind != "space"]
    for place, token in enumerate(pieces):
        is_metric = token.text == "up" or (token.text.startswith(FAMILIES) and ":" not in token.text)
        if token.kind == "word" and is_metric:
            yield token.text, "".join(_matchers(pieces[place + 1 :]))


def _matchers(following: list[Token]) -> Iterator[str]:
    if not following or following[0].text != "{":
        return
    for token in following[1:]:
        if token.text == "}":
            return
        yield token.text
