"""A flood of webhooks into the daemon, against the barest receiver that keeps the same promise.

Both answer only what is on disk, on the same disk and in the same run, in short turns, so that a busy machine slows
both. Then more webhooks at once than the daemon takes: the rest must be told to come again. In the midst of them the
daemon is killed and started again, what it had not answered is repeated, as Alertmanager does, and it is killed again.
Every alert that it ever acknowledged must be in its file.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from door.crowd import ALERTS, Answered, fingerprints, knock
from door.planted import PLANTS
from door.servers import TOKEN, Server, bare_receiver, daemon
from frame.figures import Limit, Measured, options_of, quantile, tell
from mape_k.knowledge.notices import MOST_ROWS

CONNECTIONS = 64
CROWD = 600
SLICE_SECONDS = 1.0
QUICK_SLICES, SLICES, PLANTED_SLICES = 14, 100, 1
CROWD_SECONDS = 1.5
JUDGED = MOST_ROWS * 9 // 10 // ALERTS
"""Of so many webhooks, the last ones, every alert must still be there; more rows are not kept by design."""
LIMITS = {
    "rate_ratio": Limit(at_least=0.8),
    "p99_ratio": Limit(at_most=1.5),
    "server_cpu_seconds_per_1000": Limit(at_most=2.0),
    "lost": Limit(at_most=0),
    "overload_status": Limit(at_least=503, at_most=503),
}


def main() -> int:
    """Run the benchmark; return 0 when every figure holds."""
    parser = options_of(__doc__, quick=f"{QUICK_SLICES} slices of a second for each, in place of {SLICES}")
    parser.add_argument("--plant", metavar="BUG", choices=PLANTS, help="plant a bug: alerts must be found lost")
    parser.add_argument("--list-plants", action="store_true", help="list the bugs and end")
    options = parser.parse_args()
    if options.list_plants:
        print("\n".join(f"{name:28} {meaning}" for name, (meaning, _) in PLANTS.items()))
        return 0
    with tempfile.TemporaryDirectory(prefix="mape-k-benchmark-", dir=_on_disk()) as scratch:
        measured = asyncio.run(measure(Path(scratch), _slices(options), options.plant))
    limits = {"lost": LIMITS["lost"]} if options.plant else LIMITS
    return tell(measured, limits, as_json=options.json)


def _slices(options: argparse.Namespace) -> int:
    return PLANTED_SLICES if options.plant else QUICK_SLICES if options.quick else SLICES


def _on_disk() -> str:
    """Return a folder that no machine keeps in memory, as it may do with the usual one."""
    return "/var/tmp"  # noqa: S108 - made unguessable below it


async def measure(scratch: Path, slices: int, plant: str | None) -> Measured:
    """Return the figures of so many slices for each of the two."""
    numbers = itertools.count()
    async with bare_receiver(scratch) as bare, daemon(scratch, plant) as ours:
        for server in (bare, ours):
            await _flood(server, numbers)
        cpu = [server.cpu_seconds() for server in (bare, ours)]
        pairs = [await _pair(bare, ours, numbers, is_swapped=bool(turn % 2)) for turn in range(slices)]
        cpu = [server.cpu_seconds() - before for server, before in zip((bare, ours), cpu, strict=True)]
        crowd = await _crowd(ours, numbers)
    async with daemon(scratch, plant) as again:
        repeated = await knock(again.port, TOKEN, iter(crowd.cut), connections=CONNECTIONS, seconds=60.0)
        await again.kill()
    taken = [each for _, each in pairs] + [crowd, repeated]
    acknowledged = [number for each in taken for number in each.acknowledged][-JUDGED:]
    lost = await asyncio.to_thread(_lost, again, acknowledged)
    figures = _figures(pairs, cpu) | {"lost": lost, "overload_status": _refusal(crowd)}
    return Measured(figures=figures, conditions=_conditions(pairs, cpu, crowd, repeated, len(acknowledged) * ALERTS))


async def _pair(bare: Server, ours: Server, numbers: Iterator[int], *, is_swapped: bool) -> tuple[Answered, Answered]:
    """Return one slice of each; who goes first takes turns, too."""
    if is_swapped:
        mine = await _flood(ours, numbers)
        return await _flood(bare, numbers), mine
    return await _flood(bare, numbers), await _flood(ours, numbers)


async def _flood(server: Server, numbers: Iterator[int]) -> Answered:
    return await knock(server.port, TOKEN, numbers, connections=CONNECTIONS, seconds=SLICE_SECONDS)


async def _crowd(server: Server, numbers: Iterator[int]) -> Answered:
    """Return what became of too many at once, in the midst of whom the daemon is killed."""
    crowd = asyncio.create_task(knock(server.port, TOKEN, numbers, connections=CROWD, seconds=4 * CROWD_SECONDS))
    await asyncio.sleep(CROWD_SECONDS)
    await server.kill()
    return await crowd


def _lost(server: Server, acknowledged: Sequence[int]) -> int:
    kept = server.kept()
    return sum(fingerprint not in kept for number in acknowledged for fingerprint in fingerprints(number))


def _refusal(crowd: Answered) -> int | None:
    return max((status for status in crowd.statuses if status != 202), default=None)


def _figures(pairs: Sequence[tuple[Answered, Answered]], cpu: Sequence[float]) -> dict[str, float | None]:
    bare_p99, p99 = _both(pairs, lambda each: quantile(each.seconds, 0.99) or 0.0)
    return {
        "rate_ratio": round(median(ours.rate / bare.rate for bare, ours in pairs), 3),
        "p99_ratio": round(p99 / bare_p99, 3),
        "server_cpu_seconds_per_1000": round(_cpu_per_1000(pairs, cpu)[1], 3),
    }


def _both(pairs: Sequence[tuple[Answered, Answered]], figure: Callable[[Answered], float]) -> tuple[float, float]:
    """Return the medians over the slices of the bare receiver and of the daemon."""
    bare, ours = zip(*pairs, strict=True)
    return median(map(figure, bare)), median(map(figure, ours))


def _cpu_per_1000(pairs: Sequence[tuple[Answered, Answered]], cpu: Sequence[float]) -> list[float]:
    answered = (sum(len(each.acknowledged) for each in side) for side in zip(*pairs, strict=True))
    return [seconds / count * 1000 for seconds, count in zip(cpu, answered, strict=True)]


def _conditions(
    pairs: Sequence[tuple[Answered, Answered]], cpu: Sequence[float], crowd: Answered, repeated: Answered, alerts: int
) -> dict[str, object]:
    rate = _both(pairs, lambda each: each.rate)
    p99 = _both(pairs, lambda each: quantile(each.seconds, 0.99) or 0.0)
    return {
        "webhooks_per_second": round(rate[1]),
        "bare_webhooks_per_second": round(rate[0]),
        "p99_seconds": round(p99[1], 4),
        "bare_p99_seconds": round(p99[0], 4),
        "bare_server_cpu_seconds_per_1000": round(_cpu_per_1000(pairs, cpu)[0], 3),
        "slices": len(pairs),
        "slice_seconds": SLICE_SECONDS,
        "connections": CONNECTIONS,
        "alerts_in_a_webhook": ALERTS,
        "alerts_acknowledged_and_looked_for": alerts,
        "lost_at_most_share_95": 3 / alerts,
        "cut_by_the_kill_and_repeated": len(repeated.acknowledged),
        "crowd": {str(status): count for status, count in sorted(crowd.statuses.items())},
    }


if __name__ == "__main__":
    sys.exit(main())
