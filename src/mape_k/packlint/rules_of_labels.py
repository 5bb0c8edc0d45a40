"""Checks of labels: combinations that never match, values that do not occur, labels that series have not."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from mape_k.errors import did_you_mean
from mape_k.packfiles import Metric
from mape_k.packlint.labels import OF_TARGETS, is_compared, obstacle
from mape_k.packlint.model import Findings, Found, Query, Severity, check
from mape_k.packlint.promql import (
    COMPARISONS,
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Expr,
    Matcher,
    MatchOp,
    SubqueryExpr,
    VectorMatchCardinality,
    VectorSelector,
    bare,
    children,
    conditions,
    function,
    is_scalar,
    matchers_of,
    name_of,
    same_condition,
    selectors,
    unscaled,
    walk,
)
from mape_k.packlint.suite import Suite

_PLAIN = re.compile(r"[\w /:%@=-]*(?:\|[\w /:%@=-]*)*")
_COSTLY = re.compile(r"[*+}]\)?[*+{]|\)[*+{]|(?:[*+{].*){4}")
"""What could take long to try: repetitions of repetitions, or too many of them."""
_MOST = 100
_ALWAYS_KNOWN = OF_TARGETS | {"le", "quantile", "__name__"}


@check(
    "labels-never-match",
    Query,
    Severity.ERROR,
    "An operation between series whose labels differ gives nothing, whatever their values are.",
    remedy="aggregate both sides to the same labels, or name those to match on with on (…) or ignoring (…)",
)
def labels_never_match(query: Query, suite: Suite) -> Findings:
    """Yield the operations whose two sides can never meet."""
    for each in walk(query.expr):
        if not isinstance(each, BinaryExpr) or str(each.op) == "or" or is_scalar(each.lhs) or is_scalar(each.rhs):
            continue
        if reason := obstacle(each, suite.labels(each.lhs), suite.labels(each.rhs)):
            yield f"the two sides of '{each.op}' never match: {reason}"


@check(
    "subset-by-itself",
    Query,
    Severity.ERROR,
    "Some series of a metric divided one by one by the same metric are divided by themselves: always 100%.",
    remedy="sum both sides before the division, without the label that is selected on",
)
def subset_by_itself(query: Query, suite: Suite) -> Findings:
    """Yield divisions of a subset of series by all of them, series by series."""
    for each in walk(suite.in_full(query)):
        if isinstance(each, BinaryExpr) and str(each.op) == "/" and _is_one_to_one(each):
            for label in _narrowed(each.lhs, each.rhs):
                sides = [suite.labels(side) for side in (each.lhs, each.rhs)]
                if is_compared(each, label) and all(side.may_have(label) for side in sides):
                    yield f"each series with this {label} is divided by itself"
                    break


def _is_one_to_one(expr: BinaryExpr) -> bool:
    return expr.modifier is None or expr.modifier.card in (None, VectorMatchCardinality.OneToOne)


def _narrowed(part: Expr, whole: Expr) -> list[str]:
    """Return the labels that ``part`` selects on and ``whole``, of the same metric, does not."""
    parts, wholes = list(selectors(part)), list(selectors(whole))
    if len(parts) != 1 or len(wholes) != 1 or name_of(parts[0]) != name_of(wholes[0]) or not name_of(parts[0]):
        return []
    ours, theirs = matchers_of(parts[0]), matchers_of(wholes[0])
    if not all(any(same_condition(mine, other) for mine in ours) for other in theirs):
        return []
    return [mine.name for mine in ours if not any(same_condition(mine, other) for other in theirs)]


@check(
    "value-outside-set",
    Query,
    Severity.ERROR,
    "A selector asks for a value that the label never has, so it finds nothing (or excludes nothing).",
    remedy="write one of the values that the inventory lists",
)
def value_outside_set(query: Query, suite: Suite) -> Findings:
    """Yield conditions on values that a label does not have."""
    for selector in selectors(query.expr):
        for matcher in matchers_of(selector):
            values = _values(suite.metric(name_of(selector)), name_of(selector), matcher.name)
            for strange in _strange(matcher, values) if values else ():
                known = ", ".join(values[:8]) + (", …" if len(values) > 8 else "")  # noqa: PLR2004
                yield f"{matcher.name} is never {strange!r}{did_you_mean(strange, values)} (known: {known})"


def _values(metric: Metric | None, series: str, label: str) -> tuple[str, ...]:
    if series in {"ALERTS", "ALERTS_FOR_STATE"} and label == "alertstate":
        return ("pending", "firing")
    if metric is None:
        return ()
    if label == "le" and metric.buckets:
        return (*(form for bound in metric.buckets for form in _forms(bound)), "+Inf")
    known = metric.labels.get(label)
    return known.values if known else ()


def _forms(bound: float) -> tuple[str, ...]:
    """A bound is printed as ``10`` by some clients and as ``10.0`` by others."""
    short = f"{bound:g}"
    return tuple(dict.fromkeys((short, repr(bound), str(int(bound)) if bound.is_integer() else short)))


def _strange(matcher: Matcher, values: tuple[str, ...]) -> Iterator[str]:
    """Yield what a condition names and the label never is."""
    value = _unwrapped(matcher.value) if matcher.op in (MatchOp.Re, MatchOp.NotRe) else matcher.value
    if not value or "$" in value:
        return
    if matcher.op in (MatchOp.Equal, MatchOp.NotEqual):
        if value not in values:
            yield value
    elif _PLAIN.fullmatch(value):
        yield from (each for each in value.split("|") if each and each not in values)
    elif _matches_none(value, values):
        yield value


def _unwrapped(pattern: str) -> str:
    """Return a pattern without what surrounds it and means nothing: anchors, and brackets around all of it."""
    pattern = pattern.removeprefix("^").removesuffix("$")
    found = re.fullmatch(r"\((?:\?:)?([^()]*)\)", pattern)
    return found.group(1) if found else pattern


def _matches_none(pattern: str, values: tuple[str, ...]) -> bool:
    """Return whether a pattern surely matches no value; one that could take long to try counts as matching."""
    if len(pattern) > 200 or _COSTLY.search(pattern):  # noqa: PLR2004
        return False
    try:
        return not any(re.fullmatch(pattern, value) for value in values)
    except re.error:
        return False


@check(
    "value-in-two-spellings",
    Suite,
    Severity.WARNING,
    "One label value is written in two ways, such as in upper and in lower case: at most one of them occurs.",
    remedy="look at the metric and write the value as it is there, everywhere",
)
def value_in_two_spellings(suite: Suite, _: Suite) -> Findings:
    """Yield values of one label of one metric that differ in case, number or tense alone."""
    seen: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    places: dict[tuple[str, str, str], Query] = {}
    for query, name, label, value in _asked_values(suite):
        seen[name, label, _word(value)][value] += 1
        places.setdefault((name, label, value), query)
    for (name, label, _low), spellings in seen.items():
        if len(spellings) > 1:
            rare = spellings.most_common()[-1][0]
            where = places[name, label, rare]
            said = " and ".join(repr(each) for each in spellings)
            message = f"{label} of {name} is written {said}"
            yield Found(message=message, line=where.line, path=where.path, where=where.where)
    yield from _unlike_tests(suite, places)


def _unlike_tests(suite: Suite, places: Mapping[tuple[str, str, str], Query]) -> Iterator[Found]:
    """Yield values that unit tests give a little otherwise, as nothing asks for them."""
    for (name, label, value), where in places.items():
        given = suite.values_in_tests.get((name, label), frozenset())
        unasked = [each for each in sorted(given)[:_MOST] if (name, label, each) not in places]
        if given and value not in given and (close := get_close_matches(value, unasked, n=1)):
            said = f"{label} of {name} is {value!r} here and {close[0]!r} in the unit tests"
            yield Found(message=said, line=where.line, path=where.path, where=where.where)


def _word(value: str) -> str:
    """Return a value without what grammar adds: upper case, plural, past."""
    return re.sub(r"(?<=\w{4})(?:ures?|ful|ed|es|s)$", "", value.lower())


def _asked_values(suite: Suite) -> Iterator[tuple[Query, str, str, str]]:
    for query in suite.queries:
        for selector in selectors(query.expr):
            for matcher in matchers_of(selector):
                if name_of(selector) and matcher.value and _PLAIN.fullmatch(matcher.value):
                    for value in matcher.value.split("|"):
                        yield query, name_of(selector), matcher.name, value


@check(
    "unknown-label",
    Query,
    Severity.ERROR,
    "A series has not the label that is selected on or grouped by, so nothing is found or everything is one group.",
    remedy="use a label that the metric or recording has, or keep the label when it is aggregated",
)
def unknown_label(query: Query, suite: Suite) -> Findings:
    """Yield labels that are asked of series which have them not."""
    for each in walk(query.expr):
        if isinstance(each, VectorSelector):
            yield from _asked_in_vain(each, suite)
        elif isinstance(each, AggregateExpr) and each.modifier and each.modifier.type == AggModifierType.By:
            yield from _grouped_in_vain(each, list(each.modifier.labels), suite)


def _asked_in_vain(selector: VectorSelector, suite: Suite) -> Iterator[str]:
    name = name_of(selector)
    metric, recorded = suite.metric(name), suite.recordings.get(name, ())
    for matcher in matchers_of(selector):
        if metric and matcher.name not in _ALWAYS_KNOWN and matcher.name not in metric.labels and _wants(matcher):
            yield f"{name} has no label {matcher.name}{did_you_mean(matcher.name, metric.labels)}"
        elif len(recorded) == 1 and _wants(matcher) and not _recorded_with(recorded[0], matcher.name, suite):
            yield f"the recording {name} has no label {matcher.name}"


def _wants(matcher: Matcher) -> bool:
    return bool(matcher.value) or matcher.op == MatchOp.NotEqual


def _recorded_with(recording: Query, label: str, suite: Suite) -> bool:
    given = recording.recording.labels if recording.recording else {}
    return label in given or suite.labels(recording.expr).may_have(label)


def _grouped_in_vain(expr: AggregateExpr, labels: list[str], suite: Suite) -> Iterator[str]:
    inner = suite.labels(expr.expr)
    found = [suite.metric(name_of(each)) for each in selectors(expr.expr)]
    for label in labels:
        everywhere = all(metric and label not in metric.labels for metric in found)
        is_foreign = bool(found) and everywhere and label not in _ALWAYS_KNOWN and label not in inner.surely
        if label != "grafana_variable" and (not inner.may_have(label) or is_foreign) and not _makes_labels(expr):
            yield f"grouped by {label}, which these series have not"


def _makes_labels(expr: Expr) -> bool:
    """Return whether labels may come from elsewhere: label_replace, group_left, count_values, info."""
    for each in walk(expr):
        if getattr(getattr(each, "func", None), "name", "") in {"label_replace", "label_join", "info"}:
            return True
        if isinstance(each, BinaryExpr) and not _is_one_to_one(each):
            return True
    return False


@check(
    "comparison-without-bool",
    Query,
    Severity.WARNING,
    "A comparison without bool gives the compared value where it holds and nothing where it does not, never 1 or 0.",
    remedy="write the comparison with bool, as in x > bool 0.99",
)
def comparison_without_bool(query: Query, _: Suite) -> Findings:
    """Yield comparisons whose result is recorded, drawn as a state, or calculated with."""
    is_state = query.panel is not None and query.panel.kind in _STATES
    if (query.recording and not _leaves_out(query.expr, query.recording.name)) or is_state:
        is_truth = query.recording is not None and _TRUTH.search(query.recording.name) is not None
        top = _unaggregated(query.expr) if is_truth else query.expr
        for message in _filters_at_top(top):
            yield Found(message=message, severity=Severity.ERROR if is_truth else None)
    for each in walk(query.expr):
        if isinstance(each, BinaryExpr) and str(each.op) in {"+", "*"} and _calculates(each):
            message = f"'{each.op}' calculates with two comparisons, of which neither is 1 or 0"
            yield Found(message=message, severity=Severity.ERROR)
        elif function(each) in {"avg", "avg_over_time", "sum_over_time"} and (compared := _averaged(each)):
            yield Found(message=compared, severity=Severity.ERROR if "==" in compared else None)
    if query.recording and (filtered := next(_filtered_parts(query.expr), "")):
        yield filtered


def _calculates(expr: BinaryExpr) -> bool:
    return all(_is_filter(unscaled(side)[0]) for side in (expr.lhs, expr.rhs))


def _averaged(expr: Expr) -> str:
    """Return what is wrong with the average or sum of what a comparison lets through, other than what is not 0."""
    inner = bare(expr.expr if isinstance(expr, AggregateExpr) else next(children(expr)))
    inner = bare(inner.expr) if isinstance(inner, SubqueryExpr) else inner
    found = next(conditions(inner), None) if _is_filter(inner) else None
    if found is None or found.limit is None or (found.op != "==" and found.limit == 0):
        return ""
    what = "sum" if function(expr).startswith("sum") else "average"
    if found.op == "==":
        return f"the average of what is == {found.limit:g} is always {found.limit:g}" if what == "average" else ""
    return f"the {what} is one of the values that are {found.op} {found.limit:g}, not of how often they are"


def _filtered_parts(expr: Expr) -> Iterator[str]:
    """Yield the shares that are recorded as ``sum(x == 1) / count(x)``."""
    for each in walk(expr):
        part = bare(each.lhs) if isinstance(each, BinaryExpr) and str(each.op) == "/" else None
        if isinstance(part, AggregateExpr) and str(part.op) in {"sum", "count"} and _is_filter(bare(part.expr)):
            yield "where none meets the comparison there is no share at all, not a 0"


_TRUTH = re.compile(
    r"(?:^|[_:])(?:is|has|ok|met|healthy|compliant|compliance|sli|within|active|up|good|in_slo)(?:$|[_:])"
)
_STATES = frozenset({"stat", "gauge", "singlestat", "state-timeline", "status-history", "bargauge"})


def _leaves_out(expr: Expr, name: str) -> bool:
    """Return whether a comparison is there to leave out what is no number (``>= 0``) or nothing (``> 0``)."""
    found = next(conditions(expr), None)
    if found is None or found.limit != 0:
        return False
    if function(found.left) == "histogram_quantile":
        return True
    return found.op == ">=" or (found.op == ">" and not _TRUTH.search(name))


def _unaggregated(expr: Expr) -> Expr:
    expr = bare(expr)
    return expr.expr if isinstance(expr, AggregateExpr) and str(expr.op) in {"min", "max", "avg"} else expr


def _filters_at_top(expr: Expr) -> Iterator[str]:
    expr = bare(expr)
    if isinstance(expr, BinaryExpr) and str(expr.op) in {"and", "or"} and _is_filter(expr.rhs):
        yield from _filters_at_top(expr.lhs)
    elif _is_filter(expr):
        yield "where the comparison does not hold there is no value at all, not a 0"


def _is_filter(expr: Expr) -> bool:
    while hasattr(expr, "expr") and not isinstance(expr, AggregateExpr):
        expr = expr.expr
    if not isinstance(expr, BinaryExpr) or str(expr.op) not in COMPARISONS:
        return False
    return not (expr.modifier and expr.modifier.return_bool) and not (is_scalar(expr.lhs) and is_scalar(expr.rhs))
