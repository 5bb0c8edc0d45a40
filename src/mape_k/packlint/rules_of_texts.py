"""Checks of what alerts say: numbers shown in another unit than they have, functions and labels that do not exist."""

import re
from collections.abc import Iterator

from mape_k.errors import did_you_mean
from mape_k.packfiles import AlertmanagerFile, Rule
from mape_k.packfiles.alertmanager import Route
from mape_k.packfiles.texts import TemplateFile
from mape_k.packlint.model import Findings, Found, Query, Severity, check
from mape_k.packlint.promql import QueryError, parsed
from mape_k.packlint.suite import Suite
from mape_k.packlint.templates import (
    FIELDS_OF_ALERTMANAGER,
    OF_ALERTMANAGER,
    OF_PROMETHEUS,
    actions,
    broken,
    fields,
    functions,
    pipes_of_value,
    printed,
    queries,
    strange_variables,
)
from mape_k.packlint.units import BYTES, PER_SECOND, SHARE, TIME, Measure

_UNIT = re.compile(
    r"\s*(%|percent\b|ns\b|µs\b|us\b|ms\b|milliseconds?\b|s\b|seconds?\b|[KMGT]i?B\b|bytes\b"
    r"|/h\b|per hour|/min\b|per minute)"
)
_SCALES = {
    "%": (SHARE, 0.01), "percent": (SHARE, 0.01),
    "ns": (TIME, 1e-9), "µs": (TIME, 1e-6), "us": (TIME, 1e-6),
    "ms": (TIME, 1e-3), "millisecond": (TIME, 1e-3), "milliseconds": (TIME, 1e-3),
    "s": (TIME, 1.0), "second": (TIME, 1.0), "seconds": (TIME, 1.0),
    "bytes": (BYTES, 1.0),
    **{f"{name}B": (BYTES, 1000.0**power) for power, name in enumerate("KMGT", 1)},
    **{f"{name}iB": (BYTES, 1024.0**power) for power, name in enumerate("KMGT", 1)},
}  # fmt: skip
_VARIABLES = frozenset({"$labels", "$value", "$externalLabels", "$externalURL"})
"""What Prometheus declares in every template of an alert."""
_HUMANE = re.compile(r"humanize|Humanize")


def _shown(query: Query) -> Iterator[tuple[str, str, int]]:
    """Yield the annotations of an alert: key, text and line."""
    if query.alert:
        for key, text in query.alert.annotations.items():
            yield key, text, query.alert.lines.get(f"annotations.{key}", query.line)


def _value(query: Query, suite: Suite) -> Measure | None:
    """Return in what ``$value`` is measured: the left side of the condition."""
    return suite.measure(query.expr)


@check(
    "value-in-another-unit",
    Query,
    Severity.ERROR,
    "humanizePercentage takes a share (0.05) and humanizeDuration seconds; anything else is shown wrong.",
    remedy="divide the expression so that it gives a share or seconds, or print the number with its own unit",
)
def value_in_another_unit(query: Query, suite: Suite) -> Findings:
    """Yield texts that show a value as if it had another unit."""
    measure = _value(query, suite)
    for key, text, line in _shown(query) if measure else ():
        for pipe in pipes_of_value(text):
            if measure and (reason := _misread(pipe, measure)):
                yield Found(message=f"{key}: {reason}", line=line)
        for inside, after in printed(text):
            unit = _UNIT.match(after)
            if measure and unit and not _HUMANE.search(inside) and (reason := _mislabelled(unit.group(1), measure)):
                yield Found(message=f"{key}: {reason}", line=line)


def _misread(pipe: str, measure: Measure) -> str:
    if pipe == "humanizePercentage" and measure.dimension == SHARE and measure.scale < 0.5:  # noqa: PLR2004
        return "a percentage is multiplied by 100 again by humanizePercentage"
    if pipe == "humanizeDuration" and measure.dimension == TIME and measure.scale != 1.0:
        return f"humanizeDuration takes a value for seconds that is in units of {measure.scale:g} s"
    return ""


def _mislabelled(unit: str, measure: Measure) -> str:
    if unit.startswith(("/", "per ")):
        is_plain = measure.dimension.endswith(PER_SECOND) and measure.scale == 1.0
        return f"a rate per second is printed as {unit}" if is_plain else ""
    dimension, scale = _SCALES[unit]
    if measure.dimension != dimension or abs(measure.scale / scale - 1) < (0.1 if dimension == BYTES else 0.01):
        return ""
    shown = f"{measure.scale:g} s" if dimension == TIME else f"{measure.scale:g}"
    return f"the value is printed as {unit} and is in units of {shown}"


@check(
    "unknown-template-function",
    Query,
    Severity.ERROR,
    "A template that calls a function which does not exist is not expanded; the text arrives as an error message.",
    remedy="use a function that Prometheus' templates have",
)
def unknown_template_function(query: Query, _: Suite) -> Findings:
    """Yield annotations and labels of alerts that cannot be expanded."""
    for key, text, line in _templates(query.alert):
        for name in functions(text):
            if name not in OF_PROMETHEUS:
                yield Found(message=f"{key}: no function {name}{did_you_mean(name, OF_PROMETHEUS)}", line=line)
        for asked in queries(text):
            if reason := _not_promql(asked):
                yield Found(message=f"{key}: the query {asked!r} is broken: {reason}", line=line)
        for name in strange_variables(text, _VARIABLES):
            yield Found(message=f"{key}: no variable {name}{did_you_mean(name, _VARIABLES)}", line=line)
        if reason := broken(text):
            yield Found(message=f"{key}: {reason}", line=line)


def _not_promql(query: str) -> str:
    try:
        parsed(query)
    except QueryError as error:
        return str(error)
    return ""


def _templates(alert: Rule | None) -> Iterator[tuple[str, str, int]]:
    if alert:
        for section, texts in (("annotations", alert.annotations), ("labels", alert.labels)):
            for key, text in texts.items():
                yield key, text, alert.lines.get(f"{section}.{key}", alert.line)


@check(
    "unknown-template-label",
    Query,
    Severity.ERROR,
    "The text shows a label that the expression has aggregated away: it is always empty.",
    remedy="keep the label in by (…), or leave it out of the text",
)
def unknown_template_label(query: Query, suite: Suite) -> Findings:
    """Yield labels in texts that the alert's series cannot have."""
    if query.alert is None:
        return
    labels = suite.labels(query.expr)
    for key, text, line in _templates(query.alert):
        for steps in fields(text):
            if steps[0] == "$labels" and len(steps) > 1 and not labels.may_have(steps[1]):
                known = (
                    f" (there are: {', '.join(sorted(labels.possibly)) or 'none'})"
                    if labels.possibly is not None
                    else ""
                )
                yield Found(message=f"{key}: $labels.{steps[1]} is always empty{known}", line=line)


@check(
    "value-as-label",
    Query,
    Severity.WARNING,
    "A label that holds the value makes a new alert of every change: `for` starts again and people are told each time.",
    remedy="show the value in an annotation",
)
def value_as_label(query: Query, _: Suite) -> Findings:
    """Yield labels of alerts that change with the measured value."""
    if query.alert is None:
        return
    for key, text in query.alert.labels.items():
        pieces = [piece for action in actions(text) for piece in action]
        is_tested = any(piece.text in {"if", "lt", "gt", "ge", "le", "eq"} for piece in pieces)
        if any(piece.text in {"$value", ".Value"} for piece in pieces) and not is_tested:
            yield _changing(key, query.alert)


def _changing(key: str, alert: Rule) -> Found:
    """With ``for`` such an alert hardly ever fires; without, it is told again and again."""
    message, line = f"the label {key} holds the value", alert.lines.get(f"labels.{key}", 0)
    return Found(message=message, line=line, severity=Severity.ERROR if alert.lasting else None)


@check(
    "unknown-notification-function",
    AlertmanagerFile,
    Severity.ERROR,
    "A notification whose template calls a function that Alertmanager lacks is never sent.",
    remedy="use a function that Alertmanager's templates have; instead of default: {{ if … }}…{{ else }}…{{ end }}",
)
def unknown_notification_function(file: AlertmanagerFile, _: Suite) -> Findings:
    """Yield texts of receivers that Alertmanager cannot expand."""
    for line, text in file.texts:
        for message in (*_not_expanded(text), *_strange_fields(text)):
            yield Found(message=message, line=line)


@check(
    "unknown-function-in-template",
    TemplateFile,
    Severity.ERROR,
    "A notification whose template calls a function that Alertmanager lacks is never sent.",
    remedy="use a function that Alertmanager's templates have; instead of default: {{ if … }}…{{ else }}…{{ end }}",
)
def unknown_function_in_template(file: TemplateFile, _: Suite) -> Findings:
    """Yield what Alertmanager cannot expand in a file of templates."""
    for number, line in enumerate(file.content.splitlines(), 1):
        for name in functions(line):
            if name not in OF_ALERTMANAGER:
                yield Found(message=f"no function {name}{did_you_mean(name, OF_ALERTMANAGER)}", line=number)
    if reason := broken(file.content):
        yield reason


def _not_expanded(text: str) -> Iterator[str]:
    for name in functions(text):
        if name not in OF_ALERTMANAGER:
            yield f"no function {name}{did_you_mean(name, OF_ALERTMANAGER)}"
    if reason := broken(text):
        yield reason


def _strange_fields(text: str) -> Iterator[str]:
    for steps in fields(text):
        strange = [step for step in steps[1:2] if step not in FIELDS_OF_ALERTMANAGER and steps[0] in {"", "$"}]
        if strange and not _in_own_scope(text):
            yield f"a notification has no field {strange[0]}{did_you_mean(strange[0], FIELDS_OF_ALERTMANAGER)}"
    words = [piece.text for each in actions(text) for piece in each]
    if any(word in {"$labels", "$value"} or word.startswith("$labels.") for word in words):
        yield "$labels and $value exist in Prometheus' templates alone"


def _in_own_scope(text: str) -> bool:
    """Inside range or with the dot is something else."""
    return any(each and each[0].text in {"range", "with"} for each in actions(text))


@check(
    "group-label-not-grouped-by",
    AlertmanagerFile,
    Severity.WARNING,
    ".GroupLabels holds the labels of group_by alone; any other one is empty in the message.",
    remedy="add the label to group_by, or use .CommonLabels",
)
def group_label_not_grouped_by(file: AlertmanagerFile, _: Suite) -> Findings:
    """Yield group labels that a receiver's texts show and its routes do not group by."""
    groups = dict[str, set[str]]()
    _collect(file.route, "", (), groups)
    for receiver in file.receivers:
        known = groups.get(receiver.name)
        if known is None or "..." in known:
            continue
        for line, text in _texts_of(file, receiver.line):
            for steps in fields(text):
                label = "".join(steps[2:3]) if steps[:2] == ("", "GroupLabels") else ""
                if label and label not in known | {"SortedPairs", "Values", "Names", "Remove"}:
                    yield Found(
                        message=f".GroupLabels.{label} is empty: grouped by {', '.join(sorted(known)) or 'nothing'}",
                        line=line,
                    )


def _collect(route: Route, receiver: str, group_by: tuple[str, ...], groups: dict[str, set[str]]) -> None:
    """Note by which labels each receiver's notifications are always grouped."""
    receiver = route.receiver or receiver
    group_by = group_by if route.group_by is None else route.group_by
    if receiver in groups and "..." not in group_by:
        groups[receiver] &= set(group_by)
    else:
        groups.setdefault(receiver, set(group_by))
    for below in route.routes:
        _collect(below, receiver, group_by, groups)


def _texts_of(file: AlertmanagerFile, first: int) -> Iterator[tuple[int, str]]:
    after = min((each.line for each in file.receivers if each.line > first), default=10**9)
    others = [line for line in file.keys.values() if line > first]
    return ((line, text) for line, text in file.texts if first <= line < min([after, *others]))
