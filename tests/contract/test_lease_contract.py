"""Who leads: one at a time, in an epoch that only goes up, by the database's clock and the holder's own."""

import asyncio
import threading
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from fakes_peers import StandingClock
from frame.postgres import Server
from integration.clock import SystemClock
from knowledge_cases import SteppingClock, a_cycle, an_action, brought_to, opened
from mape_k.errors import ConfigError, FencedError, StoreError
from mape_k.knowledge.lease import FENCES_ITSELF_AFTER
from mape_k.knowledge.ledger import EPOCH, read_meta, write_meta
from mape_k.knowledge.schema import audit, cycles, leases
from mape_k.model import CycleResult, Reason, State
from postgres_cases import new_url, opened_at

LEASE = 10.0


@pytest.fixture
def hosts(tmp_path):
    """Two hosts with the same key of the audit trail."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "audit.key").write_text("ab" * 32)
    return tmp_path


@pytest.fixture
async def pair(postgres: Server, hosts):
    """Two replicas on one database; the first one leads."""
    url = new_url(postgres)
    async with (
        opened_at(url, hosts / "a", replica="a", clock=StandingClock(), lease_seconds=LEASE) as one,
        opened_at(url, hosts / "b", replica="b", clock=StandingClock(), lease_seconds=LEASE) as other,
    ):
        yield one, other


async def let_the_lease_end(knowledge):
    """Let the database's clock pass the end of the lease, by moving that end."""
    ended = update(leases).values(expires_at=leases.c.renewed_at - (leases.c.expires_at - leases.c.renewed_at))
    await knowledge.store.write(lambda connection: connection.execute(ended))


async def test_the_first_leads_and_the_second_stands_by(pair):
    one, other = pair
    assert (one.lease.is_held, one.epoch) == (True, 1)
    assert not other.lease.is_held
    assert not await other.lease.acquire()
    leader = await other.lease.leader()
    assert (leader.holder, leader.epoch, leader.is_in_force) == ("a", 1, True)


async def test_of_many_who_try_at_once_one_leads(postgres, hosts):
    url = new_url(postgres)
    async with (
        opened_at(url, hosts / "a", replica="a") as first,
        opened_at(url, hosts / "a", replica="b") as second,
        opened_at(url, hosts / "a", replica="c") as third,
    ):
        await first.lease.release()
        assert sorted(await asyncio.gather(*(k.lease.acquire() for k in (first, second, third)))) == [
            False,
            False,
            True,
        ]


async def test_a_leader_that_ends_its_lease_is_followed_at_once_in_the_next_epoch(pair):
    one, other = pair
    await one.lease.release()
    assert not one.lease.is_held
    assert await other.lease.acquire()
    assert (other.lease.is_held, other.epoch) == (True, 2)


async def test_what_is_open_is_taken_over_with_the_lease(pair):
    one, other = pair
    await brought_to(one.journal, State.APPLYING)
    await let_the_lease_end(one)
    assert await other.lease.acquire()
    taken = await other.journal.execution("x-1")
    assert (taken.state, taken.epoch, taken.reason) == (State.UNCERTAIN, 2, Reason.NO_ANSWER)


async def test_nothing_of_the_one_before_is_written_any_more(pair):
    one, other = pair
    report, execution = a_cycle("late"), await brought_to(one.journal, State.APPLYING)
    await one.journal.open_cycle(report)
    await let_the_lease_end(one)
    await other.lease.acquire()

    assert await one.journal.admit(an_action("x-2"), check=lambda _: None, explanation={}, now=report.as_of) is (
        Reason.FENCED
    )
    with pytest.raises(FencedError):
        await one.journal.move(execution, State.VERIFYING)
    report.result = CycleResult.COMPLETED
    await one.journal.close_cycle(report)
    kept = await other.store.read(lambda c: c.execute(select(cycles.c.result)).scalars().all())
    assert kept == [CycleResult.FAILED]
    assert not one.lease.is_held


async def test_a_standby_reads_what_it_would_decide_on_and_writes_nothing(pair):
    one, other = pair
    await brought_to(one.journal, State.VERIFYING)
    ledger = await other.journal.open_cycle(a_cycle("c-standby"))
    assert [e.execution_id for e in ledger.executions] == ["x-1"]
    assert ledger.hold is Reason.STANDBY
    await other.journal.close_cycle(a_cycle("c-standby"))
    assert await other.store.read(lambda c: c.execute(select(cycles.c.cycle_id)).all()) == []


async def test_who_cannot_renew_stops_before_the_others_begin_by_its_own_clock(pair):
    one, _ = pair
    clock = one.lease._clock
    clock.monotonic = lambda: FENCES_ITSELF_AFTER * LEASE - 0.1
    assert one.lease.is_held
    clock.monotonic = lambda: FENCES_ITSELF_AFTER * LEASE
    assert not one.lease.is_held
    assert (await one.lease.leader()).is_in_force
    assert await one.lease.renew()
    assert one.lease.is_held


async def test_a_renewal_counts_from_before_it_was_sent(pair):
    one, _ = pair
    times = iter([0.0, *[LEASE] * 9])  # sent at nought, answered much later
    one.lease._clock.monotonic = lambda: next(times)
    assert await one.lease.renew()
    assert not one.lease.is_held


async def test_who_was_followed_by_another_one_cannot_renew(pair):
    one, other = pair
    await let_the_lease_end(one)
    assert await other.lease.acquire()
    assert not await one.lease.renew()
    assert not one.lease.is_held


async def test_the_same_replica_started_again_need_not_wait_for_itself(postgres, hosts):
    url = new_url(postgres)
    async with opened_at(url, hosts / "a", replica="a") as crashed, opened_at(url, hosts / "a", replica="a") as again:
        assert (again.lease.is_held, again.epoch) == (True, 2)
        assert not await crashed.lease.renew()


async def test_the_operator_raises_the_epoch_and_everything_open_goes_on_in_it(pair):
    one, other = pair
    await brought_to(one.journal, State.VERIFYING)
    assert await one.lease.raise_epoch(41, by="ada") == 42
    assert (await one.journal.execution("x-1")).epoch == 42
    told = await one.store.read(lambda c: c.execute(select(audit.c.event).where(audit.c.kind == "raise_epoch")).all())
    assert ["ada" in event for (event,) in told] == [True]
    with pytest.raises(FencedError):
        await other.lease.raise_epoch(50, by="bob")
    assert await one.lease.renew()


async def test_the_epoch_never_goes_below_what_this_host_has_seen_whatever_copy_was_put_back(postgres, hosts):
    url = new_url(postgres)
    async with opened_at(url, hosts / "a", replica="a") as knowledge:
        await knowledge.lease.raise_epoch(41, by="ada")
        await knowledge.store.write(lambda connection: write_meta(connection, EPOCH, 3))
    async with opened_at(url, hosts / "a", replica="a") as knowledge:
        assert knowledge.epoch == 43
        assert await knowledge.store.read(lambda connection: read_meta(connection, EPOCH)) == 43


async def test_replicas_with_different_keys_of_the_audit_trail_are_refused(postgres, tmp_path):
    url = new_url(postgres)
    async with opened_at(url, tmp_path / "a", replica="a"):
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "audit.key").write_text("cd" * 32)
        with pytest.raises(ConfigError, match="another key"):
            async with opened_at(url, tmp_path / "b", replica="b"):
                pass


async def test_replicas_that_start_together_make_the_tables_once(postgres, hosts):
    url = new_url(postgres)

    async def start(name):
        async with opened_at(url, hosts / "a", replica=name) as knowledge:
            return knowledge.lease.is_held

    assert True in await asyncio.gather(*(start(name) for name in "abc"))


async def test_orders_of_two_replicas_at_once_make_one_unbroken_trail(pair):
    from mape_k.model import Pause  # noqa: PLC0415 - the only one here that needs it

    one, other = pair
    pause = Pause(since=SteppingClock().now(), by="ada", comment="")
    await asyncio.gather(
        *(k.orders.pause(replace(pause, scope=f"target:{n}")) for n in range(10) for k in (one, other))
    )
    rows = await one.store.read(
        lambda c: c.execute(select(audit.c.sequence).order_by(audit.c.sequence)).scalars().all()
    )
    assert rows == list(range(1, len(rows) + 1))
    assert len(rows) == 21


async def test_a_file_is_led_at_once_and_needs_no_renewal(tmp_path):
    async with opened(tmp_path) as knowledge:
        assert knowledge.lease.is_held
        assert await knowledge.lease.renew()
        await knowledge.lease.release()


async def test_without_the_server_no_lease_is_told_of(postgres, hosts):
    url = new_url(postgres)
    async with opened_at(url, hosts / "a", replica="a") as knowledge:
        pass
    with pytest.raises(StoreError, match="closed"):
        await knowledge.lease.leader()


async def test_a_leader_that_stands_still_in_the_midst_of_a_write_keeps_nobody_out_for_longer_than_its_lease(
    postgres, hosts
):
    url, real = new_url(postgres), SystemClock()
    shared = {"clock": real, "lease_seconds": 1.0}
    async with (
        opened_at(url, hosts / "a", replica="a", **shared) as one,
        opened_at(url, hosts / "b", replica="b", **shared) as other,
    ):
        stands_still = threading.Event()
        write = asyncio.ensure_future(one.store.write(lambda c: (one.lease.require(c), stands_still.wait(5.0))))
        began = real.monotonic()
        while not other.lease.is_held and real.monotonic() - began < 5.0:
            with suppress(StoreError):
                await other.lease.acquire()
        assert other.lease.is_held
        stands_still.set()
        with pytest.raises(StoreError):
            await write
