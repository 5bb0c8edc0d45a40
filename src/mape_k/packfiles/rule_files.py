"""Prometheus rule files (Loki's ruler has the same form)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mape_k.packfiles.reading import YamlFile, read_yaml_file
from mape_k.packfiles.shapes import Node

PROMETHEUS_RULE = "PrometheusRule"
"""The kind of a Kubernetes object that holds rules for the Prometheus operator."""

_GROUP_KEYS = (
    "name",
    "interval",
    "rules",
    "limit",
    "labels",
    "query_offset",
    "evaluation_delay",
    "partial_response_strategy",
    "source_tenants",
    "align_evaluation_time_on_interval",
)
_RULE_KEYS = ("alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One alert or recording rule.

    Args:
        path: of its file.
        line: where it begins.
        is_alert: else a recording.
        name: of the alert, or of the recorded series.
        expr: PromQL (LogQL in a file for Loki).
        lasting: seconds of ``for``.
        labels: as written, templates unexpanded; those of its group are among them.
        annotations: as written.
        group: name of its group.
        interval: seconds between two evaluations, where its group states them.
        lines: of its keys, such as ``expr`` and ``annotations.summary``.
    """

    path: Path
    line: int
    is_alert: bool
    name: str
    expr: str
    lasting: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    group: str
    interval: float | None
    lines: Mapping[str, int]

    @property
    def severity(self) -> str:
        """The label ``severity``; empty: it has none."""
        return self.labels.get("severity", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFile:
    """A rule file.

    Args:
        path: of the file.
        content: its text.
        rules: of all groups, in order.
    """

    path: Path
    content: str
    rules: tuple[Rule, ...]


def read_rule_file(path: Path) -> RuleFile:
    """Read a rule file.

    Raises:
        RefusedError: everything that is wrong with its form.
    """
    return rule_file_of(read_yaml_file(path))


def rule_file_of(file: YamlFile) -> RuleFile:
    """Return what a YAML file says as a rule file.

    Raises:
        RefusedError: everything that is wrong with its form.
    """
    root = Node(file, file.value)
    if root["kind"].value == PROMETHEUS_RULE:
        root = root["spec"]
    root.mapping(("groups", "namespace"))
    if "groups" not in root:
        root.refuse("expected a list of groups")
    rules = tuple(rule for group in root["groups"].each() for rule in _group(group))
    root.settle()
    return RuleFile(path=file.path, content=file.content, rules=rules)


def _group(group: Node) -> Iterator[Rule]:
    group.mapping(_GROUP_KEYS)
    name = group["name"].text()
    if not name:
        group.refuse("the group has no name; add one")
    for rule in group["rules"].each():
        yield _rule(rule, name, group["interval"].seconds(), group["labels"].text_map())


def _rule(rule: Node, group: str, interval: float | None, common: Mapping[str, str]) -> Rule:
    rule.mapping(_RULE_KEYS)
    alert, record = rule["alert"].text(), rule["record"].text()
    if bool(alert) is bool(record):
        rule.refuse("expected exactly one of alert and record")
    if not rule["expr"].text():
        rule.refuse("expr is missing; add it")
    return Rule(
        path=rule.file.path,
        line=rule.line,
        is_alert=bool(alert),
        name=alert or record,
        expr=rule["expr"].text(),
        lasting=rule["for"].seconds() or 0.0,
        labels={**common, **rule["labels"].text_map()},
        annotations=rule["annotations"].text_map(),
        group=group,
        interval=interval,
        lines=dict(_lines(rule)),
    )


def _lines(rule: Node) -> Iterator[tuple[str, int]]:
    for key in rule.mapping():
        yield key, rule[key].line
    for section in ("labels", "annotations"):
        for key in rule[section].mapping():
            yield f"{section}.{key}", rule[section][key].line
