"""Files that are looked at together, and what they tell about each other."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from mape_k.catalogue.promql import tokens
from mape_k.packfiles import AlertmanagerFile, Board, Inventory, Metric, PackFolder, Panel, Rule, RuleFile
from mape_k.packfiles.prometheus import PrometheusFile, ScrapeJob
from mape_k.packfiles.rule_tests import RuleTests
from mape_k.packfiles.texts import Objective, Runbook, TemplateFile
from mape_k.packlint.expected import buckets_in_comments, buckets_in_tests, values_in_tests
from mape_k.packlint.labels import OF_TARGETS, OF_THE_SCRAPE, UNKNOWN, Labels, labels_of
from mape_k.packlint.model import Query
from mape_k.packlint.promql import (
    BinaryExpr,
    Expr,
    MatchOp,
    QueryError,
    VectorSelector,
    bare,
    fixed_labels,
    matchers_of,
    name_of,
    parsed,
    selectors,
    walk,
    without_variables,
)
from mape_k.packlint.units import (
    COUNT,
    INSTANT,
    PER_SECOND,
    SHARE,
    TIME,
    Measure,
    bucketed,
    measure,
    measure_of_name,
    measure_of_unit,
)

_BUILT_IN = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
OF_EVERY_SCRAPE = frozenset(
    {"up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling"}
    | {"scrape_series_added", "scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes"}
)
_RESOLVED_AT_MOST, _WRITTEN_OUT_AT_MOST = 5, 4000


_RUNBOOKS = ("runbook_url", "runbook", "playbook", "playbook_url")


def has_runbook(alert: Rule) -> bool:
    """Return whether an alert says where to read what to do."""
    return any(alert.annotations.get(key) for key in _RUNBOOKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenQuery:
    """A text that should be PromQL and is not."""

    path: Path
    line: int
    first_line: int
    where: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Files that belong together.

    Args:
        rule_files: Prometheus rules.
        log_rules: rules for Loki; their expressions are no PromQL.
        alertmanagers: Alertmanager's configurations.
        prometheuses: Prometheus' configurations.
        inventories: of metrics.
        boards: dashboards.
        objectives: service level objectives.
        runbooks: for people.
        templates: of notifications.
        tests: promtool's unit tests.
        pack: the pack that they are, which is then known to be complete; None: somebody's files.
        jobs: further scrape jobs and their intervals in seconds, as a pack knows them.
        signals: queries of a pack's signals: file, line, name and PromQL.
    """

    rule_files: Sequence[RuleFile] = ()
    log_rules: Sequence[RuleFile] = ()
    alertmanagers: Sequence[AlertmanagerFile] = ()
    prometheuses: Sequence[PrometheusFile] = ()
    inventories: Sequence[Inventory] = ()
    boards: Sequence[Board] = ()
    objectives: Sequence[Objective] = ()
    runbooks: Sequence[Runbook] = ()
    templates: Sequence[TemplateFile] = ()
    tests: Sequence[RuleTests] = ()
    pack: PackFolder | None = None
    jobs: Mapping[str, float] = field(default_factory=dict)
    signals: Sequence[tuple[Path, int, str, str]] = ()

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every Prometheus rule."""
        return tuple(rule for file in self.rule_files for rule in file.rules)

    @cached_property
    def alerts(self) -> tuple[Rule, ...]:
        """Every alert, those for Loki too."""
        of_logs = (rule for file in self.log_rules for rule in file.rules)
        return tuple(rule for rule in (*self.rules, *of_logs) if rule.is_alert)

    @cached_property
    def _per_file(self) -> Mapping[Path, Counter[str]]:
        found: dict[Path, Counter[str]] = {}
        for alert in filter(lambda rule: rule.is_alert, self.rules):
            counter = found.setdefault(alert.path, Counter())
            counter.update(alerts=1, runbooks=has_runbook(alert), severities=bool(alert.severity))
        return found

    def alerts_of(self, path: Path) -> int:
        """Return how many alerts a file has."""
        return self._per_file[path]["alerts"]

    def runbooks_of(self, path: Path) -> int:
        """Return how many alerts of a file name a runbook."""
        return self._per_file[path]["runbooks"]

    def severities_of(self, path: Path) -> int:
        """Return how many alerts of a file have a severity."""
        return self._per_file[path]["severities"]

    @cached_property
    def queries(self) -> tuple[Query, ...]:
        """Every expression that is PromQL."""
        return tuple(each for each in self._asked if isinstance(each, Query))

    @cached_property
    def broken_queries(self) -> tuple[BrokenQuery, ...]:
        """Every expression that should be PromQL and is not."""
        return tuple(each for each in self._asked if isinstance(each, BrokenQuery))

    @cached_property
    def _asked(self) -> tuple[Query | BrokenQuery, ...]:
        return (*map(_of_rule, self.rules), *self._of_boards(), *self._of_objectives(), *self._of_signals())

    def _of_boards(self) -> Iterator[Query | BrokenQuery]:
        for board in self.boards:
            for panel in board.panels:
                for line, text in panel.queries if panel.source in {"", "prometheus"} else ():
                    query = _of_panel(board.path, panel, line, text)
                    if isinstance(query, Query) or not _is_beyond(panel, text):
                        yield query

    def _of_signals(self) -> Iterator[Query | BrokenQuery]:
        for path, line, name, text in self.signals:
            yield _asked(path, line, line, f"signal {name}", text)

    def _of_objectives(self) -> Iterator[Query | BrokenQuery]:
        for objective in self.objectives:
            for line, text in objective.queries:
                where = f"objective {objective.path.stem}"
                yield _asked(objective.path, line, line, where, without_variables(text.replace("{{.window}}", "5m")))

    @cached_property
    def recordings(self) -> Mapping[str, tuple[Query, ...]]:
        """The recordings, by the name of what they record."""
        found: dict[str, tuple[Query, ...]] = {}
        for query in self.queries:
            if query.recording:
                found[query.recording.name] = (*found.get(query.recording.name, ()), query)
        return found

    @cached_property
    def scrape_jobs(self) -> Mapping[str, float]:
        """The scrape jobs and their intervals in seconds."""
        jobs: list[ScrapeJob] = [job for file in self.prometheuses for job in file.jobs]
        return {**self.jobs, **{job.name: job.interval for job in jobs}}

    @cached_property
    def series_used(self) -> frozenset[str]:
        """The names of all series that some expression asks for."""
        return frozenset(name_of(each) for query in self.queries for each in selectors(query.expr)) - {""}

    def metric(self, name: str) -> Metric | None:
        """Return the metric of the inventories that a series of that name belongs to."""
        return next(filter(None, (inventory.find(name) for inventory in self.inventories)), None)

    @cached_property
    def _told_buckets(self) -> Mapping[str, float]:
        return {**buckets_in_comments(self.rule_files), **buckets_in_tests(self.tests)}

    def highest_bucket(self, series: str) -> float | None:
        """Return the highest finite bucket of the histogram that a series belongs to; None: unknown."""
        metric = self.metric(series)
        if metric is not None:
            return metric.buckets[-1] if metric.buckets else None
        return self._told_buckets.get(series.removesuffix("_bucket"))

    @cached_property
    def values_in_tests(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The label values that unit tests give to series, by series and label; an inventory knows them better."""
        return {} if self.inventories else values_in_tests(self.tests)

    @cached_property
    def series_in_tests(self) -> frozenset[str]:
        """The names of the series that unit tests give."""
        return frozenset(name for file in self.tests for name, _ in file.series)

    @cached_property
    def _all_labels(self) -> frozenset[str]:
        return frozenset(label for inventory in self.inventories for each in inventory for label in each.labels)

    def labels(self, expr: Expr) -> Labels:
        """Return what is known of the labels of the series of ``expr``."""
        return labels_of(expr, self._labels_of_selector)

    def _labels_of_selector(self, selector: VectorSelector) -> Labels:
        name = name_of(selector)
        asked = fixed_labels(selector)
        absent = frozenset(m.name for m in matchers_of(selector) if m.op == MatchOp.Equal and not m.value)
        if name in self.recordings:
            return _asking(self._labels_of_recording(name), asked, absent)
        surely = (
            frozenset({"alertname"}) if name in _BUILT_IN else frozenset() if not name or ":" in name else OF_THE_SCRAPE
        )
        if metric := self.metric(name):
            surely |= frozenset(metric.labels)
            absent |= self._all_labels - frozenset(metric.labels) - OF_TARGETS - {"le"}
        if name.endswith("_bucket"):
            surely |= {"le"}
        return Labels(surely=(surely | frozenset(asked)) - absent, absent=absent - frozenset(asked), fixed=asked)

    @cached_property
    def _being_resolved(self) -> list[str]:
        return []

    @cached_property
    def _labels_found(self) -> dict[tuple[str, int], Labels]:
        return {}

    @cached_property
    def _measures_found(self) -> dict[tuple[str, int], Measure | None]:
        return {}

    def _labels_of_recording(self, name: str) -> Labels:
        """Recordings may be written from each other, and in a circle."""
        found, depth = self.recordings[name], len(self._being_resolved)
        if name in self._being_resolved or depth > _RESOLVED_AT_MOST or len(found) > 1:
            return UNKNOWN
        if (name, depth) not in self._labels_found:
            with self._resolving(name):
                labels = self.labels(found[0].expr)
            rule = found[0].recording
            self._labels_found[name, depth] = _asking(labels, dict(rule.labels) if rule else {}, frozenset())
        return self._labels_found[name, depth]

    @contextmanager
    def _resolving(self, name: str) -> Iterator[None]:
        self._being_resolved.append(name)
        try:
            yield
        finally:
            self._being_resolved.pop()

    def measure(self, expr: Expr) -> Measure | None:
        """Return in what ``expr`` is measured; seconds in a second are a share."""
        found = self._measured(expr)
        is_share = found is not None and found.dimension == TIME + PER_SECOND
        return replace(found, dimension=SHARE) if found and is_share else found

    def _measured(self, expr: Expr) -> Measure | None:
        return measure(expr, self._measure_of_selector)

    def _measure_of_selector(self, selector: VectorSelector) -> Measure | None:
        name = name_of(selector)
        if name in self.recordings and len(self._being_resolved) <= _RESOLVED_AT_MOST:
            return self._measure_of_recording(name)
        metric, by_name = self.metric(name), measure_of_name(name)
        if metric is None or name.endswith("_count") or (by_name and by_name.dimension == INSTANT):
            return by_name
        if name.endswith("_bucket") and metric.type == "histogram":
            return bucketed(measure_of_unit(metric.unit) or measure_of_name(metric.name))
        told = measure_of_unit(metric.unit)
        if told is None and metric.type == "counter":
            return by_name or Measure(dimension=COUNT, scale=1.0)
        return told or by_name

    def _measure_of_recording(self, name: str) -> Measure | None:
        if name in self._being_resolved:
            return None
        key = (name, len(self._being_resolved))
        if key not in self._measures_found:
            with self._resolving(name):
                self._measures_found[key] = self._measured(self.recordings[name][0].expr)
        return self._measures_found[key]

    def resolved(self, expr: Expr) -> Expr:
        """Return what a recorded series is computed from, where ``expr`` is just that; else ``expr`` itself."""
        for _ in range(_RESOLVED_AT_MOST):
            inner = bare(expr)
            found = self.recordings.get(name_of(inner), ()) if isinstance(inner, VectorSelector) else ()
            if len(found) != 1:
                return inner
            expr = found[0].expr
        return expr

    def in_full(self, query: Query, *, is_whole: bool = False) -> Expr:
        """Return the expression of ``query`` with what it reads of recordings in their place.

        Args:
            query: any.
            is_whole: also recordings that divide or compare; else those are left as they are.
        """
        text = query.text
        for _ in range(_RESOLVED_AT_MOST if ":" in text else 0):
            longer = "".join(self._inlined(text, is_whole=is_whole))
            if longer == text or len(longer) > _WRITTEN_OUT_AT_MOST:
                break
            text = longer
        try:
            return query.expr if text == query.text else parsed(text)
        except QueryError:
            return query.expr

    def _inlined(self, text: str, *, is_whole: bool) -> Iterator[str]:
        """Yield the pieces of ``text``; what is selected of a recording is lost where that is written out."""
        pieces, skipped = list(tokens(text)), False
        for index, piece in enumerate(pieces):
            inner = self._written_out(piece.text, is_whole=is_whole) if ":" in piece.text else ""
            after = next((each.text for each in pieces[index + 1 :] if each.kind != "space"), "")
            if inner and after != "[":
                yield f"({inner})"
                skipped = after == "{"
            elif not skipped:
                yield piece.text
            skipped = skipped and piece.text != "}"

    def _written_out(self, name: str, *, is_whole: bool) -> str:
        found = self.recordings.get(name, ())
        if len(found) != 1:
            return ""
        is_part = not any(isinstance(each, BinaryExpr) for each in walk(found[0].expr))
        return found[0].text if is_part or is_whole else ""

    def is_counter(self, name: str) -> bool:
        """Return whether the series is surely one that only rises."""
        metric = self.metric(name)
        if metric is not None:
            return metric.type == "counter" or (metric.type == "histogram" and name != metric.name)
        return ":" not in name and name.endswith(("_total", "_count", "_bucket"))


def _is_beyond(panel: Panel, text: str) -> bool:
    """Return whether a text that is no PromQL may be right: variables can stand for anything, and it may be LogQL."""
    return "$" in text or "[[" in text or (not panel.source and text.lstrip().startswith("{") and "|" in text)


def _asking(labels: Labels, asked: Mapping[str, str], absent: frozenset[str]) -> Labels:
    possibly = None if labels.possibly is None else labels.possibly | frozenset(asked)
    return Labels(
        surely=(labels.surely | frozenset(asked)) - absent,
        possibly=possibly,
        absent=(labels.absent | absent) - frozenset(asked),
        fixed={**labels.fixed, **asked},
    )


def _of_rule(rule: Rule) -> Query | BrokenQuery:
    where = f"{'alert' if rule.is_alert else 'recording'} {rule.name}"
    return _asked(rule.path, rule.lines.get("expr", rule.line), rule.line, where, rule.expr, rule=rule)


def _of_panel(path: Path, panel: Panel, line: int, text: str) -> Query | BrokenQuery:
    return _asked(path, line, panel.line, f"panel {panel.title!r}", without_variables(text), panel=panel)


def _asked(
    path: Path,
    line: int,
    first_line: int,
    where: str,
    text: str,
    *,
    rule: Rule | None = None,
    panel: Panel | None = None,
) -> Query | BrokenQuery:
    try:
        expr = parsed(text)
    except QueryError as error:
        return BrokenQuery(path=path, line=line, first_line=first_line, where=where, reason=str(error))
    return Query(path=path, line=line, first_line=first_line, where=where, text=text, expr=expr, rule=rule, panel=panel)
