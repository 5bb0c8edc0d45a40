"""A flood of webhooks into the daemon, against the barest receiver that keeps the same promise.

Both answer only what is on disk, on the same disk and in the same run, in turns, so that a busy machine slows both.
Then more webhooks at once than the daemon takes: the rest must be told to come again. At last the daemon is killed,
and every alert that it acknowledged must be in its file.
"""

import asyncio
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from door.crowd import ALERTS, Answered, fingerprints, knock
from door.servers import TOKEN, Server, bare_receiver, daemon
from frame.figures import Limit, Measured, quantile, run

CONNECTIONS = 64
CROWD = 600
LIMITS = {
    "rate_ratio": Limit(at_least=0.8),
    "p99_ratio": Limit(at_most=1.5),
    "server_cpu_seconds_per_1000": Limit(at_most=2.0),
    "lost": Limit(at_most=0),
    "overload_status": Limit(at_least=503, at_most=503),
}


async def measure(scratch: Path, quick: bool) -> Measured:
    """Return the figures of four rounds of four seconds each when quick, of ten rounds of twenty when not."""
    rounds, seconds = (4, 4.0) if quick else (10, 20.0)
    numbers = itertools.count()
    async with bare_receiver(scratch) as bare, daemon(scratch) as ours:
        for server in (bare, ours):
            await _flood(server, numbers, 1.0)
        cpu = ours.cpu_seconds()
        pairs = [(await _flood(bare, numbers, seconds), await _flood(ours, numbers, seconds)) for _ in range(rounds)]
        cpu = ours.cpu_seconds() - cpu
        crowd = await knock(ours.port, TOKEN, numbers, connections=CROWD, seconds=2.0)
        await ours.kill()
        taken = [each for _, each in pairs] + [crowd]
        acknowledged = [number for each in taken for number in each.acknowledged]
        lost = await asyncio.to_thread(_lost, ours, acknowledged)
    return _measured(pairs, crowd, cpu, lost, len(acknowledged))


async def _flood(server: Server, numbers: Iterator[int], seconds: float) -> Answered:
    return await knock(server.port, TOKEN, numbers, connections=CONNECTIONS, seconds=seconds)


def _lost(server: Server, acknowledged: list[int]) -> int:
    kept = server.kept()
    return sum(fingerprint not in kept for number in acknowledged for fingerprint in fingerprints(number))


def _measured(
    pairs: list[tuple[Answered, Answered]], crowd: Answered, cpu: float, lost: int, acknowledged: int
) -> Measured:
    bare, ours = zip(*pairs, strict=True)
    bare_p99, p99 = (median(quantile(each.seconds, 0.99) or 0.0 for each in side) for side in (bare, ours))
    answered = sum(len(each.acknowledged) for each in ours)
    refused = sorted(status for status in crowd.statuses if status != 202)
    alerts = acknowledged * ALERTS
    return Measured(
        figures={
            "rate_ratio": round(median(mine.rate / theirs.rate for theirs, mine in pairs), 3),
            "p99_ratio": round(p99 / bare_p99, 3),
            "server_cpu_seconds_per_1000": round(cpu / answered * 1000, 3),
            "lost": lost,
            "overload_status": refused[-1] if refused else None,
        },
        conditions={
            "webhooks_per_second": round(median(each.rate for each in ours)),
            "bare_webhooks_per_second": round(median(each.rate for each in bare)),
            "p99_seconds": round(p99, 4),
            "bare_p99_seconds": round(bare_p99, 4),
            "rounds": len(pairs),
            "connections": CONNECTIONS,
            "alerts_in_a_webhook": ALERTS,
            "alerts_acknowledged": alerts,
            "lost_at_most_share_95": 3 / alerts,
            "crowd": {str(status): count for status, count in sorted(crowd.statuses.items())},
        },
    )


if __name__ == "__main__":
    sys.exit(run(__doc__, LIMITS, measure, quick="4 rounds of 4 s instead of 10 rounds of 20 s"))
