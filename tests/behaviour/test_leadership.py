"""Who keeps the lease, who gives it up and who takes it, hours of it in a moment."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from mape_k.errors import StoreError
from mape_k.knowledge.lease import Leader
from mape_k.main.leadership import Leadership
from virtual_time import VirtualClock

LEASE, RENEW, PATIENCE = 10.0, 3.0, 60.0


@pytest.fixture
def clock():
    return VirtualClock()


class Row:
    """The one row that replicas share, on a clock of its own."""

    def __init__(self, clock):
        self.clock, self.holder, self.epoch, self.expires, self.is_down = clock, "", 0, 0.0, False

    def reach(self):
        if self.is_down:
            raise StoreError("no answer")


class FakeLease:
    """A lease on a shared row; it keeps the promises of the real one."""

    def __init__(self, row, holder):
        self.row, self.holder, self.epoch, self.until = row, holder, 0, 0.0

    @property
    def is_held(self):
        return self.row.clock.monotonic() < self.until

    def hold(self):
        self.row.expires, self.until = self.row.clock.monotonic() + LEASE, self.row.clock.monotonic() + 0.7 * LEASE

    async def leader(self):
        self.row.reach()
        in_force = self.row.clock.monotonic() < self.row.expires
        return Leader(holder=self.row.holder, epoch=self.row.epoch, is_in_force=in_force)

    async def acquire(self):
        self.row.reach()
        self.row.epoch = self.epoch = self.row.epoch + 1
        self.row.holder = self.holder
        self.hold()
        return True

    async def renew(self):
        self.row.reach()
        is_ours = self.row.epoch == self.epoch
        self.hold() if is_ours else setattr(self, "until", 0.0)
        return is_ours


class Replica:
    """A replica whose cycles complete as long as it is well."""

    def __init__(self, row, name):
        self.told, self.is_well, self.clock = [], True, row.clock
        self.lease = FakeLease(row, name)
        self.leadership = Leadership(
            self.lease, clock=row.clock, renew_seconds=RENEW, patience_seconds=PATIENCE, changed=self.told.append
        )

    async def cycle(self):
        while True:
            await self.clock.sleep(30)
            if self.is_well:
                self.leadership.cycle_completed()


@asynccontextmanager
async def replicas(clock, *names):
    row = Row(clock)
    some = [Replica(row, name) for name in names]
    tasks = [asyncio.create_task(work) for r in some for work in (r.leadership.keep(), r.cycle())]
    try:
        yield row, *some
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


async def test_one_leads_for_hours_in_one_epoch(clock):
    async with replicas(clock, "a", "b") as (row, one, other):
        await clock.sleep(6 * 3600)
        assert (one.told, other.told, row.epoch) == ([True], [], 1)


async def test_a_leader_whose_cycles_do_not_complete_is_followed(clock):
    async with replicas(clock, "a", "b") as (row, one, other):
        await clock.sleep(120)
        one.is_well = False
        await clock.sleep(30 + PATIENCE + LEASE + 1.5 * RENEW)
        assert (one.told, other.told, row.holder) == ([True, False], [True], "b")


async def test_who_is_not_well_does_not_take_the_lease_either(clock):
    async with replicas(clock, "a", "b") as (row, one, other):
        await clock.sleep(120)
        one.is_well = other.is_well = False
        await clock.sleep(300)
        assert not one.lease.is_held
        assert not other.lease.is_held
        one.is_well = True
        await clock.sleep(60)
        assert (row.holder, row.epoch, one.told) == ("a", 2, [True, False, True])


async def test_without_the_store_nobody_leads_and_with_it_somebody_does_again(clock):
    async with replicas(clock, "a", "b") as (row, one, other):
        await clock.sleep(120)
        row.is_down = True
        await clock.sleep(LEASE)
        assert not one.lease.is_held
        row.is_down = False
        await clock.sleep(1)
        assert one.lease.is_held != other.lease.is_held


async def test_a_mistake_in_looking_after_the_lease_does_not_end_it(clock):
    async with replicas(clock, "a") as (row, one):
        await clock.sleep(10)
        row.reach = lambda: 1 / 0
        await clock.sleep(60)
        assert one.told == [True, False]
        del row.reach
        await clock.sleep(1)
        assert one.told == [True, False, True]


async def test_a_raised_epoch_is_told_as_a_new_beginning(clock):
    async with replicas(clock, "a") as (row, one):
        await clock.sleep(10)
        row.epoch = one.lease.epoch = 42
        await clock.sleep(RENEW)
        assert one.told == [True, True]
