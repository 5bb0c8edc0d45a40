"""The board of a system's objectives: what is left of each error budget, and how fast it goes."""

from collections.abc import Sequence
from decimal import Decimal

from mape_k.packbuild.grafana import (
    AlertTimeline,
    BarGauge,
    Board,
    Choice,
    Query,
    Row,
    Table,
    Text,
    TimeSeries,
)
from mape_k.packbuild.objectives import BUDGET_DAYS, Objective

_SECONDS = BUDGET_DAYS * 86_400
_LEFT = ("red", 0, "orange", 0.25, "green")
_QUIET = "no events in this window"
_HOW = f"""An error budget is the share of bad events that an objective allows over {BUDGET_DAYS} days. It begins at
100 %; below 0 % the objective is missed. A burn rate of 1 uses it up in exactly {BUDGET_DAYS} days, one of 14.4 in two
days and two hours. What each objective counts stands in `config/packs/{{system}}/objectives/`."""


def objectives_board(objectives: Sequence[Objective]) -> Board:
    """Return the board of the objectives of one pack, at least one of them."""
    system = objectives[0].system
    return Board(
        uid=f"{system}-objectives",
        title=f"Objectives of {system}",
        system=system,
        description=f"What is left of the error budgets of {system}, and how fast they are used up.",
        tags=["objectives"],
        range="7d",
        refresh="1m",
        variables=[
            Choice("slo", "Objective", metric=f'slo:objective:ratio{{system="{system}"}}', label="slo"),
        ],
        runbooks=list(dict.fromkeys(alert.name for each in objectives for alert in each.alerts)),
        rows=[
            Row("What is left", [*_left(system), Text("How to read it", height=3, content=_HOW.format(system=system))]),
            Row("How fast it goes", [_burn(objectives, window) for window in ("1h", "6h", "3d")]),
            Row("What happens", _happening(system)),
        ],
    )


def _of(name: str, system: str) -> str:
    return f'{name}{{system="{system}", slo=~"$slo"}}'


def _left(system: str) -> tuple[BarGauge, Table, TimeSeries]:
    left = _of(f"slo:error_budget_left:ratio{BUDGET_DAYS}d", system)
    good = f"1 - {_of(f'slo:error_ratio:rate{BUDGET_DAYS}d', system)}"
    events = f"{_of(f'slo:events:rate{BUDGET_DAYS}d', system)} * {_SECONDS}"
    bars = BarGauge(
        "Error budget left",
        {"{{slo}}": left},
        unit="percentunit",
        thresholds=_LEFT,
        minimum=0,
        maximum=1,
        description=f"Of the last {BUDGET_DAYS} days; 100 % until something goes wrong, below 0 once it is missed.",
    )
    table = Table(
        "Objectives",
        {
            "Objective": Query(_of("slo:objective:ratio", system), unit="percentunit"),
            "Good": Query(good, unit="percentunit"),
            "Budget left": Query(left, unit="percentunit"),
            "Events": Query(events, unit="short"),
        },
        unit="percentunit",
        columns={"slo": "What"},
        sort="What",
        width=16,
        height=7,
        description=f"Over {BUDGET_DAYS} days, and as far back as there is history.",
    )
    course = TimeSeries(
        "Error budget left over time",
        {"{{slo}}": left},
        unit="percentunit",
        thresholds=("red", 0, "transparent"),
        width=24,
        description="A slope is a leak, a step is an incident; it rises again as bad days pass out of the window.",
    )
    return bars, table, course


def _burn(objectives: Sequence[Objective], window: str) -> TimeSeries:
    ratio, target = (
        _of(f"slo:error_ratio:rate{window}", objectives[0].system),
        _of("slo:objective:ratio", objectives[0].system),
    )
    factors = {
        burn.factor for each in objectives for alert in each.alerts for burn in alert.burns if burn.long == window
    }
    worst = float(max(factors, default=Decimal(1)))
    return TimeSeries(
        f"Burn rate over {window}",
        {"{{slo}}": f"{ratio} / (1 - {target})"},
        unit="suffix: times",
        thresholds=("transparent", 1, "orange", worst, "red") if worst > 1 else ("transparent", 1, "orange"),
        width=8,
        when_empty=_QUIET,
        description="How many times faster than allowed the budget is used up; alerts begin at the lines.",
    )


def _happening(system: str) -> list[TimeSeries | AlertTimeline]:
    bad = TimeSeries(
        "Bad events against what is allowed",
        {
            "{{slo}}": _of("slo:error_ratio:rate5m", system),
            "{{slo}}: allowed": f"1 - {_of('slo:objective:ratio', system)}",
        },
        unit="percentunit",
        height=9,
        when_empty=_QUIET,
        description="The share of bad events over 5 minutes; above what is allowed the budget is being used up.",
    )
    events = TimeSeries(
        "Events",
        {"{{slo}}": _of("slo:events:rate5m", system), "{{slo}}: bad": _of("slo:bad_events:rate5m", system)},
        unit="eps",
        logarithmic=True,
        height=9,
        description="What is counted, over 5 minutes; with few events a share says little.",
    )
    return [bad, events, AlertTimeline("Alerts about error budgets", matchers='slo!="", slo=~"$slo"')]
