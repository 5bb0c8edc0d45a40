"""The client against the reference Charter, whole and minimal."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes_peers import StandingClock
from integration.charter_client import Capability, CharterClient
from integration.http import HttpSession
from mape_k.errors import ConflictError, FencedError, PermanentError
from mape_k.model import PolicyRequest
from mape_k.ports import Applied
from real_stack import ended_whatever_happens, wait_until

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BLOCK = PolicyRequest(name="block", kind="block_source", scope={"node_or_service": "node-1"}, ttl_seconds=600)
UNBLOCK = PolicyRequest(name="unblock", kind="unblock_source", scope={"node_or_service": "node-1"})


@contextmanager
def running(folder: Path, *options: str) -> Iterator[str]:
    log = folder / "charter.log"
    command = [sys.executable, "-m", "westworld", "--listen", "127.0.0.1:0", "--state", str(folder), *options]
    with ended_whatever_happens(command, log):
        wait_until(lambda: b"listening" in log.read_bytes(), "the Charter listening")
        yield json.loads(log.read_text().splitlines()[0])["listening"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("whole")) as url:
        yield url


@pytest.fixture(scope="module")
def minimal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("minimal"), "--minimal") as url:
        yield url


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession(clock=StandingClock(), jitter=lambda: 0.5) as session:
        yield session


def on(target: str, request: PolicyRequest = BLOCK, **changes: object) -> PolicyRequest:
    """Return a request for a target of the test's own."""
    fields = {name: getattr(request, name) for name in ("name", "kind", "ttl_seconds")}
    return PolicyRequest(**{**fields, "scope": {"node_or_service": target}, **changes})


async def apply(client: CharterClient, request: PolicyRequest, key: str, epoch: int = 1) -> Applied:
    return await client.apply(request, key=key, epoch=epoch, traceparent="", timeout_seconds=10.0)


async def roll_back(client: CharterClient, policy_id: str | None, compensation: PolicyRequest | None, key: str) -> None:
    await client.roll_back(policy_id, compensation, key=key, epoch=1, traceparent="", timeout_seconds=10.0)


async def test_the_whole_charter_has_every_optional_endpoint(whole: str, http: HttpSession) -> None:
    assert await CharterClient(http, whole).discover(timeout_seconds=10.0) == frozenset(Capability)


async def test_the_minimal_charter_has_none_of_them(minimal: str, http: HttpSession) -> None:
    assert await CharterClient(http, minimal).discover(timeout_seconds=10.0) == frozenset()


async def test_the_whole_charter_proves_to_be_idempotent(whole: str, http: HttpSession) -> None:
    client = CharterClient(http, whole)

    first, again = [await apply(client, on("node-1"), "key-idempotent") for _ in range(2)]

    assert (first.was_known, again.was_known) == (False, True)
    assert first.policy_id == again.policy_id
    assert client.is_idempotent


async def test_the_minimal_charter_proves_nothing(minimal: str, http: HttpSession) -> None:
    client = CharterClient(http, minimal)

    applied = await apply(client, on("node-1"), "key-minimal")

    assert applied.policy_id
    assert not client.is_idempotent


async def test_a_policy_can_be_undone_by_its_id_and_only_once(whole: str, http: HttpSession) -> None:
    client = CharterClient(http, whole)
    applied = await apply(client, on("node-2"), "key-undone")

    await roll_back(client, applied.policy_id, None, "key-undone-rollback")
    await roll_back(client, "never-heard-of", None, "key-unknown-rollback")

    fresh = await apply(client, on("node-2"), "key-undone-after")
    assert fresh.policy_id != applied.policy_id, "were it still in force, it would have been renewed"


async def test_the_minimal_charter_is_undone_by_the_compensating_policy(minimal: str, http: HttpSession) -> None:
    client = CharterClient(http, minimal)
    applied = await apply(client, on("node-3"), "key-compensated")

    await roll_back(client, applied.policy_id, on("node-3", UNBLOCK), "key-compensated-rollback")

    fresh = await apply(client, on("node-3"), "key-compensated-after")
    assert fresh.policy_id != applied.policy_id


async def test_refusals_of_the_charter_are_understood(whole: str, http: HttpSession) -> None:
    client = CharterClient(http, whole)
    await apply(client, on("committee", kind="add_committee_members", parameters={"members": 1}), "key-in-force")

    with pytest.raises(ConflictError):
        await apply(client, on("committee", kind="add_committee_members", parameters={"members": 2}), "key-conflict")
    with pytest.raises(PermanentError, match="kind"):
        await apply(client, on("node-4", kind="make_coffee"), "key-coffee")
    with pytest.raises(PermanentError, match="422"):
        await apply(client, on("node-5"), "key-in-force")


async def test_violations_of_the_charter_can_be_read(whole: str, minimal: str, http: HttpSession) -> None:
    for url in (whole, minimal):
        page = await CharterClient(http, url).violations(since=LONG_AGO, timeout_seconds=10.0)
        later = await CharterClient(http, url).violations(
            since=datetime(2100, 1, 1, tzinfo=UTC) + timedelta(days=1), timeout_seconds=10.0
        )
        assert not page.is_partial
        assert later.violations == ()


async def test_an_older_epoch_is_fenced_off(tmp_path: Path, http: HttpSession) -> None:
    with running(tmp_path) as url:
        client = CharterClient(http, url)
        await apply(client, on("node-1"), "key-new-epoch", epoch=9)

        with pytest.raises(FencedError) as caught:
            await apply(client, on("node-2"), "key-old-epoch", epoch=8)

    assert caught.value.current_epoch == 9
