"""Asking a Prometheus what the panels of a board ask, bounded in numbers and time."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from mape_k.errors import MapeKError, TransientError
from mape_k.ports import InstantVector, MetricSource, RangeSeries
from mape_k.preview.board import BoardFile, Panel, Target, Variable
from mape_k.preview.variables import Chosen, Span, Substitution
from mape_k.text import printable

MAX_SERIES = 100
"""Kept of one query; how many were left out is told."""
MAX_VALUES = 300
"""Offered by one variable."""
AT_ONCE = 4
"""Queries that are under way at a time."""
QUERY_SECONDS = 15.0
MAX_NAME = 200

ALL = "$__all"
_LABEL = re.compile(r"[A-Za-z_]\w*")
_SELECTOR = re.compile(r"[A-Za-z_:][\w:]*(\{[^{}]*\})?|\{[^{}]*\}")
_SLOT = re.compile(r"\{\{([^{}]*)\}\}")
_POINTS = {"heatmap": 72, "state-timeline": 160, "stat": 60}
_POINTS_PER_COLUMN = 50


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """One series of an answer: times in seconds, ascending, and values of the same length."""

    name: str
    ref: str
    labels: Mapping[str, str]
    times: NDArray[np.float64]
    values: NDArray[np.float64]

    @property
    def last(self) -> float | None:
        """The newest value that is a number; None: there is none."""
        numbers = self.values[~np.isnan(self.values)]
        return float(numbers[-1]) if numbers.size else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one query: its series, or why there are none."""

    target: Target
    expr: str
    step: float
    series: tuple[Series, ...] = ()
    left_out: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A panel with all its answers; the texts have values in place of variables."""

    panel: Panel
    title: str
    description: str
    span: Span
    answers: tuple[Answer, ...] = ()

    @property
    def series(self) -> tuple[Series, ...]:
        """Of all answers."""
        return tuple(series for answer in self.answers for series in answer.series)

    @property
    def errors(self) -> tuple[str, ...]:
        """Why queries gave nothing."""
        return tuple(answer.error for answer in self.answers if answer.error)

    @property
    def has_data(self) -> bool:
        """Whether there is at least one number to show."""
        return any(series.last is not None for series in self.series)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBoard:
    """A board with what its panels were answered.

    Args:
        chosen: of its variables, by name.
        firing: when alerts fired, as one series for each.
        links: of the board, as (title, address); ``panel_links``: of its panels.
    """

    board: BoardFile
    span: Span
    panels: tuple[Asked, ...]
    chosen: Mapping[str, Chosen]
    firing: Answer | None = None
    links: tuple[tuple[str, str], ...] = ()
    panel_links: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Asker:
    """Asks one Prometheus.

    Args:
        source: whom to ask.
        span: the time shown.
        wanted: values of variables that a person chose, by name.
    """

    source: MetricSource
    span: Span
    wanted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def is_there(self) -> None:
        """Ask for nothing in particular.

        Raises:
            TransientError: nobody answers.
        """
        await self.source.query("vector(1)", at=_moment(self.span.end), timeout_seconds=QUERY_SECONDS)

    async def board(self, board: BoardFile) -> AskedBoard:
        """Ask all that a board asks; what fails is told in its panel."""
        chosen = await self.choose(board.variables)
        panels = await asyncio.gather(*(self._panel(panel, chosen) for panel in board.panels))
        firing = None
        if board.alerts:
            target = Target(ref="", expr=board.alerts, legend="{{alertname}}", is_instant=False, source="prometheus")
            firing = await self._ask(target, self.span.step(_POINTS["state-timeline"]), chosen)
        substitute = Substitution(self.span, self.span.step(1), chosen)
        of_panels = tuple(link for panel in board.panels for link in panel.links)
        links, panel_links = (
            tuple((title, substitute(url)) for title, url in found) for found in (board.links, of_panels)
        )
        return AskedBoard(
            board=board,
            span=self.span,
            panels=tuple(panels),
            chosen=chosen,
            firing=firing,
            links=links,
            panel_links=panel_links,
        )

    async def choose(self, variables: Sequence[Variable]) -> Mapping[str, Chosen]:
        """Return what is chosen for each variable: what a person wants, else what the board has at first."""
        chosen: dict[str, Chosen] = {}
        for variable in variables:
            if variable.kind == "datasource":
                continue
            wanted = tuple(self.wanted.get(variable.name, variable.current))
            wants_all = variable.has_all and (not wanted or wanted[0] in (ALL, "All"))
            if wants_all and variable.all_value:
                values: tuple[str, ...] = ("All",)
            elif wanted and not wants_all:
                values = wanted
            else:
                offered = await self._offered(variable, chosen)
                values = offered if wants_all else offered[:1]
            chosen[variable.name] = Chosen(
                values=values,
                is_pattern=variable.is_multi or variable.has_all,
                all_value=variable.all_value if wants_all else "",
            )
        return chosen

    async def _offered(self, variable: Variable, chosen: Mapping[str, Chosen]) -> tuple[str, ...]:
        if variable.kind != "query":
            texts = (text.strip() for text in variable.query.split(","))
            return tuple(text.rpartition(" : ")[2] for text in texts if text)[:MAX_VALUES]
        of, label = _label_values(Substitution(self.span, self.span.step(1), chosen)(variable.query))
        if not label:
            return ()
        seen = f"last_over_time({of}[{max(self.span.seconds, 1):.0f}s])" if _SELECTOR.fullmatch(of) else of
        try:
            answer = await self._instant(f"count by ({label}) ({seen})")
        except MapeKError:
            return ()
        return tuple(sorted(filter(None, (labels.get(label, "") for labels in answer.labels))))[:MAX_VALUES]

    async def _panel(self, panel: Panel, chosen: Mapping[str, Chosen]) -> Asked:
        step = self.span.step(_POINTS.get(panel.kind, _POINTS_PER_COLUMN * panel.place[2]))
        targets = [target for target in panel.targets if target.source == "prometheus"]
        answers = await asyncio.gather(*(self._ask(target, step, chosen) for target in targets))
        substitute = Substitution(self.span, step, chosen, is_query=False)
        return Asked(
            panel=panel,
            title=substitute(panel.title),
            description=substitute(panel.description),
            span=self.span,
            answers=tuple(answers),
        )

    async def _ask(self, target: Target, step: float, chosen: Mapping[str, Chosen]) -> Answer:
        expr = Substitution(self.span, step, chosen)(target.expr)
        try:
            found = list(await (self._now(target, expr) if target.is_instant else self._over_time(target, expr, step)))
        except MapeKError as error:
            return Answer(target=target, expr=expr, step=step, error=_complaint(error))
        left_out = max(0, len(found) - MAX_SERIES)
        return Answer(target=target, expr=expr, step=step, series=tuple(found[:MAX_SERIES]), left_out=left_out)

    async def _instant(self, expr: str) -> InstantVector:
        async with self._turn:
            return await self.source.query(expr, at=_moment(self.span.end), timeout_seconds=QUERY_SECONDS)

    async def _now(self, target: Target, expr: str) -> Iterator[Series]:
        vector = await self._instant(expr)
        at = np.array([self.span.end])
        return (
            Series(
                name=name_of(target, labels, expr), ref=target.ref, labels=labels, times=at, values=np.array([value])
            )
            for labels, value in zip(vector.labels, vector.values, strict=True)
        )

    async def _over_time(self, target: Target, expr: str, step: float) -> Iterator[Series]:
        start, end = (_moment(at // step * step) for at in (self.span.start, self.span.end))
        async with self._turn:
            found: Sequence[RangeSeries] = await self.source.query_range(
                expr, start=start, end=end, step_seconds=step, timeout_seconds=QUERY_SECONDS
            )
        return (
            Series(
                name=name_of(target, each.labels, expr),
                ref=target.ref,
                labels=each.labels,
                times=each.times,
                values=each.values,
            )
            for each in found
        )


def _label_values(query: str) -> tuple[str, str]:
    """Return of what series which label is asked for by ``label_values(…)``; empty texts: it is another query."""
    inside = query.strip().removeprefix("label_values(").removesuffix(")")
    of, _, label = (part.strip() for part in inside.rpartition(","))
    if query.strip() != f"label_values({inside})" or _LABEL.fullmatch(label) is None:
        return "", ""
    return of or f'{{{label}!=""}}', label


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _complaint(error: MapeKError) -> str:
    text = str(error).partition("; the query was ")[0]
    return printable(("" if not isinstance(error, TransientError) else "not answered: ") + text, 400)


def name_of(target: Target, labels: Mapping[str, str], expr: str) -> str:
    """Return the name of a series: the legend with its labels, or all labels, or the query."""
    if target.legend:
        return printable(_SLOT.sub(lambda slot: labels.get(slot[1].strip(), ""), target.legend), MAX_NAME)
    if labels:
        inside = ", ".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        return printable(f"{{{inside}}}", MAX_NAME)
    return printable(expr, MAX_NAME)
