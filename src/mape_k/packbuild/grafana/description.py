"""What a board is: plain values, without a word about JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar, Literal, TypeAlias

GRID_COLUMNS = 24

Thresholds: TypeAlias = tuple[str | float, ...]
"""A colour, then a bound and the colour from there on: ``("green", 500, "orange", 1000, "red")``."""


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression, where it needs more than its text.

    Args:
        expr: the expression.
        unit: another one than the panel's.
        axis: of a time series.
    """

    expr: str
    _: KW_ONLY
    unit: str = ""
    axis: Literal["left", "right"] = "left"


Queries: TypeAlias = Mapping[str, str | Query]


@dataclass(frozen=True, slots=True)
class Panel:
    """What all panels share; use one of the kinds.

    Args:
        title: unique on its board.
        queries: expressions by legend.
        unit: of the numbers.
        description: what it shows, and what is normal.
        runbook: the alert whose runbook is linked.
        thresholds: see :data:`Thresholds`.
        colours: of single series, by legend as displayed.
        values: words and colours for single numbers: ``{1: ("up", "green")}``.
        decimals: digits after the point; None: as many as needed.
        minimum: the lower end of the scale; None: as the numbers have it.
        maximum: as ``minimum``.
        when_empty: what it means that there is nothing; empty: there is expected to be something.
        width: in columns of 24; 0: the kind's own.
        height: in steps of 30 pixels; 0: the kind's own.
    """

    kind: ClassVar[str] = ""
    size: ClassVar[tuple[int, int]] = (12, 8)

    title: str
    queries: Queries = field(default_factory=dict)
    _: KW_ONLY
    unit: str = ""
    description: str = ""
    runbook: str = ""
    thresholds: Thresholds = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[float, tuple[str, str]] = field(default_factory=dict)
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    when_empty: str = ""
    width: int = 0
    height: int = 0

    @property
    def area(self) -> tuple[int, int]:
        """Width and height on the grid."""
        return self.width or self.size[0], self.height or self.size[1]

    def asked(self) -> tuple[tuple[str, Query], ...]:
        """Return the legends and queries, all in the long form."""
        return tuple((legend, Query(q) if isinstance(q, str) else q) for legend, q in self.queries.items())


@dataclass(frozen=True, slots=True)
class TimeSeries(Panel):
    """Lines over time.

    Args:
        stacked: one upon the other.
        bars: instead of lines.
        zone: whether thresholds are lines, or areas too.
        logarithmic: the scale.
    """

    kind: ClassVar[str] = "timeseries"
    _: KW_ONLY
    stacked: bool = False
    bars: bool = False
    zone: Literal["line", "line+area"] = "line"
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Stat(Panel):
    """Large numbers.

    Args:
        sparkline: with the course of the time range behind the number.
        filled: the threshold's colour fills the ground instead of the number.
        shows: the number, with the name of its series where there are several; or always both; or the name alone.
    """

    kind: ClassVar[str] = "stat"
    size: ClassVar[tuple[int, int]] = (6, 5)
    _: KW_ONLY
    sparkline: bool = False
    filled: bool = False
    shows: Literal["number", "both", "name"] = "number"


@dataclass(frozen=True, slots=True)
class Gauge(Panel):
    """Dials between ``minimum`` and ``maximum``."""

    kind: ClassVar[str] = "gauge"
    size: ClassVar[tuple[int, int]] = (8, 7)


@dataclass(frozen=True, slots=True)
class BarGauge(Panel):
    """Horizontal bars."""

    kind: ClassVar[str] = "bargauge"
    size: ClassVar[tuple[int, int]] = (8, 7)


@dataclass(frozen=True, slots=True)
class Pie(Panel):
    """Shares of a whole."""

    kind: ClassVar[str] = "piechart"
    size: ClassVar[tuple[int, int]] = (8, 8)


@dataclass(frozen=True, slots=True)
class Table(Panel):
    """One row for each set of labels; each query is a column named by its legend.

    Args:
        columns: the labels shown, in order, with their headings.
        sort: the heading of the column by which it is sorted, greatest first; empty: that of the first query.
    """

    kind: ClassVar[str] = "table"
    _: KW_ONLY
    columns: Mapping[str, str] = field(default_factory=dict)
    sort: str = ""


@dataclass(frozen=True, slots=True)
class Heatmap(Panel):
    """One row of cells over time for each series, or for each bucket of a histogram.

    Args:
        buckets: the query is a rate of buckets by ``le``; the unit is that of the bounds then.
        scheme: the colours, from few to many, as Grafana names them.
        reverse: the colours.
    """

    kind: ClassVar[str] = "heatmap"
    _: KW_ONLY
    buckets: bool = False
    scheme: str = "Oranges"
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class StateTimeline(Panel):
    """One bar over time for each series, coloured by ``values`` or ``thresholds``."""

    kind: ClassVar[str] = "state-timeline"


@dataclass(frozen=True, slots=True)
class AlertTimeline(Panel):
    """When which alert of the board's system was pending and fired; needs no query.

    Args:
        matchers: narrow it down, as in PromQL: ``component="adapter"``.
    """

    kind: ClassVar[str] = "state-timeline"
    size: ClassVar[tuple[int, int]] = (24, 8)
    _: KW_ONLY
    matchers: str = ""
    when_empty: str = "Nothing is pending, nothing fires"


@dataclass(frozen=True, slots=True)
class Text(Panel):
    """Markdown, without a query."""

    kind: ClassVar[str] = "text"
    size: ClassVar[tuple[int, int]] = (24, 4)
    _: KW_ONLY
    content: str = ""


@dataclass(frozen=True, slots=True)
class Logs(Panel):
    """Lines of logs; the queries are LogQL."""

    kind: ClassVar[str] = "logs"
    size: ClassVar[tuple[int, int]] = (24, 9)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading.

    Args:
        title: empty: no heading is drawn.
        panels: in the order of reading.
        collapsed: folded up at first.
    """

    title: str
    panels: Sequence[Panel]
    _: KW_ONLY
    collapsed: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable whose values are those of a label; ``label=~"$name"`` uses it.

    Args:
        name: as queries use it.
        title: as people read it.
        metric: whose series are looked at; a selector too.
        label: whose values are offered.
        multi: several values at once, and All; otherwise one at a time.
    """

    name: str
    title: str
    _: KW_ONLY
    metric: str
    label: str
    multi: bool = True


@dataclass(frozen=True, slots=True)
class Option:
    """A variable with a fixed list of values, the first of which is chosen at first."""

    name: str
    title: str
    values: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A whole board.

    Args:
        uid: small letters, digits and dashes, 40 at most; stable, since alerts link to it.
        title: as people read it.
        system: the value of the label ``system`` of its alerts; also a tag.
        description: one sentence.
        rows: from top to bottom.
        variables: offered at the top.
        runbooks: alerts whose runbooks are linked at the top.
        tags: beside the system.
        refresh: how often it asks anew.
        range: what it shows at first, back from now.
    """

    uid: str
    title: str
    system: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Choice | Option] = ()
    runbooks: Sequence[str] = ()
    tags: Sequence[str] = ()
    refresh: str = "30s"
    range: str = "24h"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in the order of reading."""
        return tuple(panel for row in self.rows for panel in row.panels)


def runbook_path(system: str, alert: str) -> str:
    """Return where the runbook of an alert is, from the root of the repository."""
    return f"config/packs/{system}/runbooks/{alert}.md"
