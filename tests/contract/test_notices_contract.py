"""What every keeper of webhooks promises, held against the one in memory and the one on disk."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes_notices import FakeNotices
from knowledge_cases import opened
from mape_k.errors import StoreError
from mape_k.ports import Notice, Notices
from postgres_cases import opened_on


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def notices(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Notices]:
    if request.param == "memory":
        yield FakeNotices()
        return
    async with opened_on(request, tmp_path) as knowledge:
        yield knowledge.notices


def a_notice(fingerprint: str = "f1", **fields: str) -> Notice:
    facts: dict = {"status": "firing", "labels": {"alertname": "Spike"}, "starts_at": "2026-03-01T12:00:00Z"}
    return Notice(fingerprint=fingerprint, **(facts | fields))


async def test_what_was_never_announced_is_new_and_the_same_again_is_not(notices):
    assert await notices.take([a_notice("f1"), a_notice("f2")], group_key="g") == 2
    assert await notices.take([a_notice("f2"), a_notice("f3")], group_key="g") == 1
    assert await notices.take([a_notice("f2"), a_notice("f3")], group_key="another") == 0


async def test_another_start_or_another_status_is_news_of_the_same_alert(notices):
    await notices.take([a_notice()], group_key="g")

    assert await notices.take([a_notice(starts_at="2026-03-01T12:00:00.000000001Z")], group_key="g") == 1
    assert await notices.take([a_notice(status="resolved")], group_key="g") == 1


async def test_an_alert_that_is_twice_in_a_webhook_is_new_once(notices):
    assert await notices.take([a_notice(), a_notice()], group_key="g") == 1


async def test_without_fingerprints_alerts_are_told_apart_by_their_labels(notices):
    first, other = a_notice("", labels={"a": "1", "b": "2"}), a_notice("", labels={"a": "2", "b": "1"})

    assert await notices.take([first, other, a_notice("", labels={"b": "2", "a": "1"})], group_key="g") == 2


async def test_a_webhook_without_alerts_has_nothing_new(notices):
    assert await notices.take([], group_key="g") == 0


async def test_whatever_a_webhook_says_is_kept(notices):
    hostile = "\0 '%s? \u202e" * 20
    strange = a_notice(hostile[:100], labels={"alertname": hostile, hostile: hostile}, starts_at=hostile[:60])

    assert await notices.take([strange], group_key=hostile * 50) == 1
    assert await notices.take([strange], group_key="") == 0


async def test_webhooks_at_the_same_time_are_each_told_their_own_news(notices):
    sent = [[a_notice(f"f{number % 7}"), a_notice(f"g{number}")] for number in range(30)]

    new = await asyncio.gather(*(notices.take(each, group_key="g") for each in sent))

    assert sum(new) == 7 + 30


async def test_what_cannot_be_kept_is_refused(tmp_path):
    memory = FakeNotices()
    memory.is_down = True
    async with opened(tmp_path) as knowledge:
        disk = knowledge.notices
    for closed in (memory, disk):
        with pytest.raises(StoreError):
            await closed.take([a_notice()], group_key="g")
