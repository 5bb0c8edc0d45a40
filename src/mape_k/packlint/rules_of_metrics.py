"""Checks of what is done with a metric, given its type, and of names that nothing has."""

import re
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches

from mape_k.errors import did_you_mean
from mape_k.packfiles.inventory import SERIES_OF_HISTOGRAMS
from mape_k.packlint.model import Findings, Found, Query, Severity, check
from mape_k.packlint.promql import (
    BinaryExpr,
    Condition,
    Expr,
    MatrixSelector,
    VectorSelector,
    bare,
    conditions,
    fixed_labels,
    function,
    matchers_of,
    name_of,
    selectors,
    walk,
    windowed,
)
from mape_k.packlint.suite import OF_EVERY_SCRAPE, Suite

_RATES = ("rate", "irate", "increase")
_GAUGE_NAME = re.compile(
    r"_(?:bytes|ratio|percent|celsius|volts|amperes|info|timestamp|timestamp_seconds|size|usage|current|active|in_progress"
    r"|in_flight|inflight|connections|temperature|depth|length|available|free|used|limit|capacity|utilization|utilisation"
    r"|state|status|up|instances|queued|pending|waiting|open|memory|entries|uptime_seconds|age_seconds|workers|replicas)$"
)
_SURELY_GAUGE = re.compile(
    r"_(?:percent|ratio|celsius|volts|amperes|temperature|timestamp_seconds|info|size|size_bytes)$"
)
_GAUGE_CALLED_TOTAL = re.compile(r"_(?:in_use|in_progress|in_flight|pending|queued|available|free|connected)_total$")
_OBSERVED = re.compile(
    r"(?:^|_)(?:duration|latency|response_time|request_time|processing_time|elapsed|wait_time)"
    r"(?:_(?:seconds|milliseconds|microseconds|nanoseconds|ms|us|ns))?$|_(?:request|response)_size_bytes$"
)
_EVENTS = re.compile(r"(?:errors?|failures?|failed|requests?|events?|exceptions?|restarts?|retries|attempts?)_total$")
_WORD, _CLOSE, _LONGEST, _MOST = 5, 0.85, 200, 100
_EXTREMES = frozenset({"max", "min", "max_over_time", "min_over_time", "last_over_time"})
_SINGLE = re.compile(
    r"(?:^|_)(?:last|latest|current|max|min|avg|mean|p\d+|scrape|probe|collector|exporter|budget|limit|timeout)(?:_|$)"
)


@check(
    "histogram-base-name",
    Query,
    Severity.ERROR,
    "A histogram has the series …_bucket, …_sum and …_count; its base name has none, so the query finds nothing.",
    remedy="use histogram_quantile over …_bucket, or …_sum divided by …_count",
)
def histogram_base_name(query: Query, suite: Suite) -> Findings:
    """Yield histograms that are read as if they were gauges."""
    for selector in {name_of(each): each for each in selectors(query.expr)}.values():
        name = name_of(selector)
        metric = suite.metric(name)
        if metric is not None:
            if metric.type == "histogram" and name == metric.name:
                yield f"{name} is a histogram; there is no series of that name"
        elif name and _looks_like_histogram(name, selector, query, suite):
            is_sure = any(name + suffix in suite.series_used for suffix in SERIES_OF_HISTOGRAMS)
            message = f"{name} looks like a histogram; there is then no series of that name"
            yield Found(message=message, severity=None if is_sure else Severity.WARNING)


def _looks_like_histogram(name: str, selector: VectorSelector, query: Query, suite: Suite) -> bool:
    if ":" in name or name in suite.recordings or name in OF_EVERY_SCRAPE or name.endswith(SERIES_OF_HISTOGRAMS):
        return False
    if any(matcher.name == "quantile" for matcher in matchers_of(selector)):
        return False
    if _is_native(name, query):
        return False
    if any(name + suffix in suite.series_used for suffix in ("_bucket", "_sum", "_count")):
        return True
    quantiles = [each for each in walk(query.expr) if function(each) == "histogram_quantile" and not _has_buckets(each)]
    if any(name_of(each) == name for quantile in quantiles for each in selectors(quantile)):
        return any(map(_is_grouped_by_bounds, quantiles)) or not any(windowed(query.expr, *_RATES))
    return _OBSERVED.search(name) is not None and _SINGLE.search(name) is None and not _is_read_as_gauge(name, query)


def _is_read_as_gauge(name: str, query: Query) -> bool:
    """Return whether somebody asks for the greatest or least, as of a last value."""
    readers = [each for each in walk(query.expr) if function(each) in _EXTREMES]
    return any(name_of(each) == name for reader in readers for each in selectors(reader))


def _is_native(name: str, query: Query) -> bool:
    """Return whether a function for native histograms reads the name: any but ``histogram_quantile``."""
    natives = ("histogram_avg", "histogram_count", "histogram_sum", "histogram_fraction", "histogram_stddev")
    readers = [each for each in walk(query.expr) if function(each) in natives]
    return any(name_of(each) == name for reader in readers for each in selectors(reader))


def _has_buckets(expr: Expr) -> bool:
    return any(name_of(each).endswith("_bucket") for each in selectors(expr))


def _is_grouped_by_bounds(expr: Expr) -> bool:
    """A native histogram is read by its base name, but has no label ``le``."""
    modifiers = (getattr(each, "modifier", None) for each in walk(expr))
    return any("le" in (getattr(modifier, "labels", None) or ()) for modifier in modifiers)


@check(
    "rate-of-gauge",
    Query,
    Severity.ERROR,
    "rate and increase are for counters: every fall of a gauge looks to them like a restart from zero.",
    remedy="use deriv or delta for a gauge",
)
def rate_of_gauge(query: Query, suite: Suite) -> Findings:
    """Yield rates of what rises and falls."""
    for call, selector, _ in windowed(query.expr, *_RATES):
        name = name_of(selector)
        metric = suite.metric(name)
        if ":" not in name and (metric.type in {"gauge", "info"} if metric else _is_gauge_by_name(name)):
            is_sure = metric is not None or _SURELY_GAUGE.search(name) is not None
            message = f"{call.func.name} of {name}, which is a gauge"
            yield Found(message=message, severity=None if is_sure else Severity.WARNING)


def _is_gauge_by_name(name: str) -> bool:
    return _GAUGE_NAME.search(name) is not None or _GAUGE_CALLED_TOTAL.search(name) is not None


@check(
    "difference-of-counter",
    Query,
    Severity.ERROR,
    "A counter starts again at zero with its process: plain differences of it are then wrong or negative.",
    remedy="use increase, which knows about restarts",
)
def difference_of_counter(query: Query, suite: Suite) -> Findings:
    """Yield differences of counters that a restart breaks."""
    for call, selector, _ in windowed(query.expr, "delta", "idelta", "deriv", "predict_linear"):
        if suite.is_counter(name_of(selector)):
            is_sure = suite.metric(name_of(selector)) is not None
            message = f"{call.func.name} of the counter {name_of(selector)}"
            yield Found(message=message, severity=None if is_sure else Severity.WARNING)
    for each in walk(query.expr):
        if (
            isinstance(each, BinaryExpr)
            and str(each.op) == "-"
            and (name := _then_and_now(each))
            and suite.is_counter(name)
        ):
            yield Found(message=f"the counter {name} minus its own past", severity=Severity.WARNING)


def _then_and_now(expr: BinaryExpr) -> str:
    left, right = (_raw(side) for side in (expr.lhs, expr.rhs))
    if left is None or right is None or name_of(left) != name_of(right) or left.offset == right.offset:
        return ""
    return name_of(left)


def _raw(expr: Expr) -> VectorSelector | None:
    """Return the selector that ``expr`` is, or that it aggregates."""
    expr = bare(expr)
    while function(expr) in {"sum", "max", "min", "avg"}:
        expr = bare(next(iter(_argument(expr))))
    return expr if isinstance(expr, VectorSelector) else None


def _argument(expr: Expr) -> Iterator[Expr]:
    yield getattr(expr, "expr", expr)


@check(
    "limit-on-lifetime-counter",
    Query,
    Severity.WARNING,
    "A counter counts since its process began: once above a limit it stays there until the next restart.",
    remedy="compare increase over a window instead",
)
def limit_on_lifetime_counter(query: Query, suite: Suite) -> Findings:
    """Yield alerts that compare a counter's whole life with a limit."""
    if query.alert is None:
        return
    for condition in conditions(query.expr):
        name = _lifetime(condition)
        metric = suite.metric(name)
        is_counter = metric.type == "counter" if metric else _EVENTS.search(name)
        if is_counter and suite.is_counter(name):
            yield f"{name} is compared with {condition.limit:g} since its beginning"


def _lifetime(condition: Condition) -> str:
    selector = _raw(condition.left)
    if selector is None or condition.op not in {">", ">="} or not condition.limit or condition.limit <= 0:
        return ""
    return "" if selector.offset else name_of(selector)


@check(
    "unknown-metric",
    Query,
    Severity.ERROR,
    "Nothing exports a series of that name, so the query never finds anything.",
    remedy="write the name as the inventory has it, or add the metric to the inventory",
)
def unknown_metric(query: Query, suite: Suite) -> Findings:
    """Yield names that no inventory has; without inventories, nothing."""
    if not suite.inventories:
        return
    names = [name for inventory in suite.inventories for metric in inventory for name in metric.series]
    for name in (
        {name_of(each) for each in selectors(query.expr)} - {"", "ALERTS", "ALERTS_FOR_STATE"} - OF_EVERY_SCRAPE
    ):
        if suite.metric(name) is None and name not in suite.recordings and ":" not in name:
            yield f"no inventory has {name}{did_you_mean(name, [*names, *suite.recordings])}"


@check(
    "unrecorded-series",
    Query,
    Severity.ERROR,
    "A name with a colon is that of a recording, and no rule records it.",
    remedy="add the recording, or write its name as it is recorded",
)
def unrecorded_series(query: Query, suite: Suite) -> Findings:
    """Yield recordings that are read and not written; in loose files only where others of their family are written."""
    for name in {name_of(each) for each in selectors(query.expr) if ":" in name_of(each)}:
        if name not in suite.recordings and (suite.pack is not None or _is_misspelt(name, suite.recordings)):
            yield f"no rule here records {name}{did_you_mean(name, suite.recordings)}"


def _is_misspelt(name: str, recorded: Iterable[str]) -> bool:
    """Return whether a recording differs by its spelling alone, not by a number as another window or quantile would."""
    close = get_close_matches(name, recorded, n=1, cutoff=0.85)
    return bool(close) and sorted(re.split(r"\d+", name)) != sorted(re.split(r"\d+", close[0]))


@check(
    "unknown-job",
    Query,
    Severity.ERROR,
    "No scrape job has that name, so the selector finds nothing.",
    remedy="write the job's name as the scrape configuration has it",
)
def unknown_job(query: Query, suite: Suite) -> Findings:
    """Yield jobs that nobody scrapes; without scrape jobs, nothing."""
    jobs = suite.scrape_jobs
    for job in {fixed_labels(each).get("job", "") for each in selectors(query.expr)} - {""}:
        if jobs and job not in jobs and "$" not in job:
            yield f"no scrape job is named {job}{did_you_mean(job, jobs)}"


@check(
    "metric-in-two-spellings",
    Suite,
    Severity.WARNING,
    "Two names differ by a prefix, a unit or a letter alone: most likely they mean one metric, and one finds nothing.",
    remedy="look at what is exported and use that one name everywhere",
)
def metric_in_two_spellings(suite: Suite, _: Suite) -> Findings:
    """Yield names that differ so little that one of them must be wrong; with an inventory this is known better."""
    if suite.inventories:
        return
    names = {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in suite.series_used if ":" not in name}
    rated = {name_of(each) for query in suite.queries for _, each, _ in windowed(query.expr, *_RATES)}
    for long in sorted(names):
        for short, reason in (
            *_shorter(long),
            *_without_total(long, rated),
            *_misspelt(long, names),
            *_untested(long, suite),
        ):
            if short in names | suite.series_in_tests:
                place = next(query for query in suite.queries if any(_is(each, long) for each in selectors(query.expr)))
                message = f"{short} and {long} {reason}"
                yield Found(message=message, line=place.line, path=place.path, where=place.where)


def _is(selector: VectorSelector, name: str) -> bool:
    return re.sub(r"_(?:bucket|sum|count)$", "", name_of(selector)) == name


def _without_total(long: str, rated: set[str]) -> Iterator[tuple[str, str]]:
    """A gauge may be called as a counter is, without ``_total``; but nobody takes a rate of it."""
    short = long.removesuffix("_total")
    if short != long and {short, long} <= rated:
        yield short, "differ by the suffix alone"


def _misspelt(name: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield names that lack one letter within one of the words; at the end of a word it may be grammar."""
    for found in re.finditer(rf"[a-z]{{{_WORD + 1},50}}", name[:_LONGEST]):
        for at in range(found.start() + 1, found.end() - 1):
            if (other := name[:at] + name[at + 1 :]) in names:
                yield other, "differ by a letter alone"
                return


def _untested(name: str, suite: Suite) -> Iterator[tuple[str, str]]:
    """Yield what unit tests give as input instead of a name, and nothing reads."""
    if suite.series_in_tests and name not in suite.series_in_tests and name not in suite.recordings:
        unread = [each for each in sorted(suite.series_in_tests - suite.series_used) if ":" not in each]
        for other in get_close_matches(name[:_LONGEST], unread[:_MOST], n=1, cutoff=_CLOSE):
            yield other, "differ a little: the unit tests have the one and the rules the other"


def _shorter(long: str) -> Iterator[tuple[str, str]]:
    """Yield the names that would mean the same as ``long``, and how they differ from it."""
    for suffix in ("_seconds", "_bytes", "_milliseconds", "_ms"):
        if long.endswith(suffix):
            yield long.removesuffix(suffix), "differ by the suffix alone"
    for suffix, other in (("_ms", "_seconds"), ("_milliseconds", "_seconds"), ("_us", "_ms"), ("_ns", "_seconds")):
        if long.endswith(suffix):
            yield long.removesuffix(suffix) + other, "differ by the unit alone"
    segment, _, rest = long.partition("_")
    if rest.count("_") >= 2 and rest.endswith(("_total", "_seconds", "_bytes", "_ms")):  # noqa: PLR2004
        yield rest, f"differ by the prefix {segment} alone"
    for plural in ("requests", "errors"):
        if plural in long:
            yield long.replace(plural, plural[:-1]), "differ by a plural alone"


@check(
    "range-without-points",
    Query,
    Severity.ERROR,
    "A window needs two scrapes to see anything change; a shorter one is always empty.",
    remedy="make the window at least four times the scrape interval",
)
def range_without_points(query: Query, suite: Suite) -> Findings:
    """Yield windows over a metric that are shorter than two of its scrapes."""
    for each in walk(query.expr):
        if isinstance(each, MatrixSelector) and (interval := _interval(each.vector_selector, suite)):
            length = each.range.total_seconds()
            if length < 2 * interval:
                name = name_of(each.vector_selector)
                yield f"a window of {length:g}s over {name}, which is scraped every {interval:g}s"


def _interval(selector: VectorSelector, suite: Suite) -> float:
    name, jobs = name_of(selector), suite.scrape_jobs
    if not jobs or ":" in name:
        return 0.0
    job = fixed_labels(selector).get("job") or (metric.job if (metric := suite.metric(name)) else None)
    return jobs.get(job, 0.0) if job else min(jobs.values())
