"""A peer that gives no answer is left alone, and asked again soon enough; asking again stays a small share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from fakes_peers import StandingClock
from integration.breaker import FAILURES_TO_OPEN, Breaker, Circuit, CircuitOpenError, RetryBudget
from integration.clock import SystemClock
from integration.http import HttpSession, Peer, Request
from mape_k.errors import MapeKError, TransientError, UncertainError
from raw_peer import HANG, RESET, RawPeer, http_answer, raw_peer

ASK = Request(path="facts", method="POST")  # of a GET, aiohttp itself repeats what was reset
EFFECT = Request(path="effects", method="POST", body=b"{}", changes_world=True, is_idempotent=False)
GOOD = http_answer({})
SILENCES = (RESET,) * FAILURES_TO_OPEN


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def http(clock: StandingClock) -> AsyncIterator[HttpSession]:
    async with HttpSession(clock=clock, jitter=lambda: 0.0, longest_pause_seconds=8.0) as session:
        yield session


def a_peer(http: HttpSession, peer: RawPeer, attempts: int = 1) -> Peer:
    return http.peer("oracle", peer.url, body_cap_bytes=1000, attempts=attempts)


async def ask(peer: Peer, request: Request = ASK, timeout_seconds: float = 5.0) -> Any:
    return await peer.ask(request, lambda answer: answer.status, timeout_seconds=timeout_seconds)


async def asked_until_open(peer: Peer) -> None:
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(TransientError):
            await ask(peer)


async def test_a_peer_that_is_silent_five_times_is_not_asked_for_a_while(http: HttpSession) -> None:
    async with raw_peer(RESET) as raw:
        peer = a_peer(http, raw)
        await asked_until_open(peer)
        with pytest.raises(CircuitOpenError, match=r"gave no answer 5 times; it is left alone for 1\.0 s"):
            await ask(peer)

    assert len(raw.requests) == FAILURES_TO_OPEN
    assert http.circuits() == {"oracle": Circuit.OPEN}


async def test_an_effect_that_is_not_sent_because_of_that_is_not_in_doubt(http: HttpSession) -> None:
    async with raw_peer(*SILENCES) as raw:
        peer = a_peer(http, raw)
        await asked_until_open(peer)
        with pytest.raises(CircuitOpenError):
            await ask(peer, EFFECT)


async def test_a_doubt_about_an_effect_survives_that_it_may_not_be_asked_again(http: HttpSession) -> None:
    async with raw_peer(*SILENCES, GOOD) as raw:
        peer = a_peer(http, raw, attempts=9)
        with pytest.raises(UncertainError):
            await ask(peer, Request(path="effects", method="POST", body=b"{}", changes_world=True))

    assert len(raw.requests) == FAILURES_TO_OPEN


@pytest.mark.parametrize("status", [400, 404, 409, 429, 500, 503])
async def test_a_peer_that_refuses_is_there_and_is_asked_on(http: HttpSession, status: int) -> None:
    async with raw_peer(http_answer(b"", status)) as raw:
        peer = a_peer(http, raw)
        for _ in range(3 * FAILURES_TO_OPEN):
            with pytest.raises(MapeKError):
                await ask(peer)

    assert len(raw.requests) == 3 * FAILURES_TO_OPEN
    assert http.circuits() == {"oracle": Circuit.CLOSED}


async def test_an_answer_in_between_begins_the_count_anew(http: HttpSession) -> None:
    almost = (RESET,) * (FAILURES_TO_OPEN - 1)
    async with raw_peer(*almost, GOOD, *almost, GOOD) as raw:
        peer = a_peer(http, raw)
        for _ in range(2 * FAILURES_TO_OPEN):
            with suppress(TransientError):
                await ask(peer)

    assert len(raw.requests) == 2 * FAILURES_TO_OPEN


async def test_one_question_finds_out_that_it_is_back_and_the_others_wait_for_that(
    http: HttpSession, clock: StandingClock
) -> None:
    async with raw_peer(*SILENCES, GOOD) as raw:
        peer = a_peer(http, raw)
        await asked_until_open(peer)
        clock.seconds += 1.0
        assert http.circuits() == {"oracle": Circuit.HALF_OPEN}
        answers = await asyncio.gather(*(ask(peer) for _ in range(20)))

    assert answers == [200] * 20
    assert http.circuits() == {"oracle": Circuit.CLOSED}


async def test_one_question_finds_out_that_it_is_still_gone_and_the_others_are_not_sent(
    http: HttpSession, clock: StandingClock
) -> None:
    async with raw_peer(RESET) as raw:
        peer = a_peer(http, raw)
        await asked_until_open(peer)
        clock.seconds += 1.0
        outcomes = await asyncio.gather(*(ask(peer) for _ in range(20)), return_exceptions=True)

    assert len(raw.requests) == FAILURES_TO_OPEN + 1
    assert sum(isinstance(outcome, CircuitOpenError) for outcome in outcomes) == 19


async def test_pauses_double_up_to_the_longest(http: HttpSession, clock: StandingClock) -> None:
    pauses = []
    async with raw_peer(RESET) as raw:
        peer = a_peer(http, raw)
        await asked_until_open(peer)
        for _ in range(6):
            began = clock.seconds
            while http.circuits()["oracle"] is Circuit.OPEN:
                clock.seconds += 0.5
            pauses.append(clock.seconds - began)
            with pytest.raises(TransientError):
                await ask(peer)

    assert pauses == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


async def test_who_waits_for_another_keeps_his_own_deadline() -> None:
    async with (
        raw_peer(*SILENCES, HANG) as raw,
        HttpSession(clock=SystemClock(), jitter=lambda: 0.0, longest_pause_seconds=0.01) as http,
    ):
        peer = a_peer(http, raw)
        await asked_until_open(peer)
        await SystemClock().sleep(0.02)
        first = asyncio.create_task(ask(peer, timeout_seconds=0.5))
        await asyncio.sleep(0)
        with pytest.raises(CircuitOpenError, match="nothing came in time"):
            await ask(peer, timeout_seconds=0.05)
        with pytest.raises(TransientError, match="no answer in time"):
            await first


async def test_a_question_that_is_cut_lets_the_next_one_find_out(clock: StandingClock) -> None:
    breaker = Breaker(clock=clock, jitter=lambda: 0.0)
    for _ in range(FAILURES_TO_OPEN):
        breaker.unanswered()
    clock.seconds += 1.0
    with pytest.raises(asyncio.CancelledError):
        async with breaker.asking("oracle", 1.0):
            raise asyncio.CancelledError
    async with breaker.asking("oracle", 1.0):
        breaker.answered()

    assert breaker.circuit is Circuit.CLOSED


def test_a_pause_is_shortened_by_jitter_so_that_peers_are_not_asked_in_step(clock: StandingClock) -> None:
    breaker = Breaker(clock=clock, jitter=lambda: 0.5)
    for _ in range(FAILURES_TO_OPEN):
        breaker.unanswered()
    clock.seconds = 0.74
    assert breaker.circuit is Circuit.OPEN
    clock.seconds = 0.75
    assert breaker.circuit is Circuit.HALF_OPEN


def test_a_peer_that_is_gone_for_a_year_is_still_asked(clock: StandingClock) -> None:
    breaker = Breaker(clock=clock, jitter=lambda: 0.0)
    for _ in range(FAILURES_TO_OPEN + 10_000):
        breaker.unanswered()
        clock.seconds += 60.0

    assert breaker.circuit is Circuit.HALF_OPEN


async def test_with_pauses_below_the_interval_every_cycle_asks_a_peer_that_is_gone(
    http: HttpSession, clock: StandingClock
) -> None:
    async with raw_peer(*(RESET,) * 12, GOOD) as raw:
        peer = a_peer(http, raw)
        outcomes = []
        for _cycle in range(13):
            with suppress(TransientError):
                outcomes.append(await ask(peer))
            clock.seconds += 10.0

    assert outcomes == [200], "the first cycle after its return saw it"


async def test_of_a_cluster_the_best_member_is_told(http: HttpSession) -> None:
    async with raw_peer(RESET) as gone, raw_peer(GOOD) as well:
        first, _second = a_peer(http, gone), a_peer(http, well)
        await asked_until_open(first)

    assert http.circuits() == {"oracle": Circuit.CLOSED}


async def test_asking_again_makes_up_a_tenth_of_all_questions() -> None:
    starved: list[str] = []
    async with (
        raw_peer(http_answer(b"", 503)) as raw,
        HttpSession(clock=_Stopped(), jitter=lambda: 0.5, not_repeated=starved.append) as http,
    ):
        peer = a_peer(http, raw, attempts=3)
        for _ in range(200):
            with pytest.raises(TransientError):
                await ask(peer)

    assert 215 <= len(raw.requests) <= 200 + 20 + 10
    assert set(starved) == {"oracle"}


class _Stopped(StandingClock):
    """Not even sleeping takes time."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_a_quiet_caller_may_ask_again_after_a_rest(clock: StandingClock) -> None:
    budget = RetryBudget(clock)
    while budget.take():
        pass
    clock.seconds += 10.0
    budget.asked()

    assert (budget.take(), budget.take()) == (True, False)
