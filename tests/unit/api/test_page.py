from datetime import timedelta
from html.parser import HTMLParser

import pytest

from mape_k.api.headline import Tone, span
from mape_k.api.page import number, share, when
from mape_k.model import Assessment, CycleResult, Ledger, Mode, Pause, Plan, Quality, Snapshot, SourceHealth
from sample_reports import NOON, a_report, a_snapshot, an_execution

HOSTILE = [
    '"><script>alert(1)</script>',
    "'\"&<b>",
    "two\nlines\r\n",
    "\x1b[2J\x1b[31mred",
    "\u202eright to left\u2066",
    "{{ 7 * 7 }}{% include 'x' %}",
    "</title></svg><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "x" * 10_000,
    "\ud800",
    "",
]


class Seen(HTMLParser):
    """What a browser would make of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.texts = set(), [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


async def seen(api) -> Seen:
    response = await api.get("/")
    assert response.status == 200
    assert response.content_type == "text/html"
    return Seen(await response.text())


def all_seen() -> Snapshot:
    names = ("prometheus", "alertmanager", "charter")
    return Snapshot(as_of=NOON, sources={n: SourceHealth(name=n, quality=Quality.VALUE) for n in names})


def a_calm_report(**changes):
    calm = {"snapshot": all_seen(), "assessment": Assessment(as_of=NOON), "plan": Plan(as_of=NOON)}
    return a_report(**(calm | changes))


async def headline(api) -> dict:
    return (await (await api.get("/api/v1/status")).json())["headline"]


async def test_the_page_tells_incidents_risk_causes_and_why_nothing_was_done(api):
    page = await seen(api)

    assert "2 open incidents" in page.text
    assert "forbidden metric spike on node-7" in page.text
    assert "72 risk" in page.text
    assert "severity 50 · spread 22" in page.text
    assert "threshold: charter/attempt_rate 31.4 against 10" in page.text
    assert "held: cooldown The same was done to this target too recently." in page.text


async def test_the_page_tells_actions_cycles_and_what_was_learned(api, daemon):
    rate = {"pack": "charter", "remediation": "block_source", "symptom": "s", "successes": 3, "failures": 1}
    daemon.archive.learned = {"success_rates": [rate]}

    page = await seen(api)

    assert "block source for forbidden metric spike x-1 node-7 in force improved" in page.text
    assert "monitor 1200.0 ms of 1000.0 ms" in page.text
    assert "block source s 3 4" in page.text
    assert ("class", "bar over") in page.attributes


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_hostile_names_are_shown_harmlessly_and_cut(api, daemon, hostile):
    daemon.report = a_report(target=hostile)
    action = {**daemon.archive.documents["actions"][0], "target": hostile, "detail": hostile, "state": hostile}
    daemon.archive.documents["actions"] = [action]
    daemon.archive.paused = Pause(since=NOON, by=hostile, comment=hostile)
    daemon.not_ready = [hostile]

    html = await (await api.get("/")).text()

    page = Seen(html)
    assert not page.tags & {"script", "img", "iframe", "form", "input"}
    assert not [value for name, value in page.attributes if name.startswith("on")]
    assert not any(control in html for control in "\x1b\u202e\u2066\r")
    assert "x" * 161 not in html
    assert "49" not in page.text


async def test_the_page_needs_nothing_that_its_policy_forbids(api):
    page = await seen(api)

    names = {name for name, _ in page.attributes}
    assert "style" not in names
    assert not page.tags & {"script", "style"}
    assert dict(page.attributes)["href"].startswith("/")


async def test_the_style_sheet_is_there_in_light_and_dark(api):
    response = await api.get("/static/status.css")

    assert response.content_type == "text/css"
    assert "prefers-color-scheme: dark" in await response.text()


async def test_the_page_is_drawn_without_knowledge_and_says_so(api, daemon):
    daemon.archive.is_down = True

    page = await seen(api)

    assert "Knowledge cannot be read" in page.text
    assert "the disk is full" in page.text
    assert "forbidden metric spike" in page.text


async def test_before_the_first_cycle_the_incidents_of_knowledge_are_shown(api, daemon):
    daemon.report = None
    daemon.archive.documents["incidents"] = [
        {"incident_id": "i-5", "state": "open", "symptom": "old_trouble", "target": "node-5", "decision": None}
    ]

    page = await seen(api)

    assert "Starting" in page.text
    assert "old trouble on node-5" in page.text
    assert "not decided yet" in page.text


async def test_no_incidents_are_only_claimed_when_everything_is_seen(api, daemon):
    daemon.report = a_calm_report()
    sure = await seen(api)
    daemon.report = a_calm_report(snapshot=a_snapshot())
    unsure = await seen(api)

    assert "Open incidents 0 None." in sure.text
    assert "Open incidents 0 None is known, and not everything is seen." in unsure.text


async def test_many_incidents_are_counted_not_all_drawn(api, daemon):
    incident = a_report().assessment.incidents[0]
    daemon.report = a_report(assessment=Assessment(as_of=NOON, incidents=(incident,) * 45))

    page = await seen(api)

    assert "Open incidents 45" in page.text
    assert "And 25 more" in page.text


async def test_shadow_says_how_to_make_it_act(api, daemon):
    daemon.mode = Mode.SHADOW

    page = await seen(api)

    assert "MAPE_K_MODE=enforce" in page.text


async def test_all_is_well_only_when_everything_is_seen(api, daemon):
    daemon.report = a_calm_report()
    well = await headline(api)
    daemon.report = a_calm_report(snapshot=a_snapshot())
    unsure = await headline(api)

    assert (well["tone"], well["text"]) == (Tone.GOOD, "All is well")
    assert (unsure["tone"], unsure["detail"]) == (Tone.WARN, "Not seen: charter.")


async def test_while_an_action_is_not_judged_yet_the_headline_waits_for_it(api, daemon):
    daemon.report = a_calm_report(ledger=Ledger(as_of=NOON, executions=(an_execution(),)))

    told = await headline(api)

    assert (told["tone"], told["text"]) == (Tone.WAIT, "Waiting to see what an action did")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"result": CycleResult.FAILED, "failure": "monitor: timeout"}, "The last cycle failed"),
        ({"result": CycleResult.BLIND, "assessment": Assessment(as_of=NOON, blind=("charter",))}, "Blind"),
        ({"as_of": NOON - timedelta(minutes=10)}, "The loop stands still"),
    ],
)
async def test_what_is_bad_is_the_headline(api, daemon, changes, text):
    daemon.report = a_calm_report(**changes)
    daemon.archive.paused = Pause(since=NOON, by="dolores")

    told = await headline(api)

    assert (told["tone"], told["text"]) == (Tone.BAD, text)


async def test_who_is_not_in_charge_says_so_before_all_else_that_holds_it_back(api, daemon):
    daemon.report, daemon.is_leader = a_calm_report(), False
    daemon.archive.paused = Pause(since=NOON, by="dolores")

    told = await headline(api)

    assert (told["tone"], told["text"]) == (Tone.BAD, "Another daemon is in charge")


async def test_a_standby_says_that_it_waits_and_that_nothing_is_wrong(api, daemon):
    daemon.report, daemon.is_leader, daemon.is_standby = a_calm_report(), False, True

    told = await headline(api)

    assert (told["tone"], told["text"]) == (Tone.WAIT, "Standing by")


async def test_a_pause_is_the_headline_with_who_and_why(api, daemon):
    daemon.archive.paused = Pause(since=NOON, by="dolores", comment="maintenance")

    told = await headline(api)

    assert told["text"] == "Paused"
    assert told["detail"].startswith("By dolores: maintenance.")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.25, "0.2 s"), (3, "3 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 d")]
)
def test_durations_are_said_as_people_do(seconds, said):
    assert span(seconds) == said


@pytest.mark.parametrize(("value", "said"), [(None, "–"), ("x", "–"), (0, "0"), (31.41592, "31.42")])
def test_a_number_that_is_missing_is_not_zero(value, said):
    assert number(value) == said


@pytest.mark.parametrize(("part", "whole", "percent"), [(1, 4, 25), (9, 4, 100), (-1, 4, 0), (1, 0, 0), (None, 4, 0)])
def test_a_bar_is_never_longer_than_its_track(part, whole, percent):
    assert share(part, whole) == percent


@pytest.mark.parametrize(("value", "said"), [("nonsense", ""), (None, ""), ("2026-03-01T12:00:00Z", "5 min ago")])
def test_an_instant_that_is_none_is_not_told(value, said):
    assert when(value, NOON + timedelta(minutes=5)) == said
