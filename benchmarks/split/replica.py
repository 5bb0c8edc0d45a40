"""The real daemon with two points at which it can be stopped: ``python -m split.replica``.

Told by the environment: ``SPLIT_STOP`` and ``SPLIT_HANG`` name files; where the first one appears, the process stops
itself between the last look at its lease and the sending of a request; while the second one is there, no look at the
world ends. ``SPLIT_PLANT`` names a bug.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from integration.answers import Answer
from integration.http import Peer, Request
from mape_k.main import run
from mape_k.monitor import Monitor
from mape_k.settings import load_settings
from split.plants import PLANTS

LONGER_THAN_A_CYCLE_SECONDS = 60.0


def main() -> int:
    """Run the daemon."""
    told = {name: os.environ.pop(name, "") for name in ("SPLIT_STOP", "SPLIT_HANG", "SPLIT_PLANT", "SPLIT_SKEW")}
    Peer._exchange = _stopping(Peer._exchange, Path(told["SPLIT_STOP"]))  # noqa: SLF001 - there is no door
    Monitor.observe = _hanging(Monitor.observe, Path(told["SPLIT_HANG"]))
    if told["SPLIT_PLANT"]:
        PLANTS[told["SPLIT_PLANT"]].plant(float(told["SPLIT_SKEW"]))
    return run(load_settings(os.environ))


def _stopping(original: Callable[..., Awaitable[Answer]], armed: Path) -> Callable[..., Awaitable[Answer]]:
    def stop_when_told() -> None:
        if armed.exists():
            armed.unlink()
            os.kill(os.getpid(), signal.SIGSTOP)

    async def exchange(self: Peer, request: Request, sending: object) -> Answer:
        if request.changes_world:
            stop_when_told()
        return await original(self, request, sending)

    return exchange


def _hanging(original: Callable[..., Awaitable[Any]], armed: Path) -> Callable[..., Awaitable[Any]]:
    async def observe(self: Monitor, *told: Any) -> Any:  # noqa: ANN401
        if os.access(armed, os.F_OK):
            await asyncio.sleep(LONGER_THAN_A_CYCLE_SECONDS)
        return await original(self, *told)

    return observe


if __name__ == "__main__":
    sys.exit(main())
