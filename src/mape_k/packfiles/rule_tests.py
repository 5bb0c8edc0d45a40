"""promtool's unit tests of rules, as far as they name series: what somebody expects to be exported."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mape_k.packfiles.reading import YamlFile
from mape_k.packfiles.shapes import Node

_SERIES = re.compile(r"\s*([a-zA-Z_:][\w:]*)\s*(?:\{(.*)\})?\s*", re.DOTALL)
_LABEL = re.compile(r"([a-zA-Z_]\w*)\s*=\s*\"((?:[^\"\\]|\\.)*)\"")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTests:
    """A file of unit tests for rules.

    Args:
        path: of the file.
        content: its text.
        series: every input series: its name and its labels.
    """

    path: Path
    content: str
    series: tuple[tuple[str, Mapping[str, str]], ...]


def rule_tests_of(file: YamlFile) -> RuleTests:
    """Return the series that a YAML file gives to rules as input; what else it says is promtool's business."""
    root = Node(file, file.value)
    return RuleTests(path=file.path, content=file.content, series=tuple(_all_series(root)))


def _all_series(root: Node) -> Iterator[tuple[str, Mapping[str, str]]]:
    for test in root["tests"].each():
        for given in test["input_series"].each():
            found = _SERIES.fullmatch(given["series"].text())
            if found:
                yield found.group(1), dict(_LABEL.findall(found.group(2) or ""))
