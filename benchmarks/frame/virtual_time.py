"""An event loop whose time jumps to the next timer as soon as nothing else is left to do: days pass in seconds."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
"""The wall clock when a virtual day begins: a Monday."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time passes by timers alone; what threads do takes none of it, as long as :meth:`standing_still` says so."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0
        self._awaited = 0

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._seconds

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Keep the time while another thread is waited for."""
        self._awaited += 1
        try:
            yield
        finally:
            self._awaited -= 1

    def run_in_executor(
        self,
        executor: object,  # noqa: ARG002 - its threads would only take turns with this one
        func: Callable[..., Any],
        *args: Any,  # noqa: ANN401 - as in the class above
    ) -> asyncio.Future[Any]:
        """Run a function here and now."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to who awaits
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        due = [timer.when() for timer in self._scheduled if not timer.cancelled()]
        if due and not self._ready and not self._awaited:
            self._seconds = max(self._seconds, min(due))
        super()._run_once()


class VirtualClock:
    """The time of a loop, for any thread."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self.loop = loop

    def now(self) -> datetime:
        """Return the wall clock."""
        return START + timedelta(seconds=self.loop.time())

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self.loop.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def until(self, seconds: float) -> None:
        """Wait until so many seconds have passed since the beginning."""
        await asyncio.sleep(max(0.0, seconds - self.monotonic()))
