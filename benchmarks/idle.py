"""What the daemon costs while nothing is wrong: processor time of one cycle, and memory.

The real daemon with the shipped packs in their true durations, beside a real Prometheus that also scrapes it, a real
Alertmanager and the reference Charter. The time between two cycles is shorter than the shipped half minute, so that
many fit into a trial; what happens between them is counted in. Memory is that of the first start on an empty folder.
"""

import asyncio
import sys
from pathlib import Path

from frame.figures import Limit, Measured, quantile, run
from frame.local_stack import LocalStack, local_stack

LIMITS = {"cpu_seconds_per_cycle": Limit(at_most=0.3), "rss_mb": Limit(at_most=128)}
AIMED_RSS_MB = 80
WARM_UP_CYCLES = 3


async def measure(scratch: Path, quick: bool) -> Measured:
    """Return the figures of 15 cycles two seconds apart when quick, of 60 cycles five seconds apart when not."""
    interval, wanted = (2.0, 15) if quick else (5.0, 60)
    async with local_stack(scratch, interval=interval) as stack:
        await cycles_reach(stack, WARM_UP_CYCLES, interval)
        begun, cpu = len(await stack.cycle_seconds()), stack.cpu_seconds("daemon")
        await asyncio.sleep(interval * wanted)
        cpu, seconds = stack.cpu_seconds("daemon") - cpu, await stack.cycle_seconds()
        rss = stack.rss_mb("daemon")
    counted = len(seconds) - begun
    return Measured(
        figures={"cpu_seconds_per_cycle": round(cpu / counted, 4), "rss_mb": rss},
        conditions={
            "cycles": counted,
            "interval_seconds": interval,
            "cycle_p50_seconds": quantile(seconds[:counted], 0.5),
            "aimed_rss_mb": AIMED_RSS_MB,
        },
    )


async def cycles_reach(stack: LocalStack, count: int, interval: float) -> None:
    """Wait until so many cycles have ended.

    Raises:
        RuntimeError: they took longer than ten times what they should.
    """
    for _ in range(20 * count):
        if len(await stack.cycle_seconds()) >= count:
            return
        await asyncio.sleep(interval / 2)
    raise RuntimeError(f"no {count} cycles within {10 * count * interval:g} s")


if __name__ == "__main__":
    sys.exit(run(__doc__, LIMITS, measure, quick="15 cycles instead of 60"))
