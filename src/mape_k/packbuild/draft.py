"""What is to be written, and all that stands against it: nothing is written unless everything can be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from mape_k.catalogue.folders import PACK_FILE
from mape_k.catalogue.pack_file import read_pack
from mape_k.catalogue.yaml_text import read_yaml
from mape_k.errors import ConfigError
from mape_k.packbuild import compose
from mape_k.packbuild.fragments import ROUTES_FILE, SCRAPE_FILE, Fragment, read_routes, read_scrape_jobs
from mape_k.packbuild.generated import RULES_FILE, rule_files_of
from mape_k.packbuild.objectives import read_objectives
from mape_k.packbuild.scale import (
    ALERTMANAGER_FILE,
    PROMETHEUS_FILE,
    RULE_FILE,
    PlaceError,
    Scaler,
    scale_document,
    scale_pack,
)
from mape_k.packbuild.stack import Stack, local_alertmanager, local_prometheus
from mape_k.packbuild.yaml_out import as_yaml
from mape_k.packfiles import RefusedError

MAX_BYTES = 1_000_000
"""What a rule file or a configuration file may have."""

COPIED = ("metrics.yaml", "objectives/*.yaml", "dashboards/*.json", "logs/*", "runbooks/**/*.md")
"""What a built pack has as its source has it. Unit tests and scenarios hold in true time only and stay behind."""

Change: TypeAlias = Callable[[Any], object]


@dataclass(slots=True)
class Draft:
    """The files of a build.

    Args:
        out_dir: where they will be.
        time_scale: what every duration is divided by.
    """

    out_dir: Path
    time_scale: float
    files: dict[Path, str] = field(default_factory=dict)
    rule_files: list[Path] = field(default_factory=list)
    scrape_jobs: list[Fragment] = field(default_factory=list)
    routes: list[Fragment] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add_pack(self, folder: Path) -> Path:
        """Take in one pack: what it tells the loop, its rules, and what it brings to the servers' configuration."""
        target = self.out_dir / "packs" / folder.resolve().name
        if target.resolve() == folder.resolve() or target / PACK_FILE in self.files:
            self.problems.append(f"{target}: the pack {folder} would be written over it; choose another folder")
            return target
        name = self._add_pack_file(folder, target)
        for rules in sorted(set(folder.glob("rules/*.rules.yaml")) - {folder / RULES_FILE}):
            to_rules = partial(scale_document, places=RULE_FILE, time_scale=self.time_scale)
            self.rule_files.append(self.add(rules, target / "rules" / rules.name, to_rules))
        for path in (path for pattern in COPIED for path in sorted(folder.glob(pattern))):
            self.files[target / path.relative_to(folder)] = self._content(path)
        for add in (self._add_objectives, self._add_fragments):
            try:
                add(folder, name, target)
            except ConfigError as error:
                self.problems += error.problems
        return target

    def _add_pack_file(self, folder: Path, target: Path) -> str:
        try:
            pack = read_pack(folder)
        except ConfigError as error:
            self.problems += error.problems
            return folder.resolve().name
        self.add(pack.path, target / PACK_FILE, lambda pack: scale_pack(pack, self.time_scale))
        return pack.document.pack

    def _add_objectives(self, folder: Path, name: str, target: Path) -> None:
        """Take in what is made from objectives, made anew: what lies in the folder may be older than they are."""
        made = rule_files_of(read_objectives(folder, name), self.time_scale)
        self.files |= {target / path: text for path, text in made.items()}
        self.rule_files += [target / path for path in made]

    def _add_fragments(self, folder: Path, name: str, target: Path) -> None:
        if jobs := read_scrape_jobs(folder):
            scaled = self._scaled(jobs, {"scrape_configs": jobs.value}, PROMETHEUS_FILE)["scrape_configs"]
            self.scrape_jobs.append(Fragment(file=jobs.file, value=scaled))
            self.files[target / SCRAPE_FILE] = as_yaml(SCRAPE_FILE.name, scaled)
        if routes := read_routes(folder, name):
            scaled = self._scaled(routes, routes.value, ALERTMANAGER_FILE)
            self.routes.append(Fragment(file=routes.file, value=scaled))
            self.files[target / ROUTES_FILE] = as_yaml(ROUTES_FILE.name, scaled)

    def _scaled(self, fragment: Fragment, document: object, places: Mapping[str, Scaler]) -> Any:  # noqa: ANN401 -- as the file has it
        try:
            return scale_document(document, places, self.time_scale)
        except PlaceError as error:
            place = error.path if isinstance(fragment.value, dict) else error.path[1:]
            raise RefusedError([fragment.file.refuse(place, str(error))]) from error

    def add_prometheus(self, source: Path, stack: Stack | None) -> Path:
        """Take in Prometheus' configuration; it reads the rule files and scrapes the jobs taken in before."""
        rule_files = [path.relative_to(self.out_dir) for path in self.rule_files]

        def change(config: Any) -> object:  # noqa: ANN401 -- as the file has it
            compose.check_prometheus(config)
            scaled = scale_document(config, PROMETHEUS_FILE, self.time_scale)
            with_rules = compose.with_rule_files(scaled, rule_files, source.parent)
            whole = self._composed(compose.with_scrape_jobs, with_rules, self.scrape_jobs)
            return local_prometheus(whole, stack) if stack else whole

        return self.add(source, self.out_dir / "prometheus.yml", change)

    def add_alertmanager(self, source: Path, stack: Stack | None) -> Path:
        """Take in Alertmanager's configuration with the templates beside it and the routes taken in before."""

        def change(config: Any) -> object:  # noqa: ANN401 -- as the file has it
            compose.check_alertmanager(config)
            scaled = scale_document(config, ALERTMANAGER_FILE, self.time_scale)
            whole = self._composed(compose.with_routes, scaled, self.routes)
            self._add_templates(config.get("templates") or (), source.parent)
            return local_alertmanager(whole, stack) if stack else whole

        return self.add(source, self.out_dir / "alertmanager.yml", change)

    def _composed(self, composer: compose.Composer, base: dict[str, Any], fragments: list[Fragment]) -> dict[str, Any]:
        whole, refusals = composer(base, fragments)
        self.problems += map(str, refusals)
        return whole

    def _add_templates(self, patterns: Sequence[str], folder: Path) -> None:
        """Take along what is found relative to the configuration; an absolute pattern means the same everywhere."""
        for pattern in patterns:
            found = [] if Path(pattern).is_absolute() else sorted(folder.glob(pattern))
            for path in found:
                self.files[self.out_dir / path.relative_to(folder)] = self._content(path)

    def add(self, source: Path, target: Path, change: Change) -> Path:
        """Take in one YAML file, changed; return where it will be."""
        text = read_yaml(self._content(source))
        self.problems += [f"{source}:{problem.line}: {problem.sentence}" for problem in text.problems]
        if not isinstance(text.value, dict):
            self.problems += [] if text.problems else [f"{source}:1: expected keys with values"]
            return target
        try:
            self.files[target] = as_yaml(source.name, change(text.value))
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
        write_files(self.files)


def write_files(files: Mapping[Path, str]) -> None:
    """Write texts, making the folders.

    Raises:
        ConfigError: one cannot be written.
    """
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError([f"{path}: cannot be written: {error.strerror}; choose another folder"]) from error
