"""What is divided, what is not, and the one list of places."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mape_k.catalogue.durations import parse_duration
from mape_k.packbuild.scale import (
    ALERTMANAGER_FILE,
    PACK_FILE,
    PROMETHEUS_FILE,
    RULE_FILE,
    PlaceError,
    Scaler,
    prometheus_flags,
    scale_document,
    scale_duration,
    scale_pack,
    scale_promql,
    scale_seconds,
)
from shipped_packs import CONFIG, PACKS, RULE_FILES, document

UNITS = ("d", "h", "m", "s", "ms")
durations = st.lists(st.integers(0, 500), min_size=5, max_size=5).map(
    lambda counts: "".join(f"{count}{unit}" for count, unit in zip(counts, UNITS, strict=True))
)
queries = st.lists(
    st.sampled_from(
        [
            'rate(x{job="5m"}[',
            "5m",
            "1h30m",
            "]",
            " offset ",
            "250ms",
            "# 7d\n",
            "a5m:rate5m",
            "'[5m]'",
            " > 86400 ",
            "0x5d",
        ]
    )
    | durations,
    max_size=12,
).map(" ".join)


@pytest.mark.parametrize(
    ("written", "time_scale", "divided"),
    [
        ("5m", 60, "5s"),
        ("15s", 60, "250ms"),
        ("1h30m", 60, "1m30s"),
        ("1d", 60, "24m"),
        ("1w", 7, "1d"),
        ("90s", 1, "1m30s"),
        ("1s", 3, "333ms"),
        ("10s", 0.5, "20s"),
        ("0s", 60, "0s"),
        ("0", 60, "0s"),
        ("1ms", 60, "1ms"),
    ],
)
def test_a_duration_is_divided_to_the_millisecond_and_never_to_nothing(
    written: str, time_scale: float, divided: str
) -> None:
    assert scale_duration(written, time_scale) == divided


@pytest.mark.parametrize("written", ["", "5", "5 m", "5x", "m", "-5m", "1m1h", 5, None, True, ["5m"]])
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        scale_duration(written, 60)


@given(durations)
def test_a_duration_keeps_its_length_in_true_time(written: str) -> None:
    assert parse_duration(scale_duration(written, 1)) == pytest.approx(parse_duration(written))


@given(durations, st.floats(0.01, 1000))
def test_a_divided_duration_is_off_by_at_most_a_millisecond(written: str, time_scale: float) -> None:
    divided = parse_duration(scale_duration(written, time_scale))
    assert divided == pytest.approx(parse_duration(written) / time_scale, rel=1e-9, abs=0.001)


@pytest.mark.parametrize(("number", "divided"), [(3600, 60), (90, 1.5), (0, 0), (1.5, 0.025)])
def test_seconds_stay_whole_where_they_can(number: float, divided: float) -> None:
    assert repr(scale_seconds(number, 60)) == repr(divided)


@pytest.mark.parametrize("number", ["60", True, None])
def test_what_is_no_number_of_seconds_is_refused(number: object) -> None:
    with pytest.raises(ValueError, match="number of seconds"):
        scale_seconds(number, 60)


@pytest.mark.parametrize(
    ("query", "divided"),
    [
        ("rate(x[5m])", "rate(x[5s])"),
        ("max_over_time(rate(x[5m])[1h:30s])", "max_over_time(rate(x[5s])[1m:500ms])"),
        ("max_over_time(x[1h:])", "max_over_time(x[1m:])"),
        ("x offset 1d - x offset -5m", "x offset 24m - x offset -5s"),
        ('x{a="5m"} > 300', 'x{a="5m"} > 300'),
        ("x{a='[5m]'} + `[5m]`", "x{a='[5m]'} + `[5m]`"),
        ('x{a="say \\"[5m]"}[1m]', 'x{a="say \\"[5m]"}[1s]'),
        ("job:x:rate5m > 10 # over 5m", "job:x:rate5m > 10 # over 5m"),
        ("time() - x > 86400 # age", "time() - x > 1440 # age"),
        ("time() - x > 86400 # age of the policy", "time() - x > 1440 # age of the policy"),
        ("time() - x > 86400 # ages ago", "time() - x > 86400 # ages ago"),
        ("time() - x > 86400\n# age", "time() - x > 86400\n# age"),
        ("x > 1e3#age", "x > 16.666666666666668#age"),
        ("x @ 1609746000 > 5", "x @ 1609746000 > 5"),
        ("x > 5m", "x > 5s"),
    ],
)
def test_promql_has_its_durations_and_ages_divided_and_nothing_else(query: str, divided: str) -> None:
    assert scale_promql(query, 60) == divided


@pytest.mark.parametrize("query", ["rate(x[300])", "x offset 300", "x offset -300", "max_over_time(x[1h:60])"])
def test_a_range_without_a_unit_is_refused_since_its_meaning_depends_on_the_server(query: str) -> None:
    with pytest.raises(ValueError, match="has no unit; write it like 5m"):
        scale_promql(query, 60)


@given(queries)
def test_a_query_keeps_its_meaning_in_true_time(query: str) -> None:
    try:
        scaled = scale_promql(query, 1)
    except ValueError:
        assume(False)  # noqa: FBT003 - a range without a unit is refused, as the test above says
    assert re.sub(r"\s", "", _plain(scaled)) == re.sub(r"\s", "", _plain(query))


def _plain(query: str) -> str:
    """Write every duration outside strings, comments and names in seconds."""
    spared = r"'[^']*'|\"[^\"]*\"|#[^\n]*|[a-z][\w:]*|0x\w+"
    return re.sub(
        rf"({spared})|((?:[0-9]+(?:ms|[smhd]))+)",
        lambda found: found[1] or f"{parse_duration(found[2]):.3f}",
        query,
    )


@given(durations, st.sampled_from([2, 10, 60]))
def test_dividing_twice_is_dividing_by_the_product(written: str, time_scale: int) -> None:
    twice = scale_duration(scale_duration(written, time_scale), 10)
    assert parse_duration(twice) == pytest.approx(parse_duration(scale_duration(written, time_scale * 10)), abs=0.0011)


def test_a_place_that_holds_no_duration_is_named() -> None:
    with pytest.raises(PlaceError) as caught:
        scale_document({"groups": [{"rules": [{"for": "5 minutes"}]}]}, RULE_FILE, 60)
    assert caught.value.path == ("groups", 0, "rules", 0, "for")


def test_a_label_named_like_a_place_is_no_place() -> None:
    rule = {"labels": {"for": "5m"}, "annotations": {"expr": "[5m]"}}
    assert scale_document({"groups": [{"rules": [rule]}]}, RULE_FILE, 60) == {"groups": [{"rules": [rule]}]}


def test_routes_are_divided_however_deep_they_are_nested() -> None:
    config = {"route": {"group_wait": "30s", "routes": [{"routes": [{"group_wait": "1m", "receiver": "5m"}]}]}}
    divided = {"route": {"group_wait": "500ms", "routes": [{"routes": [{"group_wait": "1s", "receiver": "5m"}]}]}}
    assert scale_document(config, ALERTMANAGER_FILE, 60) == divided


def test_bounds_on_an_age_are_divided_and_bounds_on_anything_else_are_not() -> None:
    bounds = [{"signal": "age", "below": 1800}, {"signal": "rate", "below": 1800}]
    pack = {
        "signals": {"age": {"unit": "seconds old"}, "rate": {"unit": "1/s"}},
        "symptoms": {
            "old": {"signal": "age", "threshold": {"above": 86400, "for": "5m"}},
            "busy": {"signal": "rate", "threshold": {"above": 86400}},
        },
        "remediations": {
            "renew": {"verify": {"all": bounds}, "lifetime": {"ttl": "1h", "needed": {"signal": "age", "above": 60}}},
            "once": {"verify": {"all": bounds[1:]}, "lifetime": "once"},
        },
    }
    scaled = scale_pack(pack, 60)
    assert scaled["symptoms"]["old"]["threshold"] == {"above": 1440, "for": "5s"}
    assert scaled["symptoms"]["busy"]["threshold"] == {"above": 86400}
    assert scaled["remediations"]["renew"]["verify"]["all"] == [{"signal": "age", "below": 30}, bounds[1]]
    assert scaled["remediations"]["renew"]["lifetime"] == {"ttl": "1m", "needed": {"signal": "age", "above": 1}}
    assert pack["symptoms"]["old"]["threshold"]["above"] == 86400


def test_parameters_in_seconds_are_divided_and_counts_are_not() -> None:
    parameters = {"minimum_seconds": 3600, "servers": 4}
    pack = {"remediations": {"r": {"policy": {"parameters": parameters}, "verify": {"all": []}}}}
    scaled = scale_pack(pack, 60)["remediations"]["r"]["policy"]["parameters"]
    assert scaled == {"minimum_seconds": 60, "servers": 4}


def test_prometheus_own_durations_are_divided_too() -> None:
    assert "--query.lookback-delta=5s" in prometheus_flags(60)
    assert "--rules.alert.resend-delay=1s" in prometheus_flags(60)


SHIPPED = (
    *[(path, RULE_FILE) for path in RULE_FILES],
    *[(pack / "pack.yaml", PACK_FILE) for pack in PACKS],
    (CONFIG / "prometheus" / "prometheus.yml", PROMETHEUS_FILE),
    (CONFIG / "alertmanager" / "alertmanager.yml", ALERTMANAGER_FILE),
    *[(pack / "alertmanager" / "routes.yaml", ALERTMANAGER_FILE) for pack in PACKS],
    *[(pack / "scrape.yaml", PROMETHEUS_FILE) for pack in PACKS],
)


@pytest.mark.parametrize(("path", "places"), SHIPPED, ids=[path.name for path, _ in SHIPPED])
def test_nothing_shipped_has_a_duration_outside_the_list(path: Path, places: dict[str, Scaler]) -> None:
    content = document(path)
    whole = {"scrape_configs": content} if isinstance(content, list) else content
    marked = scale_document(whole, dict.fromkeys(places, lambda _value, _scale: None), 60)
    assert [text for text in _texts(marked) if re.fullmatch(r"(\d+(ms|[smhdwy]))+", text)] == []


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
