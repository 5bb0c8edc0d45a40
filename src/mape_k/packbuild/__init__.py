"""Packs and the servers' configuration as files to run with, in true time or divided for a trial.

At ``time_scale`` 60 an hour passes in a minute: every duration is divided, every rate stays what it is.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from mape_k.catalogue.folders import PACK_FILE
from mape_k.catalogue.pack_file import read_pack
from mape_k.catalogue.yaml_text import read_yaml
from mape_k.errors import ConfigError
from mape_k.packbuild.scale import (
    ALERTMANAGER_FILE,
    PROMETHEUS_FILE,
    RULE_FILE,
    PlaceError,
    prometheus_flags,
    scale_document,
    scale_pack,
)
from mape_k.packbuild.stack import Stack, local_alertmanager, local_prometheus, with_rule_files, with_templates

__all__ = ["Built", "Stack", "build", "prometheus_flags"]

MAX_BYTES = 1_000_000
"""What a rule file or a configuration file may have."""

Change: TypeAlias = Callable[[Any], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What was written.

    Args:
        packs: the folder of each pack, in the order asked for.
        rule_files: of all packs.
        prometheus, alertmanager: configuration files; None where no template was given.
    """

    packs: tuple[Path, ...]
    rule_files: tuple[Path, ...]
    prometheus: Path | None = None
    alertmanager: Path | None = None


def build(
    pack_dirs: Sequence[Path],
    out_dir: Path,
    time_scale: float = 1.0,
    *,
    prometheus: Path | None = None,
    alertmanager: Path | None = None,
    stack: Stack | None = None,
) -> Built:
    """Write packs, and what Prometheus and Alertmanager are configured with, for a run at ``time_scale``.

    Args:
        pack_dirs: the folders of the packs.
        out_dir: made when absent; holds ``packs/NAME/``, ``prometheus.yml`` and ``alertmanager.yml`` afterwards.
        time_scale: what every duration is divided by, over 0; 1 keeps true time.
        prometheus: its configuration file to start from; None: none is written.
        alertmanager: as ``prometheus``.
        stack: when given, the configuration points at these servers and notifies the daemon alone.

    Raises:
        ConfigError: everything that is wrong with the given files; nothing was written then.
    """
    if not (math.isfinite(time_scale) and time_scale > 0):
        raise ConfigError([f"time scale {time_scale}: expected a finite number over 0; 1 keeps true time"])
    draft = _Draft(out_dir, time_scale)
    built = Built(
        packs=tuple(draft.add_pack(folder) for folder in pack_dirs),
        rule_files=tuple(draft.rule_files),
        prometheus=draft.add_prometheus(prometheus, stack) if prometheus else None,
        alertmanager=draft.add_alertmanager(alertmanager, stack) if alertmanager else None,
    )
    draft.write()
    return built


@dataclass(slots=True)
class _Draft:
    """What is to be written, and all that stands against it."""

    out_dir: Path
    time_scale: float
    files: dict[Path, str] = field(default_factory=dict)
    rule_files: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add_pack(self, folder: Path) -> Path:
        """Take in one pack: its file, rules and runbooks; its unit tests hold in true time only and stay behind."""
        target = self.out_dir / "packs" / folder.resolve().name
        if target.resolve() == folder.resolve() or target / PACK_FILE in self.files:
            self.problems.append(f"{target}: the pack {folder} would be written over it; choose another folder")
            return target
        if self._is_sound(folder):
            self.add(folder / PACK_FILE, target / PACK_FILE, lambda pack: scale_pack(pack, self.time_scale))
        for rules in sorted(folder.glob("rules/*.rules.yaml")):
            to_rules = partial(scale_document, places=RULE_FILE, time_scale=self.time_scale)
            self.rule_files.append(self.add(rules, target / "rules" / rules.name, to_rules))
        for runbook in sorted(folder.glob("runbooks/*.md")):
            self.files[target / "runbooks" / runbook.name] = self._content(runbook)
        return target

    def add_prometheus(self, source: Path, stack: Stack | None) -> Path:
        """Take in Prometheus' configuration; it reads the rule files taken in before."""
        rule_files = [path.relative_to(self.out_dir) for path in self.rule_files]

        def change(config: Any) -> object:  # noqa: ANN401 -- as the file has it
            scaled = with_rule_files(scale_document(config, PROMETHEUS_FILE, self.time_scale), rule_files)
            return local_prometheus(scaled, stack) if stack else scaled

        return self.add(source, self.out_dir / "prometheus.yml", change)

    def add_alertmanager(self, source: Path, stack: Stack | None) -> Path:
        """Take in Alertmanager's configuration."""

        def change(config: Any) -> object:  # noqa: ANN401 -- as the file has it
            scaled = with_templates(scale_document(config, ALERTMANAGER_FILE, self.time_scale), source.parent)
            return local_alertmanager(scaled, stack) if stack else scaled

        return self.add(source, self.out_dir / "alertmanager.yml", change)

    def _is_sound(self, folder: Path) -> bool:
        try:
            read_pack(folder)
        except ConfigError as error:
            self.problems += error.problems
            return False
        return True

    def add(self, source: Path, target: Path, change: Change) -> Path:
        """Take in one YAML file, changed; return where it will be."""
        text = read_yaml(self._content(source))
        self.problems += [f"{source}:{problem.line}: {problem.sentence}" for problem in text.problems]
        if not isinstance(text.value, dict):
            self.problems += [] if text.problems else [f"{source}:1: expected keys with values"]
            return target
        try:
            self.files[target] = _yaml(source, change(text.value))
        except PlaceError as error:
            place = ".".join(map(str, error.path))
            self.problems.append(f"{source}:{text.line_of(error.path)}: {place}: {error}")
        return target

    def _content(self, path: Path) -> str:
        try:
            if path.stat().st_size <= MAX_BYTES:
                return path.read_text(encoding="utf-8")
            self.problems.append(f"{path}: over {MAX_BYTES} bytes; split it")
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{path}: cannot be read: {error}")
        return ""

    def write(self) -> None:
        """Write everything, or nothing when something stands against it."""
        if self.problems:
            raise ConfigError(self.problems)
        for path, text in self.files.items():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            except OSError as error:
                raise ConfigError([f"{path}: cannot be written: {error.strerror}; choose another folder"]) from error


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as such: PromQL stays readable."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text_node)


def _yaml(source: Path, document: object) -> str:
    written = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return f"# Made by mape-k pack build from {source.name}; change that file instead.\n{written}"
