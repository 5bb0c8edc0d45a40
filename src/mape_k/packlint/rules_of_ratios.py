"""Checks of ratios: numerators that vanish, denominators that lack what is counted, shares of almost nothing."""

import re
from collections.abc import Iterator

from mape_k.packlint.labels import OF_TARGETS
from mape_k.packlint.model import Findings, Query, Severity, check
from mape_k.packlint.promql import (
    COMPARISONS,
    AggregateExpr,
    BinaryExpr,
    Call,
    Condition,
    Expr,
    Matcher,
    MatchOp,
    ParenExpr,
    UnaryExpr,
    VectorSelector,
    bare,
    conditions,
    function,
    matchers_of,
    name_of,
    number,
    of_same_size,
    operator,
    ranges,
    same_condition,
    selectors,
    unscaled,
    walk,
)
from mape_k.packlint.rules_of_events import RARE
from mape_k.packlint.suite import Suite

_GOOD = re.compile(
    r"(?:^|_|\|)(?:ok|success(?:es|ful|fully)?|succeeded|succeed|accepted|delivered|done|completed?|passed|good|healthy|approved"
    r"|hits?|up|true|valid|2\.\.|2xx|2\d\d|2\[0-9\].*|2\.\*|2\.\+)(?:$|_|\|)",
    re.IGNORECASE,
)
_BAD = re.compile(
    r"(?:^|_|\|)(?:errors?|err|fail(?:s|ed|ures?)?|5\.\.|5xx|5\d\d|5\[0-9\].*|5\.\*|5\.\+|rejected|timeouts?|false|invalid|down|miss(?:es|ed)?|dropped|discarded|lost|bounced?|bounces|aborted|cancelled|expired|undelivered)(?:$|_|\|)",
    re.IGNORECASE,
)
_TURNED_AWAY = re.compile(
    r"(?:^|_)(?:throttled|throttles|throttling|429|too_many_requests|rate_?limited|rejected|rejections|refused|shed|denied|blocked)(?:_|$)"
)
_SHORT, _RARELY, _LONG, _SMALL = 600.0, 900.0, 3600.0, 0.02
_CALM = frozenset({"info", "none", "notice", "debug"})
_PAGES = frozenset({"critical", "page", "crit", "emergency", "high", "p1"})


def _divisions(expr: Expr, *, is_falling: bool = False) -> Iterator[tuple[BinaryExpr, bool]]:
    """Yield the divisions that ``expr`` is made of, and whether it falls when they rise (``1 - good / all``)."""
    expr = bare(expr)
    if isinstance(expr, UnaryExpr):
        yield from _divisions(expr.expr, is_falling=not is_falling)
    elif (within := of_same_size(expr)) is not None:
        yield from _divisions(within, is_falling=is_falling)
    elif isinstance(expr, BinaryExpr) and str(expr.op) == "/" and number(expr.rhs) is None:
        yield expr, is_falling
    elif isinstance(expr, BinaryExpr) and str(expr.op) in {"+", "-", "*", "/"}:
        yield from _divisions(expr.lhs, is_falling=is_falling)
        yield from _divisions(expr.rhs, is_falling=is_falling is not (str(expr.op) == "-"))


@check(
    "vanishing-numerator",
    Query,
    Severity.WARNING,
    "Where nothing has succeeded yet there is no series of successes and no ratio: total failure is silent.",
    remedy="count the failures instead: failed / all, compared with > (or add: or 0 * all, to the numerator)",
)
def vanishing_numerator(query: Query, suite: Suite) -> Findings:
    """Yield shares of what is good that are absent when nothing is."""
    expr = suite.in_full(query)
    if query.rule is None or any(function(each).startswith("absent") for each in walk(expr)):
        return
    if query.recording:
        found = [each for each, falls in _divisions(expr) if falls or _counts_good(each)]
    else:
        found = [each for condition in conditions(expr) for each in _watched_good(condition)]
    for reason in (*map(_vanishes, found), *map(_rest_vanishes, walk(expr))):
        if reason:
            yield f"without any series with {reason} there is no value at all"
            return


def _watched_good(condition: Condition) -> Iterator[BinaryExpr]:
    """Yield the divisions for which less means worse."""
    for each, is_falling in _divisions(condition.left):
        if (condition.op in {"<", "<="} and not is_falling) or (condition.op in {">", ">="} and is_falling):
            yield each


def _counts_good(division: BinaryExpr) -> bool:
    return any(_is_good(each) for selector in selectors(division.lhs) for each in matchers_of(selector))


def _is_good(matcher: Matcher) -> bool:
    if matcher.op in (MatchOp.Equal, MatchOp.Re):
        return _GOOD.search(matcher.value) is not None and not _BAD.search(matcher.value)
    return _BAD.search(matcher.value) is not None


def _vanishes(division: BinaryExpr) -> str:
    """Return the condition that makes the numerator absent; empty: it is always there."""
    parts, wholes = list(selectors(division.lhs)), list(selectors(division.rhs))
    if (
        len(parts) != 1
        or not wholes
        or any(isinstance(each, BinaryExpr) and str(each.op) == "or" for each in walk(division.lhs))
    ):
        return ""
    same = [each for each in wholes if name_of(each) == name_of(parts[0])]
    for matcher in matchers_of(parts[0]):
        is_in_all = bool(same) and all(
            any(same_condition(matcher, other) for other in matchers_of(each)) for each in same
        )
        if matcher.name == "le" or matcher.name in OF_TARGETS or is_in_all:
            continue
        if same or _is_good(matcher):
            return f"{matcher.name} {'as asked'}" if not matcher.value else f"this {matcher.name}"
    return ""


def _rest_vanishes(expr: Expr) -> str:
    """Return the condition that makes ``all - good`` absent; empty: it is always there, or something else."""
    if not isinstance(expr, BinaryExpr) or str(expr.op) != "-":
        return ""
    every, good = list(selectors(expr.lhs)), list(selectors(expr.rhs))
    if len(every) != 1 or len(good) != 1 or name_of(every[0]) != name_of(good[0]) or not _is_plain(expr.rhs):
        return ""
    asked = matchers_of(every[0])
    own = [each for each in matchers_of(good[0]) if not any(same_condition(each, other) for other in asked)]
    return next((f"this {each.name}" for each in own if each.name not in OF_TARGETS and _is_good(each)), "")


def _is_plain(expr: Expr) -> bool:
    return not any(isinstance(each, BinaryExpr) and str(each.op) == "or" for each in walk(expr))


@check(
    "denominator-without-the-counted",
    Query,
    Severity.WARNING,
    "What is counted above the line is not among what is counted below it, so the ratio is no share and can pass 100%.",
    remedy="divide by the sum of both counts",
)
def denominator_without_the_counted(query: Query, suite: Suite) -> Findings:
    """Yield ratios of two counts that exclude each other."""
    for each in walk(suite.in_full(query)):
        if isinstance(each, BinaryExpr) and str(each.op) == "/":
            parts, wholes = list(selectors(each.lhs)), list(selectors(each.rhs))
            if len(parts) == 1 and len(wholes) == 1 and (reason := _excludes(parts[0], wholes[0])):
                yield reason


def _excludes(part: VectorSelector, whole: VectorSelector) -> str:
    one, other = name_of(part), name_of(whole)
    if one != other:
        if set(other.split("_")) <= set(one.split("_")):
            return ""
        is_away = _TURNED_AWAY.search(one) and not _TURNED_AWAY.search(other) and other.endswith(("_total", "_count"))
        is_other_end = _BAD.search(_stem(one)) and _GOOD.search(_stem(other))
        return f"{other} need not count what {one} counts" if is_away or is_other_end else ""
    for mine in matchers_of(part):
        for their in matchers_of(whole):
            if mine.name == their.name and mine.name not in OF_TARGETS and _is_opposite(mine, their):
                return f"{mine.name} is {mine.value!r} above the line and {_said(their)} below it"
    return ""


def _is_opposite(mine: Matcher, their: Matcher) -> bool:
    """Return whether what fails is divided by what does not, or something by all the rest."""
    exact, pattern = (MatchOp.Equal, MatchOp.NotEqual), (MatchOp.Re, MatchOp.NotRe)
    if (mine.op, their.op) in (exact, pattern):
        return mine.value == their.value
    is_listed = mine.op in (exact[0], pattern[0]) and their.op in (exact[0], pattern[0])
    is_bad = (_BAD.search(mine.value) or _TURNED_AWAY.search(mine.value)) and not _GOOD.search(mine.value)
    return bool(is_listed and is_bad and _GOOD.search(their.value) and not _BAD.search(their.value))


def _said(matcher: Matcher) -> str:
    return ("not " if matcher.op in (MatchOp.NotEqual, MatchOp.NotRe) else "") + repr(matcher.value)


def _stem(name: str) -> str:
    return re.sub(r"_(?:total|count|sum)$", "", name)


@check(
    "share-of-almost-nothing",
    Query,
    Severity.WARNING,
    "With little traffic a single failure is a large share: somebody is woken because of one event.",
    remedy="add a minimum: and sum(increase(…)) > a number",
)
def share_of_almost_nothing(query: Query, suite: Suite) -> Findings:
    """Yield shares that page people, over short windows and without a minimum count."""
    if query.alert is None or query.alert.severity.lower() in _CALM:
        return
    is_page = query.alert.severity.lower() in _PAGES
    expr = suite.in_full(query, is_whole=True)
    if any(operator(each) == "and" for each in walk(expr)):
        return
    for condition in conditions(expr):
        for each, is_falling in _divisions(condition.left):
            is_short = max(ranges(each), default=_LONG) <= (_RARELY if _is_rare(each) else _SHORT)
            if (
                is_short
                and _is_share_of_events(each)
                and _is_touchy(condition, each, is_falling=is_falling, is_page=is_page)
            ):
                yield "a share over a short window, with no minimum of events"
                return


def _is_share_of_events(division: BinaryExpr) -> bool:
    """Return whether counts of events are divided by each other."""
    sides = [list(selectors(side)) for side in (division.lhs, division.rhs)]
    is_counted = all(
        isinstance(each, Call | AggregateExpr | ParenExpr | BinaryExpr) for each in (division.lhs, division.rhs)
    )
    return is_counted and all(
        side and all(name_of(each).endswith(("_total", "_count")) for each in side) for side in sides
    )


def _is_touchy(condition: Condition, division: BinaryExpr, *, is_falling: bool, is_page: bool) -> bool:
    limit = condition.limit
    if limit is None or condition.op not in COMPARISONS - {"==", "!="}:
        return False
    limit /= abs(unscaled(condition.left)[1])
    worse = limit if condition.op in {">", ">="} else 1 - limit
    is_rare = _is_rare(division)
    return (is_page and 0 < worse <= _SMALL) or (is_rare and not is_falling) or (is_rare and 0 < worse < 1)


def _is_rare(division: BinaryExpr) -> bool:
    return any(RARE.search(name_of(each)) for each in selectors(division))
