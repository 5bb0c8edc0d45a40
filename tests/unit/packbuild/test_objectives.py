"""What an objective may say, and how everything else is refused: with file, line, key and remedy."""

import copy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mape_k.errors import ConfigError
from mape_k.packbuild.objectives import Burn, read_objectives
from mape_k.packbuild.openslo import schema_text
from objective_cases import Change, alert, annotate, query, read, write
from shipped_packs import CONFIG


def put(path: str, value: Any) -> Change:
    """Return a change that sets the value at a path of keys."""

    def change(document: dict[str, Any]) -> None:
        here: Any = document
        *way, last = path.split("/")
        for key in way:
            here = here[int(key)] if isinstance(here, list) else here[key]
        here[last] = value

    return change


def drop(path: str) -> Change:
    """Return a change that removes the value at a path of keys; an annotation's key has a ``/`` of its own."""

    def change(document: dict[str, Any]) -> None:
        here: Any = document
        way, _, last = path.partition("mape-k/")
        keys = [key for key in way.split("/") if key]
        last = "mape-k/" + last if last else keys.pop()
        for key in keys:
            here = here[key]
        del here[last]

    return change


def refused(folder: Path, change: Change) -> str:
    path = write(folder, change)
    with pytest.raises(ConfigError) as caught:
        read_objectives(folder, "shop")
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}:")
    line = int(problem.removeprefix(f"{path}:").partition(":")[0])
    assert 1 <= line <= len(path.read_text().splitlines())
    return problem.removeprefix(f"{path}:{line}: ")


def test_a_sound_objective_is_read(tmp_path: Path) -> None:
    objective = read(tmp_path)
    assert (objective.system, objective.name, objective.target, objective.budget) == (
        "shop",
        "answers",
        Decimal("0.99"),
        Decimal("0.01"),
    )
    assert (objective.good, objective.bad) == (None, 'e_total{job="shop"}')


def test_a_pack_without_objectives_has_none(tmp_path: Path) -> None:
    assert read_objectives(tmp_path, "shop") == ()


def test_by_default_two_speeds_page_and_a_leak_is_a_ticket(tmp_path: Path) -> None:
    page, ticket = read(tmp_path).alerts
    assert (page.name, page.severity, page.minimum) == ("ShopAnswersBudgetBurn", "critical", 5)
    assert page.burns == (
        Burn(factor=Decimal("14.4"), long="1h", short="5m"),
        Burn(factor=Decimal(6), long="6h", short="30m"),
    )
    assert (ticket.name, ticket.severity) == ("ShopAnswersBudgetLeak", "warning")
    assert ticket.burns == (Burn(factor=Decimal(1), long="3d", short="6h"),)


def test_an_objective_may_name_its_own_alerts(tmp_path: Path) -> None:
    (own,) = read(tmp_path, alert("warning, 2.5x over 1d and 1h, at least 12 bad events, for 10m")).alerts
    assert (own.name, own.severity, own.minimum, own.held_for) == ("Slow", "warning", 12, "10m")
    assert own.burns == (Burn(factor=Decimal("2.5"), long="1d", short="1h"),)


def test_an_objective_may_be_watched_without_an_alert(tmp_path: Path) -> None:
    assert read(tmp_path, annotate(alerts="none")).alerts == ()


def test_a_minimum_counts_for_every_alert_that_has_none_of_its_own(tmp_path: Path) -> None:
    assert [each.minimum for each in read(tmp_path, annotate(minimum_bad_events="40")).alerts] == [40, 40]


def test_annotations_of_other_tools_are_left_alone(tmp_path: Path) -> None:
    assert read(tmp_path, put("metadata/annotations", _with_foreign())).name == "answers"


def _with_foreign() -> dict[str, str]:
    own = {"team": "web", "component": "site", "events": "requests", "bad-events": "failed", "action": "Look."}
    return {f"mape-k/{key}": text for key, text in own.items()} | {"example.com/owner": "me"}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (1.008, "spec.objectives[0].target: expected a share under 1; 1.008% is written 0.01008"),
        (99.9, "99.9% is written 0.999"),
        (1.0, "expected a share under 1, since 1 leaves no error budget"),
        (1000.0, "expected a share under 1, since"),
        (0.0, "expected a share over 0"),
        (-0.5, "expected a share over 0"),
        ("0.99", "expected a number"),
        (True, "expected a number"),
    ],
)
def test_a_target_that_is_no_share_is_refused(tmp_path: Path, target: object, told: str) -> None:
    assert told in refused(tmp_path, put("spec/objectives", [{"target": target}]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (put("spec/alertPolicies", []), "spec.alertPolicies: alerts are made from the objective"),
        (put("spec/indicatorRef", "x"), "spec.indicatorRef: an indicator in another file is not supported"),
        (put("metadata/labels", {}), "metadata.labels: labels are not supported"),
        (put("spec/indicator/spec/thresholdMetric", {}), "count events with ratioMetric"),
        (put("spec/indicator/spec/ratioMetric/raw", {}), "a ready-made ratio hides a vanished numerator"),
        (put("spec/objectives", [{"target": 0.9, "timeSliceTarget": 0.9}]), "time slices are not supported"),
        (put("spec/objectives", [{"target": 0.9, "targetPercent": 90}]), "write target, a share: 0.999"),
        (put("spec/objectives", [{"target": 0.9}, {"target": 0.8}]), "spec.objectives: expected at most 1 of them"),
        (put("spec/timeWindow", [{"duration": "28d", "isRolling": True}]), "expected '30d'"),
        (put("spec/timeWindow", [{"duration": "30d", "isRolling": False}]), "isRolling: expected True"),
        (put("spec/budgetingMethod", "Timeslices"), "spec.budgetingMethod: expected 'Occurrences'"),
        (put("apiVersion", "openslo/v2alpha"), "apiVersion: expected 'openslo/v1'"),
        (put("kind", "Service"), "kind: expected 'SLO'"),
        (put("spec/descriptoin", "x"), "unknown key; did you mean 'description'?"),
        (put("spec/service", "other"), "spec.service: expected the name of the pack: shop"),
        (put("metadata/name", "Not A Name"), "metadata.name"),
        (drop("spec/description"), "spec.description: is missing; add it"),
        (drop("metadata/annotations/mape-k/team"), "mape-k/team: is missing; add it. Who hears of it"),
        (annotate(component=" "), "mape-k/component: is missing"),
        (annotate(taem="x"), "unknown annotation; did you mean 'team'?"),
        (annotate(zzz="x"), "unknown annotation; known here are"),
        (annotate(minimum_bad_events="1"), "expected a whole number from 2 up: a single event must wake nobody"),
        (annotate(minimum_bad_events="many"), "expected a whole number from 2 up"),
        (annotate(alerts="some"), "mape-k/alerts: expected none"),
    ],
)
def test_what_is_not_supported_is_refused_with_a_remedy(tmp_path: Path, change: Change, told: str) -> None:
    assert told in refused(tmp_path, change)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("page, 2x over 1h and 5m", "expected such as `critical, 14.4x over 1h and 5m"),
        ("warning, fast", "expected such as"),
        ("warning, 2x over 1h", "expected such as"),
        ("warning, 2x over 1h and 5m and 1m", "expected such as"),
        ("warning, 2x over 2h and 5m", "2h is no window here; expected one of 5m, 30m, 1h, 6h, 1d, 3d"),
        ("warning, 2x over 5m and 1h", "5m and 1h: expected the longer window first"),
        ("warning, 2x over 1h and 1h", "expected the longer window first"),
        ("warning, 0.5x over 1h and 5m", "0.5x: expected 1x to 1000x; under 1x the budget lasts"),
        ("warning, 100x over 1h and 5m", "more than all events: it never fires; stay under 100x"),
        ("warning, 2x over 1h and 5m, at least 1 bad events", "a single one must wake nobody"),
        ("warning, 2x over 1h and 5m, for 5x", "expected a duration"),
    ],
)
def test_an_alert_that_makes_no_sense_is_refused(tmp_path: Path, text: str, told: str) -> None:
    problem = refused(tmp_path, alert(text))
    assert problem.startswith("metadata.annotations.mape-k/alert.Slow: ")
    assert told in problem


def test_an_alert_needs_a_name_that_prometheus_takes(tmp_path: Path) -> None:
    assert "expected an alert's name" in refused(tmp_path, alert("warning, 2x over 1h and 5m", name="Too slow"))


def test_a_standard_alert_that_could_never_fire_is_refused(tmp_path: Path) -> None:
    told = refused(tmp_path, put("spec/objectives", [{"target": 0.9}]))
    assert "metadata.annotations: 14.4x of a budget of 0.1 is more than all events" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rate(x_total[5m])", "expected a counter such as"),
        ("sum(rate(x_total[5m])) + sum(rate(x_total[$window]))", "a range of a fixed length; write [$window]"),
        ("sum(increase(x_total[$window]))", "increase does not give events per second"),
        ("x_total{window='$window'}", "$window outside of [$window]"),
        ("sum(rate(x_total[$window])", "never closed"),
        ('x_bucket{le="+Inf"}', "counts everything; use the series _count"),
        ('x_bucket{le="high"}', "expected a bound, a number"),
        ("x_total - y_total", "expected a counter such as"),
        ("   ", "the query is empty"),
        ("sum(rate(x_total[$window])) # all of them", "a comment at the end"),
        ("x_total # all of them", "a comment at the end"),
    ],
)
def test_a_query_that_counts_nothing_over_windows_is_refused(tmp_path: Path, text: str, told: str) -> None:
    problem = refused(tmp_path, query(text))
    assert problem.startswith("spec.indicator.spec.ratioMetric.bad.metricSource.spec.query: ")
    assert told in problem


@pytest.mark.parametrize("keys", [(), ("good", "bad")], ids=["none", "both"])
def test_a_ratio_has_one_numerator(tmp_path: Path, keys: tuple[str, ...]) -> None:
    def change(document: dict[str, Any]) -> None:
        ratio = document["spec"]["indicator"]["spec"]["ratioMetric"]
        part = ratio.pop("bad")
        ratio.update({key: copy.deepcopy(part) for key in keys})

    assert "expected exactly one of good and bad" in refused(tmp_path, change)


@pytest.mark.parametrize(
    ("bound", "spelled"),
    [
        ('le="10000"', 'le=~"10000(\\\\.0)?"'),
        ('le="10000.0"', 'le=~"10000(\\\\.0)?"'),
        ("le='5'", 'le=~"5(\\\\.0)?"'),
        ('le="0.25"', 'le="0.25"'),
        ('le="1000000"', 'le=~"1e\\\\+06|1000000(\\\\.0)?"'),
        ('le="2.5e+06"', 'le=~"2\\\\.5e\\\\+06|2500000(\\\\.0)?"'),
        ('le="0.00005"', 'le=~"5e-05|0\\\\.00005"'),
        ('le=~"7(\\\\.0)?"', 'le=~"7(\\\\.0)?"'),
    ],
)
def test_a_bucket_is_found_however_its_bound_is_spelled(tmp_path: Path, bound: str, spelled: str) -> None:
    objective = read(tmp_path, query(f'x_bucket{{job="shop", {bound}}}', 'x_count{job="shop"}', key="good"))
    assert objective.good == f'x_bucket{{job="shop", {spelled}}}'


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, annotate(taem="x", minimum_bad_events="0"), "one")
    write(tmp_path, put("kind", "Service"), "two")
    with pytest.raises(ConfigError) as caught:
        read_objectives(tmp_path, "shop")
    files = [Path(problem.split(":")[0]).name for problem in caught.value.problems]
    assert files == ["one.yaml", "one.yaml", "two.yaml"]


def test_two_objectives_of_one_name_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path, name="one")
    second = write(tmp_path, put("metadata/name", "one"), name="two")
    with pytest.raises(ConfigError) as caught:
        read_objectives(tmp_path, "shop")
    assert f"{second}:4: metadata.name: one is in {first} already; give each its own name" in caught.value.problems


def test_two_objectives_with_one_alert_are_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path, alert("warning, 2x over 1h and 5m"), name)
    with pytest.raises(ConfigError, match=r"alert\.Slow: Slow is in .*one\.yaml already"):
        read_objectives(tmp_path, "shop")


def test_the_schema_for_editors_is_the_one_that_is_shipped() -> None:
    assert (CONFIG / "packs" / "objective.schema.json").read_text(encoding="utf-8") == schema_text()
