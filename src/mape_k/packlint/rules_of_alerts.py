"""Checks of a set of alerts as a whole, and of what must be with each; of inventories and the pages around them."""

import re
from collections.abc import Iterator

from mape_k.packfiles import Inventory
from mape_k.packlint.model import Findings, Found, Query, Severity, check
from mape_k.packlint.promql import AggModifierType, AggregateExpr, function, name_of, selectors, walk
from mape_k.packlint.suite import Suite, has_runbook

_PERSONAL = re.compile(
    r"(?:^|_)(?:user|customer|patient|client|account|order|session|request|trace|span|sale|refund|lead|transaction|correlation"
    r"|message|device|member|employee|contact|person|invoice|payment)_?(?:id|uuid|name|ref)$"
    r"|(?:^|_)(?:e_?mail|phone|uuid|guid|sql|statement|stack_?trace|session|password|token|ssn|first_name|last_name|full_name"
    r"|error_message|exception_message|free_text|note|comment|url|uri|full_path|query_string|user_agent|referer|ip_address)$"
)
_ENOUGH_ALERTS = 3
_MANY_VALUES = 2000
_OF_EVERY_PROCESS = ("process_", "python_", "go_")
"""What client libraries export of themselves."""


@check(
    "no-alert-for-target-down",
    Suite,
    Severity.WARNING,
    "When the exporter is gone every other alert is silent; nothing here watches up or absent.",
    remedy='add an alert on: up{job="…"} == 0 or absent(up{job="…"})',
)
def no_alert_for_target_down(suite: Suite, _: Suite) -> Findings:
    """Yield sets of alerts that cannot see that their metrics are missing."""
    alerts = [query for query in suite.queries if query.alert and _reads_raw(query)]
    if any(_watches_targets(query) for query in suite.queries if query.rule) or not alerts:
        return
    if suite.pack or suite.prometheuses or len(alerts) >= _ENOUGH_ALERTS:
        first = alerts[0]
        yield Found(
            message=f"none of the {len(alerts)} alerts fires when their target is down",
            line=first.first_line,
            path=first.path,
        )


def _reads_raw(query: Query) -> bool:
    return any(name_of(each) and ":" not in name_of(each) for each in selectors(query.expr))


def _watches_targets(query: Query) -> bool:
    names = {name_of(each) for each in selectors(query.expr)}
    return "up" in names or any(function(each).startswith("absent") for each in walk(query.expr))


@check(
    "job-without-alert-for-down",
    Suite,
    Severity.ERROR,
    "A scrape job of the pack has no alert that fires when its target is down or its metrics are missing.",
    remedy='add an alert on: up{job="…"} == 0 or absent(up{job="…"})',
)
def job_without_alert_for_down(suite: Suite, _: Suite) -> Findings:
    """Yield the scrape jobs of a pack that nobody misses."""
    if suite.pack is None or not suite.rules:
        return
    seen = "\n".join(query.text for query in suite.queries if query.alert and _watches_targets(query))
    for job in suite.scrape_jobs:
        if f'"{job}"' not in seen and suite.alerts:
            yield Found(message=f"no alert fires when the job {job} is down", line=1, path=suite.rule_files[0].path)


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
    "A label with ids, addresses, texts or thousands of values makes thousands of series of one metric.",
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
                    yield Found(
                        message=f"runbook {runbook.name}: no inventory has {name}", line=number, path=runbook.path
                    )


def _named(line: str) -> Iterator[str]:
    return (word for word in _WORD.findall(line) if ":" not in word and _LIKE_A_METRIC.search(word))
