"""The machine's clock: the one place that asks it."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Satisfies :class:`mape_k.ports.Clock`."""

    def now(self) -> datetime:
        """Return the wall clock, aware, UTC."""
        return datetime.now(UTC)  # noqa: TID251 - everybody else is given this object

    def monotonic(self) -> float:
        """Return seconds since some moment, never going back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
