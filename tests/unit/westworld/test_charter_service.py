import asyncio
import json
import logging
import sqlite3
from datetime import UTC, datetime

import pytest

from westworld.enforcement import Sender
from westworld.problems import InvalidFile, Refusal
from westworld.requests import FaultRequest, Observation, ReportedViolation
from westworld.store import Store
from westworld_service import HandClock, charter_on, live, policy
from westworld_watch import BEGIN


def sender(key="k1", epoch=1):
    return Sender(idempotency_key=key, epoch=epoch, traceparent="00-abc-def-01")


async def put(charter, asked=None, **who):
    return await charter.put_policy(*(asked or policy()), sender(**who))


async def refusal_of(awaitable):
    with pytest.raises(Refusal) as refusal:
        await awaitable
    return refusal.value


async def effects(charter):
    return [(e["effect"], e["idempotency_key"], e["epoch"]) for e in await charter.kept.journal(after=0, limit=100)]


def reports(count, **fields):
    values = {"violation_type": "exploitation", "node_or_service": "node-1"} | fields
    return [ReportedViolation(**values) for _ in range(count)]


def value(charter, line):
    rows = [row.rsplit(" ", 1) for row in charter.exposition().decode().splitlines() if not row.startswith("#")]
    return sum(float(number) for name, number in rows if name.startswith(f"westworld_charter_{line}"))


async def test_a_known_key_gets_the_same_answer_and_no_second_effect(tmp_path):
    async with charter_on(tmp_path) as charter:
        first = await put(charter)
        assert first[0] == 201
        assert first[1]["idempotency_key"] == "k1"
        assert await put(charter) == (200, first[1])
        assert await effects(charter) == [("applied", "k1", 1)]


async def test_a_known_key_is_answered_even_after_its_plan_expired(tmp_path):
    clock = HandClock()
    asked = policy(not_after=datetime.fromtimestamp(BEGIN + 60, UTC))
    async with charter_on(tmp_path, clock=clock) as charter:
        first = await put(charter, asked)
        clock.time += 3600
        assert await put(charter, asked) == (200, first[1])


async def test_a_known_key_with_another_body_is_refused(tmp_path):
    async with charter_on(tmp_path) as charter:
        await put(charter)
        refusal = await refusal_of(put(charter, policy(target="node-8")))
        assert refusal.status == 422
        assert "Idempotency-Key" in refusal.fields


async def test_of_many_requests_with_one_key_at_once_one_has_an_effect(tmp_path):
    async with charter_on(tmp_path) as charter:
        answers = await asyncio.gather(*(put(charter) for _ in range(20)), return_exceptions=True)
        statuses = sorted(a.status if isinstance(a, Refusal) else a[0] for a in answers)
        assert statuses == [201, *[409] * 19]
        assert len(await effects(charter)) == 1


async def test_requests_beyond_the_room_for_waiting_are_asked_to_come_back(tmp_path):
    async with charter_on(tmp_path) as charter:
        asked = [put(charter, policy(target=f"n{n}"), key=f"k{n}") for n in range(210)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, Refusal)]
        assert [(refusal.status, refusal.headers) for refusal in refused] == [(503, {"Retry-After": "1"})] * 10
        assert len(await charter.kept.journal(after=0, limit=1000)) == 200


async def test_a_stale_epoch_is_refused_for_good(tmp_path):
    async with charter_on(tmp_path) as charter:
        await put(charter, epoch=7)
        refusal = await refusal_of(put(charter, epoch=6))
        assert (refusal.status, refusal.extra) == (412, {"current_epoch": 7})
    async with charter_on(tmp_path) as charter:
        assert (await refusal_of(put(charter, key="k2", epoch=6))).status == 412


async def test_a_refused_request_raises_the_epoch_all_the_same(tmp_path):
    async with charter_on(tmp_path) as charter:
        await refusal_of(put(charter, policy(target="*"), epoch=9))
    async with charter_on(tmp_path) as charter:
        assert (await refusal_of(put(charter, epoch=8))).status == 412


async def test_a_dry_run_changes_nothing(tmp_path):
    async with charter_on(tmp_path) as charter:
        assert (await put(charter, policy(dry_run=True), epoch=99))[0] == 200
        assert await effects(charter) == []
        assert (await put(charter, epoch=1))[0] == 201


async def test_a_policy_lapses_and_the_journal_tells(tmp_path):
    async with charter_on(tmp_path) as charter:
        await put(charter, policy(ttl_seconds=5.0))
        await live(charter, 1)
        assert charter.world.quantities["sources.node-7.blocked"] == 1
        await live(charter, 5)
        assert charter.world.quantities["sources.node-7.blocked"] == 0
        assert await effects(charter) == [("applied", "k1", 1), ("lapsed", None, None)]


async def test_a_policy_that_lapsed_while_nobody_lived_is_not_renewed(tmp_path):
    clock = HandClock()
    async with charter_on(tmp_path, clock=clock) as charter:
        await put(charter, policy(ttl_seconds=5.0))
        clock.time += 6
        assert (await put(charter, policy(ttl_seconds=5.0), key="k2"))[1]["version"] == 1
        assert [effect for effect, _, _ in await effects(charter)] == ["applied", "lapsed", "applied"]


async def test_a_rollback_ends_the_policy_under_its_own_key(tmp_path):
    async with charter_on(tmp_path) as charter:
        _, answer = await put(charter)
        rolled_back = await charter.roll_back(answer["policy_id"], sender("k2"))
        assert rolled_back[1] == {**answer, "status": "rolled_back", "idempotency_key": "k2"}
        assert await charter.roll_back(answer["policy_id"], sender("k2")) == rolled_back
        await live(charter, 1)
        assert charter.world.quantities["sources.node-7.blocked"] == 0
        assert await effects(charter) == [("applied", "k1", 1), ("rolled_back", "k2", 1)]


async def test_a_rollback_of_an_unknown_policy_is_refused(tmp_path):
    async with charter_on(tmp_path) as charter:
        assert (await refusal_of(charter.roll_back("none", sender()))).status == 404


async def test_a_policy_that_acts_once_is_completed_by_acting(tmp_path):
    async with charter_on(tmp_path) as charter:
        await charter.faults.inject(FaultRequest(name="forgotten_override"))
        await live(charter, 1)
        assert value(charter, "emergency_override_active_count") == 1
        _, answer = await put(charter, policy("end_override", "override", ttl_seconds=None))
        await live(charter, 1)
        assert value(charter, "emergency_override_active_count") == 0
        assert (await charter.kept.policy(answer["policy_id"])).status == "completed"


async def test_a_restart_forgets_nothing(tmp_path):
    clock = HandClock()
    async with charter_on(tmp_path, clock=clock) as charter:
        for fault in ("stale_restore", "forgotten_override", "committee_backlog", "metric_prober"):
            await charter.faults.inject(FaultRequest(name=fault))
        first = await put(charter)
        await live(charter, 2)
        before = (charter.world.state(), charter.world.quantities)
    async with charter_on(tmp_path, clock=clock) as charter:
        charter.tick()
        assert (charter.world.state(), charter.world.quantities) == before
        assert await put(charter) == (200, first[1])
        assert value(charter, "policy_last_load_timestamp") < BEGIN - 1600
        await live(charter, 2)
        assert value(charter, "violations_under_investigation") < 25


async def test_a_fault_is_injected_once_and_can_be_taken_back(tmp_path):
    async with charter_on(tmp_path) as charter:
        await charter.faults.inject(FaultRequest(name="metric_prober", parameters={"attempts_per_second": 50.0}))
        await charter.faults.inject(FaultRequest(name="metric_prober"))
        charter.tick()
        assert charter.world.quantities["sources.node-7.attempts.user_location"] == 50
        assert [f["name"] for f in charter.faults.all() if f["active"]] == ["metric_prober"]
        await charter.faults.take_back("metric_prober")
        charter.tick()
        assert charter.world.quantities["sources.node-7.attempts.user_location"] == 0
        assert (await refusal_of(charter.faults.take_back("metric_prober"))).status == 404


@pytest.mark.parametrize(
    ("fields", "status"), [({"name": "nothing"}, 404), ({"name": "metric_prober", "parameters": {"x": 1.0}}, 422)]
)
async def test_an_unknown_fault_or_number_is_refused(tmp_path, fields, status):
    async with charter_on(tmp_path) as charter:
        assert (await refusal_of(charter.faults.inject(FaultRequest(**fields)))).status == status


async def test_reported_violations_are_kept_counted_investigated_and_notified(tmp_path):
    async with charter_on(tmp_path) as charter:
        assert await charter.report(reports(30, node_or_service="ledger", violation_type="silent_collection")) == (
            30,
            0,
        )
        await live(charter, 1)
        assert value(charter, 'violations_total{node_or_service="ledger",severity="BAN_1YEAR"') == 30
        assert value(charter, 'violations_under_investigation{severity="BAN_1YEAR"}') == 30
        assert value(charter, 'audit_committee_notifications_total{recipient_count="3"') == 30
        rows = await charter.kept.violations(after=("", ""), limit=1000)
        told = [row for row in rows if row["node_or_service"] == "ledger" and row["severity"] == "BAN_1YEAR"]
        assert {row["status"] for row in told} == {"notified"}
        assert sorted(row["level"] for row in told) == [1, 2, 3, *[4] * 27]


async def test_a_violation_reported_twice_under_one_id_counts_once(tmp_path):
    async with charter_on(tmp_path) as charter:
        assert await charter.report(reports(1, id="v1")) == (1, 0)
        assert await charter.report(reports(1, id="v1")) == (0, 1)
        charter.tick()
        assert value(charter, 'investigation_initiated_total{initiated_by="system",violation_type="exploitation"}') == 1


async def test_what_was_acknowledged_but_not_notified_is_notified_after_a_restart(tmp_path):
    clock = HandClock()
    async with charter_on(tmp_path, clock=clock) as charter:
        await charter.report(reports(1, id="v1"))
    async with charter_on(tmp_path, clock=clock) as charter:
        await live(charter, 1)
        (row,) = [row for row in await charter.kept.violations(after=("", ""), limit=1000) if row["id"] == "v1"]
        assert row["status"] == "notified"


async def test_names_beyond_the_known_ones_are_one_label_value(tmp_path):
    async with charter_on(tmp_path) as charter:
        charter.tick()
        before = len(charter.exposition().splitlines())
        for number in range(50):
            await charter.report(reports(1, node_or_service=f'x"\n{number}', violation_type=f"t{number}"))
        charter.observe([Observation(metric_name="user_location", node_or_service=f"y{n}") for n in range(50)])
        charter.tick()
        assert len(charter.exposition().splitlines()) == before
        assert (
            value(charter, 'violations_total{node_or_service="other",severity="WARNING",violation_type="other"}') == 50
        )


async def test_observations_are_ruled_by_the_document_and_counted(tmp_path):
    async with charter_on(tmp_path) as charter:
        names = ["cpu_usage_percent", "user_location", "unheard_of"]
        answer = charter.observe([Observation(metric_name=name, node_or_service="node-1") for name in names])
        assert answer == {
            "allowed": 1,
            "forbidden": 1,
            "unknown": 1,
            "refused": [{"index": 1, "metric_name": "user_location"}],
        }
        charter.tick()
        assert (
            value(charter, 'forbidden_metric_attempts_total{metric_name="user_location",node_or_service="node-1"') == 1
        )
        assert value(charter, "metric_validation_latency_ns_count") >= 3


async def test_a_real_attempt_by_a_blocked_source_is_counted_as_blocked(tmp_path):
    async with charter_on(tmp_path) as charter:
        await put(charter)
        await live(charter, 1)
        charter.observe([Observation(metric_name="user_location", node_or_service="node-7")])
        charter.tick()
        line = 'forbidden_metric_attempts_total{metric_name="user_location",node_or_service="node-7",status="blocked"}'
        assert value(charter, line) == 1


async def test_every_metric_and_every_child_that_matters_is_there_from_the_start(tmp_path):
    async with charter_on(tmp_path) as charter:
        text = charter.exposition().decode()
    types = [line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(types) == 15
    assert sorted(kind for _, kind in types) == ["counter"] * 6 + ["gauge"] * 4 + ["histogram"] * 5
    children = [line for line in text.splitlines() if line.startswith("westworld_charter_violations_total{")]
    assert len(children) == 10 * (5 * 6 + 1)
    assert all(line.endswith(" 0.0") for line in children)
    assert "_created" not in text


async def test_a_minimal_charter_ignores_keys_and_epochs_and_its_journal_tells_them(tmp_path):
    journal = tmp_path / "journal.jsonl"
    async with charter_on(tmp_path, minimal=True, journal=journal) as charter:
        for _ in range(2):
            status, answer = await put(charter, policy("restart_notifier", "notifier", ttl_seconds=None), epoch=5)
            assert status == 201
            assert "idempotency_key" not in answer
        assert (await put(charter, policy("restart_notifier", "notifier", ttl_seconds=None), epoch=1))[0] == 201
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [(line["idempotency_key"], line["epoch"]) for line in lines] == [("k1", 5), ("k1", 5), ("k1", 1)]


async def test_the_journal_file_catches_up_after_a_crash_and_drops_a_torn_line(tmp_path):
    journal = tmp_path / "journal.jsonl"
    async with charter_on(tmp_path, journal=journal) as charter:
        for number in range(3):
            await put(charter, policy(target=f"n{number}"), key=f"k{number}")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text(lines[0] + lines[1][:20])
    async with charter_on(tmp_path, journal=journal) as charter:
        await put(charter, policy(target="n3"), key="k3")
    assert [json.loads(line)["sequence"] for line in journal.read_text().splitlines()] == [1, 2, 3, 4]


async def test_keys_are_kept_for_seven_days_and_then_forgotten(tmp_path):
    clock = HandClock()
    async with charter_on(tmp_path, clock=clock) as charter:
        await put(charter)
        clock.time += 7 * 86400
        await live(charter, 0.1)
        assert await charter.kept.answer("k1") is not None
        clock.time += 2 * 86400
        await live(charter, 0.1)
        assert await charter.kept.answer("k1") is None


async def test_a_second_service_on_the_same_state_is_refused(tmp_path):
    async with charter_on(tmp_path):
        with pytest.raises(InvalidFile, match="another Charter service uses it"):
            Store(tmp_path / "charter.sqlite")


@pytest.mark.parametrize("content", ["not a database" * 100])
def test_a_state_file_that_is_no_database_is_refused(tmp_path, content):
    (tmp_path / "charter.sqlite").write_text(content)
    with pytest.raises(InvalidFile, match="cannot be used"):
        Store(tmp_path / "charter.sqlite")


async def test_a_write_that_fails_fails_alone(tmp_path):
    async with charter_on(tmp_path) as charter:
        bad = charter.kept.write(lambda c: c.execute("INSERT INTO nowhere VALUES (1)"))
        good = charter.kept.write(lambda c: c.execute("INSERT INTO facts VALUES ('a', 'b')").rowcount)
        outcomes = await asyncio.gather(bad, good, return_exceptions=True)
        assert isinstance(outcomes[0], sqlite3.OperationalError)
        assert outcomes[1] == 1
        assert await charter.kept.read("SELECT value FROM facts WHERE name = 'a'") == [("b",)]


async def test_a_store_that_fails_is_told_and_the_world_goes_on(tmp_path, caplog):
    caplog.set_level(logging.ERROR, "westworld")
    async with charter_on(tmp_path) as charter:
        await charter.kept.write(lambda c: c.execute("ALTER TABLE facts RENAME TO gone"))
        await live_until(charter, lambda: "facts" in charter.store_problem)
        await charter.kept.write(lambda c: c.execute("ALTER TABLE gone RENAME TO facts"))
        await live_until(charter, lambda: charter.store_problem == "")
        assert await charter.kept.read("SELECT count(*) FROM facts WHERE name = 'world'") == [(1,)]
    assert "the store does not take" in caplog.text


async def live_until(charter, holds):
    for _ in range(100):
        if holds():
            return
        await live(charter, 0.1)
    pytest.fail("not within 10 s of the world's time")


async def test_a_duration_in_a_policy_counts_as_it_was_sent_as_its_lifetime_does(tmp_path):
    async with charter_on(tmp_path) as charter:
        await charter.faults.inject(FaultRequest(name="policy_churn"))
        await put(charter, policy("limit_reload_interval", "policy", parameters={"minimum_seconds": 120.0}))
        await live(charter, 1)
        assert charter.world.quantities["publisher.interval_seconds"] == 120
