"""Whatever a file holds, it is checked or refused in one line each; nothing brings the checks down."""

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mape_k.packlint import check_files

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\ngroups: [*b, *b]\n"
REFUSED = {
    "binary": b"\x7fELF\0\1\2",
    "no UTF-8": b"groups: \xff\xfe",
    "huge": b"groups: []\n" + b"#" * 4_000_001,
    "bomb": BOMB.encode(),
    "deep": b"groups: " + b"[" * 500 + b"]" * 500,
    "no YAML": b"groups: [",
    "empty": b"",
    "another kind": b"hello: world",
    "wrong type": b"groups: 3",
    "wrong types": b"groups: [{name: [], rules: {a: 1}}]",
    "no expression": b"groups: [{name: a, rules: [{alert: A}]}]",
    "unknown key": b"groups: [{name: a, rules: [{alert: A, expr: up, severity: high}]}]",
    "bad duration": b"groups: [{name: a, rules: [{alert: A, expr: up, for: 5 minutes}]}]",
    "bad matcher": b"route: {receiver: a, routes: [{matchers: [severity]}]}",
    "route as list": b"route: []",
    "no job name": b"scrape_configs: [{}]",
    "no JSON": b'{"panels": [',
    "no dashboard": b'{"a": 1}',
    "deep JSON": b'{"panels":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "two documents": b"groups: []\n---\ngroups: []\n",
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_file_of_any_kind_is_refused(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)

    report = check_files([path])

    assert not report.is_good
    assert report.refusals
    assert all(str(each).startswith(f"{path}:") and "\n" not in str(each) for each in report.refusals)


def test_folders_and_files_that_are_not_there_are_refused(tmp_path):
    report = check_files([tmp_path, tmp_path / "nothing"])

    assert len(report.refusals) == 2


SEVERE = [
    "(" * 60 + "up" + ")" * 60,
    "-" * 400 + "up",
    "up" + "+up" * 400,
    "x" * 30_000,
    "up[",
    '"',
    "sum(",
    "a" + "{a='b'}" * 9,
]


@pytest.mark.parametrize("query", SEVERE)
def test_a_query_that_cannot_be_read_is_a_broken_one(tmp_path, query):
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": "a", "expr": query}]}]}))

    assert [each.check for each in check_files([path]).complaints] == ["broken-query"]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
QUERIES = st.sampled_from(
    [
        "up == 0",
        'rate(a_total{b="c"}[5m]) > 0',
        "sum by (a) (b) / c > 1e309",
        "time() - last_x_timestamp > -1",
        "histogram_quantile(0.9, sum by (le) (rate(a_ms_bucket[1m]))) > 5",
        "a / b < 0 ^ -1",
        "1",
        "-a * 0 / 0 > 0",
        "a:b and on() c:d or vector(0)",
        "topk(3, a) > bool 1 unless b offset 5m",
        "label_replace(a, 'x', '$1', 'y', '(.*)') > 5 % 0",
        "count_values('v', a) == 3",
        'absent({__name__=~"a.*"})',
        "{__name__='a'}[5m:1m]",
    ]
)
KEYS = (
    "groups name rules alert record expr for labels annotations severity summary route routes receiver receivers",
    "matchers continue inhibit_rules equal source_matchers target_match global templates slack_configs metrics type",
    "help unit buckets scrape_configs job_name static_configs panels targets title fieldConfig defaults interval a",
)
NAMES = st.sampled_from([name for line in KEYS for name in line.split()])
TEXTS = st.sampled_from(
    [
        "{{ $value | humanizePercentage }}",
        "{{",
        "{{ end }}",
        "{{ .GroupLabels.x }}",
        "more than 5% per hour",
        'a =~ "("',
        "${X}",
    ]
)
ANYTHING = st.recursive(
    SCALARS | QUERIES | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=25,
)
RULES = st.lists(
    st.fixed_dictionaries(
        {"expr": QUERIES},
        optional={
            "alert": st.just("A") | SCALARS,
            "record": st.just("a:b") | SCALARS,
            "for": st.sampled_from(["5m", "0s", "1h30m", "x"]),
            "labels": st.dictionaries(NAMES, TEXTS | SCALARS, max_size=3),
            "annotations": st.dictionaries(NAMES, TEXTS | SCALARS, max_size=3),
        },
    ),
    max_size=5,
)


def check(content: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.yaml"
        path.write_text(content, encoding="utf-8")
        report = check_files([path])
    assert all(each.line >= 1 and "\n" not in str(each) for each in (*report.complaints, *report.refusals))


@settings(deadline=None)
@given(st.dictionaries(NAMES, ANYTHING, min_size=1, max_size=4))
def test_no_document_brings_the_checks_down(document):
    check(yaml.safe_dump(document, allow_unicode=True))


@settings(deadline=None)
@given(RULES)
def test_no_rules_bring_the_checks_down(rules):
    check(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}, allow_unicode=True))


@settings(deadline=None)
@given(st.dictionaries(NAMES, ANYTHING, min_size=1, max_size=4))
def test_no_dashboard_brings_the_checks_down(document):
    check(json.dumps({"panels": [document, {"type": "stat", "targets": [document]}], **document}))


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_brings_the_checks_down(text):
    check("".join(each for each in text if not "\ud800" <= each <= "\udfff"))


LONG = {
    "braces": "{{" * 50_000,
    "numbers": "1 1 more than 5 per " * 20_000,
    "values": "{{ $value " * 30_000,
    "commas": "a=b," * 30_000,
    "pattern": "a =~ (" + "a*" * 1000 + ")b",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_no_long_text_takes_long(tmp_path, text):
    alert = {"alert": "A", "expr": 'a{b=~"(x+x+)+y"} > 5', "labels": {"a": text}, "annotations": {"summary": text}}
    rules, routes = tmp_path / "rules.yaml", tmp_path / "routes.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [alert]}]}, width=10**9))
    routes.write_text(yaml.safe_dump({"route": {"receiver": text, "matchers": [text]}, "receivers": [{"name": text}]}))

    began = time.process_time()
    check_files([rules, routes])

    assert time.process_time() - began < 20
