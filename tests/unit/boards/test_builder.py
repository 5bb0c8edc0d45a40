"""A description of a board becomes JSON that Grafana can load, or is refused with all that is wrong."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mape_k.errors import ConfigError
from mape_k.packbuild.grafana import (
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
    Query,
    Row,
    Stat,
    StateTimeline,
    Table,
    Text,
    TimeSeries,
    draw,
)

EVERY_KIND = (
    TimeSeries("time series", {"{{node}}": "a", "p99": Query("b", unit="ms", axis="right")}, unit="short"),
    Stat("stat", {"now": "a"}, unit="s", thresholds=("green", 1, "red"), values={0: ("none", "blue")}),
    Gauge("gauge", {"now": "a"}, unit="percentunit", minimum=0, maximum=1),
    BarGauge("bar gauge", {"{{node}}": "a"}, unit="bytes"),
    Pie("pie", {"{{node}}": "a"}, unit="short"),
    Table("table", {"events": "a", "age": Query("b", unit="s")}, unit="short", columns={"node": "Node"}),
    Heatmap("heatmap", {"{{le}}": "a"}, unit="s", buckets=True),
    StateTimeline("state timeline", {"{{node}}": "a"}, unit="short", values={1: ("up", "green")}),
    AlertTimeline("alerts", matchers='component="x"', when_empty="nothing fires"),
    Text("text", content="*hello*"),
    Logs("logs", {"": '{job="x"} |= "error"'}),
)


def a_board(*panels: Panel, **changes: Any) -> Board:
    board = Board(uid="a-board", title="A board", system="oneiric", description="Of a test.", rows=[Row("Row", panels)])
    return replace(board, **changes)


def document(board: Board) -> dict[str, Any]:
    drawn: dict[str, Any] = json.loads(draw(board))
    return drawn


def panel_of(board: Board, title: str) -> dict[str, Any]:
    (panel,) = (panel for panel in document(board)["panels"] if panel["title"] == title)
    return dict(panel)


def test_the_same_description_is_always_the_same_text():
    board = a_board(*EVERY_KIND, variables=[Choice("node", "Node", metric="a", label="node")])

    assert draw(board) == draw(board)


def test_every_kind_of_panel_is_drawn_with_its_queries():
    panels = document(a_board(*EVERY_KIND))["panels"][1:]

    assert [panel["title"] for panel in panels] == [panel.title for panel in EVERY_KIND]
    assert [len(panel.get("targets", [])) for panel in panels] == [2, 1, 1, 1, 1, 2, 1, 1, 1, 0, 1]


def test_data_come_from_a_variable_only():
    drawn = document(a_board(*EVERY_KIND))

    sources = {
        source["uid"]
        for panel in drawn["panels"][1:]
        for source in [panel.get("datasource"), *_of_targets(panel)]
        if source
    }
    assert sources == {"$datasource", "$loki"}
    assert [v["name"] for v in drawn["templating"]["list"]] == ["datasource", "loki", "runbooks"]


def _of_targets(panel: dict[str, Any]) -> list[Any]:
    return [target["datasource"] for target in panel.get("targets", [])]


@given(st.lists(st.lists(st.tuples(st.integers(1, 24), st.integers(1, 12)), min_size=1, max_size=6), max_size=5))
def test_panels_never_lie_upon_each_other(sizes: list[list[tuple[int, int]]]):
    rows = [
        Row("Heading" * (r % 2), [Text(f"{r} {p}", content="x", width=w, height=h) for p, (w, h) in enumerate(row)])
        for r, row in enumerate([[(1, 1)], *sizes])
    ]

    panels = document(a_board(rows=rows))["panels"]

    places = [panel["gridPos"] for panel in panels]
    assert not any(_overlap(one, other) for one, other in combinations(places, 2))
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in panels}) == len(panels)


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    down = one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    return across and down


def test_a_collapsed_row_keeps_its_panels_inside():
    rows = [Row("Folded", [Text("inside", content="x")], collapsed=True), Row("", [Text("after", content="x")])]

    folded, after = document(a_board(rows=rows))["panels"]

    assert [panel["title"] for panel in folded["panels"]] == ["inside"]
    assert after["gridPos"]["y"] == 1


def test_thresholds_are_steps_from_everything_on():
    steps = panel_of(a_board(*EVERY_KIND), "stat")["fieldConfig"]["defaults"]["thresholds"]["steps"]

    assert steps == [{"value": None, "color": "green"}, {"value": 1.0, "color": "red"}]


def test_columns_of_a_table_bear_the_names_given():
    organize = panel_of(a_board(*EVERY_KIND), "table")["transformations"][1]["options"]

    assert organize["renameByName"] == {"node": "Node", "Value #A": "events", "Value #B": "age"}


def test_a_query_may_have_its_own_unit_and_axis():
    (override,) = panel_of(a_board(*EVERY_KIND), "time series")["fieldConfig"]["overrides"]

    assert override["matcher"] == {"id": "byFrameRefID", "options": "B"}
    assert {p["id"]: p["value"] for p in override["properties"]} == {"unit": "ms", "custom.axisPlacement": "right"}


def test_words_and_thresholds_colour_the_cells_of_a_tables_queries():
    values = {0: ("closed", "green"), 1: ("open", "red")}
    table = Table("t", {"now": "a", "age": Query("b", unit="s")}, unit="short", columns={"node": "Node"}, values=values)

    now, age = panel_of(a_board(table), "t")["fieldConfig"]["overrides"]

    cells = {"id": "custom.cellOptions", "value": {"type": "color-text"}}
    assert (now["matcher"], now["properties"]) == ({"id": "byName", "options": "now"}, [cells])
    assert age["properties"] == [{"id": "unit", "value": "s"}, cells]
    assert not panel_of(a_board(*EVERY_KIND), "table")["fieldConfig"]["overrides"][0]["properties"][1:]


def test_alerts_of_the_system_are_marked_and_shown():
    drawn = document(a_board(*EVERY_KIND))

    assert drawn["annotations"]["list"][0]["expr"] == 'ALERTS{system="oneiric", severity!="none", alertstate="firing"}'
    (target,) = panel_of(a_board(*EVERY_KIND), "alerts")["targets"]
    assert 'ALERTS{system="oneiric", severity!="none", component="x", alertstate="pending"}' in target["expr"]


def test_runbooks_are_linked_from_the_board_and_from_panels():
    drawn = document(a_board(Stat("s", {"": "a"}, unit="short", runbook="Down"), runbooks=["Slow"]))

    links = [link["url"] for link in [*drawn["links"], *drawn["panels"][1]["links"]] if link["type"] == "link"]
    assert links == [f"${{runbooks}}/config/packs/oneiric/runbooks/{alert}.md" for alert in ("Slow", "Down")]


def test_an_option_offers_its_first_value_first():
    variable = document(a_board(*EVERY_KIND, variables=[Option("q", "Quantile", ["0.99", "0.5"])]))["templating"][
        "list"
    ][2]

    assert (variable["current"]["value"], variable["query"]) == ("0.99", "0.99,0.5")


@pytest.mark.parametrize(
    ("panel", "sentence"),
    [
        (Stat("s", {"": "a"}), "unit: say what the numbers are"),
        (Stat("s", {"": "a"}, unit="bite"), "unit 'bite' is unknown"),
        (Stat("s", {"": "a"}, unit="suffix:"), "unit 'suffix:' is unknown"),
        (Stat("s", unit="s"), "queries: there is nothing to show"),
        (Stat("s", {"": " "}, unit="s"), "query '' is empty"),
        (Stat("s", {"": 'a{b=~"$nod"}'}, unit="s"), "the board has no variable $nod; did you mean 'node'?"),
        (Stat("s", {"": "a"}, unit="s", width=25), "width 25"),
        (Stat("s", {"": "a"}, unit="s", thresholds=("green", 1)), "thresholds: expected a colour"),
        (Stat("s", {"": "a"}, unit="s", thresholds=("green", "red", "blue")), "a number between two colours"),
        (Stat("s", {"": "a"}, unit="s", thresholds=("green", 2, "red", 1, "blue")), "the bounds must rise"),
        (Table("s", {"": "a"}, unit="s"), "columns: name the labels"),
        (Text("s", {"": "a"}, content="x"), "takes none here"),
        (Text(" ", content="x"), "it has no title"),
    ],
)
def test_a_faulty_panel_is_refused(panel: Panel, sentence: str):
    variables = [Choice("node", "Node", metric="a", label="node")]

    with pytest.raises(ConfigError) as refused:
        draw(a_board(panel, variables=variables))

    assert sentence in str(refused.value)


def test_all_faults_of_a_board_are_told_at_once():
    with pytest.raises(ConfigError) as refused:
        draw(a_board(Stat("s"), Stat("s"), uid="Not A Uid"))

    assert len(refused.value.problems) == 6


def test_without_the_extra_drawing_is_refused_with_the_remedy():
    code = (
        "import sys; sys.modules['grafana_foundation_sdk'] = None\n"
        "from mape_k.packbuild.grafana import Board, Row, Text, draw\n"
        "draw(Board(uid='a', title='A', system='s', description='', rows=[Row('', [Text('t', content='x')])]))"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "pip install 'mape-k[boards]'" in answer.stderr
