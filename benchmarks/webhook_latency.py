"""From a webhook to the policy at the Charter: the daemon, against a script that only asks, keeps and sends the same.

Both are processes of their own, on the same disk and in the same run, in turns, each beside scripted peers on loopback
that answer at once. The time counts from the moment at which the webhook is sent to the one at which the policy is
there. The daemon has its shipped settings; it decides, checks every guard twice and writes its history and its audit
trail in the same commits, which the script does not.

Of two processors on which others worked as well, 200 webhooks took 4.8 times as long as the script's in the median, and
99 of 100 at most 0.41 s; with less beside it, 20 took 3.5 times as long and at most 0.06 s. The limits leave a margin,
but none for a wake that had to wait for others: that takes a second.
"""

import asyncio
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from door.peers import Peers, peers, webhook, write_pack
from door.servers import TOKEN, Server, acting_daemon, script
from frame.figures import Limit, Measured, quantile, run

QUICK_TRIALS, TRIALS = 20, 200
ANSWER_SECONDS = 20.0
REST_SECONDS = 1.3
"""Between two webhooks: longer than the second in which the daemon gathers further wakes into one cycle."""
LIMITS = {"p50_ratio": Limit(at_most=6.0), "p99_seconds": Limit(at_most=0.9)}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two, with its peers and how long each webhook took."""

    server: Server
    world: Peers
    seconds: list[float] = field(default_factory=list)

    async def try_once(self, http: aiohttp.ClientSession, target: str) -> None:
        """Announce that a target is ill, and wait for the policy.

        Raises:
            RuntimeError: the webhook is refused. TimeoutError: no policy comes.
        """
        arrived, begun = self.world.fall_ill(target), time.perf_counter()
        url, headers = f"http://127.0.0.1:{self.server.port}/api/v1/alerts", {"Authorization": f"Bearer {TOKEN}"}
        async with http.post(url, json=webhook(target), headers=headers) as answer:
            if answer.status != 202:
                raise RuntimeError(f"the webhook was answered with {answer.status}: {await answer.text()}")
        self.seconds.append(await asyncio.wait_for(arrived, ANSWER_SECONDS) - begun)


async def measure(scratch: Path, quick: bool) -> Measured:
    """Return the figures of so many webhooks to each; the first one of each warms it up."""
    trials, pack = QUICK_TRIALS if quick else TRIALS, write_pack(scratch)
    async with (
        peers() as ours,
        peers() as theirs,
        aiohttp.ClientSession() as http,
        acting_daemon(scratch, ours.port, pack) as daemon,
        script(scratch, theirs.port) as bare,
    ):
        sides = Side(daemon, ours), Side(bare, theirs)
        for number in range(trials + 1):
            await asyncio.sleep(REST_SECONDS)
            for side in sides:
                await side.try_once(http, f"node-{number}")
    return _measured(*(side.seconds[1:] for side in sides))


def _measured(ours: list[float], theirs: list[float]) -> Measured:
    p50, bare_p50 = quantile(ours, 0.5) or 0.0, quantile(theirs, 0.5) or 0.0
    p99 = quantile(ours, 0.99)
    return Measured(
        figures={"p50_ratio": round(p50 / bare_p50, 3), "p99_seconds": p99 and round(p99, 4)},
        conditions={
            "webhooks": len(ours),
            "p50_seconds": round(p50, 4),
            "script_p50_seconds": round(bare_p50, 4),
            "script_p99_seconds": quantile(theirs, 0.99),
            "commits_before_the_policy": 4,
            "questions": 6,
        },
    )


if __name__ == "__main__":
    sys.exit(run(__doc__, LIMITS, measure, quick=f"{QUICK_TRIALS} webhooks instead of {TRIALS}"))
