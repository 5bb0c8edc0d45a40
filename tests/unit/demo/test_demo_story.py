"""What a demo makes of what the daemon and the Charter say."""

from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fakes_daemon import StoppedClock
from mape_k.demo.story import Addresses, Course, Fault, Outcome, Story, quantile, reconcile
from sample_reports import NOON

FAULT = Fault(name="metric_prober", title="A node keeps reaching", alert="ForbiddenMetricSpike", wave=1)


def a_course(**fields: object) -> Course:
    return Course(fault=FAULT, pack="charter", symptom="forbidden_metric_spike", injected_at=NOON, **fields)


def at(seconds: float):
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, Outcome.UNDETECTED),
        ({"detected_at": at(5)}, Outcome.FAILED),
        ({"detected_at": at(5), "actions": [{"state": "rolled_back"}]}, Outcome.ROLLED_BACK),
        ({"detected_at": at(5), "verified_at": at(20)}, Outcome.HEALED),
        ({"detected_at": at(5), "verified_at": at(20), "relapsed": True}, Outcome.FAILED),
    ],
)
def test_only_what_was_verified_and_did_not_come_back_counts_as_healed(fields, outcome):
    assert a_course(**fields).outcome is outcome


def test_seconds_count_from_the_injection():
    course = a_course(detected_at=at(5.5))

    assert course.document()["detected_seconds"] == 5.5
    assert course.document()["verified_seconds"] is None


def entry(key: str | None) -> dict[str, object]:
    return {"sequence": 1, "idempotency_key": key}


def test_a_key_that_took_effect_twice_is_told():
    journal = [entry("x-1"), entry("x-1"), entry("x-1:rollback"), entry(None)]

    assert reconcile(journal, [{"execution_id": "x-1"}]) == {"effects": 3, "doubled": 1, "unknown": 0}


def test_an_effect_that_knowledge_knows_nothing_of_is_told():
    journal = [entry("x-1"), entry("x-2"), entry("x-2:rollback")]

    assert reconcile(journal, [{"execution_id": "x-1"}])["unknown"] == 2


def test_the_quantile_of_nothing_is_nothing():
    assert quantile([], 0.99) is None
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0


def page(*items: dict[str, object], next_cursor: str | None = None) -> dict[str, object]:
    return {"items": list(items), "next_cursor": next_cursor}


def cycle(seconds: float, *, as_of: float, budget: float = 1.0) -> dict[str, object]:
    timing = {"phase": "monitor", "seconds": seconds, "budget_seconds": budget}
    return {"as_of": at(as_of).isoformat(), "seconds": seconds, "timings": [timing]}


async def test_only_the_cycles_of_this_demo_count_whatever_page_they_are_on():
    pages = {
        "": page(cycle(0.5, as_of=120), cycle(2.0, as_of=90), next_cursor="older"),
        "older": page(cycle(0.1, as_of=61), cycle(9.0, as_of=-500)),
    }

    async def cycles(request: web.Request) -> web.Response:
        return web.json_response(pages[request.query.get("cursor", "")])

    app = web.Application()
    app.router.add_get("/api/v1/cycles", cycles)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        here = str(server.make_url("/")).rstrip("/")
        at_all = Addresses(prometheus=here, alertmanager=here, charter=here, daemon=here)
        story = Story([a_course()], at=at_all, http=http, clock=StoppedClock(), told=lambda _: None)
        found = await story.cycles()

    assert found == {"count": 3, "duration_p50_seconds": 0.5, "duration_p99_seconds": 2.0, "over_budget": 1}
