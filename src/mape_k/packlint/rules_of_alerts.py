"""Checks of a set of alerts as a whole, and of what must be with each; of inventories and the pages around them."""

import re
from collections.abc import Iterator

from mape_k.packfiles import Inventory
from mape_k.packfiles.alertmanager import Matcher
from mape_k.packlint.matching import lets_through
from mape_k.packlint.model import Findings, Found, Query, Severity, check
from mape_k.packlint.promql import (
    AggModifierType,
    AggregateExpr,
    VectorSelector,
    function,
    matchers_of,
    name_of,
    selectors,
    walk,
)
from mape_k.packlint.suite import Suite, has_runbook

_PERSONAL = re.compile(
    r"(?:^|_)(?:user|customer|patient|client|account|order|session|request|trace|span|sale|refund|lead|transaction|correlation"
    r"|message|device|member|employee|contact|person|invoice|payment)_?(?:id|uuid|name|ref)$"
    r"|(?:^|_)(?:e_?mail|phone|uuid|guid|sql|statement|stack_?trace|session|password|token|ssn|first_name|last_name|full_name"
    r"|error_message|exception_message|free_text|note|comment|url|uri|full_path|query_string|user_agent|referer|ip_address)$"
)
_ENOUGH_ALERTS = 3
_OPERATORS = {"MatchOp.Equal": "=", "MatchOp.NotEqual": "!=", "MatchOp.Re": "=~", "MatchOp.NotRe": "!~"}
_MANY_VALUES = 500
_OF_EVERY_PROCESS = ("process_", "python_", "go_")
"""What client libraries export of themselves."""


@check(
    "no-alert-for-target-down",
    Suite,
    Severity.WARNING,
    "When the exporter is gone every other alert on its metrics is silent.",
    remedy='add an alert on: up{job="…"} == 0 or absent(up{job="…"})',
)
def no_alert_for_target_down(suite: Suite, _: Suite) -> Findings:
    """Yield alerts that nobody misses when their metrics are gone: all of them, or the first one of a job."""
    alerts = [query for query in suite.queries if query.alert and _reads_raw(query)]
    watchers = [each for query in suite.queries if query.rule for each in _watched(query)]
    is_whole = suite.pack or suite.prometheuses or len(alerts) >= _ENOUGH_ALERTS - bool(suite.inventories)
    if not watchers and alerts and is_whole:
        yield _unwatched(alerts[0], f"none of the {len(alerts)} alerts fires when their target is down")
    elif suite.scrape_jobs and not any(not _asked_jobs(each) for each in watchers):
        for job in suite.scrape_jobs:
            first = next((query for query in alerts if _is_about(query, job, suite)), None)
            if first and not any(lets_through(each, job) for one in watchers for each in _asked_jobs(one)):
                yield _unwatched(first, f"no alert fires when the job {job} is down")


def _unwatched(query: Query, message: str) -> Found:
    return Found(message=message, line=query.first_line, path=query.path, where=query.where)


def _reads_raw(query: Query) -> bool:
    return any(name_of(each) and ":" not in name_of(each) for each in selectors(query.expr))


def _watched(query: Query) -> Iterator[VectorSelector]:
    """Yield what an expression looks at to see whether a target is there: ``up``, or what is in ``absent``."""
    for each in walk(query.expr):
        if isinstance(each, VectorSelector) and name_of(each) == "up":
            yield each
        elif function(each).startswith("absent"):
            yield from selectors(each)


def _asked_jobs(selector: VectorSelector) -> list[Matcher]:
    """Return the conditions on the job; none: every job is meant."""
    return [
        Matcher(label="job", op=_OPERATORS[str(each.op)], value=each.value)
        for each in matchers_of(selector)
        if each.name == "job"
    ]


def _is_about(query: Query, job: str, suite: Suite) -> bool:
    """Return whether an alert asks for the job's series; each alert of a pack with one job does."""
    asked = [each for one in selectors(query.expr) for each in _asked_jobs(one)]
    return any(each.op == "=" and each.value == job for each in asked) or (suite.pack is not None and not asked)


@check(
    "alert-without-runbook",
    Query,
    Severity.WARNING,
    "Who is woken by this alert is not told what to do.",
    remedy="add the annotation runbook_url",
)
def alert_without_runbook(query: Query, suite: Suite) -> Findings:
    """Yield alerts without runbook; in loose files only where the others have one."""
    alert = query.alert
    if alert is None or has_runbook(alert):
        return
    others = suite.alerts_of(alert.path) - 1
    if suite.pack is not None or (suite.runbooks_of(alert.path) and suite.runbooks_of(alert.path) * 2 >= others):
        yield "no runbook is named"


@check(
    "alert-without-severity",
    Query,
    Severity.WARNING,
    "Routes and inhibitions ask for the label severity; an alert without it goes wherever is left.",
    remedy="add the label severity",
)
def alert_without_severity(query: Query, suite: Suite) -> Findings:
    """Yield alerts without severity; in loose files only where the others have one."""
    alert = query.alert
    if alert is None or alert.severity:
        return
    others = suite.alerts_of(alert.path) - 1
    if suite.pack is not None or (others > 1 and suite.severities_of(alert.path) == others):
        yield "no severity is given"


@check(
    "unbounded-label",
    Query,
    Severity.WARNING,
    "One series per person, request or text: there is no end to them, and they may say who somebody is.",
    remedy="group by something that has few values",
)
def unbounded_label(query: Query, suite: Suite) -> Findings:
    """Yield groupings by labels without bounds in what is recorded and alerted on."""
    for each in walk(query.expr) if query.rule else ():
        if isinstance(each, AggregateExpr) and each.modifier and each.modifier.type == AggModifierType.By:
            for label in filter(_PERSONAL.search, each.modifier.labels):
                if not _is_bounded(label, each, suite):
                    yield f"grouped by {label}"


def _is_bounded(label: str, expr: AggregateExpr, suite: Suite) -> bool:
    metrics = [suite.metric(name_of(each)) for each in selectors(expr.expr)]
    known = [metric.labels[label] for metric in metrics if metric and label in metric.labels]
    return bool(known) and all(each.at_most <= _MANY_VALUES for each in known)


@check(
    "unbounded-label-of-metric",
    Inventory,
    Severity.ERROR,
    "A label with ids, addresses, texts or hundreds of values makes thousands of series of one metric.",
    remedy="leave the label out, or map its values to a few; ids belong into logs and traces",
)
def unbounded_label_of_metric(inventory: Inventory, _: Suite) -> Findings:
    """Yield labels of the inventory that have no bound."""
    for metric in inventory:
        for name, label in metric.labels.items():
            if label.at_most > _MANY_VALUES:
                yield Found(message=f"{metric.name}: {name} may have {label.at_most} values", line=metric.line)
            elif not label.is_closed and _PERSONAL.search(name):
                yield Found(
                    message=f"{metric.name}: {name} is different for everybody and everything", line=metric.line
                )


@check(
    "misleading-metric-name",
    Inventory,
    Severity.WARNING,
    "Names end in _total for counters and for nothing else; people write rate() for what is called so.",
    remedy="rename the metric",
)
def misleading_metric_name(inventory: Inventory, _: Suite) -> Findings:
    """Yield gauges that are called like counters, and counters that are not."""
    for metric in inventory:
        if metric.name.endswith("_total") is not (metric.type == "counter"):
            what = "and its name ends in _total" if metric.type != "counter" else "and its name does not end in _total"
            yield Found(message=f"{metric.name} is a {metric.type} {what}", line=metric.line)


@check(
    "unused-metric",
    Inventory,
    Severity.WARNING,
    "A metric of the pack that no rule, panel, objective or signal uses is collected for nobody.",
    remedy="draw it on a board, watch it, or take it out of the inventory",
)
def unused_metric(inventory: Inventory, suite: Suite) -> Findings:
    """Yield metrics of a pack that nothing uses."""
    if suite.pack is None or not suite.pack.boards:
        return
    for metric in inventory:
        if not suite.series_used & set(metric.series) and not metric.name.startswith(_OF_EVERY_PROCESS):
            yield Found(message=f"nothing uses {metric.name}", line=metric.line)


_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LIKE_A_METRIC = re.compile(r"_(?:total|bucket|sum|count|seconds|milliseconds|ms|ns|bytes|ratio|info|timestamp)$")


@check(
    "unknown-metric-in-text",
    Suite,
    Severity.ERROR,
    "A runbook or page sends people to a metric that does not exist.",
    remedy="write the name as the inventory has it",
)
def unknown_metric_in_text(suite: Suite, _: Suite) -> Findings:
    """Yield metrics in a pack's pages that no inventory has."""
    if not suite.inventories:
        return
    families = {metric.name.partition("_")[0] for inventory in suite.inventories for metric in inventory}
    for runbook in suite.runbooks:
        for number, line in enumerate(runbook.content.splitlines(), 1):
            for name in _named(line):
                if name.partition("_")[0] in families and suite.metric(name) is None:
                    where = f"runbook {runbook.name}"
                    yield Found(message=f"no inventory has {name}", line=number, path=runbook.path, where=where)


def _named(line: str) -> Iterator[str]:
    return (word for word in _WORD.findall(line) if ":" not in word and _LIKE_A_METRIC.search(word))
