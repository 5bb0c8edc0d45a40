"""Checks of the numbers that alerts compare with: against buckets, units and what people are told."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from mape_k.packfiles import Rule
from mape_k.packlint.model import Findings, Found, Query, Severity, check
from mape_k.packlint.promql import (
    COMPARISONS,
    BinaryExpr,
    Condition,
    conditions,
    function,
    name_of,
    number,
    quantile_of,
    ranges,
    selectors,
    unscaled,
    walk,
    windowed,
    written,
)
from mape_k.packlint.quantities import Quantity, periods, quantities
from mape_k.packlint.suite import Suite
from mape_k.packlint.units import BYTES, COUNT, INSTANT, PER_SECOND, SHARE, TIME, Measure

_SLIPS = tuple(sorted({60.0, 3600.0, 86400.0, 100.0, 1e3, 1e6, 1e9, 8.0, 24.0, 1440.0}))
_LINKS = frozenset({"runbook_url", "runbook", "dashboard", "dashboard_url", "grafana_url", "playbook"})
_CALLS = re.compile(r"(?:request|response|rpc|http|grpc|api|query|latency|call)", re.IGNORECASE)
_LASTS = re.compile(r"expir|lifetime|uptime|(?:^|_)age(?:_|$)|start_?up|build|job|batch")
_PER = re.compile(r"per_?(hour|minute|min|day)|(hourly|daily)", re.IGNORECASE)
_PER_SECONDS = {"hour": 3600.0, "hourly": 3600.0, "minute": 60.0, "min": 60.0, "day": 86400.0, "daily": 86400.0}
_SPREAD = 0.021


@check(
    "limit-beyond-buckets",
    Query,
    Severity.ERROR,
    "A quantile is never greater than the highest finite bucket, so a limit at or above that is never passed.",
    remedy="lower the limit, add buckets above it, or compare the share of observations above a bound",
)
def limit_beyond_buckets(query: Query, suite: Suite) -> Findings:
    """Yield limits on quantiles that the buckets can never show."""
    for each in conditions(query.expr):
        found = quantile_of(suite.resolved(unscaled(each.left)[0]))
        bound = suite.highest_bucket(name_of(found[0])) if found else None
        if found is None or bound is None or each.limit is None:
            continue
        highest = bound * found[1] * unscaled(each.left)[1]
        if (each.op == ">" and each.limit >= highest) or (each.op in {">=", "=="} and each.limit > highest):
            name = name_of(found[0]).removesuffix("_bucket")
            is_sure = suite.metric(name) is not None
            message = f"{each.limit:g} is not below the highest finite bucket of {name} ({highest:g})"
            yield Found(message=message, severity=None if is_sure else Severity.WARNING)


@check(
    "unit-slip",
    Query,
    Severity.ERROR,
    "A limit is in another unit than what it is compared with, such as milliseconds with seconds.",
    remedy="convert the limit, or what is compared, to one unit",
)
def unit_slip(query: Query, suite: Suite) -> Findings:
    """Yield limits and recordings that are wrong by the factor between two units."""
    if query.alert:
        yield from _slips(query, query.alert, suite)
        for condition in conditions(query.expr):
            if message := _implausible(condition, suite):
                yield Found(message=message, severity=Severity.WARNING)
    yield from _slip_of_name(query, suite)
    for each in walk(query.expr):
        if isinstance(each, BinaryExpr) and str(each.op) in {*COMPARISONS, "+", "-"}:
            yield from _mixed(each, suite)


def _slips(query: Query, alert: Rule, suite: Suite) -> Iterator[str]:
    for condition, measure, told in _told(query, alert, suite):
        limit = _base(condition, measure)
        if measure.dimension == COUNT or any(_is_same(limit, each) for each in told):
            continue
        for each in told:
            if _is_slip(limit, each.value) and not (_is_frequency(each) and each.within):
                wrong = f"wrong by a factor of {_factor(limit, each.value):g}"
                yield f"{condition.limit:g} here is not the {each.text!r} of the text: {wrong}"
                break


@check(
    "rate-for-increase",
    Query,
    Severity.ERROR,
    "rate counts per second; a number of events within a window is what increase counts.",
    remedy="use increase over the window, or divide the number by the window's seconds",
)
def rate_for_increase(query: Query, suite: Suite) -> Findings:
    """Yield rates that are compared with a number of events."""
    for condition, measure, told in _told(query, query.alert, suite) if query.alert else ():
        limit = _base(condition, measure)
        if measure.dimension != COUNT + PER_SECOND or any(_is_same(limit, each) for each in told):
            continue
        for each in told:
            if each.within and each.number == condition.limit and _is_slip_or_window(limit, each):
                yield f"a rate per second is compared with the number of {each.text!r}"
                break


def _is_slip_or_window(limit: float, told: Quantity) -> bool:
    return _is_slip(limit, told.value) or _close(limit, told.value * told.within)


@check(
    "limit-differs-from-text",
    Query,
    Severity.WARNING,
    "What people read names another limit than the one that the alert has.",
    remedy="write the same limit in both places",
)
def limit_differs_from_text(query: Query, suite: Suite) -> Findings:
    """Yield alerts whose texts name a limit that is not theirs."""
    if query.alert is None:
        return
    compared = [condition for condition in conditions(query.expr) if condition.limit is not None]
    for condition, measure, told in _told(query, query.alert, suite):
        limit = _base(condition, measure)
        limits = [each for each in told if each.is_limit and not each.within]
        if measure.dimension == COUNT and (len(compared) > 1 or len(limits) > 1):
            continue
        others = [_base(each, found) for each in compared if (found := suite.measure(each.left))]
        whole = (limit - 1, limit + 1, math.floor(limit), math.ceil(limit))
        rest = {SHARE: (1 - limit,), COUNT: whole}.get(measure.dimension, ())
        is_named = any(_is_same(value, each) for value in (limit, *rest, *others) for each in told)
        if limits and not is_named and not _is_told_as_slip(limit, measure, told):
            yield f"the text says {limits[0].text!r}, the expression {condition.limit:g}"
    yield from _other_for(query, query.alert)


def _is_told_as_slip(limit: float, measure: Measure, told: list[Quantity]) -> bool:
    return measure.dimension != COUNT and any(_is_slip(limit, each.value) for each in told)


def _other_for(query: Query, alert: Rule) -> Iterator[str]:
    """Yield how long it lasts as the text says, where neither ``for`` nor a window nor a limit is as long."""
    constants = {value for each in walk(query.expr) if (value := number(each))}
    known = {alert.lasting, *ranges(query.expr), *(alert.lasting + each for each in ranges(query.expr))}
    known |= {value * unit for value in constants for unit in (1, 60, 3600, 86400)}
    for text in _texts(alert):
        for seconds, said in periods(text):
            if not any(_close(each, seconds) for each in known):
                yield f"the text says {said!r}, and `for` is {alert.lasting:g}s"
                return


def _told(query: Query, alert: Rule, suite: Suite) -> Iterator[tuple[Condition, Measure, list[Quantity]]]:
    """Yield each limit with the quantities of its dimension that the texts name."""
    told = [each for text in _texts(alert) for each in quantities(text)]
    lengths = {*ranges(query.expr), alert.lasting}
    for condition in conditions(query.expr):
        measure = suite.measure(condition.left) or Measure(dimension=COUNT, scale=1.0)
        if not condition.limit or function(condition.left) in {"absent", "absent_over_time"}:
            continue
        fitting = [each for each in told if each.dimension == measure.dimension and each.value > 0]
        fitting += _within_window(told, condition, suite) if measure.dimension == COUNT else []
        if measure.dimension == TIME:
            fitting += _ages(condition, alert)
            fitting = [each for each in fitting if each.is_limit or each.value not in lengths]
        if fitting and measure.dimension != INSTANT:
            yield condition, measure, fitting


def _ages(condition: Condition, alert: Rule) -> list[Quantity]:
    """Return how old something is as the texts say: ``not synced for 6 hours``."""
    if not any(function(each) == "time" for each in walk(condition.left)):
        return []
    told = [each for text in _texts(alert) for each in periods(text) if not _close(each[0], alert.lasting)]
    return [Quantity(dimension=TIME, value=value, number=value, text=text, is_limit=True) for value, text in told]


def _within_window(told: list[Quantity], condition: Condition, suite: Suite) -> list[Quantity]:
    """Return as numbers the frequencies over just the window that is counted: ``20 per hour`` beside ``[1h]``."""
    counted = [window for *_, window in windowed(suite.resolved(unscaled(condition.left)[0]), "increase")]
    return [
        replace(each, dimension=COUNT, value=each.number, within=0.0)
        for each in told
        if each.dimension == COUNT + PER_SECOND and each.value and counted == [round(each.number / each.value, 6)]
    ]


def _texts(alert: Rule) -> Iterator[str]:
    named = ("threshold", "limit")
    return (f"{key} {text}" if key in named else text for key, text in alert.annotations.items() if key not in _LINKS)


def _base(condition: Condition, measure: Measure) -> float:
    return (condition.limit or 0.0) * measure.scale


def _is_frequency(told: Quantity) -> bool:
    return told.dimension.endswith(PER_SECOND)


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_SPREAD)


def _is_same(limit: float, told: Quantity) -> bool:
    """Sizes may be told in powers of 1000 and meant in powers of 1024."""
    factors = (1, 1.024, 1.024**2, 1.024**3) if told.dimension.startswith(BYTES) else (1,)
    return any(_close(limit, told.value * factor) for factor in factors)


def _factor(limit: float, told: float) -> float:
    return max(limit / told, told / limit) if limit and told else 0.0


def _is_slip(limit: float, told: float) -> bool:
    factor = _factor(abs(limit), told)
    return any(_close(factor, slip * binary) for slip in _SLIPS for binary in (1, 1.024, 1.024**2, 1.024**3))


def _implausible(condition: Condition, suite: Suite) -> str:
    """Return why a limit on a measured time cannot be in the unit of the metric; empty: it may be."""
    found = quantile_of(suite.resolved(unscaled(condition.left)[0]))
    measure = suite.measure(condition.left)
    if found is None or measure is None or measure.dimension != TIME or not condition.limit:
        return ""
    seconds = condition.limit * measure.scale
    name = name_of(found[0])
    metric = suite.metric(name)
    if metric and metric.buckets:
        return ""
    is_call = _CALLS.search(name) and not _LASTS.search(name)
    if measure.scale >= 1 and seconds >= 100 and is_call and condition.op in {">", ">="}:  # noqa: PLR2004
        return f"{condition.limit:g} seconds for {name}: milliseconds are meant"
    if measure.scale < 1 and condition.limit < 1 and condition.op in {">", ">="}:
        return f"{condition.limit:g} for {name}, which is not in seconds: seconds are meant"
    return ""


def _slip_of_name(query: Query, suite: Suite) -> Iterator[str]:
    """A rate that is called "per hour" must be made one."""
    rule = query.rule
    named = _PER.search(rule.name) if rule else None
    if rule is None or named is None:
        return
    seconds = _PER_SECONDS[(named.group(1) or named.group(2)).lower()]
    values = [each.left for each in conditions(query.expr) if each.limit is not None] if rule.is_alert else [query.expr]
    for value in values:
        measure = suite.measure(value)
        if measure and measure.dimension.endswith(PER_SECOND) and measure.scale > 1.5 / seconds and _is_flat(measure):
            yield f"{rule.name} says {named.group(0)}, and the expression is per second"


def _is_flat(measure: Measure) -> bool:
    """Return whether the value is as a rate gives it, in the unit itself."""
    return measure.scale in {1.0, 1e-3}


def _mixed(expr: BinaryExpr, suite: Suite) -> Iterator[str]:
    if number(expr.lhs) is not None or number(expr.rhs) is not None:
        return
    left, right = suite.measure(expr.lhs), suite.measure(expr.rhs)
    if (
        left is None
        or right is None
        or left.dimension != right.dimension
        or left.dimension not in {TIME, INSTANT, SHARE}
    ):
        return
    if not _close(left.scale, right.scale) and _is_slip(left.scale, right.scale):
        yield f"the two sides of '{expr.op}' are in different units"


@check(
    "share-never-above-one",
    Query,
    Severity.ERROR,
    "A part divided by its whole is at most 1, so a limit of 1 or more (a percentage?) is never passed.",
    remedy="write the limit as a share, such as 0.05 for 5%",
)
def share_never_above_one(query: Query, _: Suite) -> Findings:
    """Yield limits above 1 on shares."""
    for condition in conditions(query.expr):
        left = condition.left
        if not isinstance(left, BinaryExpr) or str(left.op) != "/" or condition.limit is None:
            continue
        parts, wholes = list(selectors(left.lhs)), list(selectors(left.rhs))
        is_part = len(parts) == len(wholes) == 1 and name_of(parts[0]) == name_of(wholes[0])
        is_same = is_part and {str(m) for m in wholes[0].matchers.matchers} < {
            str(m) for m in parts[0].matchers.matchers
        }
        is_alike = function(left.lhs) == function(left.rhs) and list(ranges(left.lhs)) == list(ranges(left.rhs))
        if is_same and is_alike and condition.op in {">", ">="} and condition.limit >= 1:
            yield f"a share is compared with {condition.limit:g}"


@check(
    "panel-limit-differs",
    Suite,
    Severity.WARNING,
    "A panel's coloured limit is not the one at which the alert on the same query fires.",
    remedy="give both the same limit",
)
def panel_limit_differs(suite: Suite, _: Suite) -> Findings:
    """Yield panels that draw what an alert watches, with other limits."""
    limits: dict[str, list[float]] = {}
    for query in suite.queries:
        for condition in conditions(query.expr) if query.alert else ():
            if condition.limit is not None:
                for form in _forms(condition, suite):
                    limits.setdefault(form, []).append(condition.limit)
    for query in suite.queries:
        known = limits.get(written(query.expr), []) if query.panel else []
        if query.panel and query.panel.limits and known and not _share_one(query.panel.limits, known):
            wanted = " or ".join(f"{each:g}" for each in sorted(set(known)))
            drawn = ", ".join(f"{each:g}" for each in query.panel.limits)
            message = f"limits at {drawn}; the alert on the same query has {wanted}"
            yield Found(message=message, line=query.first_line, path=query.path, where=query.where)


def _forms(condition: Condition, suite: Suite) -> set[str]:
    return {written(condition.left), written(suite.resolved(condition.left))}


def _share_one(drawn: tuple[float, ...], known: list[float]) -> bool:
    """A count of whole things may be drawn from the first number that fires on."""
    return any(math.isclose(one, other) or math.isclose(one, other + 1) for one in drawn for other in known)
