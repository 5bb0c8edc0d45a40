"""Webhooks on disk, and what they announced against what was seen."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from knowledge_cases import NOON, SteppingClock, a_cycle, opened
from mape_k.errors import StoreError
from mape_k.knowledge import SqlNotices
from mape_k.knowledge.retention import BATCH, take
from mape_k.knowledge.schema import notices as table
from mape_k.model import Alert, NoticeTally, Quality, Snapshot
from mape_k.ports import Notice

HOSTILE = {"alertname": "it's \x00 a ? (trap) %s", "text": "\u202e"}


def a_notice(fingerprint: str, status: str = "firing", **labels: str) -> Notice:
    return Notice(fingerprint=fingerprint, status=status, labels=labels, starts_at="2026-03-01T11:59:59.123456789Z")


def an_alert(fingerprint: str, age_seconds: float = 600, **fields: object) -> Alert:
    starts_at = NOON - timedelta(seconds=age_seconds)
    return Alert(fingerprint=fingerprint, name="Spike", labels={}, starts_at=starts_at, updated_at=NOON, **fields)


async def rows(knowledge) -> list:
    query = select(table).order_by(table.c.fingerprint, table.c.status)
    return await knowledge.store.read(lambda connection: connection.execute(query).mappings().all())


async def tallied(knowledge, *alerts: Alert, quality: Quality = Quality.VALUE, after_seconds: float = 30):
    as_of = NOON + timedelta(seconds=after_seconds)
    report = a_cycle(
        f"c-{after_seconds}", snapshot=Snapshot(as_of=as_of, alerts=alerts, alerts_quality=quality), as_of=as_of
    )
    await knowledge.journal.open_cycle(report)
    return (await knowledge.journal.close_cycle(report)).notices


async def test_a_notice_is_kept_whole_and_outlives_the_daemon(tmp_path):
    async with opened(tmp_path) as knowledge:
        await knowledge.notices.take([a_notice("f1", **HOSTILE)], group_key="{}")
    async with opened(tmp_path) as knowledge:
        (row,) = await rows(knowledge)

    assert (row["fingerprint"], row["status"], row["labels"], row["group_key"]) == ("f1", "firing", HOSTILE, "{}")
    assert (row["name"], row["starts_at"]) == ("it's  a ? (trap) %s", "2026-03-01T11:59:59.123456789Z")


async def test_a_repeated_notice_is_one_row_that_says_how_often_and_when(tmp_path):
    async with opened(tmp_path) as knowledge:
        for _ in range(3):
            await knowledge.notices.take([a_notice("f1")], group_key="g")
        (row,) = await rows(knowledge)

    assert row["times"] == 3
    assert row["received_at"] - row["first_received_at"] >= timedelta(seconds=2)


async def test_an_alert_that_several_webhooks_of_one_write_announce_counts_each_of_them(tmp_path):
    async with opened(tmp_path) as knowledge:
        await asyncio.gather(*(knowledge.notices.take([a_notice("f1")] * 2, group_key="g") for _ in range(5)))
        (row,) = await rows(knowledge)

    assert row["times"] == 5


async def test_beyond_the_most_rows_the_oldest_give_way(tmp_path):
    async with opened(tmp_path) as knowledge:
        notices = SqlNotices(knowledge.store, SteppingClock(), most_rows=200)
        for number in range(0, 400, 10):
            await notices.take([a_notice(f"{number + n:03}") for n in range(10)], group_key="g")
        await notices.take([a_notice("399")], group_key="g")
        kept = [row["fingerprint"] for row in await rows(knowledge)]

    assert 190 <= len(kept) <= 200
    assert kept == [f"{number:03}" for number in range(400 - len(kept), 400)]


async def test_an_alert_with_endless_labels_is_kept_by_its_name(tmp_path):
    async with opened(tmp_path) as knowledge:
        await knowledge.notices.take([a_notice("f1", alertname="Spike", text="x" * 10_000)], group_key="g")
        (row,) = await rows(knowledge)

    assert (row["name"], row["labels"]) == ("Spike", {"alertname": "Spike"})


async def test_webhooks_that_arrive_during_a_write_share_the_next_and_each_is_told_its_own_news(tmp_path):
    written: list[float] = []
    async with opened(tmp_path, write_seconds=written.append) as knowledge:
        written.clear()
        sent = ([a_notice(f"f{n % 40}"), a_notice(f"g{n}")] for n in range(80))
        new = await asyncio.gather(*(knowledge.notices.take(each, group_key="g") for each in sent))
        kept = await rows(knowledge)

    assert new == [2] * 40 + [1] * 40
    assert len(kept) == 120
    assert len(written) <= 2


async def test_more_webhooks_than_may_wait_are_refused_and_the_others_kept(tmp_path):
    async with opened(tmp_path) as knowledge:
        narrow = SqlNotices(knowledge.store, SteppingClock(), limit=2)
        tries = (narrow.take([a_notice(f"f{n}")], group_key="g") for n in range(4))
        results = await asyncio.gather(*tries, return_exceptions=True)
        kept = await rows(knowledge)

    refused = [result for result in results if isinstance(result, StoreError)]
    assert (len(refused), len(kept)) == (2, 2)
    assert "2 webhooks wait already" in str(refused[0])


async def test_a_caller_who_leaves_takes_nobody_with_him(tmp_path):
    async with opened(tmp_path) as knowledge:
        leaving = asyncio.create_task(knowledge.notices.take([a_notice("f1")], group_key="g"))
        staying = asyncio.create_task(knowledge.notices.take([a_notice("f2")], group_key="g"))
        await asyncio.sleep(0)
        leaving.cancel()

        assert await staying == 1
        with pytest.raises(asyncio.CancelledError):
            await leaving


async def test_an_announced_alert_that_is_active_is_confirmed_silenced_or_not(tmp_path):
    async with opened(tmp_path) as knowledge:
        await knowledge.notices.take([a_notice("f1"), a_notice("f2")], group_key="g")

        assert await tallied(knowledge, an_alert("f1"), an_alert("f2", silenced_by=("s",))) == NoticeTally(confirmed=2)


async def test_an_alert_announced_a_moment_ago_that_is_not_active_is_unconfirmed_for_a_while(tmp_path):
    async with opened(tmp_path, recent_notices_seconds=90) as knowledge:
        await knowledge.notices.take([a_notice("f1")], group_key="g")

        assert await tallied(knowledge) == NoticeTally(unconfirmed=1)
    async with opened(tmp_path, recent_notices_seconds=5) as knowledge:
        assert await tallied(knowledge, after_seconds=31) == NoticeTally()


async def test_an_alert_that_was_announced_as_resolved_is_not_looked_for(tmp_path):
    async with opened(tmp_path) as knowledge:
        await knowledge.notices.take([a_notice("f1")], group_key="g")
        await knowledge.notices.take([a_notice("f1", "resolved")], group_key="g")

        assert await tallied(knowledge) == NoticeTally()


async def test_an_active_alert_is_unannounced_once_it_is_due_and_neither_silenced_nor_inhibited(tmp_path):
    young, hushed = an_alert("f2", age_seconds=1), an_alert("f3", silenced_by=("s",))
    async with opened(tmp_path) as knowledge:
        tally = await tallied(knowledge, an_alert("f1"), young, hushed, an_alert("f4", inhibited_by=("i",)))

    assert tally == NoticeTally(unannounced=1)


async def test_nothing_is_said_of_notices_while_the_alerts_cannot_be_seen(tmp_path):
    async with opened(tmp_path) as knowledge:
        await knowledge.notices.take([a_notice("f1")], group_key="g")

        assert await tallied(knowledge, quality=Quality.UNREACHABLE) is None


async def test_thousands_of_active_alerts_are_compared(tmp_path):
    async with opened(tmp_path) as knowledge:
        await knowledge.notices.take([a_notice(f"f{n}") for n in range(3000)], group_key="g")
        tally = await tallied(knowledge, *(an_alert(f"f{n}") for n in range(1, 3001)))

    assert tally == NoticeTally(confirmed=2999, unconfirmed=1, unannounced=1)


async def test_notices_last_heard_more_than_a_day_ago_are_pruned(tmp_path):
    clock = SteppingClock()
    async with opened(tmp_path, clock=clock) as knowledge:
        await knowledge.notices.take([a_notice("old"), a_notice("repeated")], group_key="g")
        clock.time += timedelta(hours=25)
        await knowledge.notices.take([a_notice("repeated")], group_key="g")
        await knowledge.store.write(lambda c: take(c, clock.time, now=clock.time, most=BATCH))
        count = await knowledge.store.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar())

    assert count == 1
