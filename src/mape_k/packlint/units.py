"""In which unit the value of an expression is: from an inventory, or from what metrics are called by convention."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from mape_k.packlint.promql import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
    bare,
    is_scalar,
    name_of,
    number,
)

TIME, BYTES, SHARE, COUNT, INSTANT = "time", "bytes", "share", "count", "instant"
PER_SECOND = " per second"
BUCKETED = "bucketed "
"""Of counts in the buckets of a histogram: their quantile is in the dimension that follows."""

_NAMED = {
    "nanoseconds": (TIME, 1e-9),
    "ns": (TIME, 1e-9),
    "microseconds": (TIME, 1e-6),
    "us": (TIME, 1e-6),
    "µs": (TIME, 1e-6),
    "milliseconds": (TIME, 1e-3),
    "millis": (TIME, 1e-3),
    "ms": (TIME, 1e-3),
    "seconds": (TIME, 1.0),
    "s": (TIME, 1.0),
    "minutes": (TIME, 60.0),
    "hours": (TIME, 3600.0),
    "bytes": (BYTES, 1.0),
    "ratio": (SHARE, 1.0),
    "share": (SHARE, 1.0),
    "percent": (SHARE, 0.01),
    "%": (SHARE, 0.01),
}
_SUFFIX = re.compile(
    r"_(nanoseconds|ns|microseconds|us|milliseconds|millis|ms|seconds|minutes|hours|bytes|ratio|percent)"
    r"(?:_total|_sum|_bucket|_created)?$"
)
_INSTANT = re.compile(r"timestamp|(?:start|created|boot|expir\w*)_time|_created$|not_after|not_before")
_UNCHANGED = frozenset(
    {"sum", "min", "max", "avg", "topk", "bottomk", "quantile", "stddev", "abs", "ceil", "floor", "round", "sort"}
    | {"sort_desc", "clamp", "clamp_max", "clamp_min", "label_replace", "label_join", "scalar", "last_over_time"}
    | {"avg_over_time", "min_over_time", "max_over_time", "quantile_over_time", "delta", "idelta", "predict_linear"}
    | {"sum_over_time", "increase", "histogram_avg", "limitk", "sort_by_label", "first_over_time"}
)
_PER_SECOND = frozenset({"rate", "irate", "deriv"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """In what an expression is measured.

    Args:
        dimension: time, bytes, share, count, instant, or one of them `` per second``.
        scale: what one of it is in seconds, bytes, wholes, things, each per second.
    """

    dimension: str
    scale: float


def measure_of_unit(unit: str) -> Measure | None:
    """Return the measure that a unit for people names."""
    named = _NAMED.get(unit.strip().lower())
    return Measure(dimension=named[0], scale=named[1]) if named else None


def measure_of_name(name: str) -> Measure | None:
    """Return what a metric of that name is measured in, by convention."""
    if name.endswith("_count"):
        return Measure(dimension=COUNT, scale=1.0)
    if name.endswith("_bucket"):
        return bucketed(measure_of_name(name.removesuffix("_bucket")))
    if _INSTANT.search(name):
        scale = 1e-3 if re.search(r"_(?:ms|milliseconds|millis)$", name) else 1.0
        return Measure(dimension=INSTANT, scale=scale)
    if re.search(r"_bytes_\w*total$", name):
        return Measure(dimension=BYTES, scale=1.0)
    if ":" not in name and (found := _SUFFIX.search(name)):
        dimension, scale = _NAMED[found.group(1)]
        return Measure(dimension=dimension, scale=scale)
    return Measure(dimension=COUNT, scale=1.0) if name.endswith("_total") else None


def bucketed(observed: Measure | None) -> Measure:
    """Return the measure of bucket counts of what is observed."""
    if observed is None:
        return Measure(dimension=COUNT, scale=1.0)
    return replace(observed, dimension=BUCKETED + observed.dimension)


OfName = Callable[[VectorSelector], Measure | None]


def measure(expr: Expr, of_selector: OfName) -> Measure | None:
    """Return in what ``expr`` is measured; None: unknown."""
    expr = bare(expr)
    if isinstance(expr, ParenExpr | UnaryExpr | SubqueryExpr):
        return measure(expr.expr, of_selector)
    if isinstance(expr, MatrixSelector):
        return of_selector(expr.vector_selector)
    if isinstance(expr, VectorSelector):
        return of_selector(expr)
    if isinstance(expr, AggregateExpr):
        return _of_function(str(expr.op), expr.expr, of_selector)
    if isinstance(expr, Call):
        return _of_call(expr, of_selector)
    return _of_binary(expr, of_selector) if isinstance(expr, BinaryExpr) else None


def _of_call(call: Call, of_selector: OfName) -> Measure | None:
    name = call.func.name
    if name in {"time", "timestamp"}:
        return Measure(dimension=INSTANT, scale=1.0)
    arguments = [each for each in call.args if not is_scalar(each)]
    return _of_function(name, arguments[0], of_selector) if arguments else None


def _of_function(name: str, argument: Expr, of_selector: OfName) -> Measure | None:
    if name in {"count", "count_over_time", "changes", "resets", "count_values"}:
        return Measure(dimension=COUNT, scale=1.0)
    inner = measure(argument, of_selector)
    if inner is not None and name == "histogram_quantile":
        return _observed(inner)
    if inner is None or name in _UNCHANGED:
        return inner
    if name in _PER_SECOND and not inner.dimension.endswith(PER_SECOND):
        return replace(inner, dimension=inner.dimension + PER_SECOND)
    return None


def _observed(inner: Measure) -> Measure | None:
    """Return in what a quantile of buckets is; that of a native histogram is in the unit of its name."""
    is_count = inner.dimension.removesuffix(PER_SECOND) == COUNT
    dimension = inner.dimension.removeprefix(BUCKETED).removesuffix(PER_SECOND)
    return None if is_count else replace(inner, dimension=dimension)


def _counted(inner: Measure | None) -> Measure | None:
    """Return buckets as the counts that they are."""
    if inner is None or not inner.dimension.startswith(BUCKETED):
        return inner
    is_rate = inner.dimension.endswith(PER_SECOND)
    return Measure(dimension=COUNT + PER_SECOND if is_rate else COUNT, scale=1.0)


def _of_binary(expr: BinaryExpr, of_selector: OfName) -> Measure | None:
    op = str(expr.op)
    if op in {"and", "unless", ">", "<", ">=", "<=", "==", "!="}:
        has_bool = expr.modifier is not None and expr.modifier.return_bool
        return None if has_bool else measure(expr.lhs, of_selector)
    left, right = (_counted(measure(side, of_selector)) for side in (expr.lhs, expr.rhs))
    if op == "or":
        return left if left == right else None
    if op in {"*", "/"}:
        return _scaled(expr, left, right)
    return _added(expr, left, right) if op in {"+", "-"} else None


def _scaled(expr: BinaryExpr, left: Measure | None, right: Measure | None) -> Measure | None:
    by, on = number(expr.rhs), number(expr.lhs)
    if by and left:
        return replace(left, scale=left.scale / by if str(expr.op) == "*" else left.scale * by)
    if on and right and str(expr.op) == "*":
        return replace(right, scale=right.scale / on)
    if left is None or right is None or str(expr.op) != "/":
        return None
    if left.dimension == right.dimension:
        return Measure(dimension=SHARE, scale=left.scale / right.scale)
    sums = {TIME, BYTES, TIME + PER_SECOND, BYTES + PER_SECOND}
    counts = {COUNT, COUNT + PER_SECOND}
    if left.dimension in sums and right.dimension in counts:
        return replace(left, dimension=left.dimension.removesuffix(PER_SECOND))
    return None


def _added(expr: BinaryExpr, left: Measure | None, right: Measure | None) -> Measure | None:
    if left and right and left.dimension == right.dimension == INSTANT:
        return Measure(dimension=TIME, scale=left.scale)
    if left and number(expr.rhs) is not None:
        return left
    if right and number(expr.lhs) is not None:
        return right
    return left if left == right else None


def default_of_selector(selector: VectorSelector) -> Measure | None:
    """Return what a selector's series are measured in by their name alone."""
    return measure_of_name(name_of(selector))
