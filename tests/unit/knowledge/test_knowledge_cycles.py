"""What is kept of a cycle, and for how long."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from knowledge_cases import NOON, a_cycle, opened
from mape_k.knowledge.cycles import INCIDENTS_TOLD
from mape_k.model import Assessment, CycleResult, Decision, Plan, Quality, Reason, Snapshot, Vector
from sample_reports import a_report, a_snapshot, an_incident

KB = 1024


def a_big_snapshot(number: int, size_bytes: int = 4 * KB) -> Snapshot:
    noise = np.random.default_rng(number).random(size_bytes // 8)
    vector = Vector(signal="charter/noise", quality=Quality.VALUE, values=noise)
    return Snapshot(as_of=NOON, vectors={"charter/noise": vector})


@pytest.fixture
async def knowledge(tmp_path):
    async with opened(tmp_path, ring_bytes=64 * KB, retention_days=7) as opened_one:
        yield opened_one


async def keep(knowledge, number: int, **fields: object):
    as_of = NOON + timedelta(minutes=number)
    return await knowledge.journal.close_cycle(a_cycle(f"c-{number:03}", as_of, **fields))


async def ring_of(knowledge, numbers: range) -> list[int]:
    return [number for number in numbers if await knowledge.archive.snapshot(f"c-{number:03}")]


async def test_a_cycle_is_kept_whole_but_for_what_is_kept_elsewhere(knowledge):
    await knowledge.journal.open_cycle(a_report())
    await knowledge.journal.close_cycle(a_report())
    cycle = await knowledge.archive.item("cycles", "c-1")
    assert cycle["timings"][0] == {"phase": "monitor", "seconds": 1.2, "budget_seconds": 1.0}
    assert cycle["plan"]["decisions"][1]["reason"] == "cooldown"
    assert cycle["assessment"]["incidents"][0]["risk"]["terms"] == {"severity": 50.0, "spread": 22.0}
    assert cycle.keys().isdisjoint({"snapshot", "ledger"})


async def test_of_a_storm_a_cycle_tells_the_gravest_and_each_incident_is_kept_with_its_decision(knowledge):
    names = [f"i-{number:04}" for number in range(INCIDENTS_TOLD + 150)]
    assessment = Assessment(as_of=NOON, incidents=tuple(replace(an_incident(), incident_id=name) for name in names))
    decisions = tuple(Decision(incident_id=name, reason=Reason.STORM) for name in names)
    for number in (1, 2):
        await keep(knowledge, number, assessment=assessment, plan=Plan(as_of=NOON, decisions=decisions))
    cycle = await knowledge.archive.item("cycles", "c-002")
    assert [incident["incident_id"] for incident in cycle["assessment"]["incidents"]] == names[:INCIDENTS_TOLD]
    assert [decision["incident_id"] for decision in cycle["plan"]["decisions"]] == names[:INCIDENTS_TOLD]
    last = await knowledge.archive.item("incidents", names[-1])
    assert (last["state"], last["decision"]["reason"]) == ("open", "storm")
    await keep(knowledge, 3, assessment=Assessment(as_of=NOON, closed=tuple(names)))
    assert (await knowledge.archive.page("incidents", limit=1, where={"state": "open"})).items == ()


async def test_what_a_cycle_saw_can_be_looked_at_again(knowledge):
    await knowledge.journal.close_cycle(a_report())
    again = await knowledge.archive.snapshot("c-1")
    assert again.sources == a_snapshot().sources
    assert again.reading("charter/attempt_rate", "node-7").number() == 31.4
    assert again.reading("charter/attempt_rate", "node-9").quality is Quality.NOT_A_NUMBER


async def test_a_cycle_without_a_snapshot_has_none_to_show(knowledge):
    await keep(knowledge, 1, result=CycleResult.FAILED, failure="monitor: no")
    assert await knowledge.archive.snapshot("c-001") is None


async def test_an_incident_keeps_its_causes_its_risk_and_its_last_decision(knowledge):
    await knowledge.journal.close_cycle(a_report())
    without_plan = replace(a_report(), cycle_id="c-2", plan=None, snapshot=None)
    await knowledge.journal.close_cycle(without_plan)
    incident = await knowledge.archive.item("incidents", "i-2")
    assert (incident["state"], incident["target"], incident["severity"]) == ("open", "node-8", "critical")
    assert incident["causes"][0]["confidence"] == 0.9
    assert incident["risk"]["score"] == 72.0
    assert incident["decision"]["reason"] == "cooldown"
    assert incident["closed_at"] is None


async def test_a_closed_incident_says_when_and_one_that_comes_back_is_open_again(knowledge):
    await keep(knowledge, 1, assessment=Assessment(as_of=NOON, incidents=(an_incident(),)))
    await keep(knowledge, 2, assessment=Assessment(as_of=NOON, closed=("i-1", "unknown")))
    closed = await knowledge.archive.item("incidents", "i-1")
    assert (closed["state"], closed["closed_at"]) == ("closed", "2026-03-01T12:00:00Z")
    await keep(knowledge, 3, assessment=Assessment(as_of=NOON, incidents=(an_incident(),)))
    assert (await knowledge.archive.item("incidents", "i-1"))["state"] == "open"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CycleResult.COMPLETED, CycleResult.BLIND),
        (CycleResult.BLIND, CycleResult.BLIND),
        (CycleResult.FAILED, CycleResult.FAILED),
    ],
)
async def test_a_cycle_that_cannot_be_kept_says_so_and_raises_nothing(tmp_path, before, after):
    async with opened(tmp_path) as knowledge:
        pass
    report = await knowledge.journal.close_cycle(a_cycle(result=before, failure="seen before"))
    assert report.result is after
    assert report.failure == "seen before; not kept: Knowledge is closed"
    assert not report.is_store_up


async def test_a_cycle_with_text_that_no_one_can_write_does_not_end_the_loop(knowledge):
    hostile = a_report("node-\ud800", snapshot=None)
    report = await knowledge.journal.close_cycle(hostile)
    assert report.result is CycleResult.BLIND
    assert "surrogates not allowed" in report.failure
    assert (await keep(knowledge, 2)).result is CycleResult.COMPLETED


async def test_cycles_older_than_the_retention_go_with_their_snapshots(knowledge):
    await keep(knowledge, 0, snapshot=a_big_snapshot(0))
    await keep(knowledge, 7 * 24 * 60, snapshot=a_big_snapshot(1))
    await keep(knowledge, 7 * 24 * 60 + 61)
    kept = [cycle["cycle_id"] for cycle in (await knowledge.archive.page("cycles", limit=10)).items]
    assert kept == ["c-10141", "c-10080"]
    assert await knowledge.archive.snapshot("c-000") is None
    assert await knowledge.archive.snapshot("c-10080") is not None


async def test_the_ring_of_snapshots_never_outgrows_its_size_and_keeps_the_newest(knowledge):
    for number in range(40):
        await keep(knowledge, number, snapshot=a_big_snapshot(number))
        held = await ring_of(knowledge, range(40))
        assert len(held) * 4 * KB <= 64 * KB
        assert held == list(range(number + 1))[-len(held) :]
    assert len(held) >= 12
    assert (await knowledge.archive.knowledge())["rows"]["cycles"] == 40


async def test_pruning_comes_at_most_once_an_hour_while_there_is_room(knowledge):
    await keep(knowledge, 0)
    await keep(knowledge, 30 - 8 * 24 * 60)
    assert (await knowledge.archive.knowledge())["rows"]["cycles"] == 2
    await keep(knowledge, 61)
    assert (await knowledge.archive.knowledge())["rows"]["cycles"] == 2
