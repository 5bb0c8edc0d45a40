"""Stop, cut off, hang and kill one of two replicas, and see that never two of them act.

Both replicas are the real daemon, on a real PostgreSQL that each reaches through a proxy of its own, and on the
reference Charter, whose journal says in the end what happened. The leader is stopped between the last look at its lease
and the sending of a request, for three leases; it is cut off without a word; no cycle of it completes; it is killed,
and it is asked to stop. PostgreSQL is killed and started again. What a leader of before did after another one had begun
is stale.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

from frame.figures import Limit, Measured, options_of, quantile, tell
from frame.postgres import REAL_DISK
from split.plants import PLANTS
from split.trial import GIVE_UP_SECONDS, INTERVAL, PATIENCE_INTERVALS, Lease, Replica, Trial, open_trial

SHORT, SHIPPED = Lease(seconds=2.0, renew_seconds=0.5), Lease(seconds=10.0, renew_seconds=3.0)
QUICK_SECONDS, PLANTED_SECONDS, LONG_SECONDS = 42.0, 70.0, 900.0
START_SECONDS = 60.0
SETTLE_SECONDS = 1.0
LIMITS = {
    "pauses": Limit(at_least=1),
    "stale_accepted": Limit(at_most=0),
    "two_leaders": Limit(at_most=0),
    "doubled": Limit(at_most=0),
    "takeover_p99_ratio": Limit(at_most=1.0),
    "handover_p99_seconds": Limit(at_most=1.0),
}


@dataclass(slots=True)
class Found:
    """What the rounds came to: take-overs as shares of what they may take, hand-overs in seconds."""

    pauses: int = 0
    refused: int = 0
    take_overs: list[float] = field(default_factory=list)
    hand_overs: list[float] = field(default_factory=list)
    rounds: Counter[str] = field(default_factory=Counter)
    told: dict[str, list[float]] = field(default_factory=dict)

    def note(self, what: str, figures: list[float], figure: float) -> None:
        """Keep a figure, and by which round."""
        figures.append(figure)
        self.told.setdefault(what, []).append(round(figure, 2))


Round = Callable[[Trial, Replica, Found], Awaitable[None]]


def main() -> int:
    """Run the benchmark; return 0 when every figure holds."""
    parser = options_of(__doc__, quick="short leases, within a minute")
    parser.add_argument("--plant", metavar="BUG", help="plant a bug: a figure must tell of it")
    parser.add_argument("--list-plants", action="store_true", help="list the bugs and end")
    parser.add_argument(
        "--seconds", type=float, help=f"for so long, in place of {LONG_SECONDS:g}; with --quick, of {QUICK_SECONDS:g}"
    )
    options = parser.parse_args()
    if options.list_plants:
        print("\n".join(f"{name:28} {plant.meaning}" for name, plant in PLANTS.items()))
        return 0
    if options.plant and options.plant not in PLANTS:
        parser.error(f"--plant {options.plant}: no such bug; --list-plants lists them")
    measured = asyncio.run(_measure(options))
    code = tell(measured, LIMITS, as_json=options.json)
    if options.plant:
        caught = [name for name, limit in LIMITS.items() if not limit.holds(measured.figures[name])]
        sys.stderr.write(f"{options.plant}: {'caught by ' + ', '.join(caught) if caught else 'NOT CAUGHT'}\n")
    return code


async def _measure(options: argparse.Namespace) -> Measured:
    is_short = options.quick or bool(options.plant)
    lease, usual = (SHORT, QUICK_SECONDS) if is_short else (SHIPPED, LONG_SECONDS)
    seconds = options.seconds or (PLANTED_SECONDS if options.plant else usual)
    with tempfile.TemporaryDirectory(prefix="mape-k-split-", dir=REAL_DISK) as scratch:
        async with open_trial(Path(scratch), lease, plant=options.plant or "") as trial:
            found = await _play(trial, seconds)
            return _stock(trial, found)


async def _play(trial: Trial, seconds: float) -> Found:
    for replica in trial.replicas:
        await replica.start()
    if await trial.leader(within=START_SECONDS) is None:
        raise RuntimeError(f"nobody leads: {trial.replicas[0].last_words()}")
    until = time.monotonic() + seconds
    found, watching = Found(), asyncio.create_task(trial.watch())
    try:
        while time.monotonic() < until:
            for name, a_round in ROUNDS.items():
                if time.monotonic() < until and (leader := await _settled(trial)):
                    found.rounds[name] += 1
                    await a_round(trial, leader, found)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    return found


async def _settled(trial: Trial) -> Replica | None:
    """Return the leader, once both replicas are up and have looked a few times."""
    for replica in trial.replicas:
        if replica.process is None or replica.process.returncode is not None:
            await replica.start()
    await asyncio.sleep(SETTLE_SECONDS)
    return await trial.leader() if await trial.both_look(START_SECONDS) else None


async def _pause(trial: Trial, leader: Replica, found: Found) -> None:
    """Stop the leader with a request in its hand, for three leases."""
    leader.stop_file.touch()
    began = time.monotonic()
    while not leader.is_stopped:
        if time.monotonic() - began > GIVE_UP_SECONDS:
            leader.stop_file.unlink(missing_ok=True)
            return
        await asyncio.sleep(0.005)
    stopped = time.monotonic()
    await _taken_over("stopped", trial, leader, found)
    await asyncio.sleep(max(0.0, 3 * trial.lease.seconds - (time.monotonic() - stopped)))
    found.pauses += 1
    leader.signal(signal.SIGCONT)


async def _cut_off(trial: Trial, leader: Replica, found: Found) -> None:
    """Let nothing through between the leader and PostgreSQL, without a word."""
    leader.proxy.cut()
    await _taken_over("cut off", trial, leader, found)
    await asyncio.sleep(trial.lease.seconds / 2)
    leader.proxy.heal()


async def _hang(trial: Trial, leader: Replica, found: Found) -> None:
    """Let no cycle of the leader complete."""
    leader.hang_file.touch()
    await _taken_over("hanging", trial, leader, found, patience=PATIENCE_INTERVALS * INTERVAL)
    leader.hang_file.unlink()


async def _kill(trial: Trial, leader: Replica, found: Found) -> None:
    leader.signal(signal.SIGKILL)
    await leader.ended()
    await _taken_over("killed", trial, leader, found)


async def _hand_over(trial: Trial, leader: Replica, found: Found) -> None:
    """Ask the leader to stop."""
    began = time.monotonic()
    leader.signal(signal.SIGTERM)
    next_one = await trial.leader(but=leader)
    found.note("hand-over seconds", found.hand_overs, time.monotonic() - began if next_one else inf)
    await leader.ended()


async def _kill_postgresql(trial: Trial, leader: Replica, found: Found) -> None:
    """Kill PostgreSQL, most likely between two renewals, and start it again."""
    del leader, found
    trial.server.kill()
    await asyncio.sleep(trial.lease.renew_seconds)
    await asyncio.to_thread(trial.server.start)


ROUNDS: Mapping[str, Round] = {
    "stopped": _pause,
    "asked to stop": _hand_over,
    "cut off": _cut_off,
    "hanging": _hang,
    "PostgreSQL killed": _kill_postgresql,
    "killed": _kill,
}


async def _taken_over(what: str, trial: Trial, leader: Replica, found: Found, *, patience: float = 0.0) -> None:
    began, may_take = time.monotonic(), trial.lease.take_over_seconds + patience
    next_one = await trial.leader(but=leader, within=3 * may_take)
    found.note(f"take-over when {what}", found.take_overs, (time.monotonic() - began) / may_take if next_one else inf)


def _stock(trial: Trial, found: Found) -> Measured:
    effects, epochs = trial.effects(), trial.epochs()
    stale = _stale(effects, epochs)
    leaders = [f"{number} is of {sorted(who)}" for number, who in _holders(epochs).items() if len(who) > 1]
    applied = Counter(entry["idempotency_key"] for entry in effects if entry["effect"] == "applied")
    doubled = [key for key, times in applied.items() if times > 1]
    hand_over = quantile(found.hand_overs, 0.99)
    take_over = quantile(found.take_overs, 0.99)
    figures = {
        "pauses": found.pauses,
        "stale_accepted": len(stale),
        "two_leaders": len(leaders) + trial.overlaps,
        "doubled": len(doubled),
        "takeover_p99_ratio": None if take_over is None else round(take_over, 3),
        "handover_p99_seconds": None if hand_over is None else round(hand_over, 3),
    }
    conditions: dict[str, Any] = {
        "lease_seconds": trial.lease.seconds,
        "renew_seconds": trial.lease.renew_seconds,
        "rounds": dict(found.rounds),
        "take_overs": len(found.take_overs),
        "hand_overs": len(found.hand_overs),
        "each": {what: [f if f < inf else None for f in figures] for what, figures in found.told.items()},
        "epochs": len(epochs),
        "effects": len(effects),
        "stale_bound_per_pause": 3 / max(1, found.pauses),
        "two_leaders_bound_per_look": 3 / max(1, trial.samples),
        "doubled_bound_per_effect": 3 / max(1, len(applied)),
        "scripted": "Prometheus and Alertmanager",
        **{f"{name}_such_as": some[:3] for name, some in (("stale", stale), ("leaders", leaders)) if some},
    }
    return Measured(figures=figures, conditions=conditions)


def _stale(effects: list[dict[str, Any]], epochs: list[tuple[int, str, float]]) -> list[str]:
    """Return the effects of an epoch that was over, and those that carry none."""
    over_at = {before[0]: after[2] for before, after in pairwise(epochs)}
    highest, stale = 0, []
    for entry in effects:
        epoch, at = entry["epoch"], _seconds(entry["at"])
        if epoch is None or epoch < highest or at > over_at.get(epoch, inf):
            stale.append(f"{entry['sequence']}: epoch {epoch}, {entry['effect']} {entry['idempotency_key']}")
        highest = max(highest, epoch or 0)
    return stale


def _seconds(at: object) -> float:
    return float(at) if isinstance(at, int | float) else datetime.fromisoformat(str(at)).timestamp()


def _holders(epochs: list[tuple[int, str, float]]) -> Mapping[int, set[str]]:
    holders: dict[int, set[str]] = {}
    for number, who, _ in epochs:
        holders.setdefault(number, set()).add(who)
    return holders


if __name__ == "__main__":
    sys.exit(main())
