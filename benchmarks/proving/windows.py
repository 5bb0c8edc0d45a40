"""How far the rules of a pack look back, through what others record, and so how long a fault shows in them."""

from collections.abc import Iterable, Mapping
from typing import Any

from mape_k.catalogue.promql import Token, lookback_seconds
from proving.counts import said, split


class Windows:
    """Answers for the rules of one pack.

    Args:
        rules: all of them, those that record and those that alert.
    """

    def __init__(self, rules: Iterable[Mapping[str, Any]]) -> None:
        self._recorded: dict[str, set[str]] = {}
        for rule in rules:
            if "record" in rule:
                self._recorded.setdefault(str(rule["record"]), set()).add(str(rule["expr"]))
        self._known: dict[str, float] = {}

    def longest(self, expr: str) -> float:
        """Return the seconds that a query looks back at most."""
        if expr not in self._known:
            self._known[expr] = 0.0
            used = [each for token in said(expr) for each in self._recorded.get(token.text, ())]
            self._known[expr] = max([lookback_seconds(expr), *map(self.longest, used)])
        return self._known[expr]

    def shows(self, expr: str) -> float:
        """Return how long after a fault an alert may still hold: of two that must hold at once, the shorter decides."""
        return self._shows(said(expr))

    def _shows(self, pieces: list[Token]) -> float:
        either = split(pieces, frozenset({"or"}))
        if len(either) > 1:
            return max(map(self._shows, either))
        both = split(pieces, frozenset({"and", "unless"}))
        windows = [self.longest(" ".join(token.text for token in part)) for part in both]
        return min(filter(None, windows), default=0.0)
