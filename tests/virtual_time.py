"""An event loop whose time jumps to the next timer as soon as nothing else is left to do: hours pass in no time."""

import asyncio
from datetime import datetime, timedelta

from builders import NOON


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For tests without sockets and threads."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0

    def time(self) -> float:
        return self._seconds

    def _run_once(self) -> None:
        due = [timer.when() for timer in self._scheduled if not timer.cancelled()]
        if due and not self._ready:
            self._seconds = max(self._seconds, min(due))
        super()._run_once()


class VirtualClock:
    """The time of the running loop, from noon on; ``skew`` sets the wall clock forth or back."""

    def __init__(self) -> None:
        self.skew = timedelta(0)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic()) + self.skew

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
