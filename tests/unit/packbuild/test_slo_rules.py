"""What is made of an objective: rules that real Prometheus takes, and that say what they should of series."""

import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mape_k.catalogue import promql
from mape_k.packbuild.objectives import WINDOWS, Burn, BurnAlert, Objective
from mape_k.packbuild.scale import RULE_FILE, scale_document, scale_duration
from mape_k.packbuild.slo_rules import RAW_WINDOWS, SUMMED_WINDOWS, rule_groups
from objective_cases import alert, query, read

Finder = Callable[[str], Path]
PAGE = "critical, 2x over 1h and 5m, at least 5 bad events"


def series(metric: str, values: str, **labels: str) -> dict[str, str]:
    matchers = ", ".join(f'{name}="{value}"' for name, value in {"job": "shop", **labels}.items())
    return {"series": f"{metric}{{{matchers}}}", "values": values}


def is_(name: str, value: float) -> str:
    """Return an expression that is 1 when a recording has the value, but for rounding."""
    return f"sum(abs({name} - {value})) < bool 0.00001"


class Bench:
    """Rules on a bench: series go in at one-minute steps, and promtool says whether expressions are 1 at the end."""

    def __init__(self, promtool: Path, folder: Path) -> None:
        self.promtool = promtool
        self.folder = folder

    def run(self, *command: str) -> None:
        done = subprocess.run([self.promtool, *command], capture_output=True, text=True, check=False, cwd=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr

    def check(self, rules: dict[str, Any]) -> None:
        (self.folder / "rules.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
        self.run("check", "rules", "rules.yaml")

    def see(
        self,
        objective: Objective,
        inputs: list[dict[str, str]],
        *truths: str,
        at: str = "2h",
        time_scale: float = 1,
        firing: list[str] | None = None,
    ) -> None:
        self.check(scale_document(rule_groups([objective]), RULE_FILE, time_scale))
        step, end = scale_duration("1m", time_scale), scale_duration(at, time_scale)
        one = [{"labels": "{}", "value": 1}]
        looks = [{"expr": truth, "eval_time": end, "exp_samples": one} for truth in truths]
        if firing is not None:
            fired = 'count by (alertname) (ALERTS{alertstate="firing"})'
            samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in firing]
            looks.append({"expr": fired, "eval_time": end, "exp_samples": samples})
        case = {"interval": step, "input_series": inputs, "promql_expr_test": looks}
        document = {"rule_files": ["rules.yaml"], "evaluation_interval": step, "tests": [case]}
        (self.folder / "test.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        self.run("test", "rules", "test.yaml")


@pytest.fixture
def bench(real_tool: Finder, tmp_path: Path) -> Bench:
    return Bench(real_tool("promtool"), tmp_path)


names = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=40)
pairs = st.sampled_from([(long, short) for long in WINDOWS for short in WINDOWS if WINDOWS[long] > WINDOWS[short]])
burns = st.builds(
    lambda factor, pair: Burn(factor=factor, long=pair[0], short=pair[1]), st.decimals(1, 9, places=2), pairs
)
alerts = st.builds(
    BurnAlert,
    name=st.from_regex(r"[A-Z][A-Za-z]{0,20}", fullmatch=True),
    severity=st.sampled_from(["critical", "warning", "info"]),
    burns=st.lists(burns, min_size=1, max_size=3, unique=True).map(tuple),
    minimum=st.integers(2, 10**6),
    held_for=st.sampled_from(["", "2m", "1h"]),
)
queries = st.sampled_from(
    [
        r'x_total{job="a", le=~"5(\\.0)?"}',
        "x_total",
        "sum(rate(x_total[$window])) + sum(rate(y_total[$window]))",
        "max(avg_over_time((x > bool 600)[$window:1m]))",
    ]
)


@st.composite
def objectives(draw: st.DrawFn) -> Objective:
    numerator, is_good = draw(queries), draw(st.booleans())
    said = {name: draw(texts) for name in ("title", "description", "events", "bad_events", "action")}
    return Objective(
        system="shop",
        name=draw(names),
        target=Decimal(draw(st.integers(900, 999))) / 1000,
        good=numerator if is_good else None,
        bad=None if is_good else numerator,
        total=draw(queries),
        team="web",
        component="site",
        part_of="all",
        alerts=tuple(draw(st.lists(alerts, max_size=3, unique_by=lambda each: each.name))),
        **{name: text.replace("{{", "((") for name, text in said.items()},
    )


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(objectives(), min_size=1, max_size=8, unique_by=lambda each: each.name))
def test_prometheus_takes_the_rules_of_whatever_objectives(bench: Bench, several: list[Objective]) -> None:
    bench.check(rule_groups(several))


@given(objectives())
def test_rules_of_an_objective_are_its_own_and_say_so(objective: Objective) -> None:
    (group,) = rule_groups([objective])["groups"]
    for rule in group["rules"]:
        assert rule["labels"].items() >= {"system": "shop", "slo": objective.name}.items()
    recorded = [rule["record"] for rule in group["rules"] if "record" in rule]
    assert len(recorded) == len(set(recorded)) == 3 * (len(RAW_WINDOWS) + len(SUMMED_WINDOWS)) + 2
    assert sum("alert" in rule for rule in group["rules"]) == sum(len(each.burns) for each in objective.alerts)


@given(objectives())
def test_an_alert_reads_nothing_but_what_was_recorded_before_it(objective: Objective) -> None:
    (group,) = rule_groups([objective])["groups"]
    recorded: set[str] = set()
    for rule in group["rules"]:
        words = {token.text for token in promql.tokens(rule["expr"]) if token.kind == "word"}
        assert {word for word in words if word.startswith("slo:")} <= recorded
        recorded |= {rule["record"]} if "record" in rule else set()
        if "alert" in rule:
            assert {word for word in words if not word.startswith("slo:")} == {"system", "slo", "and"}


@given(objectives())
def test_an_alert_asks_two_windows_and_a_minimum_of_bad_events(objective: Objective) -> None:
    (group,) = rule_groups([objective])["groups"]
    made = [rule for rule in group["rules"] if "alert" in rule]
    wanted = [(each, burn) for each in objective.alerts for burn in each.burns]
    for rule, (each, burn) in zip(made, wanted, strict=True):
        long, short, enough = rule["expr"].split("\nand\n")
        assert f"rate{burn.long}{{" in long
        assert f"rate{burn.short}{{" in short
        assert enough.startswith(f"slo:bad_events:rate{burn.long}{{")
        assert enough.endswith(f"* {WINDOWS[burn.long]} > {each.minimum - 0.5}")
        assert (rule["labels"]["windows"], rule.get("for", "")) == (f"{burn.long}/{burn.short}", each.held_for)


@given(objectives(), st.sampled_from([60, 100, 7.5]))
def test_in_a_trial_windows_are_shorter_and_everything_else_is_the_same(objective: Objective, scale: float) -> None:
    true = rule_groups([objective])
    trial = scale_document(true, RULE_FILE, scale)
    for before, after in zip(true["groups"][0]["rules"], trial["groups"][0]["rules"], strict=True):
        assert _without_durations(before["expr"]) == _without_durations(after["expr"])
        assert {**before, "expr": "", "for": ""} == {**after, "expr": "", "for": ""}


def _without_durations(expr: str) -> list[str]:
    return [token.text for token in promql.tokens(expr) if token.kind != "duration"]


def test_a_long_window_weighs_hours_by_their_events(bench: Bench, tmp_path: Path) -> None:
    """An hour with 1 event a minute, all bad, then one with 99 a minute, all good: 1% is bad, not half."""
    inputs = [series("e_total", "0+1x60 60x59"), series("r_total", "0+1x60 159+99x59")]
    for window in ("6h", "1d"):
        ratio = f"sum(slo:error_ratio:rate{window})"
        bench.see(read(tmp_path), inputs, f"{ratio} < bool 0.012", f"{ratio} > bool 0.008")


hours = st.integers(0, 1000).flatmap(lambda total: st.tuples(st.just(total), st.integers(0, total)))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(hours, min_size=4, max_size=4).filter(lambda several: any(total for total, _ in several)))
def test_whatever_happens_a_day_has_the_share_of_all_its_events(
    bench: Bench, tmp_path: Path, several: list[tuple[int, int]]
) -> None:
    """Four hours, each with so many events and bad ones a minute."""
    share = sum(bad for _, bad in several) / sum(total for total, _ in several)
    inputs = [
        series("r_total", _course([total for total, _ in several])),
        series("e_total", _course([bad for _, bad in several])),
    ]
    near = [f"sum(abs(slo:error_ratio:rate{window} - {share})) < bool 0.03" for window in ("6h", "1d")]
    bench.see(read(tmp_path), inputs, *near, at="4h")


def _course(per_minute: list[int]) -> str:
    """Return the values of a counter that grows by so much a minute, hour after hour."""
    starts = [60 * sum(per_minute[:hour]) for hour in range(len(per_minute))]
    runs = [f"{start + speed}+{speed}x59" for start, speed in zip(starts, per_minute, strict=True)]
    return " ".join(["0", *runs])


@pytest.mark.parametrize("key", ["good", "bad"])
def test_a_share_stays_between_0_and_1_whatever_is_counted(bench: Bench, tmp_path: Path, key: str) -> None:
    """More good or bad events than events at all: a definition that is wrong, not a number that is."""
    objective = read(tmp_path, query('e_total{job="shop"}', key=key))
    inputs = [series("e_total", "0+7x120"), series("r_total", "0+5x120")]
    share = 1 if key == "bad" else 0
    bench.see(objective, inputs, *(is_(f"slo:error_ratio:rate{each}", share) for each in (*RAW_WINDOWS, "1d", "30d")))


def test_a_total_failure_from_the_start_is_seen(bench: Bench, tmp_path: Path) -> None:
    objective = read(tmp_path, query('g_total{job="shop"}', key="good"))
    truths = [is_(f"slo:error_ratio:rate{window}", 1) for window in ("5m", "1h", "30d")]
    bench.see(objective, [series("r_total", "0+5x120")], *truths)


def test_bad_events_that_never_were_are_none(bench: Bench, tmp_path: Path) -> None:
    truths = [is_("slo:error_ratio:rate1h", 0), is_("slo:error_budget_left:ratio30d", 1)]
    bench.see(read(tmp_path), [series("r_total", "0+5x120")], *truths)


@pytest.mark.parametrize("values", ["0x120", None], ids=["no events", "no series"])
def test_without_events_there_is_no_share_and_all_of_the_budget(
    bench: Bench, tmp_path: Path, values: str | None
) -> None:
    inputs = [series("e_total", values), series("r_total", values)] if values else []
    none = [f'absent(slo:error_ratio:rate{window}{{slo="answers"}}) * 1' for window in ("1h", "30d")]
    truths = [*(f"sum({each})" for each in none), is_("slo:error_budget_left:ratio30d", 1)]
    bench.see(read(tmp_path), inputs, *truths, firing=[])


def test_a_budget_begins_whole_and_is_used_up_by_what_is_bad(bench: Bench, tmp_path: Path) -> None:
    inputs = [series("e_total", "0+1x120"), series("r_total", "0+400x120")]
    bench.see(read(tmp_path), inputs, is_("slo:error_budget_left:ratio30d", 1), at="30m")
    bench.see(read(tmp_path), inputs, is_("slo:error_budget_left:ratio30d", 0.75))


def test_an_alert_is_over_soon_after_the_bad_events_are(bench: Bench, tmp_path: Path) -> None:
    objective = read(tmp_path, alert(PAGE))
    inputs = [series("e_total", "0+10x60 600x60"), series("r_total", "0+20x120")]
    bench.see(objective, inputs, at="60m", firing=["Slow"])
    bench.see(objective, inputs, "sum(slo:error_ratio:rate1h) > bool 0.02", at="70m", firing=[])


def test_an_alert_needs_the_long_window_too(bench: Bench, tmp_path: Path) -> None:
    objective = read(tmp_path, alert("critical, 14.4x over 1h and 5m"))
    inputs = [series("e_total", "0x60 0+10x60"), series("r_total", "0+20x120")]
    bench.see(objective, inputs, "sum(slo:error_ratio:rate5m) > bool 0.144", at="67m", firing=[])
    bench.see(objective, inputs, at="90m", firing=["Slow"])


@pytest.mark.parametrize("time_scale", [1, 60, 120])
@pytest.mark.parametrize("speed", [1.1, 0.9], ids=["enough", "too few"])
def test_a_minimum_of_events_means_the_same_speed_of_them_in_a_trial(
    bench: Bench, tmp_path: Path, time_scale: float, speed: float
) -> None:
    """4.5 bad events in an hour are 0.00125 a second, and a trial's windows see that as they are."""
    step = 60 / time_scale * speed * 4.5 / 3600
    inputs = [series(metric, f"1+{step:.9f}x120") for metric in ("e_total", "r_total")]
    bench.see(read(tmp_path, alert(PAGE)), inputs, time_scale=time_scale, firing=["Slow"] if speed > 1 else [])


def test_buckets_are_found_however_two_instances_spell_their_bounds(bench: Bench, tmp_path: Path) -> None:
    objective = read(tmp_path, query('x_bucket{job="shop", le="10"}', 'x_count{job="shop"}', key="good"))
    inputs = [
        series("x_bucket", "0+9x120", instance="go", le="10"),
        series("x_bucket", "0+7x120", instance="python", le="10.0"),
        series("x_bucket", "0+1x120", instance="go", le="1"),
        series("x_count", "0+10x120", instance="go"),
        series("x_count", "0+10x120", instance="python"),
    ]
    bench.see(objective, inputs, is_("slo:error_ratio:rate1h", 0.2))
