"""Every LogQL query of the packs, read with Grafana's own grammar."""

import re
from collections import Counter

import pytest

from log_queries import APPS, LABELS, PACKS, ROOT, first_errors, queries, rules, selectors

QUERIES = queries()
OF_ONEIRIC = {"basic": 5, "resolution": 5, "lifecycle": 6, "remote": 6, "activity": 4, "errors": 5, "aggregation": 5}

each_rule = pytest.mark.parametrize(
    ("path", "rule"), rules(), ids=lambda value: value["alert"] if isinstance(value, dict) else ""
)


def test_the_grammar_reads_every_query():
    errors = first_errors([query.text for query in QUERIES])

    assert [(q.place, q.title, q.text[e:]) for q, e in zip(QUERIES, errors, strict=True) if e is not None] == []


@pytest.mark.parametrize(
    "broken",
    [
        '{app="oneiric"} | json | __timestamp__ >= 1h | topk(10)',
        'sum(rate({app="oneiric"} | json [5m])',
        '{app="oneiric"} | json | count() by (key)',
        "{app=}",
    ],
)
def test_the_grammar_refuses_what_is_no_logql(broken):
    assert first_errors([broken]) != [None]


def test_oneiric_has_its_queries_in_seven_categories_and_some_more():
    counts = Counter(query.place.removeprefix("oneiric/") for query in QUERIES if query.place.startswith("oneiric/"))

    assert OF_ONEIRIC.items() <= counts.items()
    assert sum(OF_ONEIRIC.values()) == 36
    assert counts["connections"] >= 4


def test_titles_are_said_once_in_a_pack():
    titles = Counter((query.place.partition("/")[0], query.title) for query in QUERIES)

    assert [title for title, times in titles.items() if times > 1] == []


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.place}: {query.title}")
def test_streams_are_selected_by_labels_that_they_have(query):
    found = selectors(query.text)

    assert found != []
    for matchers in found:
        names = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers))
        assert "app" in names
        assert names <= LABELS
        (app,) = re.findall(r'app=~?"([^"]*)"', matchers)
        assert set(app.split("|")) <= APPS


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.place}: {query.title}")
def test_an_aggregation_of_parsed_lines_says_by_what_and_drops_what_cannot_be_read(query):
    if re.search(r"\| json [^|]*\|[^\[]*\[|\| json[^\[|]*\[", query.text):
        assert re.search(r"\bby \(|sum\(", query.text)
    if "unwrap" in query.text:
        assert '__error__=""' in query.text


@each_rule
def test_a_rule_of_loki_is_an_alert_that_helps(path, rule):
    pack = path.parent.parent.name

    assert rule["labels"]["system"] == pack
    assert {"severity", "team", "component"} <= rule["labels"].keys()
    assert {"summary", "description", "action", "dashboard", "runbook_url"} == rule["annotations"].keys()
    assert rule["annotations"]["runbook_url"] == f"config/packs/{pack}/runbooks/{rule['alert']}.md"
    assert (ROOT / rule["annotations"]["runbook_url"]).is_file()


def test_every_pack_has_queries():
    assert {query.place.partition("/")[0] for query in QUERIES} == {
        path.parent.name for path in PACKS.glob("*/pack.yaml")
    }
