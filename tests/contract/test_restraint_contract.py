"""What Knowledge keeps for the guards, on every engine: restarts do not lose it, all readings of the ledger have it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from knowledge_cases import NOON, a_cycle, an_action, opened
from mape_k.knowledge import Knowledge
from mape_k.model import Assessment, Bounds, Ledger, Outlook, Peak, Reason
from postgres_cases import opened_on
from sample_reports import an_incident

OUTLOOK = Outlook(known=3, ill=2, storm_since=NOON, calm_since=NOON, peaks=(Peak(at=NOON, known=9),))


@pytest.fixture(params=["sqlite", "postgresql"])
async def knowledge(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Knowledge]:
    async with opened_on(request, tmp_path) as opened_one:
        yield opened_one


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


async def seen(knowledge: Knowledge, *incidents, at: datetime = NOON, **fields) -> None:
    assessment = Assessment(as_of=at, incidents=incidents, **fields)
    await knowledge.journal.close_cycle(a_cycle(f"c-{at.isoformat()}", at, assessment=assessment))


async def read(knowledge: Knowledge, at: datetime = NOON) -> Ledger:
    return await knowledge.journal.ledger(at)


async def test_how_packs_looked_is_carried_on_from_cycle_to_cycle(knowledge):
    assert (await read(knowledge)).outlooks == {}
    await seen(knowledge, outlooks={"charter": OUTLOOK})
    assert (await read(knowledge)).outlooks == {"charter": OUTLOOK}
    await seen(knowledge, at=minutes(1), outlooks={"charter": Outlook(known=9)})
    assert (await read(knowledge)).outlooks == {"charter": Outlook(known=9)}


async def test_incidents_that_come_again_are_told_with_their_times_and_others_are_not(knowledge):
    for number in (0, 20, 40):
        again = replace(an_incident(incident_id=f"i-{number}"), opened_at=minutes(number))
        await seen(knowledge, again, at=minutes(number))
    key = ("charter", again.root.symptom, again.root.target)
    await seen(knowledge, an_incident("node-9", "i-other"), at=minutes(50))
    assert (await read(knowledge, minutes(60))).openings == {key: (minutes(0), minutes(20), minutes(40))}
    assert (await read(knowledge, minutes(20 + 24 * 60))).openings == {key: (minutes(20), minutes(40))}
    assert (await read(knowledge, minutes(21 + 24 * 60))).openings == {}


async def test_a_person_who_resumes_everything_has_looked_and_one_who_resumes_a_part_has_not(knowledge):
    await knowledge.orders.resume("target:charter/node-7", by="dolores")
    assert (await read(knowledge)).looked_at is None
    await knowledge.orders.resume("", by="dolores")
    looked_at = (await read(knowledge)).looked_at
    assert looked_at is not None
    assert looked_at > NOON


async def test_the_guards_of_an_admission_see_how_packs_looked(knowledge):
    await seen(knowledge, outlooks={"charter": OUTLOOK})
    found = await knowledge.journal.admit(
        an_action(),
        check=lambda ledger: Reason.STORM if ledger.outlooks["charter"].storm_since else None,
        explanation={},
        now=NOON,
    )
    assert found is Reason.STORM


async def test_what_a_person_set_is_in_both_readings_of_the_ledger(tmp_path):
    bounds = Bounds(max_actions=7)
    async with opened(tmp_path, bounds=bounds) as knowledge:
        assert (await knowledge.journal.open_cycle(a_cycle())).bounds == bounds
        seven = await knowledge.journal.admit(
            an_action(),
            check=lambda ledger: Reason.GLOBAL_BUDGET if ledger.bounds == bounds else None,
            explanation={},
            now=NOON,
        )
    assert seven is Reason.GLOBAL_BUDGET


async def test_a_storm_outlives_a_restart(tmp_path):
    async with opened(tmp_path) as knowledge:
        await seen(knowledge, outlooks={"charter": OUTLOOK})
    async with opened(tmp_path) as knowledge:
        assert (await read(knowledge)).outlooks == {"charter": OUTLOOK}
