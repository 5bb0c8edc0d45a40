"""What the checks understand of queries and texts: labels, units, quantities, conditions, templates."""

import pytest

from mape_k.packfiles.alertmanager import Matcher
from mape_k.packlint.matching import exclude_each_other, implied
from mape_k.packlint.promql import QueryError, bare, conditions, number, parsed, without_variables
from mape_k.packlint.quantities import lasting, quantities
from mape_k.packlint.suite import Suite
from mape_k.packlint.templates import broken, functions, pipes_of_value, queries, strange_variables, used_labels

SUITE = Suite()


@pytest.mark.parametrize(
    ("query", "dimension", "scale"),
    [
        ("a_seconds", "time", 1),
        ("a_ms * 1000", "time", 1e-6),
        ("a_bytes / 1024", "bytes", 1024),
        ("rate(a_total[5m])", "count per second", 1),
        ("sum(rate(a_total[5m])) * 60", "count per second", 1 / 60),
        ("increase(a_total[1h])", "count", 1),
        ("deriv(a_bytes[1h]) * 3600", "bytes per second", 1 / 3600),
        ("rate(a_total[5m]) / rate(b_total[5m])", "share", 1),
        ("(1 - rate(a_total[5m]) / rate(b_total[5m])) * 100", "share", 0.01),
        ("histogram_quantile(0.9, sum by (le) (rate(a_ns_bucket[5m])))", "time", 1e-9),
        ("rate(a_ms_bucket{le='5'}[5m]) / rate(a_ms_count[5m])", "share", 1),
        ("rate(a_seconds_sum[5m]) / rate(a_seconds_count[5m])", "time", 1),
        ("rate(node_cpu_seconds_total[5m])", "share", 1),
        ("time() - a_timestamp_seconds", "time", 1),
        ("time() - (a_timestamp_seconds > 0) > 5", "time", 1),
        ("count(a_seconds)", "count", 1),
    ],
)
def test_the_unit_of_a_query_is_known_from_its_names(query, dimension, scale):
    measure = SUITE.measure(parsed(query))

    assert measure is not None
    assert (measure.dimension, measure.scale) == (dimension, pytest.approx(scale))


@pytest.mark.parametrize(
    "query", ["a", "a_seconds * b", "a_seconds + b_bytes", "a_seconds > bool 5", "vector(1)", "a_seconds ^ 2"]
)
def test_an_unknown_unit_is_not_guessed(query):
    assert SUITE.measure(parsed(query)) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("p99 above 20 µs", [("time", 20e-6)]),
        ("More than 10 policy loads per hour", [("count per second", 10 / 3600)]),
        ("5% of them, {{ $value }}% now", [("share", 0.05)]),
        ("for 5 minutes, in the last 2h, every 3 s", []),
        ("3 failures in 5 minutes", [("count per second", 0.01)]),
        ("100 MB/s", [("bytes per second", 1e8)]),
        ("over 1,500 ms", [("time", 1.5)]),
        ("port 8080, v1.2.3, p95, 95th, 5xx, 10.0.0.1", []),
        ("more than 6 messages wait", [("count", 6)]),
        ("14.4 times", []),
        ("Limit: 10 per minute, 3 an hour", [("count per second", 1 / 6), ("count per second", 3 / 3600)]),
        ("warmer than 30 degrees", [("count", 30)]),
    ],
)
def test_quantities_are_read_from_texts(text, found):
    assert [(each.dimension, pytest.approx(each.value)) for each in quantities(text)] == found


def test_intervals_are_read_from_texts():
    assert list(lasting("synchronised every 300 s")) == [300]
    assert list(lasting("the nightly_backup")) == [86400]


@pytest.mark.parametrize(
    ("query", "surely", "possibly"),
    [
        ("sum(a)", set(), set()),
        ("sum by (x) (a)", {"x"}, {"x"}),
        ("sum without (x) (sum by (x, y) (a))", {"y"}, {"y"}),
        ("histogram_quantile(0.9, sum by (le, x) (a))", {"x"}, {"x"}),
        ('absent(a{b="c"})', {"b"}, {"b"}),
        ("vector(0)", set(), set()),
        ("topk(3, sum by (x) (a))", {"x"}, {"x"}),
        ("sum by (x) (a) / on (x) group_left (y) sum by (x, y) (b)", {"x"}, {"x", "y"}),
        ("sum by (x, y) (a) + on (x) sum by (x) (b)", {"x"}, {"x"}),
        ("sum by (x) (a) or sum by (y) (b)", set(), {"x", "y"}),
        ("sum by (x) (a) and sum by (y) (b)", {"x"}, {"x"}),
        ('count_values("v", sum(a))', {"v"}, {"v"}),
        ('label_replace(sum by (x) (a), "y", "$1", "x", "(.*)")', {"x"}, {"x", "y"}),
    ],
)
def test_the_labels_of_a_query_are_known_where_it_aggregates(query, surely, possibly):
    labels = SUITE.labels(parsed(query))

    assert labels.surely == surely
    assert labels.possibly == possibly


def test_a_scraped_series_has_what_every_scrape_adds_and_may_have_more():
    labels = SUITE.labels(parsed('a{b="c", d=""}'))

    assert labels.surely == {"job", "instance", "b"}
    assert labels.possibly is None
    assert not labels.may_have("d")


def test_conditions_are_found_through_what_joins_them():
    query = "(a > 1 and 2 < b) or c == 3 unless d > 4"

    assert [(each.op, each.limit) for each in conditions(parsed(query))] == [(">", 1), (">", 2), ("==", 3)]


def test_constants_are_calculated():
    assert number(bare(parsed("(2 * 3 - -4) / 5 ^ 1"))) == 2
    assert number(parsed("1 / 0")) is None
    assert number(parsed("1 - 1")) == 0
    assert number(parsed("a")) is None


@pytest.mark.parametrize(
    ("query", "typical"),
    [
        ("rate(a[$__rate_interval])", "rate(a[5m])"),
        ("rate(a[${range:raw}:1m] offset $before)", "rate(a[5m:1m] offset 5m)"),
        ('a{b=~"$c"} > $limit', 'a{b=~"$c"} > 1'),
        ("sum by ($group) (a)", "sum by (grafana_variable) (a)"),
    ],
)
def test_grafanas_variables_are_replaced_by_something_typical(query, typical):
    assert without_variables(query) == typical
    parsed(typical)


def test_what_is_no_promql_says_why():
    with pytest.raises(QueryError, match="unclosed left parenthesis"):
        parsed("rate(a[5m]")


def test_templates_tell_their_functions_and_labels():
    text = '{{ range $i, $x := query "up" }}{{ $labels.job | title }}{{ index $labels "zone" }}{{ end }}{{/* words */}}'

    assert list(functions(text)) == ["query", "title", "index"]
    assert used_labels(text) >= {"job", "zone"}
    assert broken(text) == ""
    assert broken("{{ if true }}") == "an end is missing"
    assert broken("{{ end }}") == "an end too many"
    assert broken("{{ a") == "{{ and }} do not pair up"


def test_templates_tell_their_variables_queries_and_what_they_make_of_the_value():
    text = '{{ range $i, $x := query "up{a=\\"b\\"}" }}{{ $x.Value }}{{ $label.job }}{{ end }}'

    assert list(strange_variables(text, frozenset({"$labels"}))) == ["$label"]
    assert list(queries(text)) == ['up{a="b"}']
    assert list(pipes_of_value("{{ with $value }}{{ . | humanize }}{{ end }}")) == ["humanize"]


def matchers(*texts):
    return [Matcher(label=label, op=op, value=value) for label, op, value in (text.split(" ") for text in texts)]


@pytest.mark.parametrize(
    ("ours", "theirs", "is_apart"),
    [
        (("a = x",), ("a = y",), True),
        (("a = x",), ("a =~ x|y",), False),
        (("a =~ x|y",), ("a =~ z|w",), True),
        (("a = x",), ("a != x",), True),
        (("a =~ .+",), ("a = x",), False),
        (("a = x",), ("b = y",), False),
        (("a = x",), ("a !~ x|y",), True),
    ],
)
def test_matchers_that_exclude_each_other_are_told(ours, theirs, is_apart):
    assert exclude_each_other(matchers(*ours), matchers(*theirs)) is is_apart


def test_a_narrower_condition_implies_a_wider_one():
    assert implied(matchers("a = x", "b = y"), matchers("a =~ x|z"))
    assert implied(matchers("a = x"), [])
    assert not implied(matchers("a =~ x|y"), matchers("a = x"))
    assert not implied([], matchers("a = x"))
