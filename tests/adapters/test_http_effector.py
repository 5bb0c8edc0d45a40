"""Systems that are asked as a pack says, against peers that answer in every way there is."""

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from builders import QUEUE, a_call
from fakes_peers import StandingClock
from integration.clock import SystemClock
from integration.http import HttpSession
from integration.http_effector import BODY_CAP_BYTES, HttpServers
from mape_k.errors import (
    ConflictError,
    FencedError,
    MapeKError,
    PermanentError,
    RejectedError,
    TransientError,
    UncertainError,
)
from mape_k.model import HttpCall, HttpServer, PolicyRequest
from mape_k.ports import Applied, Effector
from raw_peer import HANG, RESET, RawPeer, http_answer, raw_peer

KEY = "act-1"
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
PLAIN = HttpServer(name="queue")
BODY = {"who": "{target}", "why": "{reason} ({action_id})", "hold_seconds": "{ttl_seconds}", "n": [1, "{not_after}"]}
PIN = a_call(action_id=KEY, headers={"X-Reason": "{reason}", "X-Incident": "{incident_id}"}, body=BODY)
UNPIN = a_call("/nodes/{target}/unpin", action_id=KEY)
DONE = {"action_id": "a-1", "idempotency_key": KEY}
SILENT = {"action_id": "a-1"}


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession(clock=StandingClock(), jitter=lambda: 0.5) as session:
        yield session


def request(call: HttpCall = PIN, target: str = "node-7", **fields: Any) -> PolicyRequest:
    facts = {"ttl_seconds": 600.0, "reason": "31.4 °C", "incident_id": "inc-1", "not_after": NOON}
    return PolicyRequest(name="pin", kind="pin", scope={"target": target}, call=call, **(facts | fields))


def servers(http: HttpSession, url: str, **more: Any) -> HttpServers:
    return HttpServers(http, {"queue": url}, **more)


async def apply(effector: Effector, asked: PolicyRequest | None = None, timeout_seconds: float = 5.0) -> Applied:
    facts = {"key": KEY, "epoch": 7, "traceparent": "00-ab-cd-01", "timeout_seconds": timeout_seconds}
    return await effector.apply(asked or request(), **facts)


async def roll_back(effector: Effector, policy_id: str | None, undo: HttpCall | None = UNPIN) -> bool:
    compensation = undo and request(undo, ttl_seconds=None, not_after=None)
    facts = {"key": f"{KEY}:rollback", "epoch": 7, "traceparent": "00-ab-cd-01", "timeout_seconds": 5.0}
    return await effector.roll_back(policy_id, compensation, **facts)


def lines(peer: RawPeer) -> list[str]:
    return [asked.split(b" HTTP/1.1")[0].decode() for asked in peer.requests]


def sent(asked: bytes) -> tuple[dict[str, str], Any]:
    head, body = asked.decode().split("\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    return {name.lower(): value for name, value in headers.items()}, json.loads(body or "null")


async def test_a_call_is_sent_with_its_slots_filled_each_in_its_own_type(http: HttpSession) -> None:
    async with raw_peer(http_answer(DONE, 201)) as peer:
        applied = await apply(servers(http, f"{peer.url}/base", tokens={"queue": lambda: "t0ken"}).effector_of(QUEUE))

    headers, body = sent(peer.requests[0])
    assert applied == Applied(policy_id="a-1", was_known=False, is_idempotent=True)
    assert lines(peer) == ["POST /base/nodes/node-7/pin"]
    assert body == {
        "who": "node-7",
        "why": "31.4 °C (act-1)",
        "hold_seconds": 600,
        "n": [1, "2026-03-04T12:00:00Z"],
    }
    wanted = {
        "idempotency-key": KEY,
        "x-fencing-token": "7",
        "traceparent": "00-ab-cd-01",
        "authorization": "Bearer t0ken",
        "x-reason": "31.4 ?C",
        "x-incident": "inc-1",
        "content-type": "application/json",
    }
    assert {name: headers[name] for name in wanted} == wanted


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_the_method_is_the_one_of_the_pack_and_a_body_need_not_be(http: HttpSession, method: str) -> None:
    async with raw_peer(http_answer(DONE)) as peer:
        await apply(servers(http, peer.url).effector_of(QUEUE), request(a_call(method=method)))

    headers, body = sent(peer.requests[0])
    assert lines(peer) == [f"{method} /nodes/node-7/pin"]
    assert (body, headers.get("content-length", "0")) == (None, "0")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("a/..b/c", "a%2F..b%2Fc"),
        ("a/b?x=1#y", "a%2Fb%3Fx%3D1%23y"),
        ("%2e%2e", "%252e%252e"),
        ("{reason}", "%7Breason%7D"),
        ("a b\r\nX-A: 1", "a%20b%0D%0AX-A%3A%201"),
        ("ü", "%C3%BC"),
    ],
)
async def test_whatever_a_target_is_called_it_stays_in_its_segment(http: HttpSession, target: str, path: str) -> None:
    async with raw_peer(http_answer(DONE)) as peer:
        await apply(servers(http, peer.url).effector_of(QUEUE), request(a_call(body={"who": "{target}"}), target))

    assert lines(peer) == [f"POST /nodes/{path}/pin"]
    assert sent(peer.requests[0])[1] == {"who": target}


@pytest.mark.parametrize(
    ("call", "target"),
    [
        (a_call(), ".."),
        (a_call(), "."),
        (a_call(), ""),
        (a_call(), "\ud800"),
        (a_call(), "x" * 3000),
        (a_call("/pin", headers={"X-Target": "{target}"}), "a\r\nX-Other: 1"),
        (a_call("/pin", headers={"X-Target": "{target}"}), "ü"),
        (a_call("/pin", body={"who": "{target}"}), "\ud800"),
        (a_call("/pin", body={"who": object()}), "x"),
        (a_call("/pin", body={"id": "{id}"}), "x"),
    ],
)
async def test_what_cannot_be_written_is_refused_before_anything_is_sent(
    http: HttpSession, call: HttpCall, target: str
) -> None:
    async with raw_peer(http_answer(DONE)) as peer:
        with pytest.raises(PermanentError, match="cannot be written"):
            await apply(servers(http, peer.url).effector_of(QUEUE), request(call, target))

    assert peer.requests == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http_answer(DONE, 200), Applied(policy_id="a-1", was_known=True, is_idempotent=True)),
        (http_answer(SILENT, 200), Applied(policy_id="a-1")),
        (http_answer({"action_id": 41}, 202), Applied(policy_id="41")),
        (http_answer({**DONE, "more": [1]}, 201), Applied(policy_id="a-1", is_idempotent=True)),
    ],
    ids=["a known key", "no echo", "a number as name", "more than was asked for"],
)
async def test_the_answer_is_read_for_what_it_proves(http: HttpSession, answer: bytes, expected: Applied) -> None:
    async with raw_peer(answer) as peer:
        assert await apply(servers(http, peer.url).effector_of(QUEUE)) == expected


@pytest.mark.parametrize("answer", [http_answer(b"", 204), http_answer(b"<p>fine</p>", 200), http_answer(DONE, 201)])
async def test_of_a_server_that_promises_nothing_any_success_is_one(http: HttpSession, answer: bytes) -> None:
    async with raw_peer(answer) as peer:
        applied = await apply(servers(http, peer.url).effector_of(PLAIN))

    assert applied == Applied(policy_id=KEY)
    assert "idempotency-key" not in sent(peer.requests[0])[0]


BOMB = gzip.compress(b" " * (BODY_CAP_BYTES * 20))
BAD = [
    (http_answer(b"done", 200), UncertainError, "a success without JSON"),
    (http_answer(b"[1]", 200), UncertainError, "JSON that is no object"),
    (http_answer(b"", 204), UncertainError, "no body"),
    (http_answer({"idempotency_key": KEY}), UncertainError, "no name"),
    (http_answer({**DONE, "action_id": ""}), UncertainError, "an empty name"),
    (http_answer({**DONE, "action_id": True}), UncertainError, "a truth as name"),
    (http_answer({**DONE, "action_id": "x" * 201}), UncertainError, "a long name"),
    (http_answer({**DONE, "idempotency_key": "act-2"}), UncertainError, "the key of another"),
    (http_answer({**DONE, "x": "y" * BODY_CAP_BYTES}), UncertainError, "a huge body"),
    (http_answer(BOMB, content_encoding="gzip"), UncertainError, "a gzip bomb"),
    (http_answer(DONE)[:-5] + RESET, UncertainError, "a cut body"),
    (RESET, UncertainError, "a cut connection"),
    (http_answer(b"", 500), UncertainError, "500"),
    (http_answer(b"", 302, location="http://127.0.0.1:1/"), PermanentError, "a redirect"),
    (http_answer(b"", 303, location="/done"), UncertainError, "a redirect after it was done"),
    (http_answer(b"", 401), PermanentError, "401"),
    (http_answer({"detail": "busy with that"}, 409), ConflictError, "409"),
    (http_answer({"detail": "in flight"}, 409), TransientError, "409 in flight"),
    (http_answer({"current_epoch": 8}, 412), FencedError, "412 with a higher epoch"),
    (http_answer({"current_epoch": 7}, 412), ConflictError, "412 with our epoch"),
    (http_answer({"detail": "If-Match"}, 412), ConflictError, "412 for another reason"),
    (http_answer({"detail": "no such domain"}, 422), RejectedError, "422"),
    (http_answer(b"", 400), RejectedError, "400"),
    (http_answer(b"", 429, retry_after="9"), TransientError, "429"),
    (http_answer(b"", 503, retry_after="9"), TransientError, "503"),
]


@pytest.mark.parametrize(("answer", "kind"), [bad[:2] for bad in BAD], ids=[bad[2] for bad in BAD])
async def test_a_bad_answer_says_what_to_do(http: HttpSession, answer: bytes, kind: type[MapeKError]) -> None:
    async with raw_peer(answer) as peer:
        with pytest.raises(kind) as caught:
            await apply(servers(http, peer.url).effector_of(QUEUE))

    assert type(caught.value) is kind
    assert len(peer.requests) == 1 or kind is TransientError


@pytest.mark.parametrize(("status", "is_unknown"), [(404, True), (410, True), (405, False)])
async def test_what_is_not_there_is_refused_for_good(http: HttpSession, status: int, is_unknown: bool) -> None:
    async with raw_peer(http_answer(b"", status)) as peer:
        with pytest.raises(PermanentError) as caught:
            await apply(servers(http, peer.url).effector_of(QUEUE))

    assert caught.value.is_unknown is is_unknown  # type: ignore[attr-defined]


async def test_a_server_that_hangs_is_uncertain_at_the_deadline() -> None:
    async with HttpSession(clock=SystemClock(), jitter=lambda: 0.5) as http, raw_peer(HANG) as peer:
        with pytest.raises(UncertainError):
            await apply(servers(http, peer.url).effector_of(QUEUE), timeout_seconds=0.2)


async def test_a_wish_to_be_left_alone_is_passed_on(http: HttpSession) -> None:
    async with raw_peer(http_answer(b"", 429, retry_after="9")) as peer:
        with pytest.raises(TransientError) as caught:
            await apply(servers(http, peer.url).effector_of(QUEUE))

    assert caught.value.retry_after_seconds == 9


async def test_a_server_that_is_not_configured_is_never_reached(http: HttpSession) -> None:
    elsewhere = HttpServers(http, {}).effector_of(QUEUE)
    with pytest.raises(PermanentError, match="queue: no such server is configured; MAPE_K_HTTP_SERVERS"):
        await apply(elsewhere)
    with pytest.raises(PermanentError):
        await elsewhere.is_in_force("a-1", timeout_seconds=1.0)
    assert not elsewhere.is_idempotent


# asking again


async def test_a_server_not_known_to_be_idempotent_is_never_asked_twice(http: HttpSession) -> None:
    async with raw_peer(RESET, http_answer(DONE, 201)) as peer:
        effector = servers(http, peer.url).effector_of(QUEUE)
        with pytest.raises(UncertainError):
            await apply(effector)

    assert not effector.is_idempotent
    assert len(peer.requests) == 1


async def test_an_echoed_key_makes_a_server_idempotent_until_an_answer_lacks_it(http: HttpSession) -> None:
    async with raw_peer(http_answer(DONE, 201), RESET, http_answer(DONE, 200), http_answer(SILENT, 201)) as peer:
        known = servers(http, peer.url)
        seen = [known.effector_of(QUEUE).is_idempotent]
        for _ in range(3):
            await apply(known.effector_of(QUEUE))
            seen.append(known.effector_of(QUEUE).is_idempotent)

    assert seen == [False, True, True, False]
    assert {sent(asked)[0]["idempotency-key"] for asked in peer.requests} == {KEY}


async def test_an_echo_counts_for_nothing_where_the_pack_promises_no_keys(http: HttpSession) -> None:
    async with raw_peer(http_answer(DONE, 201)) as peer:
        known = servers(http, peer.url, echoing=[peer.url])
        await apply(known.effector_of(PLAIN))

    assert not known.effector_of(PLAIN).is_idempotent


async def test_what_an_earlier_daemon_saw_is_known_and_every_change_is_remembered_once(http: HttpSession) -> None:
    remembered: list[tuple[str, bool]] = []

    async def remember(url: str, echoes: bool) -> None:
        remembered.append((url, echoes))

    async with raw_peer(*[http_answer(DONE, 201)] * 2, *[http_answer(SILENT, 201)] * 2) as peer:
        known = servers(http, peer.url, echoing=[peer.url], remember=remember)
        before = known.effector_of(QUEUE).is_idempotent
        for _ in range(4):
            await apply(known.effector_of(QUEUE))

    assert before
    assert remembered == [(peer.url, False)]


# undoing


async def test_an_action_is_undone_by_its_call_with_a_key_of_its_own(http: HttpSession) -> None:
    async with raw_peer(http_answer(b"whatever", 200)) as peer:
        may_tell = await roll_back(servers(http, peer.url).effector_of(QUEUE), "a-1")

    assert may_tell
    assert lines(peer) == ["POST /nodes/node-7/unpin"]
    assert sent(peer.requests[0])[0]["idempotency-key"] == f"{KEY}:rollback"


async def test_an_action_can_be_undone_by_the_name_that_the_server_gave_it(http: HttpSession) -> None:
    undo = a_call("/actions/{id}", method="DELETE")
    async with raw_peer(http_answer(b"", 204)) as peer:
        effector = servers(http, peer.url).effector_of(QUEUE)
        await roll_back(effector, "a/1", undo)
        for unnamed in (None, ""):
            with pytest.raises(PermanentError, match="nothing is known that could fill it"):
                await roll_back(effector, unnamed, undo)

    assert lines(peer) == ["DELETE /actions/a%2F1"]


@pytest.mark.parametrize(
    ("method", "status", "is_undone"),
    [("DELETE", 404, True), ("DELETE", 410, True), ("DELETE", 405, False), ("POST", 404, False)],
)
async def test_what_is_to_be_deleted_and_is_gone_is_undone(
    http: HttpSession, method: str, status: int, is_undone: bool
) -> None:
    undo = a_call("/actions/{id}", method=method)
    async with raw_peer(http_answer(b"", status)) as peer:
        effector = servers(http, peer.url).effector_of(QUEUE)
        if is_undone:
            await roll_back(effector, "a-1", undo)
        else:
            with pytest.raises(PermanentError):
                await roll_back(effector, "a-1", undo)


async def test_with_no_way_to_undo_nothing_is_sent(http: HttpSession) -> None:
    async with raw_peer(http_answer(DONE)) as peer:
        assert not await roll_back(servers(http, peer.url).effector_of(QUEUE), "a-1", None)

    assert peer.requests == []


async def test_an_uncertain_roll_back_of_a_server_without_keys_is_not_repeated(http: HttpSession) -> None:
    async with raw_peer(RESET) as peer:
        with pytest.raises(UncertainError):
            await roll_back(servers(http, peer.url).effector_of(PLAIN), KEY)

    assert len(peer.requests) == 1


# asking later


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http_answer({"status": "in_force"}), True),
        (http_answer({"status": "undone"}), False),
        (http_answer({"status": "thinking"}), None),
        (http_answer({"status": 7}), None),
        (http_answer({}), None),
        (http_answer(b"", 404), False),
        (http_answer(b"", 405), None),
    ],
)
async def test_a_server_is_asked_what_became_of_what_it_did(http: HttpSession, answer: bytes, expected: Any) -> None:
    async with raw_peer(answer) as peer:
        effector = servers(http, peer.url).effector_of(QUEUE)
        assert await effector.is_in_force("a/1", timeout_seconds=1.0) is expected

    assert lines(peer) == ["GET /actions/a%2F1"]


@pytest.mark.parametrize("said", [["a"], {"a": 1}, None])
async def test_an_odd_status_says_nothing(http: HttpSession, said: object) -> None:
    async with raw_peer(http_answer({"status": said})) as peer:
        assert await servers(http, peer.url).effector_of(QUEUE).is_in_force("a-1", timeout_seconds=1.0) is None


async def test_a_server_that_cannot_tell_is_not_asked(http: HttpSession) -> None:
    async with raw_peer(http_answer(DONE)) as peer:
        assert await servers(http, peer.url).effector_of(PLAIN).is_in_force("a-1", timeout_seconds=1.0) is None

    assert peer.requests == []


async def test_an_unusable_status_is_an_error(http: HttpSession) -> None:
    async with raw_peer(http_answer(b"[]")) as peer:
        effector = servers(http, peer.url).effector_of(QUEUE)
        with pytest.raises(PermanentError):
            await effector.is_in_force("a-1", timeout_seconds=1.0)
        with pytest.raises(PermanentError, match="cannot be written"):
            await effector.is_in_force("..", timeout_seconds=1.0)


# a greeting


@pytest.mark.parametrize("status", [200, 204, 404, 405, 501])
async def test_a_server_that_answers_at_all_is_there(http: HttpSession, status: int) -> None:
    async with raw_peer(http_answer(b"", status)) as peer:
        await servers(http, peer.url).greet("queue", timeout_seconds=1.0)

    assert lines(peer) == ["OPTIONS /"]


@pytest.mark.parametrize(
    ("answer", "kind"), [(http_answer(b"", 401), PermanentError), (http_answer(b"", 503), TransientError)]
)
async def test_a_server_that_does_not_let_us_in_is_told(
    http: HttpSession, answer: bytes, kind: type[MapeKError]
) -> None:
    async with raw_peer(answer) as peer:
        with pytest.raises(kind):
            await servers(http, peer.url).greet("queue", timeout_seconds=1.0)


async def test_each_server_has_a_circuit_of_its_own(http: HttpSession) -> None:
    async with raw_peer(RESET) as broken, raw_peer(http_answer(DONE)) as sound:
        both = HttpServers(http, {"queue": broken.url, "other": sound.url})
        for _ in range(5):
            with pytest.raises(UncertainError):
                await apply(both.effector_of(QUEUE))
        await apply(both.effector_of(replace(QUEUE, name="other")))

    assert {name: circuit.value for name, circuit in http.circuits().items()} == {"queue": "open", "other": "closed"}


async def test_no_token_shows_in_an_error(http: HttpSession) -> None:
    complaint: Mapping[str, str] = {"detail": "wrong token t0ken"}
    async with raw_peer(http_answer(complaint, 403)) as peer:
        with pytest.raises(PermanentError) as caught:
            await apply(servers(http, peer.url, tokens={"queue": lambda: "t0ken"}).effector_of(QUEUE))

    assert "t0ken" not in str(caught.value)
