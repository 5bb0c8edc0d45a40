"""Looking at everything with every check."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mape_k.catalogue.pack_file import read_pack
from mape_k.errors import ConfigError, did_you_mean
from mape_k.packfiles import (
    AlertmanagerFile,
    AnyFile,
    Board,
    Inventory,
    Refusal,
    RefusedError,
    RuleFile,
    read_any,
    read_folder,
    read_text,
)
from mape_k.packfiles.prometheus import SCRAPE_FILE, PrometheusFile
from mape_k.packfiles.reading import UnknownKindError
from mape_k.packfiles.rule_tests import RuleTests
from mape_k.packfiles.texts import TemplateFile
from mape_k.packlint import (
    rules_of_alerts,
    rules_of_boards,
    rules_of_configs,
    rules_of_events,
    rules_of_labels,
    rules_of_limits,
    rules_of_metrics,
    rules_of_packs,
    rules_of_ratios,
    rules_of_routing,
    rules_of_states,
    rules_of_texts,
)
from mape_k.packlint.model import CHECKS, Check, Complaint, Found, Query, Severity, check
from mape_k.packlint.suite import BrokenQuery, Suite
from mape_k.packlint.suppress import is_suppressed, suppressions
from mape_k.text import printable

_TABLES = (
    rules_of_alerts,
    rules_of_boards,
    rules_of_configs,
    rules_of_events,
    rules_of_labels,
    rules_of_limits,
    rules_of_metrics,
    rules_of_packs,
    rules_of_ratios,
    rules_of_routing,
    rules_of_states,
    rules_of_texts,
)
"""The modules whose checks are entered when they are imported."""

_TEXT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`")
_OF_LOGS = re.compile(r"\||\}\s*(?:!=\s*\"|!~)|(?:^|[\s(,])\{(?:(?!__name__)[^{}])*\}\s*\[")
"""What LogQL has and PromQL has not, texts left out: filters of lines, and streams without a metric's name."""
MAX_COMPLAINTS, MAX_FILES = 2000, 500
_SUFFIXES = frozenset({".yml", ".yaml", ".json", ".tmpl"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found.

    Args:
        complaints: sorted by file and line.
        refusals: files that could not be looked at.
    """

    complaints: tuple[Complaint, ...]
    refusals: tuple[Refusal, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong; warnings do not count."""
        return not self.refusals and not any(each.severity is Severity.ERROR for each in self.complaints)


@check(
    "broken-query",
    BrokenQuery,
    Severity.ERROR,
    "Prometheus refuses the expression, and with it the whole file.",
    remedy="mend the expression",
)
def broken_query(query: BrokenQuery, _: Suite) -> Iterator[str]:
    """Yield why a text is no PromQL."""
    yield printable(query.reason)


@check(
    "suppression-without-reason",
    Path,
    Severity.WARNING,
    "Who reads the comment later should learn why the complaint does not apply.",
    remedy="write the reason behind the name",
)
def suppression_without_reason(path: Path, _: Suite) -> Iterator[Found]:
    """Yield suppressing comments that say nothing, or name no check."""
    for each in suppressions(_content(path)):
        if each.check not in CHECKS:
            yield Found(message=f"there is no check {each.check}{did_you_mean(each.check, CHECKS)}", line=each.line)
        elif not each.why:
            yield Found(message=f"{each.check} is left out without a reason", line=each.line)


def check_files(paths: Iterable[Path], *, without: frozenset[str] = frozenset()) -> Report:
    """Look at files of any kind together.

    Args:
        paths: of the files.
        without: checks that are left out.
    """
    files: list[AnyFile] = []
    refusals: list[Refusal] = []
    for path in dict.fromkeys(paths):
        try:
            files.append(read_any(path))
        except RefusedError as error:
            refusals += error.refusals
    return Report(complaints=_complaints(_suite_of(files), without), refusals=tuple(refusals))


def files_below(folder: Path) -> tuple[Path, ...]:
    """Return the files in ``folder`` and below that can be checked, at most ``MAX_FILES`` looked at."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
    return tuple(filter(_can_be_checked, found[:MAX_FILES]))


def _can_be_checked(path: Path) -> bool:
    try:
        read_any(path)
    except UnknownKindError:
        return False
    except RefusedError:
        return True
    return True


def check_pack(folder: Path, *, without: frozenset[str] = frozenset()) -> Report:
    """Look at the pack in ``folder``; whether its ``pack.yaml`` is sound is the catalogue's business.

    Args:
        folder: of the pack.
        without: checks that are left out.
    """
    try:
        suite = suite_of_pack(folder)
    except RefusedError as error:
        return Report(complaints=(), refusals=tuple(error.refusals))
    return Report(complaints=_complaints(suite, without))


def _of(files: Sequence[AnyFile], kind: type) -> tuple[Any, ...]:
    return tuple(file for file in files if isinstance(file, kind))


def _suite_of(files: Sequence[AnyFile]) -> Suite:
    return Suite(
        rule_files=tuple(file for file in _of(files, RuleFile) if not _is_for_loki(file)),
        log_rules=tuple(filter(_is_for_loki, _of(files, RuleFile))),
        alertmanagers=_of(files, AlertmanagerFile),
        prometheuses=_of(files, PrometheusFile),
        inventories=_of(files, Inventory),
        boards=_of(files, Board),
        templates=_of(files, TemplateFile),
        tests=_of(files, RuleTests),
    )


def _is_for_loki(file: RuleFile) -> bool:
    """Return whether every expression looks for lines in a stream: ``{…} |= "…"``."""
    return bool(file.rules) and all(_OF_LOGS.search(_TEXT.sub('""', rule.expr)) for rule in file.rules)


def suite_of_pack(folder: Path) -> Suite:
    """Return everything that a pack brings.

    Raises:
        RefusedError: a file that cannot be used.
    """
    pack = read_folder(folder)
    scrape = folder / SCRAPE_FILE
    prometheus = read_any(scrape) if scrape.exists() else None
    return Suite(
        rule_files=pack.rule_files,
        log_rules=(pack.log_rules,) if pack.log_rules else (),
        alertmanagers=(pack.fragment,) if pack.fragment else (),
        prometheuses=(prometheus,) if isinstance(prometheus, PrometheusFile) else (),
        inventories=(pack.inventory,) if pack.inventory else (),
        boards=pack.boards,
        objectives=pack.objectives,
        runbooks=pack.runbooks,
        pack=pack,
        jobs=_jobs(folder),
        signals=_signals(folder),
    )


def _jobs(folder: Path) -> Mapping[str, float]:
    try:
        return {name: job.scrape_interval for name, job in read_pack(folder).document.jobs.items()}
    except ConfigError:
        return {}


def _signals(folder: Path) -> tuple[tuple[Path, int, str, str], ...]:
    """Return the queries of the pack's signals; a ``pack.yaml`` that is not sound is told elsewhere."""
    try:
        file = read_pack(folder)
    except ConfigError:
        return ()
    return tuple(
        (file.path, file.text.line_of(("signals", name, "query")), name, signal.query)
        for name, signal in file.document.signals.items()
    )


def _subjects(suite: Suite) -> Iterator[tuple[object, Path, int, int, str]]:
    """Yield everything that checks look at: path, line, first line and name of each."""
    asked: tuple[Query | BrokenQuery, ...] = (*suite.queries, *suite.broken_queries)
    for query in asked:
        yield query, query.path, query.line, query.first_line, query.where
    configurations: tuple[AnyFile, ...] = (*suite.alertmanagers, *suite.prometheuses, *suite.templates)
    files: tuple[AnyFile, ...] = (*configurations, *suite.inventories, *suite.boards)
    for file in files:
        yield file, file.path, 1, 0, _kind(file)
    for path in _paths(suite):
        yield path, path, 1, 0, "comment"
    if paths := _paths(suite):
        yield suite, paths[0], 1, 0, "files"


def _kind(file: AnyFile) -> str:
    names = {AlertmanagerFile: "Alertmanager", PrometheusFile: "Prometheus", Inventory: "inventory", Board: "dashboard"}
    names[TemplateFile] = "template"
    return names.get(type(file), "file")


def _paths(suite: Suite) -> tuple[Path, ...]:
    parts = (suite.rule_files, suite.log_rules, suite.alertmanagers, suite.prometheuses, suite.inventories)
    return tuple(file.path for part in parts for file in part)


def _content(path: Path) -> str:
    try:
        return read_text(path)
    except RefusedError:
        return ""


def _complaints(suite: Suite, without: frozenset[str]) -> tuple[Complaint, ...]:
    found = set[Complaint]()
    asked: dict[Path, Mapping[str, list[int]]] = {}
    for subject, path, line, first_line, where in _subjects(suite):
        for each in CHECKS.values():
            if isinstance(subject, each.subject) and each.name not in without:
                found.update(_ask(each, subject, suite, _place(path, line, first_line, where)))
    for path in {each.path for each in found}:
        asked[path] = _asked(path)
    kept = (each for each in found if not is_suppressed(each, asked[each.path]))
    return tuple(sorted(kept, key=lambda each: (str(each.path), each.line, each.check, each.message)))[:MAX_COMPLAINTS]


_Place = Callable[[Check, Found], Complaint]


def _place(path: Path, line: int, first_line: int, where: str) -> _Place:
    def placed(each: Check, found: Found) -> Complaint:
        at = found.line or line
        return Complaint(
            path=found.path or path,
            line=at,
            check=each.name,
            severity=found.severity or each.severity,
            where=printable(found.where or where),
            message=printable(found.message, 300),
            remedy=each.remedy,
            first_line=min(first_line or at, at),
        )

    return placed


def _ask(each: Check, subject: object, suite: Suite, placed: _Place) -> Iterator[Complaint]:
    for found in each.look(subject, suite):
        yield placed(each, found if isinstance(found, Found) else Found(message=found))


def _asked(path: Path) -> Mapping[str, list[int]]:
    lines: dict[str, list[int]] = {}
    for each in suppressions(_content(path)):
        lines.setdefault(each.check, []).append(each.about)
    return lines


def explain(name: str) -> Check:
    """Return the check of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in CHECKS:
        raise ConfigError([f"there is no check {printable(name)}{did_you_mean(name, CHECKS) or '; see --list-rules'}"])
    return CHECKS[name]


__all__ = ["Query", "Report", "check_files", "check_pack", "explain", "files_below", "suite_of_pack"]
