"""A preview asks what a board asks, and its page shows what came back, harmless whatever it is."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mape_k.errors import ConfigError, RejectedError
from mape_k.packbuild.grafana import (
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
from mape_k.ports import InstantVector, RangeSeries
from mape_k.preview import AskedBoard, Asker, Span, check_variables, empty_panels, read_boards, render, report
from mape_k.preview.variables import Chosen, Substitution

SPAN = Span(start=1_700_000_000, end=1_700_003_600)
HOSTILE = '</script><script>alert(1)</script>"><img src=x onerror=alert(2)>\x1b[31m\u202e'


@dataclass
class FakePrometheus:
    """Answers every query with the same labels; of ``broken`` it says that they are."""

    labels: Sequence[Mapping[str, str]] = ({"node": "one"}, {"node": "two"})
    values: Sequence[float] = (3.0, 5.0)
    broken: str = "broken"
    asked: list[str] = field(default_factory=list)

    def _look(self, promql: str) -> None:
        self.asked.append(promql)
        if self.broken in promql:
            raise RejectedError(f"bad_data: parse error; the query was {promql}")

    async def query(self, promql: str, *, at: datetime, timeout_seconds: float) -> InstantVector:
        self._look(promql)
        assert at.timestamp() == SPAN.end
        assert timeout_seconds > 0
        return InstantVector(labels=tuple(self.labels), values=np.array(self.values))

    async def query_range(
        self, promql: str, *, start: datetime, end: datetime, step_seconds: float, timeout_seconds: float
    ) -> Sequence[RangeSeries]:
        self._look(promql)
        assert timeout_seconds > 0
        times = np.arange(start.timestamp(), end.timestamp() + 1, step_seconds)
        return [
            RangeSeries(labels=labels, times=times, values=np.full(len(times), value))
            for labels, value in zip(self.labels, self.values, strict=True)
        ]


def a_file(folder: Path, *panels: Panel, **changes: Any) -> Path:
    settings = {"uid": "a", "title": "A board", "system": "s", "description": "Of a test.", **changes}
    path = folder / "a.json"
    path.write_text(draw(Board(rows=[Row("Row", panels)], **settings)))
    return path


async def asked(path: Path, source: FakePrometheus | None = None, **wanted: Sequence[str]) -> AskedBoard:
    (board,) = read_boards([path])
    return await Asker(source or FakePrometheus(), SPAN, wanted).board(board)


async def page(path: Path, source: FakePrometheus | None = None) -> str:
    return render([await asked(path, source)], theme="auto", source="http://prometheus")


def plots(html: str) -> Any:
    (found,) = re.findall(r'<script type="application/json" id="plots">(.*?)</script>', html, re.DOTALL)
    return json.loads(found)


async def test_lines_over_time_are_given_to_the_script_with_their_names(tmp_path: Path):
    html = await page(a_file(tmp_path, TimeSeries("t", {"of {{node}}": "x"}, unit="s", thresholds=("green", 4, "red"))))

    (plot,) = plots(html)
    assert [line["name"] for line in plot["lines"]] == ["of one", "of two"]
    assert set(plot["lines"][1]["values"]) == {5.0}
    assert plot["steps"] == [[4.0, "var(--red)"]]
    assert plot["units"]["left"]["steps"][4] == [1.0, 1.0, " s"]


async def test_a_query_of_its_own_axis_is_drawn_on_it(tmp_path: Path):
    panel = TimeSeries("t", {"one": "x", "two": Query("y", unit="ms", axis="right")}, unit="short")

    (plot,) = plots(await page(a_file(tmp_path, panel)))

    assert [line["axis"] for line in plot["lines"]] == ["left", "left", "right", "right"]
    assert plot["units"]["right"]["steps"][-1][2] == " years"


async def test_missing_points_are_gaps_and_never_zeros(tmp_path: Path):
    source = FakePrometheus(labels=[{"node": "one"}, {"node": "two"}], values=[float("nan"), 1.0])

    (plot,) = plots(await page(a_file(tmp_path, TimeSeries("t", {"{{node}}": "x"}, unit="s")), source))

    assert [line["name"] for line in plot["lines"]] == ["two"]


async def test_a_stat_wears_the_colour_of_its_threshold(tmp_path: Path):
    panel = Stat("s", {"{{node}}": "x"}, unit="ms", thresholds=("green", 4, "red"))

    html = await page(a_file(tmp_path, panel))

    assert re.findall(r'--tone: ([^"]+)"', html) == ["var(--green)", "var(--red)"]
    assert "<b>3 ms</b>" in html


async def test_a_number_with_a_word_of_its_own_is_shown_as_that(tmp_path: Path):
    html = await page(a_file(tmp_path, Stat("s", {"{{node}}": "x"}, unit="short", values={3: ("closed", "blue")})))

    assert "<b>closed</b>" in html


async def test_dials_bars_and_slices_show_their_shares(tmp_path: Path):
    panels = [
        Gauge("dial", {"{{node}}": "x"}, unit="short", minimum=0, maximum=10, thresholds=("green", 4, "red")),
        BarGauge("bars", {"{{node}}": "x"}, unit="short", minimum=0, maximum=10),
        Pie("pie", {"{{node}}": "x"}, unit="short"),
    ]

    html = await page(a_file(tmp_path, *panels))

    assert 'aria-label="two: 5"' in html
    assert "width: 30.0%" in html
    assert "two: 5 (62%)" in html


async def test_rows_of_a_table_are_sorted_by_its_number(tmp_path: Path):
    html = await page(a_file(tmp_path, Table("t", {"events": "x"}, unit="short", columns={"node": "Node"})))

    assert re.findall(r"<td[^>]*>([^<]+)</td>", html) == ["two", "5", "one", "3"]
    assert re.findall(r"<th[^>]*>([^<]+)</th>", html) == ["Node", "events"]


async def test_queries_of_a_table_are_columns_of_the_same_row(tmp_path: Path):
    panel = Table("t", {"events": "x", "age": Query("y", unit="s")}, unit="short", columns={"node": "Node"}, sort="age")

    html = await page(a_file(tmp_path, panel))

    assert re.findall(r"<td[^>]*>([^<]+)</td>", html) == ["two", "5", "5 s", "one", "3", "3 s"]


async def test_buckets_of_a_histogram_are_told_apart(tmp_path: Path):
    source = FakePrometheus(labels=[{"le": "+Inf"}, {"le": "0.5"}, {"le": "0.1"}], values=[9.0, 4.0, 4.0])

    html = await page(a_file(tmp_path, Heatmap("h", {"{{le}}": "x"}, unit="s", buckets=True)), source)

    assert re.findall(r'<span title="([^"]+)">', html) == ["more", "500 ms", "100 ms"]
    assert "more: 5</title>" in html
    assert "500 ms: " not in html


async def test_equal_states_side_by_side_are_one(tmp_path: Path):
    panel = StateTimeline("s", {"{{node}}": "x"}, unit="short", values={3: ("up", "green"), 5: ("down", "red")})

    html = await page(a_file(tmp_path, panel))

    assert re.findall(r"<title>([^<]+)</title>\s*</rect>", html) == ["one: up", "two: down"]


async def test_an_empty_panel_says_so_and_is_listed(tmp_path: Path):
    path = a_file(
        tmp_path,
        Stat("lacking", {"": "x"}, unit="s"),
        Stat("calm", {"": "x"}, unit="s", when_empty="Nothing fires"),
    )
    source = FakePrometheus(labels=[], values=[])

    board = await asked(path, source)
    html = render([board], theme="auto", source="x")

    assert [panel.title for panel in empty_panels(board)] == ["lacking"]
    assert "no data" in html
    assert "Nothing fires" in html
    assert "1 panel shows nothing: lacking" in html


async def test_a_query_that_fails_says_why_in_its_panel(tmp_path: Path):
    path = a_file(tmp_path, Stat("s", {"": "broken"}, unit="s", when_empty="fine"), Stat("other", {"": "x"}, unit="s"))

    board = await asked(path)
    html = render([board], theme="auto", source="x")

    assert '<p class="error">bad_data: parse error</p>' in html
    assert [panel.title for panel in empty_panels(board)] == ["s"]
    assert report([board])["panels"][0]["queries"][0]["error"] == "bad_data: parse error"


async def test_logs_are_shown_as_what_would_be_asked(tmp_path: Path):
    source = FakePrometheus()

    html = await page(a_file(tmp_path, Logs("l", {"": '{job="x"} |= "<b>"'})), source)

    assert "{job=&#34;x&#34;} |= &#34;&lt;b&gt;&#34;" in html
    assert not any("job=" in query for query in source.asked if "ALERTS" not in query)


async def test_text_is_simple_markdown_without_markup_of_its_own(tmp_path: Path):
    content = "# Head\n\n- **bold** `code`\n- [a](https://example.org) [b](javascript:alert(1))\n\n<script>x</script>"

    html = await page(a_file(tmp_path, Text("t", content=content)))

    assert "<h4>Head</h4>" in html
    assert '<a href="https://example.org">a</a> b' in html
    assert "javascript:" not in html
    assert "&lt;script&gt;x&lt;/script&gt;" in html


async def test_lists_are_drawn_as_lists_with_their_sentence_and_their_long_items(tmp_path: Path):
    content = "First:\n1. stop\n2. look,\n   and listen\n\n# Then\n* this\n\n* that\n\n  or not\n\n2026 was long"

    html = await page(a_file(tmp_path, Text("t", content=content)))

    assert "<p>First:</p><ol><li>stop</li><li>look, and listen</li></ol>" in html
    assert "<h4>Then</h4><ul><li>this</li><li>that or not</li></ul><p>2026 was long</p>" in html


async def test_words_and_thresholds_of_a_table_are_coloured_and_its_labels_are_not(tmp_path: Path):
    words = Table("w", {"Now": "x"}, unit="short", columns={"node": "Node"}, values={3: ("open", "red")})
    numbers = Table("n", {"Now": "x"}, unit="s", columns={"node": "Node"}, thresholds=("green", 4, "orange"))

    html = await page(a_file(tmp_path, words, numbers, Table("p", {"Now": "x"}, unit="s", columns={"node": "Node"})))

    assert re.findall(r'<td class=n style="color: ([^"]+)">([^<]+)<', html) == [
        ("var(--red)", "open"),
        ("var(--orange)", "5 s"),
        ("var(--green)", "3 s"),
    ]
    assert html.count("<td>one</td>") == 3


async def test_a_long_name_of_a_slice_breaks_between_its_words(tmp_path: Path):
    source = FakePrometheus(labels=[{"node": "UNAUTHORISED_COLLECTION"}, {"node": "<b>"}])

    html = await page(a_file(tmp_path, Pie("p", {"{{node}}": "x"}, unit="short")), source)

    assert "<td>UNAUTHORISED_<wbr>COLLECTION</td>" in html
    assert "<td>&lt;b&gt;</td>" in html


@pytest.mark.parametrize(
    "panel",
    [
        TimeSeries("p", {"{{node}}": "x"}, unit="s"),
        Stat("p", {"{{node}}": "x"}, unit="s"),
        Gauge("p", {"{{node}}": "x"}, unit="s"),
        BarGauge("p", {"{{node}}": "x"}, unit="s"),
        Pie("p", {"{{node}}": "x"}, unit="s"),
        Heatmap("p", {"{{node}}": "x"}, unit="s"),
        StateTimeline("p", {"{{node}}": "x"}, unit="s"),
        Table("p", {"v": "x"}, unit="s", columns={"node": HOSTILE}),
        Text(HOSTILE, content=HOSTILE),
        Stat(HOSTILE, {"": f"broken{HOSTILE}"}, unit="s", description=HOSTILE, colours={HOSTILE: HOSTILE}),
        Stat("p", {"{{node}}": "x"}, unit=f"suffix:{HOSTILE}", thresholds=(HOSTILE,), values={3: (HOSTILE, HOSTILE)}),
    ],
    ids=lambda panel: panel.kind,
)
async def test_nothing_foreign_becomes_markup(tmp_path: Path, panel: Panel):
    source = FakePrometheus(labels=[{"node": HOSTILE}, {"node": "b"}])

    html = await page(a_file(tmp_path, panel, title=HOSTILE, description=HOSTILE), source)

    assert "<script>alert" not in html
    assert "<img" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert html.count("</script>") == 3


async def test_only_scripts_of_the_page_may_run_and_nothing_is_loaded(tmp_path: Path):
    html = await page(a_file(tmp_path, Stat("s", {"": "x"}, unit="s")))

    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy.startswith("default-src 'none'")
    assert len(re.findall(r"sha256-", policy)) == 2
    assert not re.findall(r'(?:src|href)="(?!data:|#|https://)', html)


async def test_a_password_in_the_address_of_prometheus_is_not_shown(tmp_path: Path):
    board = await asked(a_file(tmp_path, Text("t", content="x")))

    html = render([board], theme="auto", source="https://name:pass@host:9090/path@x")

    assert "<li>https://host:9090/path@x</li>" in html
    assert "pass" not in html.partition("<script")[0].partition("<body>")[2]


async def test_a_choice_is_all_of_its_values_at_first(tmp_path: Path):
    path = a_file(
        tmp_path,
        Stat("of $node", {"": 'x{node=~"$node"}'}, unit="s"),
        variables=[Choice("node", "Node", metric="x", label="node")],
    )
    source = FakePrometheus()

    await asked(path, source)

    assert 'x{node=~".*"}' in source.asked


async def test_a_choice_of_one_is_the_first_value_that_there_is(tmp_path: Path):
    path = a_file(
        tmp_path,
        Stat("s", {"": 'x{node="$node"}'}, unit="s"),
        variables=[Choice("node", "Node", metric="x", label="node", multi=False)],
    )
    source = FakePrometheus()

    await asked(path, source)

    assert source.asked[0] == "count by (node) (last_over_time(x[3600s]))"
    assert 'x{node="one"}' in source.asked


async def test_values_that_a_person_wants_are_matched_exactly(tmp_path: Path):
    path = a_file(
        tmp_path,
        Stat("s", {"": 'x{node=~"$node"}'}, unit="s"),
        variables=[Choice("node", "Node", metric="x", label="node")],
    )
    source = FakePrometheus()

    await asked(path, source, node=["a.b", "c"])

    assert r'x{node=~"(a\\.b|c)"}' in source.asked


@pytest.mark.parametrize(
    ("values", "is_pattern", "written"),
    [
        (["C:\\x.y"], True, r"C:\\\\x\\.y"),
        (['a"} or vector(1) #'], True, r"a\"\\} or vector\\(1\\) #"),
        (['a"b\\'], False, r"a\"b\\"),
        (["a\nb", "c"], True, r"(a\nb|c)"),
    ],
)
def test_no_value_ends_the_text_that_it_stands_in(values: list[str], is_pattern: bool, written: str):
    chosen = {"v": Chosen(values=tuple(values), is_pattern=is_pattern)}
    assert Substitution(Span(start=0, end=60), 1, chosen)('x{l=~"$v"}') == f'x{{l=~"{written}"}}'


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("label_values(x, node)", "count by (node) (last_over_time(x[3600s]))"),
        (' label_values( x{a="b,c"} , node ) ', 'count by (node) (last_over_time(x{a="b,c"}[3600s]))'),
        ("label_values(node)", 'count by (node) (last_over_time({node!=""}[3600s]))'),
        ("label_values(" + " " * 20_000, None),
        ("label_names()", None),
        ("query_result(x)", None),
    ],
    ids=["of a metric", "of a selector", "of anything", "endless", "names", "results"],
)
async def test_what_a_choice_offers_is_asked_for(tmp_path: Path, query: str, first: str | None):
    path, source = tmp_path / "x.json", FakePrometheus()
    variable = {"name": "node", "type": "query", "query": query}
    panel = {"type": "stat", "targets": [{"expr": "y", "legendFormat": "{{ node }}{{" + " " * 20_000}]}
    path.write_text(json.dumps({"panels": [panel], "templating": {"list": [variable]}}))

    await asked(path, source)

    assert source.asked == [each for each in (first, "y") if each]


async def test_people_read_values_in_titles_as_they_are(tmp_path: Path):
    path = a_file(
        tmp_path,
        Stat("at $node", {"": 'x{node=~"$node"}'}, unit="s"),
        variables=[Choice("node", "Node", metric="x", label="node")],
    )

    board = await asked(path, node=["a.b", "c"])

    assert board.panels[1].title == "at a.b + c"


async def test_an_option_is_its_first_value_and_titles_know_it(tmp_path: Path):
    path = a_file(
        tmp_path, Stat("p$q", {"": "quantile($q, x)"}, unit="s"), variables=[Option("q", "Quantile", ["0.99", "0.5"])]
    )

    board = await asked(path)

    assert board.panels[1].title == "p0.99"
    assert board.panels[1].answers[0].expr == "quantile(0.99, x)"


async def test_series_beyond_the_bound_are_counted(tmp_path: Path):
    source = FakePrometheus(labels=[{"node": str(n)} for n in range(130)], values=[1.0] * 130)

    board = await asked(a_file(tmp_path, TimeSeries("t", {"{{node}}": "x"}, unit="s")), source)

    assert report([board])["panels"][0]["series"] == 130
    assert "30 more series are not drawn" in render([board], theme="auto", source="x")


class Firing(FakePrometheus):
    """One alert fired at some time, another one still does."""

    async def query_range(self, promql: str, **asked: Any) -> Sequence[RangeSeries]:
        if "ALERTS" not in promql:
            return await super().query_range(promql, **asked)
        over, lasting = ([SPAN.start + 1800, SPAN.start + 1815], [SPAN.end - 15, SPAN.end])
        return [
            RangeSeries(labels={"alertname": name}, times=np.array(times), values=np.ones(2))
            for name, times in (("Down", over), ("Slow", lasting))
        ]


async def test_the_moments_when_alerts_began_to_fire_are_marked(tmp_path: Path):
    (plot,) = plots(await page(a_file(tmp_path, TimeSeries("t", {"": "x"}, unit="s")), Firing()))

    assert plot["marks"] == [[SPAN.start + 1800, "Down"], [SPAN.end - 15, "Slow"]]


async def test_the_head_of_a_page_names_the_system_and_the_alerts_that_fire(tmp_path: Path):
    html = await page(a_file(tmp_path, TimeSeries("t", {"": "x"}, unit="s"), system="oneiric"), Firing())

    assert "<h1><small>oneiric</small> A board</h1>" in html
    assert '<p class="firing">Firing: <b>Slow</b></p>' in html


async def test_an_alert_that_fires_is_linked_with_its_runbook(tmp_path: Path):
    path = a_file(tmp_path, TimeSeries("t", {"": "x"}, unit="s", runbook="Slow"))

    html = render([await asked(path, Firing(), runbooks=["https://a.org/r"])], theme="auto", source="p")

    runbook = "https://a.org/r/config/packs/s/runbooks/Slow.md"
    assert f'<p class="firing">Firing: <b><a href="{runbook}">Slow</a></b></p>' in html


def test_a_variable_that_no_board_has_is_refused(tmp_path: Path):
    boards = read_boards(
        [a_file(tmp_path, Text("t", content="x"), variables=[Choice("node", "Node", metric="x", label="node")])]
    )

    with pytest.raises(ConfigError, match="the variable nod; did you mean 'node'"):
        check_variables(boards, {"nod": ["x"]})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "1: no JSON"),
        ("[]", "panels: expected the JSON of a Grafana board"),
        ('{"panels": {}}', "panels: expected"),
        ("[" * 100_000, "no JSON"),
        ('{"panels": [' + "1" * 5000 + "]}", "a number that is too long"),
        (json.dumps({"panels": [{"type": "text"}] * 301}), "panels: over 300"),
    ],
    ids=["broken", "list", "no panels", "deep", "long", "many"],
)
def test_what_is_no_board_is_refused(tmp_path: Path, text: str, sentence: str):
    path = tmp_path / "x.json"
    path.write_text(text)

    with pytest.raises(ConfigError, match=sentence):
        read_boards([path])


@pytest.mark.parametrize(
    "panel",
    [
        {},
        {"type": 5, "gridPos": "x", "targets": [None, 3, {}], "fieldConfig": [], "options": None, "links": [1]},
        {"type": "stat", "gridPos": {"x": 1e99, "w": -4, "h": 1e6}, "fieldConfig": {"defaults": {"decimals": "x"}}},
        {"type": "timeseries", "targets": [{"expr": "x"}], "fieldConfig": {"overrides": [1, {"matcher": 2}]}},
        {"type": "heatmap", "targets": [{"expr": "x"}], "options": {"color": {"scheme": 5, "min": "x"}}},
        {"type": "table", "targets": [{"expr": "x"}], "transformations": [{"id": "organize", "options": 3}]},
        {"type": "volkovlabs-echarts-panel", "targets": [{"expr": "x"}], "options": {"sortBy": [3]}},
        {
            "type": "gauge",
            "targets": [{"expr": "x"}],
            "fieldConfig": {
                "defaults": {"min": math.nan, "max": 10**400, "thresholds": {"steps": [{"value": math.inf}]}}
            },
        },
        {
            "type": "timeseries",
            "targets": [{"expr": "x"}],
            "fieldConfig": {"defaults": {"min": -math.inf, "max": math.nan}},
        },
        {"type": "heatmap", "targets": [{"expr": "x"}], "options": {"color": {"min": math.nan, "max": math.inf}}},
        {
            "type": "stat",
            "targets": [{"expr": "x", "legendFormat": "a" * 60}],
            "fieldConfig": {
                "overrides": [{"matcher": {"id": "byRegexp", "options": "(a+)+$|(a|a)*b"}, "properties": []}]
            },
        },
        {"type": "row", "panels": [{"type": "stat", "targets": [{"expr": "x", "instant": True}]}]},
    ],
    ids=[
        "nothing",
        "nonsense",
        "places",
        "overrides",
        "colours",
        "columns",
        "stranger",
        "dial",
        "ends",
        "cells",
        "pattern",
        "row",
    ],
)
async def test_a_board_from_elsewhere_is_drawn_as_far_as_it_is_understood(tmp_path: Path, panel: dict[str, Any]):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"panels": [panel], "templating": {"list": [None, {"name": "a", "type": "custom"}]}}))

    assert "<article" in await page(path)


def test_a_folder_without_boards_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="no boards"):
        read_boards([tmp_path])
