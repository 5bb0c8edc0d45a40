"""Checks of alerts on events: windows, first events, sums over series, and rates that nothing reaches."""

import re
from collections.abc import Iterator

from mape_k.packlint.labels import OF_TARGETS
from mape_k.packlint.model import Findings, Found, Query, Severity, check
from mape_k.packlint.promql import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Condition,
    Expr,
    Matcher,
    MatchOp,
    MatrixSelector,
    VectorSelector,
    alternatives,
    bare,
    conditions,
    function,
    matchers_of,
    name_of,
    ranges,
    selectors,
    unscaled,
    walk,
)
from mape_k.packlint.quantities import lasting
from mape_k.packlint.suite import Suite
from mape_k.packlint.templates import used_labels

_COUNTING = frozenset({"increase", "rate", "irate", "changes", "resets", "count_over_time"})
RARE = re.compile(
    r"(?:^|_)(?:sales?|orders?|refunds?|payments?|checkouts?|purchases?|swaps?|deploy\w*|backups?|rollbacks?|transitions?"
    r"|breakers?|circuit|releases?|builds?|imports?|exports?|migrations?|signups?|registrations?|invoices?|bookings?"
    r"|shipments?|failovers?|reloads?|overrides?|subscriptions?|withdrawals?|transfers?|appointments?|reservations?|claims?|loans?|contracts?|donations?)(?:_|$)"
)
_LONG, _AMOUNT = 3600.0, 5


def _counted(condition: Condition, suite: Suite) -> tuple[Call, VectorSelector, float] | None:
    """Return the counting of events that a condition compares, itself or as a recording."""
    return _events(suite.resolved(unscaled(condition.left)[0]))


def _events(expr: Expr) -> tuple[Call, VectorSelector, float] | None:
    """Return the counting of events over a window that ``expr`` is, or sums up."""
    expr, _ = unscaled(expr)
    while isinstance(expr, AggregateExpr):
        expr, _ = unscaled(expr.expr)
    if not isinstance(expr, Call) or expr.func.name not in _COUNTING or not expr.args:
        return None
    inner = bare(expr.args[0])
    if not isinstance(inner, MatrixSelector):
        return None
    return expr, inner.vector_selector, inner.range.total_seconds()


def _is_any(condition: Condition, name: str) -> bool:
    """Return whether a single event is meant to be enough."""
    if condition.limit is None or condition.limit < 0:
        return False
    if condition.op in {">", "!="}:
        return condition.limit == 0 or (condition.limit < 1 and name not in {"rate", "irate"})
    return condition.op == ">=" and 0 < condition.limit <= 1 and name not in {"rate", "irate"}


@check(
    "window-within-for",
    Query,
    Severity.ERROR,
    "An event stays in a window for the window's length; a `for` as long or longer outlasts it, and nothing is told.",
    remedy="make the window longer than `for`, or drop `for`",
)
def window_within_for(query: Query, suite: Suite) -> Findings:
    """Yield alerts on single events whose `for` outlasts their window."""
    lasting_for = query.alert.lasting if query.alert else 0.0
    for condition in alternatives(query.expr) if lasting_for else ():
        found = _counted(condition, suite)
        if found and _is_any(condition, found[0].func.name) and lasting_for >= found[2]:
            message = f"one event is seen for {found[2]:g}s, and `for` asks for {lasting_for:g}s"
            is_meant = lasting_for >= 2 * found[2]
            yield Found(message=message, severity=Severity.WARNING if is_meant else None)
            return
    longest = max(ranges(query.expr), default=0.0)
    if lasting_for and longest >= _LONG and lasting_for >= longest:
        message = f"`for` ({lasting_for:g}s) comes on top of a window as long ({longest:g}s): it tells hours late"
        yield Found(message=message, severity=Severity.WARNING)


@check(
    "first-event-unseen",
    Query,
    Severity.WARNING,
    "A labelled series is born with its first event; rate and increase need two points and do not see that event.",
    remedy="add: or (x unless x offset 10m) > 0 — or export every label combination as 0 from the start",
)
def first_event_unseen(query: Query, suite: Suite) -> Findings:
    """Yield alerts on any event that miss the first one of a series."""
    if query.alert is None or _looks_at_birth(suite.in_full(query, is_whole=True)):
        return
    for condition in alternatives(query.expr):
        found = _counted(condition, suite)
        name = found[0].func.name if found else ""
        is_any = name in {"rate", "irate", "increase"} and _is_any(condition, name)
        if (
            found
            and is_any
            and (label := _label_of_event(found[1], suite.resolved(unscaled(condition.left)[0]), suite))
        ):
            yield f"the first event with a new {label} goes unseen"
            return


def _looks_at_birth(expr: Expr) -> bool:
    """Return whether the expression compares series with those of a while ago, or with what is absent."""
    for each in walk(expr):
        if isinstance(each, VectorSelector) and each.offset is not None:
            return True
        if function(each) in {"absent", "absent_over_time"}:
            return True
    return False


def _label_of_event(selector: VectorSelector, summed: Expr, suite: Suite) -> str:
    """Return a label that the series of an event come into being with; empty: none is known."""
    metric = suite.metric(name_of(selector))
    if metric is not None:
        return next(iter(metric.labels), "")
    asked = [each.name for each in matchers_of(selector)]
    modifiers = [each.modifier for each in walk(summed) if isinstance(each, AggregateExpr)]
    grouped = [label for each in modifiers if each and each.type == AggModifierType.By for label in each.labels]
    return next((label for label in (*asked, *grouped) if label not in OF_TARGETS and label != "le"), "")


@check(
    "absent-is-not-zero",
    Query,
    Severity.WARNING,
    "Where a series does not exist its sum is not 0 but nothing, and a comparison with nothing never fires.",
    remedy="write (… or vector(0)) == 0, or add: or absent(…)",
)
def absent_is_not_zero(query: Query, suite: Suite) -> Findings:
    """Yield alerts on silence that stay silent when the series itself is missing."""
    if query.alert is None or any(function(each) in {"absent", "absent_over_time"} for each in walk(query.expr)):
        return
    for condition in conditions(query.expr):
        found = _counted(condition, suite)
        if found is None or not _is_of_silence(condition, found[1]) or function(condition.left) not in {"sum", "count"}:
            continue
        name = name_of(found[1])
        metric = suite.metric(name)
        if (
            (metric is None or metric.labels)
            and not _is_missed(name, query.expr)
            and not _watched_for_absence(name, suite)
        ):
            yield f"if {name} has no series at all, this is nothing and never {condition.op} {condition.limit:g}"


def _is_of_silence(condition: Condition, selector: VectorSelector) -> bool:
    """Return whether a condition is on there being no event, or few of those with a label of their own."""
    if condition.op == "==":
        return condition.limit == 0
    is_picked = any(each.name not in OF_TARGETS for each in matchers_of(selector))
    return condition.op in {"<", "<="} and condition.limit is not None and is_picked


def _is_missed(name: str, expr: Expr) -> bool:
    """Return whether ``… unless metric`` notices that the metric is not there."""
    lacking = (each.rhs for each in walk(expr) if isinstance(each, BinaryExpr) and str(each.op) == "unless")
    return any(name_of(one) == name for each in lacking for one in selectors(each))


def _watched_for_absence(name: str, suite: Suite) -> bool:
    for query in suite.queries:
        for each in walk(query.expr) if query.alert else ():
            if function(each).startswith("absent") and any(name_of(one) == name for one in selectors(each)):
                return True
    return False


@check(
    "window-below-interval",
    Query,
    Severity.ERROR,
    "Within the window fewer events can happen than the alert asks for, or an evaluation passes over some of them.",
    remedy="make the window longer than the events' interval times their number, and than the group's interval",
)
def window_below_interval(query: Query, suite: Suite) -> Findings:
    """Yield windows that are too short for what they should hold."""
    if query.alert is None:
        return
    for condition in conditions(query.expr):
        found = _counted(condition, suite)
        if found is None:
            continue
        call, selector, window = found
        if query.alert.interval and window < query.alert.interval:
            every = query.alert.interval
            yield f"a window of {window:g}s is looked at every {every:g}s: what falls between is never seen"
            return
        needed = _needed(condition, call.func.name, window)
        for interval in _intervals(query, selector, suite) if needed > 0 else ():
            if needed * interval > window + interval * 0.999:
                yield f"{needed:g} events that come every {interval:g}s do not fit into {window:g}s"
                return


def _needed(condition: Condition, name: str, window: float) -> float:
    """Return how many events the condition asks for within the window."""
    if condition.limit is None or condition.op not in {">", ">="} or name in {"changes", "resets"}:
        return 0.0
    limit = condition.limit / unscaled(condition.left)[1]
    events = limit * window if name in {"rate", "irate"} else limit
    whole = float(int(events))
    return whole + 1 if condition.op == ">" or events > whole else whole


def _intervals(query: Query, selector: VectorSelector, suite: Suite) -> Iterator[float]:
    alert, metric = query.alert, suite.metric(name_of(selector))
    texts = [*(alert.annotations.values() if alert else ()), metric.help if metric else "", name_of(selector)]
    yield from (interval for text in texts for interval in lasting(text))


@check(
    "limit-per-series",
    Query,
    Severity.WARNING,
    "Each series is compared alone; spread over several of them, any amount stays below the limit.",
    remedy="sum by the labels that the limit is meant for, and name those in the alert's texts",
)
def limit_per_series(query: Query, suite: Suite) -> Findings:
    """Yield limits that are meant for a sum and compared with its parts."""
    if query.alert is None:
        return
    for condition in conditions(query.expr):
        selector = _unsummed(condition, suite)
        if selector is None:
            continue
        told = used_labels("\n".join([*query.alert.annotations.values(), *query.alert.labels.values()]))
        if "*" not in told and (label := _spread_over(selector, told, query, suite, condition)):
            yield f"compared for each {label} alone"
            return


def _unsummed(condition: Condition, suite: Suite) -> VectorSelector | None:
    """Return what is compared series by series with a limit that depends on how many there are."""
    if condition.op not in {">", ">=", "<", "<="} or not condition.limit:
        return None
    left, _ = unscaled(suite.resolved(unscaled(condition.left)[0]))
    if isinstance(left, Call) and left.func.name in {"rate", "irate", "increase"}:
        found = _events(left)
        return found[1] if found else None
    if isinstance(left, VectorSelector) and left.offset is None:
        metric = suite.metric(name_of(left))
        return left if metric and metric.type == "gauge" and not _is_ratio(metric.unit) else None
    return None


def _is_ratio(unit: str) -> bool:
    return any(word in unit for word in ("ratio", "share", "percent", "second", "state", "timestamp", "0 ", "old"))


def _spread_over(
    selector: VectorSelector, told: frozenset[str], query: Query, suite: Suite, condition: Condition
) -> str:
    """Return a label that the limit is not meant for; empty: none is known."""
    matchers = matchers_of(selector)
    pinned = {each.name for each in matchers if each.op == MatchOp.Equal}
    metric = suite.metric(name_of(selector))
    if metric is not None:
        return next((label for label in metric.labels if label not in pinned | told), "")
    several = [each.name for each in matchers if _is_several(each) and each.name not in OF_TARGETS | told]
    if several or ":" in name_of(selector) or not suite.is_counter(name_of(selector)):
        return several[0] if several else ""
    texts = " ".join(query.alert.annotations.values()) if query.alert else ""
    is_volume = condition.op in {"<", "<="} and "request" in name_of(selector)
    is_amount = condition.op in {">", ">="} and (condition.limit or 0) >= _AMOUNT
    return "series" if texts and not told and (is_amount or is_volume) else ""


def _is_several(matcher: Matcher) -> bool:
    return matcher.op in (MatchOp.NotEqual, MatchOp.NotRe) or (
        matcher.op == MatchOp.Re and any(c in matcher.value for c in "|.*+[")
    )


@check(
    "rate-beyond-traffic",
    Query,
    Severity.WARNING,
    "A rate per second that has to last is more than something rare can ever reach: every one may fail unnoticed.",
    remedy="compare the increase over a longer window, or the share that fails",
)
def rate_beyond_traffic(query: Query, suite: Suite) -> Findings:
    """Yield absolute rates of rare events."""
    for condition in conditions(query.expr) if query.alert else ():
        found = _counted(condition, suite)
        if found is None or found[0].func.name not in {"rate", "irate"} or condition.op not in {">", ">="}:
            continue
        per_second = (condition.limit or 0.0) / unscaled(condition.left)[1]
        if RARE.search(name_of(found[1])) and per_second >= 0.05:  # noqa: PLR2004
            yield f"{per_second * 60:g} events a minute, lasting, of {name_of(found[1])}"


def is_guarded(expr: Expr) -> bool:
    """Return whether a condition holds only together with another one."""
    expr = bare(expr)
    return isinstance(expr, BinaryExpr) and str(expr.op) == "and"


def without_grouping(expr: Expr) -> bool:
    """Return whether ``expr`` is an aggregation to one series."""
    if not isinstance(expr, AggregateExpr):
        return False
    return expr.modifier is None or (expr.modifier.type == AggModifierType.By and not expr.modifier.labels)
