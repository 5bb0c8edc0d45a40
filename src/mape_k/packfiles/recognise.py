"""What a file of anyone is, told by what it holds."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from mape_k.packfiles.alertmanager import AlertmanagerFile, alertmanager_file_of
from mape_k.packfiles.boards import Board, board_of
from mape_k.packfiles.inventory import Inventory, inventory_of
from mape_k.packfiles.prometheus import PrometheusFile, prometheus_file_of
from mape_k.packfiles.reading import Refusal, UnknownKindError, YamlFile, read_text, read_yaml_file
from mape_k.packfiles.rule_files import PROMETHEUS_RULE, RuleFile, rule_file_of
from mape_k.packfiles.rule_tests import RuleTests, rule_tests_of
from mape_k.packfiles.texts import TemplateFile

AnyFile: TypeAlias = RuleFile | AlertmanagerFile | PrometheusFile | Inventory | Board | TemplateFile | RuleTests

MAX_HEAD = 2000
_DEFINES = re.compile(r"^\s*\{\{-?\s*(?:define\s+\"|/\*)", re.MULTILINE)
_PROMETHEUS_KEYS = {"scrape_configs", "rule_files", "alerting", "remote_write", "remote_read", "scrape_config_files"}


def read_any(path: Path) -> AnyFile:
    """Read a file that may be any of those that can be checked.

    Raises:
        RefusedError: it is none of them, or everything that is wrong with its form.
    """
    content = read_text(path)
    if path.suffix == ".tmpl" or _DEFINES.search(content[:MAX_HEAD]):
        return TemplateFile(path=path, content=content)
    if path.suffix == ".json" or content.lstrip()[:1] == "{":
        return board_of(path, content)
    file = read_yaml_file(path, content)
    reader = _reader_of(file.value)
    if reader is None:
        raise _unknown(file)
    return reader(file)


def _reader_of(value: object) -> Callable[[YamlFile], AnyFile] | None:
    """Return what reads a document with such keys on top; None: it is of no kind that is known."""
    keys = set(value) if isinstance(value, dict) else set()
    if "groups" in keys or (isinstance(value, dict) and value.get("kind") == PROMETHEUS_RULE):
        return rule_file_of
    if {"route", "receivers"} & keys:
        return alertmanager_file_of
    if "tests" in keys:
        return rule_tests_of
    if _PROMETHEUS_KEYS & keys or keys == {"global"} or _is_job_list(value):
        return prometheus_file_of
    return inventory_of if "metrics" in keys else None


def _is_job_list(value: object) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(each, dict) and "job_name" in each for each in value)
    )


def _unknown(file: YamlFile) -> UnknownKindError:
    sentence = (
        "is not a kind of file that can be checked; expected rules (groups), Alertmanager's configuration (route), "
        "Prometheus' (scrape_configs), an inventory (metrics) or a dashboard (panels)"
    )
    return UnknownKindError([Refusal(path=file.path, line=1, key="", sentence=sentence)])
