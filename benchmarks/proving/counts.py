"""Absolute numbers of events in rules, divided with the time.

Where time is divided and rates stay, fewer events happen within a window: what an alert counts must shrink with them,
or it would mean something else. Which numbers those are follows from the queries: an ``increase`` is a count, a
quotient of two counts is none, and what a rule records is what its query is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mape_k.catalogue.promql import Token, tokens

COUNTING = frozenset({"increase", "delta"})
COUNTLESS = frozenset(
    {"rate", "irate", "deriv", "idelta", "histogram_quantile", "absent", "absent_over_time", "count", "group", "bool"}
    | {"changes", "resets", "count_over_time", "present_over_time", "quantile_over_time", "time", "timestamp", "vector"}
    | {"count_values", "scalar", "sgn", "predict_linear"}
)
LISTING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
COMPARING = frozenset({"==", "!=", ">", "<", ">=", "<="})
SETTING = frozenset({"and", "or", "unless"})

_OPENS, _CLOSES = "([{", ")]}"


@dataclass(slots=True)
class Division:
    """Divides the counts of rules.

    Args:
        time_scale: by what.
        counts: the power of a count that each recorded series has; filled by :meth:`learn`.
        divided: the alerts in which a number was divided.
    """

    time_scale: float
    counts: dict[str, int] = field(default_factory=dict)
    divided: list[str] = field(default_factory=list)

    def learn(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Look at what rules record; those that use others are understood once the others are."""
        for _ in range(len(rules)):
            found = {str(rule["record"]): self.power(said(str(rule["expr"]))) for rule in rules if "record" in rule}
            if found == self.counts:
                return
            self.counts = found

    def divide(self, rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the rules with the counts of their alerts divided."""
        return [{**rule, "expr": self._divided(rule)} for rule in rules]

    def _divided(self, rule: Mapping[str, Any]) -> str:
        expr = str(rule["expr"])
        changed = "".join(self._pieces(list(tokens(expr))))
        if changed != expr:
            self.divided.append(str(rule.get("alert") or rule.get("record")))
        return changed

    def _pieces(self, pieces: list[Token]) -> Iterator[str]:
        for place, token in enumerate(pieces):
            power = 0
            if token.kind == "number" and (side := _compared_side(pieces, place)):
                power = self.power(side)
            yield f"{float(token.text) / self.time_scale**power:.12g}" if power else token.text

    def power(self, pieces: Sequence[Token]) -> int:
        """Return the power of a count that an expression has: 1 for an increase, 0 for a rate or a quotient."""
        parts = split(pieces, SETTING)
        if len(parts) > 1:
            return max(map(self.power, parts))
        sides = split(pieces, COMPARING)
        if len(sides) > 1:
            return 0 if any(token.text == "bool" for token in pieces) else self.power(sides[0])
        terms = split(pieces, frozenset("+-"))
        if len(terms) > 1:
            return max(map(self.power, terms))
        return self._product(pieces)

    def _product(self, pieces: Sequence[Token]) -> int:
        power, sign, factor = 0, 1, list[Token]()
        for depth, token in _deep(pieces):
            if depth == 0 and token.text in {"*", "/", "%"}:
                power += sign * self._factor(factor)
                sign, factor = (1 if token.text == "*" else -1), []
            else:
                factor.append(token)
        return power + sign * self._factor(factor)

    def _factor(self, pieces: Sequence[Token]) -> int:
        """Return the power of a call, of something in brackets, or of a series."""
        power, name, inner = 0, "", list[Token]()
        for depth, token in _deep(pieces):
            if depth == 0 and token.kind == "word":
                name = token.text if token.text not in LISTING or not name else name
                power = max(power, self.counts.get(token.text, 0), 1 if token.text in COUNTING else 0)
                if token.text in COUNTLESS:
                    return 0
            elif token.text == ")" and depth == 0:
                power = max([power, *map(self.power, split(inner, frozenset(",")))])
                inner = []
            elif depth > 0 and not (token.text == "(" and depth == 1 and not inner):
                inner.append(token)
        return power


def said(expr: str) -> list[Token]:
    """Return the pieces of a query without spaces and comments."""
    return [token for token in tokens(expr) if token.kind != "space"]


def _deep(pieces: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """Yield each token with how deep in brackets it is; a bracket that opens counts as inside, one that closes not."""
    depth = 0
    for token in pieces:
        depth += (token.text in _OPENS and token.kind == "bracket") - (
            token.text in _CLOSES and token.kind == "bracket"
        )
        yield depth, token


def split(pieces: Sequence[Token], at: frozenset[str]) -> list[list[Token]]:
    """Return the parts between these words, outside brackets."""
    parts: list[list[Token]] = [[]]
    for depth, token in _deep(pieces):
        if depth == 0 and token.text in at and parts[-1]:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def _compared_side(pieces: list[Token], place: int) -> list[Token]:
    """Return the expression that the number at ``place`` is compared with; nothing where it is not compared."""
    before = [token for token in pieces[:place] if token.kind != "space"]
    after = [token for token in pieces[place + 1 :] if token.kind != "space"]
    if after and after[0].text in {"*", "/", "%", "^"}:
        return []
    if before and before[-1].text == "bool":
        before.pop()
    if not before or _comparison(before) == 0:
        return []
    return _left_operand(before[: -_comparison(before)])


def _comparison(before: list[Token]) -> int:
    """Return how many tokens at the end are a comparison: ``>=`` are two."""
    joined = "".join(token.text for token in before[-2:])
    if joined in COMPARING:
        return 2
    return 1 if before[-1].text in COMPARING else 0


def _left_operand(before: list[Token]) -> list[Token]:
    depth, operand = 0, list[Token]()
    for token in reversed(before):
        if token.kind == "bracket":
            depth += (token.text in _CLOSES) - (token.text in _OPENS)
        if depth < 0 or (depth == 0 and token.text in SETTING | {","}):
            break
        operand.append(token)
    return operand[::-1]
