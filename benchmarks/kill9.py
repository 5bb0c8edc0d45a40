"""Kill the daemon at every durable step, start it again, and hold what it knows against what the Charter did.

The daemon and the reference Charter are the real programs, each a process of its own. Prometheus and Alertmanager are
one small scripted server, so that thousands of incidents pass in minutes. The daemon is killed with SIGKILL around its
commits and requests, during migration, recovery, renewal and roll-back, and at any time; every fifth of its lives is a
process started afresh, the others are forked from one that has imported it already. A point counts as covered when the
daemon died there twice. A recovery begins with the process, whose imports count by processor time, and ends when
nothing that an earlier life left half done is open. Files are kept in memory where the machine allows: what a killed
process wrote outlives it without any disk.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any

from crash import points
from crash.audit import Audit, audit
from crash.store import Store, in_a_file
from crash.world import AFRESH_EVERY, Aim, World, open_world
from frame.figures import Limit, Measured, options_of, quantile, tell

WORLDS = 3
SERVER_SECONDS = 4.0
"""How long a database server takes to be there."""
QUICK_SECONDS, PLANTED_SECONDS, LONG_SECONDS = 90.0, 90.0, 86_400.0
QUICK_KILLS, LONG_KILLS = 100, 500
ENOUGH_FOR_ALL_POINTS = 200
MEMORY = Path("/dev/shm")  # noqa: S108 - made unguessable below it
NOTHING_WRONG = {name: Limit(at_most=0) for name in ("lost", "doubled", "orphaned", "unrecovered")}
QUICKLY = {"recovery_p99_seconds": Limit(at_most=2.0)}


def main() -> int:
    """Run the benchmark; return 0 when every figure holds."""
    parser = options_of(__doc__, quick="until every point was met twice: within a minute where nothing else runs")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite", help="where Knowledge is kept")
    parser.add_argument("--kills", type=int, metavar="N", help=f"so many, in place of {LONG_KILLS}")
    parser.add_argument("--plant", metavar="BUG", help="plant a bug: a figure must tell of it")
    parser.add_argument("--list-plants", action="store_true", help="list the bugs and end")
    parser.add_argument("--seed", type=int, default=1, help="draws points, times and cures")
    options = parser.parse_args()
    if options.list_plants:
        print("\n".join(f"{name:28} {meaning}" for name, meaning in _plants().items()))
        return 0
    if options.plant and options.plant not in _plants():
        parser.error(f"--plant {options.plant}: no such bug; --list-plants lists them")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else the folder in memory stays
    is_whole = options.kills is None or options.kills >= ENOUGH_FOR_ALL_POINTS
    aim = _aim(options, is_whole=is_whole)
    with tempfile.TemporaryDirectory(prefix="mape-k-kill9-", dir=_memory()) as scratch, _stores(options.store) as new:
        measured = asyncio.run(measure(Path(scratch), new, aim, options.plant, options.seed))
    if options.plant:
        return _tell_of_a_bug(options.plant, measured, as_json=options.json)
    everywhere = {"points_covered": Limit(at_least=measured.figures["points"])} if is_whole else {}
    return tell(measured, NOTHING_WRONG | QUICKLY | everywhere, as_json=options.json)


def _plants() -> Mapping[str, str]:
    from crash.plants import PLANTS  # noqa: PLC0415 - brings the whole daemon along, which only the bugs need here

    return {name: plant.meaning for name, plant in PLANTS.items()}


def _aim(options: argparse.Namespace, *, is_whole: bool) -> Aim:
    seconds = PLANTED_SECONDS if options.plant else QUICK_SECONDS if options.quick else LONG_SECONDS
    kills = options.kills or (QUICK_KILLS if options.quick or options.plant else LONG_KILLS)
    where = points.points_of(options.store)
    until = time.monotonic() + seconds + SERVER_SECONDS * (options.store == "postgresql")
    return Aim(kills=kills, until=until, everywhere=is_whole, rng=Random(options.seed), where=where)


@contextmanager
def _stores(engine: str) -> Iterator[Callable[[Path], Store]]:
    """Yield what returns an empty store for a folder; a server for all of them runs as long."""
    if engine == "sqlite":
        yield in_a_file
        return
    from frame.postgres import postgres_server  # noqa: PLC0415 - needs a driver that only PostgreSQL needs

    with postgres_server(is_durable=False) as server:  # a killed daemon leaves it running
        yield lambda _: Store(server.url_of(server.create()), server.password)


def _tell_of_a_bug(bug: str, measured: Measured, *, as_json: bool) -> int:
    """Print the figures, and by which of them the bug was caught; return 0, as without a bug, when by none."""
    code = tell(measured, NOTHING_WRONG, as_json=as_json)
    caught = [name for name in NOTHING_WRONG if measured.figures[name]]
    sys.stderr.write(f"{bug}: {'caught by ' + ', '.join(caught) if caught else 'NOT CAUGHT'}\n")
    return code


def _memory() -> Path | None:
    return MEMORY if os.access(MEMORY, os.W_OK) else None


async def measure(folder: Path, new: Callable[[Path], Store], aim: Aim, plant: str | None, seed: int) -> Measured:
    """Let every world be killed, and take stock; in the first one, a person is asked before anything is done."""

    async def one(number: int) -> tuple[World, Audit]:
        own = folder / str(number)
        async with open_world(own, new(own), plant=plant, seed=seed + number, asks=not number) as world:
            await world.be_killed(aim)
            await world.live_in_peace()
        return world, audit(world.store, world.journal, world.trace)

    lived = await asyncio.gather(*(one(number) for number in range(WORLDS)))
    return _stock([world for world, _ in lived], sum((found for _, found in lived), Audit()), aim)


def _stock(worlds: Sequence[World], found: Audit, aim: Aim) -> Measured:
    recoveries = [line["seconds"] for world in worlds for line in world.traced("recovered")]
    wrong = {name: list(getattr(found, name)) for name in NOTHING_WRONG}
    wrong["unrecovered"] += [sentence for world in worlds for sentence in world.fell]
    kills, where = aim.landed.total(), len(aim.where)
    p99 = quantile(recoveries, 0.99)
    figures = {
        "kills": kills,
        "points": where,
        "points_covered": where - len(aim.missing),
        **{name: len(sentences) for name, sentences in wrong.items()},
        "recovery_p99_seconds": None if p99 is None else round(p99, 3),
    }
    conditions = {
        "store": "postgresql" if worlds[0].store.password else "sqlite",
        **_counts(found, kills),
        "incidents": sum(world.cells.incidents for world in worlds),
        "recoveries": len(recoveries),
        "recovery_p50_seconds": quantile(recoveries, 0.5),
        "lives_started_afresh": f"1 of {AFRESH_EVERY}, the others are forked",
        "scripted": "Prometheus and Alertmanager",
        "folder": str(_memory() or tempfile.gettempdir()),
        "points_met_at_all": where - len(aim.met_less_than(1)),
        "points_not_covered": aim.missing,
        **{f"{name}_such_as": sentences[:3] for name, sentences in wrong.items() if sentences},
    }
    return Measured(figures=figures, conditions=conditions)


def _counts(found: Audit, kills: int) -> Mapping[str, Any]:
    """Return of how many each figure is, and how often what was never seen may happen all the same (95 %)."""
    return {
        "executions": found.executions,
        "effects": found.effects,
        "acknowledged_moves": found.acknowledged,
        "lost_bound_per_acknowledged_move": 3 / max(1, found.acknowledged),
        "doubled_bound_per_effect": 3 / max(1, found.effects),
        "orphaned_bound_per_effect": 3 / max(1, found.effects),
        "unrecovered_bound_per_kill": 3 / max(1, kills),
    }


if __name__ == "__main__":
    sys.exit(main())
