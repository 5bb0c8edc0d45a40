import gzip
import itertools
import socket
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fakes_peers import StandingClock
from integration.answers import Answer
from integration.clock import SystemClock
from integration.http import HttpSession, Peer, Request
from mape_k.errors import (
    ConfigError,
    ConflictError,
    FencedError,
    MapeKError,
    PermanentError,
    TransientError,
    UncertainError,
)
from raw_peer import HANG, RESET, http_answer, raw_peer

CAP = 100_000
ASK = Request(path="facts")
EFFECT = Request(path="effects", method="POST", body=b"{}", changes_world=True, is_idempotent=False)
SAFE_EFFECT = Request(path="effects", method="POST", body=b"{}", changes_world=True, is_idempotent=True)

decode = msgspec.json.Decoder(dict[str, int]).decode


def understand(answer: Answer) -> dict[str, int]:
    return decode(answer.body)


class Bench:
    """A session with what it was told about itself."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.observed: list[tuple[str, float, str]] = []
        self.http = HttpSession(clock=clock, jitter=lambda: 0.5, observe=lambda *seen: self.observed.append(seen))

    def peer(self, url: str, **options: Any) -> Peer:
        return self.http.peer("oracle", url, **{"body_cap_bytes": CAP} | options)

    async def ask(self, url: str, request: Request = ASK, *, timeout_seconds: float = 5.0, **options: Any) -> Any:
        return await self.peer(url, **options).ask(request, understand, timeout_seconds=timeout_seconds)

    @property
    def outcomes(self) -> list[str]:
        return [outcome for _, _, outcome in self.observed]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Time stands still: back-off costs nothing."""
    bench = Bench(StandingClock())
    async with bench.http:
        yield bench


@pytest.fixture
async def timed() -> AsyncIterator[Bench]:
    """Time is real: deadlines are kept by it."""
    bench = Bench(SystemClock())
    async with bench.http:
        yield bench


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_good_answer_is_understood_and_observed_once(bench: Bench) -> None:
    async with raw_peer(http_answer({"a": 1})) as peer:
        assert await bench.ask(peer.url) == {"a": 1}

    assert [(name, outcome) for name, _, outcome in bench.observed] == [("oracle", "ok")]


async def test_a_path_prefix_of_the_address_is_kept_and_parameters_are_encoded(bench: Bench) -> None:
    request = Request(path="api/v1/query", params=[("query", 'up{a="é+ &b"}'), ("match[]", "x"), ("match[]", "y")])
    async with raw_peer(http_answer({})) as peer:
        await bench.ask(f"{peer.url}/prefix/", request)

    line = peer.requests[0].split(b"\r\n")[0].decode()
    assert line.startswith("GET /prefix/api/v1/query?query=up")
    assert "%C3%A9%2B" in line
    assert line.count("match[]=") + line.count("match%5B%5D=") == 2
    assert "%26b" in line


HOSTILE_ANSWERS = {
    "no JSON": http_answer(b"<html>hello</html>"),
    "markup": http_answer(b"<html>hello</html>", content_type="text/html"),
    "JSON of no declared type": http_answer(b"{}", content_type=""),
    "an empty body": http_answer(b""),
    "another shape": http_answer([1, 2, 3]),
    "a larger body than allowed": http_answer(b'{"a": 1, "b":' + b" " * CAP + b"1}"),
    "a bomb in gzip": http_answer(gzip.compress(b" " * 1_000_000), content_encoding="gzip"),
    "a NaN literal": http_answer(b'{"a": NaN}'),
    "a number beyond all bounds": http_answer(b'{"a": 1e999}'),
    "a number of five thousand digits": http_answer(b'{"a": ' + b"9" * 5000 + b"}"),
    "endless nesting": http_answer(b'{"a": ' + b"[" * 90_000),
    "endless nesting in what nobody asked for": http_answer(b'{"a": 1, "b": ' + b"[" * 45_000 + b"]" * 45_000 + b"}"),
    "bytes that are no text": http_answer(b'{"\xff\xfe": 1}'),
    "a body cut short within JSON": http_answer(b'{"a": 1'),
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a header line of 70 kB": http_answer({}, x_long="x" * 70_000),
    "a redirect to another host": http_answer(b"", 302, location="http://169.254.169.254/latest"),
    "400": http_answer({"detail": "no"}, 400),
    "a complaint of 50 kB": http_answer(b"x" * 50_000, 400),
    "404": http_answer({}, 404),
    "a status from nowhere": http_answer({}, 999),
}


@pytest.mark.parametrize("answer", HOSTILE_ANSWERS.values(), ids=HOSTILE_ANSWERS.keys())
async def test_an_answer_that_will_never_be_usable_is_refused_at_once(bench: Bench, answer: bytes) -> None:
    async with raw_peer(answer) as peer:
        with pytest.raises(PermanentError, match=r"oracle at 127\.0\.0\.1:\d+"):
            await bench.ask(peer.url)

    assert len(peer.requests) == 1
    assert bench.outcomes == ["permanent"]


PASSING_FAULTS = {
    "the connection reset after the request": RESET,
    "the connection closed without an answer": b"",
    "the body cut short": http_answer(b'{"a": 1', content_length="400"),
    "broken compression": http_answer(b"not gzip at all", content_encoding="gzip"),
    "500": http_answer(b"oops", 500),
    "502": http_answer(b"oops", 502),
    "503": http_answer(b"oops", 503),
    "429": http_answer(b"oops", 429),
    "408": http_answer(b"oops", 408),
}


@pytest.mark.parametrize("answer", PASSING_FAULTS.values(), ids=PASSING_FAULTS.keys())
async def test_a_question_is_repeated_after_a_passing_fault(bench: Bench, answer: bytes) -> None:
    async with raw_peer(answer, http_answer({"a": 1})) as peer:
        assert await bench.ask(peer.url) == {"a": 1}

    assert len(peer.requests) == 2
    assert bench.outcomes[-1] == "ok"


async def test_a_question_is_asked_three_times_at_most_with_growing_back_off(bench: Bench) -> None:
    async with raw_peer(http_answer(b"", 503)) as peer:
        with pytest.raises(TransientError, match="503"):
            await bench.ask(peer.url)

    assert len(peer.requests) == 3
    assert bench.clock.slept == [0.1, 0.2]


async def test_duplicate_keys_are_read_as_the_last_one(bench: Bench) -> None:
    async with raw_peer(http_answer(b'{"a": 1, "a": 2}')) as peer:
        assert await bench.ask(peer.url) == {"a": 2}


@pytest.mark.parametrize(
    "answer",
    [
        HANG,
        b"HTTP/1.1 200 OK\r\ncontent-" + HANG,
        http_answer(b'{"a": 1', content_length="400") + HANG,
        http_answer(b"", 400, content_length="400") + HANG,
    ],
    ids=["silence", "a slow header", "a slow body", "a slow complaint"],
)
async def test_the_deadline_is_kept_whatever_hangs(timed: Bench, answer: bytes) -> None:
    began = timed.clock.monotonic()
    async with raw_peer(answer) as peer:
        with pytest.raises(TransientError, match="no answer in time"):
            await timed.ask(peer.url, timeout_seconds=0.2)

    assert 0.15 < timed.clock.monotonic() - began < 1.0
    assert len(peer.requests) == 1


async def test_without_any_time_left_nothing_is_sent(bench: Bench) -> None:
    async with raw_peer(http_answer({})) as peer:
        with pytest.raises(TransientError, match="no time was left"):
            await bench.ask(peer.url, EFFECT, timeout_seconds=0.0)

    assert peer.requests == []


def bomb(megabytes: int) -> bytes:
    """Return that much of nothing in gzip, without ever holding it."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes)) + packer.flush()


def peak_memory_mb(*, from_now_on: bool = False) -> float:
    if from_now_on:
        Path("/proc/self/clear_refs").write_text("5")
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1000


async def test_a_bomb_costs_no_more_memory_than_the_cap_allows(bench: Bench) -> None:
    async with raw_peer(http_answer(bomb(200), content_encoding="gzip")) as peer:
        before = peak_memory_mb(from_now_on=True)
        with pytest.raises(PermanentError, match="larger than 100000 bytes"):
            await bench.ask(peer.url)

    assert peak_memory_mb() - before < 50


async def test_a_large_answer_is_understood_outside_the_loop(bench: Bench) -> None:
    body = {f"k{i}": i for i in range(120_000)}
    async with raw_peer(http_answer(body)) as peer:
        assert await bench.ask(peer.url, body_cap_bytes=8_000_000) == body


async def test_nobody_listening_is_transient_even_for_an_effect_since_nothing_was_sent(bench: Bench) -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        await bench.ask(f"http://127.0.0.1:{free_port()}", EFFECT)

    assert bench.outcomes == ["transient"] * 3, "what never left may be repeated"


async def test_a_name_that_does_not_exist_is_transient(bench: Bench) -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        await bench.ask("http://no-such-host.invalid:9")


LOST_ANSWERS = {
    "reset": RESET,
    "closed": b"",
    "cut short": http_answer(b'{"a": 1', content_length="400"),
    "no JSON": http_answer(b"done!", 201),
    "wrong type": http_answer(b"{}", 201, content_type="text/html"),
    "too large": http_answer(b" " * (CAP + 1)),
    "no HTTP": b"hello\r\n\r\n",
    "500": http_answer(b"", 500),
    "502": http_answer(b"", 502),
    "504": http_answer(b"", 504),
}


@pytest.mark.parametrize("answer", LOST_ANSWERS.values(), ids=LOST_ANSWERS.keys())
async def test_an_effect_whose_answer_is_lost_is_uncertain_and_never_repeated(bench: Bench, answer: bytes) -> None:
    async with raw_peer(answer, http_answer({"a": 1})) as peer:
        with pytest.raises(UncertainError):
            await bench.ask(peer.url, EFFECT)

    assert len(peer.requests) == 1
    assert bench.outcomes == ["uncertain"]


async def test_an_effect_that_hangs_is_uncertain_at_its_deadline(timed: Bench) -> None:
    async with raw_peer(HANG) as peer:
        with pytest.raises(UncertainError, match="may have been received"):
            await timed.ask(peer.url, EFFECT, timeout_seconds=0.2)

    assert len(peer.requests) == 1


async def test_an_idempotent_effect_is_repeated_after_a_lost_answer(bench: Bench) -> None:
    async with raw_peer(RESET, http_answer({"a": 1})) as peer:
        assert await bench.ask(peer.url, SAFE_EFFECT) == {"a": 1}

    assert len(peer.requests) == 2


async def test_a_doubt_survives_later_attempts_that_had_no_effect(bench: Bench) -> None:
    async with raw_peer(RESET, http_answer(b"", 503)) as peer:
        with pytest.raises(UncertainError):
            await bench.ask(peer.url, SAFE_EFFECT)

    assert bench.outcomes == ["uncertain", "transient", "transient"]


async def test_an_effect_refused_for_now_may_be_repeated(bench: Bench) -> None:
    async with raw_peer(http_answer(b"", 503, retry_after="1"), http_answer({"a": 1})) as peer:
        assert await bench.ask(peer.url, EFFECT) == {"a": 1}

    assert bench.clock.slept == [1.1]


@pytest.mark.parametrize(("request_", "connections"), [(ASK, 1), (EFFECT, 3)])
async def test_questions_share_a_connection_and_every_effect_has_its_own(
    bench: Bench, request_: Request, connections: int
) -> None:
    seen: set[object] = set()

    async def answer(request: web.Request) -> web.Response:
        seen.add(request.transport.get_extra_info("peername"))
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{anything}", answer)
    async with TestServer(app) as server:
        for _ in range(3):
            await bench.ask(str(server.make_url("/")), request_)

    assert len(seen) == connections


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("1.5", 1.5),
        ("86400", 300.0),
        ("9" * 400, 300.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 00:00:30", 30.0),
        ("Wed, 01 Jan 2020 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2099 00:00:00 GMT", 300.0),
        ("soon", None),
        ("NaN", None),
        ("", None),
        ("Thu, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_read_and_clamped(bench: Bench, header: str, told: float | None, status: int) -> None:
    async with raw_peer(http_answer(b"", status, retry_after=header)) as peer:
        with pytest.raises(TransientError) as caught:
            await bench.ask(peer.url, attempts=1)

    assert caught.value.retry_after_seconds == told


async def test_a_wait_beyond_the_deadline_is_not_begun(bench: Bench) -> None:
    async with raw_peer(http_answer(b"", 503, retry_after="60")) as peer:
        with pytest.raises(TransientError) as caught:
            await bench.ask(peer.url, timeout_seconds=5.0)

    assert caught.value.retry_after_seconds == 60.0
    assert len(peer.requests) == 1
    assert bench.clock.slept == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http_answer({"title": "conflict"}, 409), ConflictError),
        (http_answer({"title": "conflict"}, 409, retry_after="1"), TransientError),
        (http_answer({"type": "https://charter/problems/key-in-flight"}, 409), TransientError),
        (http_answer({"title": "Key in flight"}, 409), TransientError),
        (http_answer({"current_epoch": 9}, 412), FencedError),
        (http_answer({"detail": [{"field": "kind"}]}, 422), PermanentError),
        (http_answer(b"", 401), PermanentError),
        (http_answer(b"", 501), PermanentError),
        (http_answer(b"", 301, location="/elsewhere"), PermanentError),
    ],
)
async def test_a_refused_effect_says_what_to_do(bench: Bench, answer: bytes, kind: type[MapeKError]) -> None:
    async with raw_peer(answer) as peer:
        with pytest.raises(MapeKError) as caught:
            await bench.ask(peer.url, EFFECT, attempts=1)

    assert type(caught.value) is kind or (kind is PermanentError and isinstance(caught.value, kind))


@pytest.mark.parametrize(
    ("body", "epoch"),
    [({"current_epoch": 9}, 9), ({"current_epoch": "9"}, None), ({"current_epoch": 2**64}, None), (b"nine", None)],
)
async def test_a_stale_epoch_is_told_with_the_current_one_where_it_is_a_number(
    bench: Bench, body: object, epoch: int | None
) -> None:
    async with raw_peer(http_answer(body, 412)) as peer:
        with pytest.raises(FencedError) as caught:
            await bench.ask(peer.url, EFFECT)

    assert caught.value.current_epoch == epoch
    assert bench.outcomes == ["fenced"]


async def test_a_complaint_is_quoted_on_one_line_and_cut(bench: Bench) -> None:
    said = "no\r\n\x1b[2J\u202e" + "x" * 5_000
    async with raw_peer(http_answer({"errorType": "bad_data", "error": said}, 400)) as peer:
        with pytest.raises(PermanentError) as caught:
            await bench.ask(peer.url)

    message = str(caught.value)
    assert "bad_data: no" in message
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize(
    "answer",
    [
        http_answer(b"you sent Bearer s3cr3t-canary", 401),
        http_answer({"detail": "token s3cr3t-canary is not known"}, 403),
        b"HTTP/1.1 s3cr3t-canary\r\n\r\n",
        RESET,
        http_answer(b"", 302, location="http://elsewhere/?token=s3cr3t-canary"),
    ],
)
async def test_the_token_is_sent_and_never_told(bench: Bench, answer: bytes) -> None:
    async with raw_peer(answer) as peer:
        with pytest.raises(MapeKError) as caught:
            await bench.ask(peer.url, token=lambda: "s3cr3t-canary")

    assert b"authorization: bearer s3cr3t-canary" in peer.requests[0].lower()
    assert "s3cr3t-canary" not in f"{caught.value} {caught.value!r}"
    assert caught.value.__cause__ is None


async def test_a_redirect_never_carries_the_token_elsewhere(bench: Bench) -> None:
    async with raw_peer(http_answer({})) as thief, raw_peer(http_answer(b"", 307, location=thief.url)) as peer:
        with pytest.raises(PermanentError, match="redirects are not followed"):
            await bench.ask(peer.url, token=lambda: "s3cr3t")

    assert thief.requests == []


async def test_a_proxy_of_the_environment_is_ignored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    async with raw_peer(http_answer({"a": 1})) as peer:
        assert await bench.ask(peer.url) == {"a": 1}


async def test_cookies_are_not_kept(bench: Bench) -> None:
    async with raw_peer(http_answer({}, set_cookie="id=1; Path=/")) as peer:
        await bench.ask(peer.url)
        await bench.ask(peer.url)

    assert b"cookie" not in peer.requests[1].lower()


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "é", "\0", "x" * 5000])
async def test_a_header_that_would_break_out_is_never_sent(bench: Bench, value: str) -> None:
    request = Request(path="effects", method="POST", body=b"{}", headers={"Idempotency-Key": value}, changes_world=True)
    async with raw_peer(http_answer({})) as peer:
        with pytest.raises(PermanentError, match="Idempotency-Key"):
            await bench.ask(peer.url, request)

    assert peer.requests == []


async def test_a_token_with_a_line_break_is_refused_without_being_shown(bench: Bench) -> None:
    async with raw_peer(http_answer({})) as peer:
        with pytest.raises(PermanentError, match="Authorization") as caught:
            await bench.ask(peer.url, token=lambda: "s3cr3t\n")

    assert "s3cr3t" not in str(caught.value)
    assert peer.requests == []


async def test_text_that_cannot_be_encoded_is_refused(bench: Bench) -> None:
    async with raw_peer(http_answer({})) as peer:
        with pytest.raises(PermanentError, match="cannot be asked"):
            await bench.ask(peer.url, Request(path="facts", params=[("query", "\ud800")]))

    assert peer.requests == []


async def test_a_host_name_that_cannot_be_encoded_is_refused_before_an_effect_is_sent(bench: Bench) -> None:
    with pytest.raises(PermanentError, match="cannot be asked"):
        await bench.ask(f"http://{'a' * 70}.example", EFFECT)


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("localhost:9090", None),
        ("ftp://localhost", None),
        ("http://", None),
        ("", None),
        ("http://h:99999", None),
        ("http://h/?q=1", None),
        ("http://h/#here", None),
        ("http://u:s3cr3t@h/", lambda: "t"),
        ("http://u:s3cr3t@h/?q=1", None),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_at_start(url: str, token: Any) -> None:
    http = HttpSession(clock=StandingClock(), jitter=lambda: 0.0)

    with pytest.raises(ConfigError, match="oracle") as caught:
        http.peer("oracle", url, body_cap_bytes=CAP, token=token)

    assert "s3cr3t" not in str(caught.value)


async def test_a_user_in_the_address_is_sent_and_never_told(bench: Bench) -> None:
    async with raw_peer(http_answer(b"who is me:s3cr3t?", 403)) as peer:
        with pytest.raises(PermanentError) as caught:
            await bench.ask(peer.url.replace("//", "//me:s3cr3t@"))

    assert b"authorization: basic" in peer.requests[0].lower()
    assert "s3cr3t" not in str(caught.value)


async def test_asking_before_the_session_is_open_is_a_mistake_of_ours() -> None:
    http = HttpSession(clock=StandingClock(), jitter=lambda: 0.0)
    peer = http.peer("oracle", "http://127.0.0.1:1", body_cap_bytes=CAP)

    with pytest.raises(RuntimeError, match="not open"):
        await peer.ask(ASK, understand, timeout_seconds=1.0)


async def test_back_off_is_spread_by_the_jitter() -> None:
    for jitter, waits in ((0.0, [0.05, 0.1]), (0.9, [0.14, 0.28])):
        clock = StandingClock()
        async with HttpSession(clock=clock, jitter=lambda jitter=jitter: jitter) as http:
            peer = http.peer("oracle", f"http://127.0.0.1:{free_port()}", body_cap_bytes=CAP)
            with pytest.raises(TransientError):
                await peer.ask(ASK, understand, timeout_seconds=5.0)
        assert [round(wait, 6) for wait in clock.slept] == waits


def test_no_two_hostile_answers_are_the_same() -> None:
    assert all(a != b for a, b in itertools.combinations(HOSTILE_ANSWERS.values(), 2))
