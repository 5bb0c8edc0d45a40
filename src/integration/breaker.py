"""How patient to be with a peer: a circuit breaker against one that is gone, a budget for asking again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from mape_k.errors import TransientError
from mape_k.ports import Clock

FAILURES_TO_OPEN = 5
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
_DOUBLINGS = 16

RETRY_SHARE = 0.1
RETRIES_AT_REST = 10.0
RETRIES_PER_SECOND = 0.1


class Circuit(StrEnum):
    """Whether a peer is asked: yes; once, to see whether it is back; not for a while."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class CircuitOpenError(TransientError):
    """The peer was not asked: it failed too often just now."""


class Breaker:
    """Leaves a peer alone that gave no answer several times in a row, and asks once whether it is back.

    Only silence counts: any answer, a refusal too, closes it. While one caller asks whether the peer is back, the
    others wait for what he learns, so that its return costs nobody an answer.

    Args:
        clock: measures the pauses.
        jitter: returns numbers in [0, 1); a pause is shortened by up to half, so that peers are not asked in step.
        longest_pause_seconds: pauses double up to this; below the interval of the loop, so that each cycle asks.
    """

    def __init__(
        self, *, clock: Clock, jitter: Callable[[], float], longest_pause_seconds: float = LONGEST_PAUSE_SECONDS
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._longest = longest_pause_seconds
        self._failures = 0
        self._pauses = 0
        self._open_until = 0.0
        self._probe: asyncio.Event | None = None

    @property
    def circuit(self) -> Circuit:
        """Where it stands at this moment."""
        if self._failures < FAILURES_TO_OPEN:
            return Circuit.CLOSED
        return Circuit.OPEN if self._clock.monotonic() < self._open_until else Circuit.HALF_OPEN

    @asynccontextmanager
    async def asking(self, peer: str, timeout_seconds: float) -> AsyncIterator[None]:
        """Let one question through, or not; :meth:`answered` and :meth:`unanswered` tell what came of it.

        Raises:
            CircuitOpenError: the peer is left alone for a while, or somebody else asks first and learns nothing.
        """
        await self._await_probe(peer, timeout_seconds)
        if self.circuit is Circuit.OPEN:
            left = self._open_until - self._clock.monotonic()
            raise CircuitOpenError(f"{peer} gave no answer {self._failures} times; it is left alone for {left:.1f} s")
        probe = self._probe = asyncio.Event() if self.circuit is Circuit.HALF_OPEN else None
        try:
            yield
        finally:
            if probe:
                self._probe = None
                probe.set()

    async def _await_probe(self, peer: str, timeout_seconds: float) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                while self.circuit is Circuit.HALF_OPEN and self._probe:
                    await self._probe.wait()
        except TimeoutError:
            raise CircuitOpenError(f"{peer} is being asked whether it is back; nothing came in time") from None

    def answered(self) -> None:
        """The peer is there."""
        self._failures = self._pauses = 0

    def unanswered(self) -> None:
        """Nothing came, or not in time; the pause begins with the failure that opens it, or with a failed probe."""
        was = self.circuit
        self._failures += 1
        if self.circuit is Circuit.HALF_OPEN and was is not Circuit.OPEN:
            pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._pauses, _DOUBLINGS), self._longest)
            self._open_until = self._clock.monotonic() + pause * (1 - self._jitter() / 2)
            self._pauses += 1


@dataclass(slots=True)
class RetryBudget:
    """Asking again may make up a tenth of all questions; a few are free, so that a quiet caller may ask again too."""

    clock: Clock
    left: float = RETRIES_AT_REST
    counted_at: float = 0.0

    def __post_init__(self) -> None:
        self.counted_at = self.clock.monotonic()

    def asked(self) -> None:
        """Count a question; ten of them allow one more repetition."""
        now = self.clock.monotonic()
        earned = RETRY_SHARE + RETRIES_PER_SECOND * (now - self.counted_at)
        self.left, self.counted_at = min(RETRIES_AT_REST, self.left + earned), now

    def take(self) -> bool:
        """Take one repetition, if there is one left."""
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True
