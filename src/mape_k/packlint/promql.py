"""PromQL as a tree, and the questions that the checks ask of it."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeGuard

from mape_k.catalogue.promql import tokens
from mape_k.errors import ConfigError

try:
    from promql_parser import (
        AggModifierType,
        AggregateExpr,
        BinaryExpr,
        Call,
        Expr,
        LabelModifierType,
        Matcher,
        MatchOp,
        MatrixSelector,
        NumberLiteral,
        ParenExpr,
        StringLiteral,
        SubqueryExpr,
        UnaryExpr,
        VectorMatchCardinality,
        VectorSelector,
        parse,
    )
except ModuleNotFoundError as error:
    raise ConfigError(["checking rules needs promql-parser; install it with: pip install 'mape-k[lint]'"]) from error

__all__ = [
    "AggModifierType",
    "AggregateExpr",
    "BinaryExpr",
    "Call",
    "Expr",
    "LabelModifierType",
    "MatchOp",
    "Matcher",
    "MatrixSelector",
    "NumberLiteral",
    "ParenExpr",
    "StringLiteral",
    "SubqueryExpr",
    "UnaryExpr",
    "VectorMatchCardinality",
    "VectorSelector",
]

MAX_LENGTH, MAX_NESTING, MAX_OPERATORS = 20_000, 50, 300

COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
SETS = frozenset({"and", "or", "unless"})
_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
_SCALARS = frozenset({"time", "scalar", "pi"})
_VARIABLE = re.compile(r"(\$(?:\{\w+(?::\w+)?\}|\w+))")
_GROUPING = re.compile(r"(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*$")


class QueryError(ValueError):
    """A text that is no PromQL, or too large to look at."""


@lru_cache(maxsize=4096)
def parsed(query: str) -> Expr:
    """Return the tree of ``query``.

    Raises:
        QueryError: what is wrong with it, for people.
    """
    _bound(query)
    try:
        return parse(query)
    except ValueError as error:
        raise QueryError(" ".join(str(error).split())) from error


def _bound(query: str) -> None:
    """The parser is native code and the walks are recursive: what is nested without end must reach neither."""
    if len(query) > MAX_LENGTH:
        raise QueryError(f"longer than {MAX_LENGTH} characters")
    depth = operators = 0
    for token in tokens(query):
        operators += token.kind == "operator" or token.text.lower() in SETS
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth > MAX_NESTING or operators > MAX_OPERATORS:
            raise QueryError("nested too deeply or too long to be checked; split it by recording rules")


def without_variables(query: str) -> str:
    """Return a dashboard's query with something typical in the place of each Grafana variable."""
    if len(query) > MAX_LENGTH:
        return query
    parts, brackets, before = [], 0, ""
    for piece in re.split(r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')", query):
        if piece[:1] in {'"', "'"}:
            parts.append(piece)
            continue
        for index, text in enumerate(_VARIABLE.split(piece)):
            so_far = before + "".join(parts)
            parts.append(_typical(so_far, brackets) if index % 2 else text)
            brackets += text.count("[") - text.count("]")
    return "".join(parts)


def _typical(so_far: str, brackets: int) -> str:
    if brackets > 0 or so_far.rstrip().endswith("offset"):
        return "5m"
    return "grafana_variable" if _GROUPING.search(so_far) else "1"


def children(expr: Expr) -> Iterator[Expr]:
    """Yield the parts of an expression that are expressions."""
    if isinstance(expr, BinaryExpr):
        yield from (expr.lhs, expr.rhs)
    elif isinstance(expr, AggregateExpr):
        yield expr.expr
        if isinstance(expr.param, Expr):
            yield expr.param
    elif isinstance(expr, Call):
        yield from expr.args
    elif isinstance(expr, ParenExpr | UnaryExpr | SubqueryExpr):
        yield expr.expr
    elif isinstance(expr, MatrixSelector):
        yield expr.vector_selector


def walk(expr: Expr) -> Iterator[Expr]:
    """Yield ``expr`` and everything below it, from the top."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def bare(expr: Expr) -> Expr:
    """Return what the brackets around ``expr`` hold."""
    while isinstance(expr, ParenExpr):
        expr = expr.expr
    return expr


def number(expr: Expr) -> float | None:
    """Return the value of an expression of constants; None where there is more in it."""
    expr = bare(expr)
    if isinstance(expr, NumberLiteral):
        return expr.val
    if isinstance(expr, UnaryExpr):
        inner = number(expr.expr)
        return None if inner is None else -inner
    if isinstance(expr, BinaryExpr):
        left, right = number(expr.lhs), number(expr.rhs)
        return None if left is None or right is None else _calculated(str(expr.op), left, right)
    return None


def _calculated(op: str, left: float, right: float) -> float | None:
    sums = {"+": left + right, "-": left - right, "*": left * right}
    try:
        quotient = left / right if op == "/" else None
        power = left**right if op == "^" else None
    except ArithmeticError:
        return None
    value = sums.get(op, quotient if quotient is not None else power)
    return value if isinstance(value, float) else None


def is_scalar(expr: Expr) -> bool:
    """Return whether the expression is one number without labels."""
    expr = bare(expr)
    if isinstance(expr, BinaryExpr):
        return is_scalar(expr.lhs) and is_scalar(expr.rhs)
    if isinstance(expr, UnaryExpr):
        return is_scalar(expr.expr)
    return isinstance(expr, NumberLiteral | StringLiteral) or (isinstance(expr, Call) and expr.func.name in _SCALARS)


def operator(expr: Expr) -> str:
    """Return the operator of a binary expression; else an empty text."""
    return str(expr.op) if isinstance(expr, BinaryExpr) else ""


def function(expr: Expr) -> str:
    """Return the name of the function or aggregation that ``expr`` is; else an empty text."""
    if isinstance(expr, Call):
        return expr.func.name
    return str(expr.op) if isinstance(expr, AggregateExpr) else ""


def returns_bool(expr: Expr) -> bool:
    """Return whether ``bool`` is written at a comparison."""
    return isinstance(expr, BinaryExpr) and expr.modifier is not None and expr.modifier.return_bool


def name_of(selector: VectorSelector) -> str:
    """Return the metric's name that a selector asks for; empty: not one name."""
    if selector.name:
        return selector.name
    named = (each for each in selector.matchers.matchers if each.name == "__name__" and each.op == MatchOp.Equal)
    return next((each.value for each in named), "")


def matchers_of(selector: VectorSelector) -> list[Matcher]:
    """Return the conditions of a selector on labels, without the one on the name."""
    return [each for each in selector.matchers.matchers if each.name != "__name__"]


def selectors(expr: Expr) -> Iterator[VectorSelector]:
    """Yield the selectors in ``expr``."""
    return (each for each in walk(expr) if isinstance(each, VectorSelector))


def fixed_labels(selector: VectorSelector) -> dict[str, str]:
    """Return the labels that a selector pins to one value."""
    return {each.name: each.value for each in matchers_of(selector) if each.op == MatchOp.Equal and each.value}


def same_condition(left: Matcher, right: Matcher) -> bool:
    """Return whether two matchers say the same."""
    return (left.name, str(left.op), left.value) == (right.name, str(right.op), right.value)


def ranges(expr: Expr) -> Iterator[float]:
    """Yield the length in seconds of each range and subquery in ``expr``."""
    for each in walk(expr):
        length = each.range if isinstance(each, MatrixSelector | SubqueryExpr) else None
        if length is not None:
            yield length.total_seconds()


def windowed(expr: Expr, *functions: str) -> Iterator[tuple[Call, VectorSelector, float]]:
    """Yield each call of one of ``functions`` on a range, with what it looks at and how far back in seconds."""
    for each in walk(expr):
        if isinstance(each, Call) and each.func.name in functions:
            for argument in each.args:
                inner = bare(argument)
                if isinstance(inner, MatrixSelector):
                    yield each, inner.vector_selector, inner.range.total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A comparison that decides whether an alert fires.

    Args:
        left: what is compared; never a constant alone.
        op: the operator, mirrored where the constant stood on the left.
        right: what it is compared with.
        limit: the value of ``right``, where it is a constant.
    """

    left: Expr
    op: str
    right: Expr
    limit: float | None


def alternatives(expr: Expr) -> Iterator[Condition]:
    """Yield the comparisons that an alert begins with: of ``and`` the left side, of ``or`` each."""
    expr = bare(expr)
    if isinstance(expr, BinaryExpr) and (str(expr.op) in {"or", "unless"} or _takes_labels(expr)):
        yield from alternatives(expr.lhs)
        if str(expr.op) == "or":
            yield from alternatives(expr.rhs)
    elif isinstance(expr, BinaryExpr) and str(expr.op) == "and":
        yield from alternatives(expr.lhs)
    else:
        for each in conditions(expr):
            yield each
            if isinstance(each.left, AggregateExpr) and operator(bare(each.left.expr)) in COMPARISONS | SETS:
                yield from alternatives(each.left.expr)


def _takes_labels(expr: BinaryExpr) -> bool:
    """Return whether a condition is multiplied with something for the sake of its labels alone."""
    return _adds_labels(expr) and operator(bare(expr.lhs)) in COMPARISONS | SETS


def _adds_labels(expr: Expr) -> TypeGuard[BinaryExpr]:
    """Return whether ``expr`` is a product of the form ``… * on (…) group_left (…) …``."""
    if not isinstance(expr, BinaryExpr) or str(expr.op) != "*" or expr.modifier is None:
        return False
    return bool(expr.modifier.card == VectorMatchCardinality.ManyToOne)


def conditions(expr: Expr) -> Iterator[Condition]:
    """Yield the comparisons that ``expr`` joins by ``and``, ``or`` and ``unless`` (of that its left side alone)."""
    expr = bare(expr)
    if not isinstance(expr, BinaryExpr):
        return
    op = str(expr.op)
    if op in SETS or _takes_labels(expr):
        yield from conditions(expr.lhs)
        if op in {"and", "or"}:
            yield from conditions(expr.rhs)
    elif op in COMPARISONS:
        left, right = expr.lhs, expr.rhs
        if number(left) is not None:
            left, right, op = right, left, _MIRRORED.get(op, op)
        yield Condition(left=bare(left), op=op, right=right, limit=number(right))


def quantile_of(expr: Expr) -> tuple[VectorSelector, float] | None:
    """Return which buckets ``expr`` takes a quantile of, and the factor that is applied to it."""
    expr, factor = unscaled(expr)
    while (within := of_same_size(expr)) is not None:
        expr, inner = unscaled(within)
        factor *= inner
    if function(expr) != "histogram_quantile":
        return None
    found = next(selectors(expr), None)
    return None if found is None else (found, factor)


_SAME_SIZE = frozenset({"max_over_time", "min_over_time", "avg_over_time", "last_over_time", "label_replace", "abs"})


def of_same_size(expr: Expr) -> Expr | None:
    """Return the expression whose greatest value that of ``expr`` cannot pass; None: there is none."""
    if isinstance(expr, AggregateExpr | SubqueryExpr):
        return expr.expr
    if isinstance(expr, Call) and expr.func.name in _SAME_SIZE:
        return next(children(expr))
    return expr.lhs if _adds_labels(expr) else None


def unscaled(expr: Expr) -> tuple[Expr, float]:
    """Return ``expr`` without the constants that it is multiplied with or divided by, and what they come to."""
    factor = 1.0
    while isinstance(expr := bare(expr), BinaryExpr) and str(expr.op) in {"*", "/"}:
        left, right = number(expr.lhs), number(expr.rhs)
        if right:
            factor *= right if str(expr.op) == "*" else 1 / right
            expr = expr.lhs
        elif left and str(expr.op) == "*":
            factor *= left
            expr = expr.rhs
        else:
            break
    return expr, factor if math.isfinite(factor) and factor else 1.0


def written(expr: Expr) -> str:
    """Return ``expr`` in one spelling, to compare it with others."""
    return " ".join(expr.prettify().split())
