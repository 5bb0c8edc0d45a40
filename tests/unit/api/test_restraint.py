"""What the status tells of budgets and of packs in which nothing is begun."""

from dataclasses import replace

import pytest

from builders import a_catalogue, a_ledger, an_execution, at
from fakes_daemon import AS_OPERATOR
from mape_k.api.restraint import restraint
from mape_k.model import Assessment, Bounds, CycleReport, Outlook, Peak, State
from sample_reports import a_report

STORM = Outlook(known=9, ill=7, storm_since=at(0), peaks=(Peak(at=at(-60), known=10), Peak(at=at(0), known=9)))


def told(outlook: Outlook | None = None) -> dict:
    ledger = a_ledger(an_execution(State.VERIFYING, admitted_at=at(-60)), bounds=Bounds(max_actions=5))
    assessment = Assessment(as_of=at(0), outlooks={"charter": outlook} if outlook else {})
    return restraint(replace(a_report(), ledger=ledger, assessment=assessment), a_catalogue())


def test_each_budget_is_told_with_what_is_left_of_it():
    everything = told()["budgets"][0]
    assert everything == {"budget": "actions", "of": "", "limit": 5, "used": 1, "left": 4, "window_seconds": 3600.0}


def test_a_pack_that_is_held_back_is_told_once_with_why_and_how_it_looks():
    (held,) = told(STORM)["held_packs"]
    assert held.pop("sentence").endswith(".")
    assert held == {"pack": "charter", "reason": "storm", "known_lately": 10, "known": 9, "ill": 7}


@pytest.mark.parametrize("report", [None, replace(a_report(), ledger=None)])
def test_before_there_is_a_ledger_nothing_is_told(report: CycleReport | None):
    assert restraint(report, a_catalogue()) == {"budgets": [], "held_packs": []}


async def test_the_status_has_them(api, daemon):
    ledger = a_ledger(outlooks={"charter": STORM})
    daemon.report = a_report(ledger=ledger)
    status = await (await api.get("/api/v1/status", headers=AS_OPERATOR)).json()
    assert [held["reason"] for held in status["held_packs"]] == ["storm"]
    assert status["headline"]["text"] == "Nothing is begun in charter"
    assert status["headline"]["detail"].endswith("charter: 7 of 9 known targets look ill, 10 were known lately.")
    assert {budget["budget"] for budget in status["budgets"]} == {"actions", "targets", "remediation", "attempts"}
