"""Checks of gauges that say in which state something is, or when something was."""

import re

from mape_k.packlint.model import Findings, Query, Severity, check
from mape_k.packlint.promql import (
    COMPARISONS,
    BinaryExpr,
    Condition,
    Expr,
    VectorSelector,
    bare,
    conditions,
    function,
    name_of,
    number,
    selectors,
    walk,
)
from mape_k.packlint.suite import Suite
from mape_k.packlint.templates import used_labels

_LAST = re.compile(
    r"(?:^|_)last_.*(?:time|timestamp|_at|seconds|unixtime|epoch)|last_(?:success|run|load)\w*$|_load_timestamp"
)
_STATE = re.compile(r"(?:_|^)(?:state|status|freshness|phase|health|mode|stage|ready|fresh|stale)$")
_BREAKER = re.compile(r"breaker|circuit")
_IDENTITY = re.compile(
    r"(?:^|_)(?:id|uuid|guid|version|build|run|release|revision|commit|job_name|batch|execution|snapshot)$"
)
_MANY = 5
_STATES = 10
_OPEN = 60.0
"""Seconds that a breaker commonly stays open."""


@check(
    "never-set-timestamp",
    Query,
    Severity.WARNING,
    "A gauge that was never set is 0, so right after a start its age is more than 50 years and the alert fires.",
    remedy="write time() - (metric > 0), and an alert of its own for what was never set",
)
def never_set_timestamp(query: Query, _: Suite) -> Findings:
    """Yield ages of points in time that may not be known yet."""
    for each in walk(query.expr) if query.alert else ():
        if isinstance(each, BinaryExpr) and str(each.op) == "-" and function(bare(each.lhs)) == "time":
            selector = _plain(each.rhs)
            name = name_of(selector) if selector else ""
            if _LAST.search(name) and not _is_checked(name, query.expr):
                yield f"{name} is 0 until it is set for the first time"


def _plain(expr: Expr) -> VectorSelector | None:
    """Return the selector that ``expr`` is or aggregates, with nothing that would leave out a 0."""
    expr = bare(expr)
    while function(expr) in {"max", "min", "max_over_time", "last_over_time", "avg"} and hasattr(expr, "expr"):
        expr = bare(expr.expr)
    return expr if isinstance(expr, VectorSelector) else None


def _is_checked(name: str, expr: Expr) -> bool:
    """Return whether the metric itself is compared with something somewhere in ``expr``."""
    for each in walk(expr):
        if isinstance(each, BinaryExpr) and str(each.op) in COMPARISONS and number(each.rhs) is not None:
            inner = _plain(each.lhs)
            if inner is not None and name_of(inner) == name:
                return True
    return False


@check(
    "state-of-what-is-gone",
    Query,
    Severity.WARNING,
    "A state gauge keeps its last value for things that are over: an old one in a bad state fires for ever.",
    remedy="watch the current one alone, or ask whether none is good: max(state == bool 1) == 0",
)
def state_of_what_is_gone(query: Query, suite: Suite) -> Findings:
    """Yield states that are watched for each of ever more things."""
    for condition in conditions(query.expr) if query.alert else ():
        selector = condition.left if isinstance(condition.left, VectorSelector) else None
        if selector is None or not _is_state(condition, selector, suite):
            continue
        for label in _identities(query, selector, suite):
            yield f"{name_of(selector)} has a series for each {label} there ever was"
            return


def _is_state(condition: Condition, selector: VectorSelector, suite: Suite) -> bool:
    metric = suite.metric(name_of(selector))
    is_named = _STATE.search(name_of(selector)) is not None
    is_gauge = metric.type == "gauge" if metric else is_named
    return is_gauge and is_named and condition.limit is not None and 0 <= condition.limit <= _STATES


def _identities(query: Query, selector: VectorSelector, suite: Suite) -> list[str]:
    metric = suite.metric(name_of(selector))
    if metric is not None:
        open_sets = (name for name, label in metric.labels.items() if not label.is_closed and label.at_most > _MANY)
        return [name for name in open_sets if _IDENTITY.search(name)]
    told = used_labels("\n".join(query.alert.annotations.values())) if query.alert else frozenset()
    return sorted(filter(_IDENTITY.search, told))


@check(
    "short-lived-state",
    Query,
    Severity.WARNING,
    "A circuit breaker is open for seconds and closes with the next good call; it is not open as long as `for` asks.",
    remedy="ask whether it was open lately: max_over_time((state == bool 1)[5m:15s]) == 1, without `for`",
)
def short_lived_state(query: Query, _: Suite) -> Findings:
    """Yield breakers that would have to be open without a pause."""
    if (
        query.alert is None
        or query.alert.lasting < _OPEN
        or any("over_time" in function(each) for each in walk(query.expr))
    ):
        return
    for condition in conditions(query.expr):
        name = next((name_of(each) for each in selectors(condition.left)), "")
        is_state = _BREAKER.search(name) and (_STATE.search(name) or name.endswith(("_open", "_is_open")))
        if is_state and condition.op in {"==", ">", ">="}:
            yield f"{name} would have to stay so for {query.alert.lasting:g}s"
            return
