"""Grafana boards as small descriptions, from which the JSON that Grafana loads is drawn.

A board is one value, written from top to bottom as it is seen::

    from mape_k.packbuild.grafana import Board, Choice, Query, Row, Stat, TimeSeries

    BOARD = Board(
        uid="enforcement-performance",              # also the name of its file and its address /d/UID
        title="Enforcement Performance",
        system="charter",                           # its alerts are marked on every time axis
        description="How fast the Charter enforces.",
        variables=[Choice("node", "Node", metric="charter_violations_total", label="node")],
        runbooks=["PolicyLoadFailure"],             # links at the top
        rows=[
            Row("Policies", [
                Stat(
                    "Policy freshness",
                    {"age": "time() - charter_policy_timestamp"},
                    unit="s",
                    thresholds=("green", 14400, "orange", 86400, "red"),
                    description="Time since the last load.",
                    runbook="PolicyLoadFailure",
                ),
                TimeSeries(
                    "Loads and their duration",
                    {
                        "loads": "sum(increase(charter_load_count[1h]))",
                        "p99": Query("histogram_quantile(0.99, …)", unit="ms", axis="right"),
                    },
                    unit="short",
                ),
            ]),
        ],
    )

``draw(BOARD)`` is the text of its JSON file. Queries are ``{legend: expression}``; a legend may hold labels,
``{{node}}``. Whatever shows numbers has a unit of :data:`mape_k.packbuild.grafana.units.UNITS` or ``suffix:text``.
Thresholds are a colour, then a bound and the colour from there on, as often as needed.
``when_empty`` says what it means when there is nothing to show; a panel without it is expected to show something.
Panels flow from left to right and wrap at 24 columns; a width and a height of 0 are the kind's own.
The sources are the variables ``$datasource`` and, where logs are shown, ``$loki``; runbooks are found under
``$runbooks``.

Panels: :class:`TimeSeries`, :class:`Stat`, :class:`Gauge`, :class:`BarGauge`, :class:`Pie`, :class:`Table`,
:class:`Heatmap`, :class:`StateTimeline`, :class:`AlertTimeline`, :class:`Text`, :class:`Logs`.
"""

from mape_k.errors import ConfigError
from mape_k.packbuild.grafana.checks import problems_of
from mape_k.packbuild.grafana.description import (
    AlertTimeline,
    BarGauge,
    Board,
    Choice,
    Gauge,
    Heatmap,
    Logs,
    Option,
    Panel,
    Pie,
    Queries,
    Query,
    Row,
    Stat,
    StateTimeline,
    Table,
    Text,
    Thresholds,
    TimeSeries,
    runbook_path,
)

__all__ = [
    "AlertTimeline",
    "BarGauge",
    "Board",
    "Choice",
    "Gauge",
    "Heatmap",
    "Logs",
    "Option",
    "Panel",
    "Pie",
    "Queries",
    "Query",
    "Row",
    "Stat",
    "StateTimeline",
    "Table",
    "Text",
    "Thresholds",
    "TimeSeries",
    "draw",
    "runbook_path",
]


def draw(board: Board) -> str:
    """Return the JSON of a board as its file has it: the same text for the same description, always.

    Raises:
        ConfigError: everything that is wrong with the description, or that the extra ``boards`` is not installed.
    """
    problems = [f"board {board.uid}: {problem}" for problem in problems_of(board)]
    if problems:
        raise ConfigError(problems)
    try:
        from mape_k.packbuild.grafana.drawing import to_text  # noqa: PLC0415 -- the extra may be absent
    except ModuleNotFoundError as error:
        raise ConfigError([f"boards cannot be drawn without {error.name}: pip install 'mape-k[boards]'"]) from error
    return to_text(board)
