"""The packs of this checkout as the tests look at them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mape_k.catalogue.promql import Token, tokens

CONFIG = Path(__file__).parent.parent / "config"
PACKS = (CONFIG / "packs" / "charter", CONFIG / "packs" / "mape-k")
RULE_FILES = tuple(sorted(path for pack in PACKS for path in pack.glob("rules/*.rules.yaml")))
TEST_FILES = tuple(sorted(path for pack in PACKS for path in pack.glob("tests/*.test.yaml")))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule with the folder of its pack."""

    pack: Path
    body: dict[str, Any]

    @property
    def name(self) -> str:
        """What it records or the alert that it raises."""
        return str(self.body.get("alert") or self.body["record"])


def document(path: Path) -> Any:
    """Return a YAML file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules(kind: str) -> list[Rule]:
    """Return every shipped rule that has the key ``kind``: alert or record."""
    return [
        Rule(pack=path.parent.parent, body=rule)
        for path in RULE_FILES
        for group in document(path)["groups"]
        for rule in group["rules"]
        if kind in rule
    ]


def unit_tests(pack: Path) -> Iterator[dict[str, Any]]:
    """Yield every promtool test case of a pack."""
    for path in sorted(pack.glob("tests/*.test.yaml")):
        yield from document(path)["tests"]


def selectors(query: str) -> Iterator[tuple[str, str]]:
    """Yield each metric that ``query`` selects, with the text of its label matchers."""
    pieces = [token for token in tokens(query) if token.kind != "space"]
    for place, token in enumerate(pieces):
        if token.kind == "word" and token.text.startswith(("westworld_charter_", "mape_k_", "up")):
            yield token.text, "".join(_matchers(pieces[place + 1 :]))


def _matchers(following: list[Token]) -> Iterator[str]:
    if not following or following[0].text != "{":
        return
    for token in following[1:]:
        if token.text == "}":
            return
        yield token.text
