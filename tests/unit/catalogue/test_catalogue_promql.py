import pytest
from hypothesis import given
from hypothesis import strategies as st

from mape_k.catalogue.durations import SECONDS, parse_duration
from mape_k.catalogue.promql import check, lookback_seconds, tokens


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1h30m", 5400), ("250ms", 0.25), ("0s", 0), ("1y", 31_536_000), ("1m5ms", 60.005)],
)
def test_a_duration_is_read_as_prometheus_reads_it(text: str, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "m", "-5m", "1.5h", "5m1h", "5M", "inf", "5m\n", "٥m", "9" * 16 + "s"]
)
def test_what_prometheus_would_not_read_as_a_duration_is_refused(text: str):
    with pytest.raises(ValueError, match="such as 30s"):
        parse_duration(text)


@given(st.lists(st.integers(0, 999), min_size=7, max_size=7))
def test_the_units_of_a_duration_add_up(counts: list[int]):
    text = "".join(f"{count}{unit}" for count, unit in zip(counts, SECONDS, strict=True))
    expected = sum(count * seconds for count, seconds in zip(counts, SECONDS.values(), strict=True))
    assert parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("", "is empty"),
        ("  # nothing but a comment", "is empty"),
        ("sum(rate(x[5m])", r"'\(' that is never closed"),
        ("sum(x))", r"'\)' that closes nothing"),
        ("rate(x[5m)]", r"'\)' that closes nothing"),
        ('x{job="a}', "the quote is never closed"),
        ("rate(x[$interval])", r"'\$': PromQL has no such character"),
        ("a && b", "'&'"),
    ],
)
def test_a_query_that_no_server_would_accept_is_refused(query: str, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        check(query)


@pytest.mark.parametrize(
    "query",
    [
        'x{a="(", b=~\'[{\', c=`"`} # ) ]',
        r'x{a="\""} > bool 1e-3 or vector(0x1F)',
        "sum by (a) (rate(job:x:rate5m[5m] offset -1w)) @ end() ^ -2",
        "max_over_time(rate(x[5m])[1h:1m])",
    ],
)
def test_brackets_in_texts_and_comments_do_not_count(query: str):
    check(query)


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("x", 0),
        ("rate(x[5m])", 300),
        ("rate(x[ 1h30m ])", 5400),
        ("rate(x[5m]) / rate(y[10m])", 600),
        ("max_over_time(rate(x[5m])[1h:1m])", 3900),
        ("max_over_time((rate(x[5m]) + rate(y[10m]))[1h:])", 4200),
        ("rate(x[5m]) / rate(x[5m] offset 1d)", 300),
        ('sum(x{a="[9d]"})', 0),
        ("min_over_time(a[2m:10s]) + max(rate(b[1m]))", 120),
    ],
)
def test_a_query_looks_back_as_far_as_its_ranges_reach(query: str, seconds: float):
    assert lookback_seconds(query) == seconds


@given(st.text())
def test_the_tokens_of_any_text_are_that_text_again(text: str):
    assert "".join(token.text for token in tokens(text)) == text
