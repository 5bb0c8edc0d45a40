import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fakes_peers import StandingClock
from integration.charter_client import PAGE_VIOLATIONS, PAGES_MAX, Capability, CharterClient
from integration.clock import SystemClock
from integration.http import HttpSession
from mape_k.errors import (
    ConflictError,
    FencedError,
    MapeKError,
    PermanentError,
    RejectedError,
    TransientError,
    UncertainError,
)
from mape_k.model import PolicyRequest, Violation
from mape_k.ports import Applied
from raw_peer import HANG, RESET, RawPeer, http_answer, raw_peer

KEY = "exec-1"
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
BLOCK = PolicyRequest(
    name="block-source-node-7",
    kind="block_source",
    scope={"node_or_service": "node-7"},
    parameters={"share": 0.5},
    ttl_seconds=3600,
    reason="31.4 attempts/s",
    incident_id="i1",
    not_after=NOON,
)
UNBLOCK = PolicyRequest(name="unblock-source-node-7", kind="unblock_source", scope={"node_or_service": "node-7"})

APPLIED = {"policy_id": "p-1", "version": 1, "status": "active", "idempotency_key": KEY}
SILENT = {"policy_id": "p-1"}
NOT_FOUND = http_answer({"title": "not found"}, 404)
ROLLS_BACK = [*[NOT_FOUND] * 5, http_answer(b"", 405, allow="POST"), NOT_FOUND]
"""What the seven probes are answered, in their order, by a Charter that has the rollback alone."""


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession(clock=StandingClock(), jitter=lambda: 0.5) as session:
        yield session


async def apply(client: CharterClient, request: PolicyRequest = BLOCK, *, timeout_seconds: float = 5.0) -> Applied:
    return await client.apply(request, key=KEY, epoch=7, traceparent="00-ab-cd-01", timeout_seconds=timeout_seconds)


async def roll_back(client: CharterClient, policy_id: str | None, compensation: PolicyRequest | None) -> None:
    await client.roll_back(policy_id, compensation, key=KEY, epoch=7, traceparent="00-ab-cd-01", timeout_seconds=5.0)


def lines(peer: RawPeer) -> list[str]:
    return [request.split(b" HTTP/1.1")[0].decode() for request in peer.requests]


def sent(request: bytes) -> tuple[dict[str, str], Any]:
    head, body = request.decode().split("\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    return {name.lower(): value for name, value in headers.items()}, json.loads(body)


async def test_a_policy_is_posted_as_the_contract_says(http: HttpSession) -> None:
    async with raw_peer(http_answer(APPLIED, 201)) as peer:
        applied = await apply(CharterClient(http, peer.url, token=lambda: "t0ken"))

    headers, body = sent(peer.requests[0])
    assert applied == Applied(policy_id="p-1", was_known=False, is_idempotent=True)
    assert lines(peer) == ["POST /api/v1/policies"]
    assert {name: headers[name] for name in ("idempotency-key", "x-fencing-token", "traceparent", "authorization")} == {
        "idempotency-key": KEY,
        "x-fencing-token": "7",
        "traceparent": "00-ab-cd-01",
        "authorization": "Bearer t0ken",
    }
    assert body == {
        "name": "block-source-node-7",
        "kind": "block_source",
        "scope": {"node_or_service": "node-7"},
        "parameters": {"share": 0.5},
        "ttl_seconds": 3600,
        "reason": "31.4 attempts/s",
        "source": "mape-k",
        "incident_id": "i1",
        "not_after": "2026-03-04T12:00:00Z",
        "dry_run": False,
    }


async def test_what_a_request_does_not_set_is_left_out_of_its_body(http: HttpSession) -> None:
    async with raw_peer(http_answer(APPLIED, 201)) as peer:
        await apply(CharterClient(http, peer.url), UNBLOCK)

    assert {"ttl_seconds", "not_after"}.isdisjoint(sent(peer.requests[0])[1])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http_answer(APPLIED, 200), Applied(policy_id="p-1", was_known=True, is_idempotent=True)),
        (http_answer(SILENT, 200), Applied(policy_id="p-1")),
        (http_answer(SILENT, 201), Applied(policy_id="p-1")),
        (http_answer({"policy_id": 41}, 201), Applied(policy_id="41")),
    ],
    ids=["a known key", "200 without an echo says nothing of the key", "no echo", "a number as id"],
)
async def test_the_answer_is_read_for_what_it_proves(http: HttpSession, answer: bytes, expected: Applied) -> None:
    async with raw_peer(answer) as peer:
        assert await apply(CharterClient(http, peer.url)) == expected


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"policy_id": ""},
        {"policy_id": ".."},
        {"policy_id": "../../admin"},
        {"policy_id": "a/b"},
        {"policy_id": "a\n"},
        {"policy_id": "x" * 201},
        {"policy_id": None},
        {"policy_id": "p-1", "idempotency_key": "another"},
    ],
)
async def test_a_success_that_cannot_be_used_is_uncertain(http: HttpSession, policy: Mapping[str, object]) -> None:
    async with raw_peer(http_answer(policy, 201)) as peer:
        with pytest.raises(UncertainError, match="cannot be used"):
            await apply(CharterClient(http, peer.url))

    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (http_answer({"title": "conflict", "detail": "in force"}, 409), ConflictError, "in force"),
        (http_answer({"detail": "a request with this key is in flight"}, 409), TransientError, "in flight"),
        (http_answer({"current_epoch": 8}, 412), FencedError, "412"),
        (http_answer({"detail": "bad", "fields": {"kind": "unknown"}}, 422), RejectedError, "unknown"),
        (http_answer(b"", 401), PermanentError, "401"),
        (http_answer(b"", 429, retry_after="9"), TransientError, "429"),
        (http_answer(b"", 503, retry_after="9"), TransientError, "503"),
        (http_answer(b"", 500), UncertainError, "500"),
    ],
)
async def test_a_refused_policy_says_what_to_do(
    http: HttpSession, answer: bytes, kind: type[MapeKError], said: str
) -> None:
    async with raw_peer(answer) as peer:
        with pytest.raises(kind, match=said) as caught:
            await apply(CharterClient(http, peer.url))

    assert type(caught.value) is kind


async def test_a_policy_that_is_no_json_is_refused_before_it_is_sent(http: HttpSession) -> None:
    async with raw_peer(http_answer(APPLIED, 201)) as peer:
        for odd in (
            PolicyRequest(name="\ud800", kind="k", scope={}),
            PolicyRequest(name="n", kind="k", scope={"a": object()}),
        ):  # type: ignore[dict-item]
            with pytest.raises(PermanentError, match="cannot be written"):
                await apply(CharterClient(http, peer.url), odd)

    assert peer.requests == []


@pytest.mark.parametrize("setting", ["auto", "no"])
async def test_a_charter_not_known_to_be_idempotent_is_never_asked_twice(http: HttpSession, setting: Any) -> None:
    async with raw_peer(RESET, http_answer(APPLIED, 201)) as peer:
        client = CharterClient(http, peer.url, idempotent=setting)
        with pytest.raises(UncertainError):
            await apply(client)

    assert not client.is_idempotent
    assert len(peer.requests) == 1


async def test_a_charter_said_to_be_idempotent_is_asked_again_with_the_same_key(http: HttpSession) -> None:
    async with raw_peer(RESET, http_answer(APPLIED, 200)) as peer:
        applied = await apply(CharterClient(http, peer.url, idempotent="yes"))

    assert applied.was_known
    assert [sent(request)[0]["idempotency-key"] for request in peer.requests] == [KEY, KEY]


async def test_an_echoed_key_makes_a_charter_idempotent_until_an_answer_lacks_it(http: HttpSession) -> None:
    async with raw_peer(http_answer(APPLIED, 201), RESET, http_answer(APPLIED, 200), http_answer(SILENT, 201)) as peer:
        client = CharterClient(http, peer.url)
        seen = [client.is_idempotent]
        for _ in range(3):
            await apply(client)
            seen.append(client.is_idempotent)

    assert seen == [False, True, True, False]


async def test_a_charter_that_echoed_keys_before_is_idempotent_from_the_start(http: HttpSession) -> None:
    async with raw_peer(RESET, http_answer(APPLIED, 200)) as peer:
        applied = await apply(CharterClient(http, peer.url, echoes=True))

    assert applied.was_known
    assert [sent(request)[0]["idempotency-key"] for request in peer.requests] == [KEY, KEY]


async def test_every_change_of_what_a_charter_echoes_is_remembered_once(http: HttpSession) -> None:
    remembered: list[bool] = []

    async def remember(echoes: bool) -> None:
        remembered.append(echoes)

    async with raw_peer(*[http_answer(APPLIED, 201)] * 2, http_answer(SILENT, 201)) as peer:
        client = CharterClient(http, peer.url, remember=remember)
        for _ in range(3):
            await apply(client)

    assert remembered == [True, False]


async def test_an_echo_changes_nothing_when_the_setting_says_no(http: HttpSession) -> None:
    async with raw_peer(http_answer(APPLIED, 201)) as peer:
        client = CharterClient(http, peer.url, idempotent="no")
        await apply(client)

    assert not client.is_idempotent


async def test_a_hanging_charter_is_uncertain_at_the_deadline() -> None:
    async with HttpSession(clock=SystemClock(), jitter=lambda: 0.5) as http, raw_peer(HANG) as peer:
        with pytest.raises(UncertainError):
            await apply(CharterClient(http, peer.url, idempotent="yes"), timeout_seconds=0.2)

    assert len(peer.requests) == 1


async def test_a_policy_is_rolled_back_by_its_id_where_the_charter_can(http: HttpSession) -> None:
    async with raw_peer(*ROLLS_BACK, http_answer({"status": "rolled_back"})) as peer:
        await roll_back(CharterClient(http, peer.url), "p-1", UNBLOCK)

    headers, _ = sent(peer.requests[-1])
    assert lines(peer)[-1] == "POST /api/v1/policies/p-1/rollback"
    assert (headers["idempotency-key"], headers["x-fencing-token"]) == (KEY, "7")
    assert [line.split()[0] for line in lines(peer)[:-1]] == ["OPTIONS"] * 7, "probing has no effect"


async def test_a_policy_that_the_charter_does_not_know_is_undone_already(http: HttpSession) -> None:
    async with raw_peer(*ROLLS_BACK, NOT_FOUND) as peer:
        await roll_back(CharterClient(http, peer.url), "p-1", UNBLOCK)

    assert lines(peer)[-1] == "POST /api/v1/policies/p-1/rollback", "no compensation for what is not in force"


async def test_without_rollback_the_compensating_policy_is_posted(http: HttpSession) -> None:
    async with raw_peer(*[NOT_FOUND] * 7, http_answer(SILENT, 201)) as peer:
        await roll_back(CharterClient(http, peer.url), "p-1", UNBLOCK)

    assert lines(peer)[-1] == "POST /api/v1/policies"
    assert sent(peer.requests[-1])[1]["kind"] == "unblock_source"


async def test_a_rollback_that_turns_out_not_to_exist_is_compensated(http: HttpSession) -> None:
    async with raw_peer(*ROLLS_BACK, http_answer(b"", 405, allow="GET"), http_answer(SILENT, 201)) as peer:
        await roll_back(CharterClient(http, peer.url), "p-1", UNBLOCK)

    assert lines(peer)[-2:] == ["POST /api/v1/policies/p-1/rollback", "POST /api/v1/policies"]


async def test_a_peer_that_allows_everything_everywhere_is_believed_to_have_nothing(http: HttpSession) -> None:
    async with raw_peer(http_answer(b"", 200, allow="GET, POST, OPTIONS")) as peer:
        assert await CharterClient(http, peer.url).discover(timeout_seconds=5.0) == frozenset()


async def test_a_policy_without_id_is_compensated_without_probing(http: HttpSession) -> None:
    async with raw_peer(http_answer(SILENT, 201)) as peer:
        await roll_back(CharterClient(http, peer.url), None, UNBLOCK)

    assert lines(peer) == ["POST /api/v1/policies"]
    assert sent(peer.requests[0])[1]["kind"] == "unblock_source"


async def test_with_no_way_to_undo_nothing_is_sent(http: HttpSession) -> None:
    async with raw_peer(http_answer(SILENT, 201)) as peer:
        await roll_back(CharterClient(http, peer.url), None, None)

    assert peer.requests == []


async def test_an_uncertain_rollback_of_a_charter_not_known_to_be_idempotent_is_not_repeated(http: HttpSession) -> None:
    async with raw_peer(*ROLLS_BACK, RESET) as peer:
        with pytest.raises(UncertainError):
            await roll_back(CharterClient(http, peer.url), "p-1", UNBLOCK)

    assert sum("rollback" in line and line.startswith("POST") for line in lines(peer)) == 1


async def test_roll_backs_at_the_same_time_ask_for_the_capabilities_once(http: HttpSession) -> None:
    async with raw_peer(*ROLLS_BACK, http_answer({"status": "rolled_back"})) as peer:
        client = CharterClient(http, peer.url)
        await asyncio.gather(*(roll_back(client, f"p-{number}", UNBLOCK) for number in range(5)))

    assert sorted(line.split()[0] for line in lines(peer)) == ["OPTIONS"] * 7 + ["POST"] * 5


async def test_a_strange_policy_id_stays_within_its_path_segment(http: HttpSession) -> None:
    async with raw_peer(*ROLLS_BACK, http_answer({})) as peer:
        await roll_back(CharterClient(http, peer.url), "../x?y#z\r\nA: b", UNBLOCK)

    assert lines(peer)[-1] == "POST /api/v1/policies/..%2Fx%3Fy%23z%0D%0AA%3A%20b/rollback"


@pytest.mark.parametrize("probe", [http_answer(b"oops", 500), http_answer(b"", 403), http_answer(b"", 501)])
async def test_a_charter_that_stumbles_over_probes_is_believed_to_have_nothing(http: HttpSession, probe: bytes) -> None:
    async with raw_peer(probe) as peer:
        assert await CharterClient(http, peer.url).discover(timeout_seconds=60.0) == frozenset()


async def test_capabilities_are_asked_for_again_after_an_interruption_only(http: HttpSession) -> None:
    done = http_answer({"status": "rolled_back"})
    async with raw_peer(*ROLLS_BACK, done, done, RESET, *ROLLS_BACK, done) as peer:
        client = CharterClient(http, peer.url)
        await roll_back(client, "p-1", None)
        await roll_back(client, "p-2", None)
        asked_once = len(peer.requests)
        with pytest.raises(UncertainError):
            await apply(client)
        await roll_back(client, "p-3", None)

    assert asked_once == 9
    assert len(peer.requests) == 9 + 1 + 8


async def test_each_optional_endpoint_is_discovered_by_the_method_it_needs(http: HttpSession) -> None:
    probes = [b"", b"GET", b"GET,HEAD", b"GET", b"get, post", b"POST", b"PUT"]
    async with raw_peer(*(http_answer(b"", 405, allow=allowed.decode()) for allowed in probes)) as peer:
        found = await CharterClient(http, peer.url).discover(timeout_seconds=5.0)

    assert found == {
        Capability.HEALTH,
        Capability.POLICIES,
        Capability.POLICY,
        Capability.VALIDATE,
        Capability.ROLL_BACK,
    }


async def test_an_unreachable_charter_cannot_be_discovered(http: HttpSession) -> None:
    async with raw_peer(b"") as peer:
        with pytest.raises(TransientError):
            await CharterClient(http, peer.url).discover(timeout_seconds=5.0)


def seen(violation_id: object, minutes: float = 1.0, **changes: object) -> dict[str, object]:
    return {
        "id": violation_id,
        "detected_at": (NOON + timedelta(minutes=minutes)).isoformat(),
        "severity": "critical",
        "violation_type": "permanent_ban",
        "node_or_service": "node-7",
        "metric_name": None,
        "status": "open",
    } | changes


async def ids(http: HttpSession, *answers: bytes) -> tuple[list[str], bool]:
    async with raw_peer(*answers) as peer:
        page = await CharterClient(http, peer.url).violations(since=NOON, timeout_seconds=5.0)
    return [found.violation_id for found in page.violations], page.is_partial


async def test_violations_are_read_as_values(http: HttpSession) -> None:
    async with raw_peer(http_answer({"violations": [seen("v1", metric_name="user_id")], "next_cursor": None})) as peer:
        page = await CharterClient(http, peer.url).violations(since=NOON, timeout_seconds=5.0)

    assert page.violations == (
        Violation(
            violation_id="v1",
            detected_at=NOON + timedelta(minutes=1),
            severity="critical",
            violation_type="permanent_ban",
            target="node-7",
            metric_name="user_id",
            status="open",
        ),
    )
    assert lines(peer) == [f"GET /api/v1/violations?since=2026-03-04T12%3A00%3A00Z&limit={PAGE_VIOLATIONS}"]


async def test_a_bare_list_is_accepted_too(http: HttpSession) -> None:
    assert await ids(http, http_answer([seen("v1"), seen(2, 2)])) == (["v1", "2"], False)


async def test_pages_are_followed_to_their_end(http: HttpSession) -> None:
    first = http_answer({"violations": [seen("v2", 2)], "next_cursor": "c&1"})
    last = http_answer({"violations": [seen("v1", 1), seen("v2", 2)]})
    async with raw_peer(first, last) as peer:
        page = await CharterClient(http, peer.url).violations(since=NOON, timeout_seconds=5.0)

    assert [found.violation_id for found in page.violations] == ["v1", "v2"], "oldest first, each once"
    assert not page.is_partial
    assert lines(peer)[1].endswith("&cursor=c%261")


async def test_what_is_older_than_asked_for_is_left_out(http: HttpSession) -> None:
    assert await ids(http, http_answer([seen("old", -1), seen("on time", 0)])) == (["on time"], False)


async def test_a_list_as_long_as_its_limit_is_partial(http: HttpSession) -> None:
    full = http_answer([seen(n) for n in range(PAGE_VIOLATIONS)])

    found, is_partial = await ids(http, full)

    assert (len(found), is_partial) == (PAGE_VIOLATIONS, True)


async def test_a_charter_that_is_slow_over_its_pages_is_cut_while_there_is_time() -> None:
    clock = StandingClock()

    def a_second_later(*_: object) -> None:
        clock.seconds += 1

    pages = [http_answer({"violations": [seen(f"v{n}", n)], "next_cursor": f"c{n}"}) for n in range(PAGES_MAX)]
    async with HttpSession(clock=clock, jitter=lambda: 0.5, observe=a_second_later) as http:
        assert await ids(http, *pages) == (["v0", "v1", "v2"], True)


async def test_a_cursor_that_leads_nowhere_ends_in_a_partial_answer(http: HttpSession) -> None:
    assert await ids(http, http_answer({"violations": [seen("v1")], "next_cursor": "again"})) == (["v1"], True)


async def test_pages_without_end_are_cut(http: HttpSession) -> None:
    pages = [http_answer({"violations": [seen(n)], "next_cursor": f"c{n}"}) for n in range(PAGES_MAX + 5)]

    found, is_partial = await ids(http, *pages)

    assert (len(found), is_partial) == (PAGES_MAX, True)


@pytest.mark.parametrize(
    "answer",
    [
        http_answer([{"id": "v1"}]),
        http_answer([seen("v1", detected_at="2026-03-04T12:01:00")]),
        http_answer([seen("v1", detected_at="9999-12-31T23:59:59-23:00")]),
        http_answer([seen("v1", node_or_service="x" * 2000)]),
        http_answer([seen(None)]),
        http_answer({"violations": None}),
        http_answer({"violations": [], "next_cursor": "c" * 5000}),
        http_answer(b"[" + b" " * 1_100_000 + b"]"),
    ],
    ids=["fields missing", "no zone", "after all time", "over-long", "no id", "null", "over-long cursor", "too large"],
)
async def test_unusable_violations_are_permanent(http: HttpSession, answer: bytes) -> None:
    with pytest.raises(PermanentError, match="cannot be used"):
        await ids(http, answer)
