"""Incidents that happened elsewhere, and a hundred ordinary days, played with the real daemon in virtual time.

Each scenario is a small town with a daemon wired as for production: the real loop, guards and executor, and Knowledge
in a SQLite file of its own, on the disk but not waiting for it. Prometheus, Alertmanager and the Charter are played.
Of an incident it is held against the Charter's journal that nothing was done which must not be, and that the reason was
told; of a day, that what had to be done was done in time, and helped.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from frame.figures import Limit, Measured, options_of, tell
from history import of_plans, of_repetition, of_sight
from history.ordinary import name_of, ordinary_day
from history.plants import PLANTS
from history.scenario import Played, play
from history.tell import STORIES

DAYS, QUICK_DAYS, PLANTED_DAYS = 400, 100, 32
SEED = 1
NEEDLESS = {name: Limit(at_most=0) for name in ("needless_holds", "needless_actions")}
CHAPTERS = (of_plans, of_repetition, of_sight)
"""Where the stories are listed, in the order in which they are told."""


def main() -> int:
    """Run the benchmark; return 0 when every incident held and no day saw a needless hold or action."""
    options = _options()
    if options.list or options.list_plants:
        print("\n".join(_plants() if options.list_plants else _incidents()))
        return 0
    names = _names(options)
    with tempfile.TemporaryDirectory(prefix="mape-k-benchmark-") as scratch:
        all_played = _play_all(names, options.plant, Path(scratch))
        played = list(_shown(all_played, len(names), as_json=options.json, until_caught=bool(options.plant)))
    measured = _stock(played, options)
    limits = NEEDLESS | {"held": Limit(at_least=measured.figures["scenarios"] or 0)}
    code = tell(measured, limits, as_json=options.json)
    if options.plant:
        caught = [each.name for each in played if not each.is_good]
        sys.stderr.write(f"{options.plant}: {'caught by ' + ', '.join(caught) if caught else 'NOT CAUGHT'}\n")
    return code


def _options() -> argparse.Namespace:
    parser = options_of(__doc__, quick=f"{QUICK_DAYS} days instead of {DAYS}")
    parser.add_argument("--seed", type=int, default=SEED, help="the first day's; the others follow")
    parser.add_argument("--days", type=int, metavar="N", help="so many days")
    parser.add_argument("--only", metavar="NAME", action="append", help="an incident or a day; may be said again")
    parser.add_argument("--list", action="store_true", help="list the incidents and end")
    parser.add_argument("--plant", metavar="BUG", help="plant a bug: a scenario must tell of it")
    parser.add_argument("--list-plants", action="store_true", help="list the bugs and end")
    options = parser.parse_args()
    if options.plant and options.plant not in PLANTS:
        parser.error(f"--plant {options.plant}: no such bug; --list-plants lists them")
    for name in options.only or ():
        if name not in STORIES and _seed_of(name) is None:
            parser.error(f"--only {name}: no such scenario; --list lists the incidents, a day is KIND-SEED")
    return options


def _incidents() -> Iterator[str]:
    for each in STORIES.values():
        yield f"{each.name:34} {each.after:24} {(each.play.__doc__ or '').splitlines()[0]}"


def _plants() -> Iterator[str]:
    return (f"{name:28} {plant.meaning}" for name, plant in PLANTS.items())


def _names(options: argparse.Namespace) -> list[str]:
    """Return what is to be played: what must tell of a bug, the incidents, then the days."""
    if options.only:
        return list(options.only)
    usual = PLANTED_DAYS if options.plant else QUICK_DAYS if options.quick else DAYS
    days = usual if options.days is None else options.days
    first = [PLANTS[options.plant].told_by] if options.plant else []
    return [*first, *STORIES, *(name_of(seed) for seed in range(options.seed, options.seed + days))]


def _seed_of(name: str) -> int | None:
    """Return the seed of a day by its name; None when no day has it."""
    seed = name.rpartition("-")[2]
    return int(seed) if seed.isdecimal() and name_of(int(seed)) == name else None


def _play_all(names: Sequence[str], plant: str | None, scratch: Path) -> Iterator[Played]:
    """Play scenarios on all processors, with a bug where one is planted, and yield them in their order."""
    if plant:
        PLANTS[plant].plant()
    with ProcessPoolExecutor(mp_context=get_context("fork")) as processes:
        try:
            yield from processes.map(partial(_play, scratch=scratch), names)
        finally:
            processes.shutdown(cancel_futures=True)


def _play(name: str, scratch: Path) -> Played:
    seed = _seed_of(name)
    story = STORIES[name].play if seed is None else partial(ordinary_day, seed=seed)
    return play(name, story, scratch)


def _shown(played: Iterator[Played], count: int, *, as_json: bool, until_caught: bool) -> Iterator[Played]:
    """Tell of each scenario as it ends, and on a terminal how far it is; a bug need not be caught twice."""
    for number, each in enumerate(played, start=1):
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{number:4} of {count}  {each.name:40}")
        if not as_json:
            print(f"{'held' if each.is_good else 'NOT held':8} {each.name}")
        for sentence in (*each.wrong, *each.held):
            sys.stderr.write(f"\r  {each.name}: {sentence}\n")
        yield each
        if until_caught and not each.is_good:
            break
    if sys.stderr.isatty():
        sys.stderr.write("\n")


def _stock(played: Sequence[Played], options: argparse.Namespace) -> Measured:
    incidents = [each for each in played if each.name in STORIES]
    days = [each for each in played if each.name not in STORIES]
    figures = {
        "held": sum(each.is_good for each in incidents),
        "scenarios": len(incidents),
        "needless_holds": sum(bool(each.held) for each in days),
        "needless_actions": sum(bool(each.wrong) for each in days),
        "ordinary": len(days),
    }
    conditions = {
        "needless_bound_per_day": 3 / len(days) if days else None,
        "first_seed": options.seed,
        "cycles": sum(each.cycles for each in played),
        "virtual_hours": round(sum(each.virtual_seconds for each in played) / 3600, 1),
        "not_held": [each.name for each in played if not each.is_good],
        "store": "sqlite, synchronous=OFF",
    }
    return Measured(figures=figures, conditions=conditions)


if __name__ == "__main__":
    sys.exit(main())
