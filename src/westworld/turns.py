"""Policy requests are taken one after the other, each key at most once at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from westworld.problems import Refusal, overloaded

_MOST_WAITING = 200


class Turns:
    """Lets one request in at a time, and refuses instead of queueing without bound."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._keys: set[str] = set()
        self._waiting = 0

    @asynccontextmanager
    async def turn(self, key: str | None) -> AsyncIterator[None]:
        """Wait for the turn of one request.

        Raises:
            Refusal: 409, a request with this key is in flight; 503, too many are waiting.
        """
        if key is not None and key in self._keys:
            raise Refusal(409, "a request with this Idempotency-Key is in flight; ask again for its answer")
        if self._waiting >= _MOST_WAITING:
            raise overloaded("too many policy requests are waiting")
        self._keys |= {key} if key is not None else set()
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                yield
        finally:
            self._waiting -= 1
            self._keys.discard(key or "")
