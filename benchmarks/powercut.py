"""Cut the power at hundreds of moments, and hold what is left of Knowledge against what it had said to be durable.

The real store works on a layer under SQLite that writes down every write and sync. A cut keeps what was synced, and of
the rest a seeded draw of 512-byte sectors: none, some, most or all of them, in whatever order. What is left is opened
as the next daemon would open it, checked, verified against its anchor, and is what the next life begins with.

What is not modelled: a drive that forgets what it has acknowledged to have synced, and a sector torn within itself.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any

from sqlalchemy import Engine, event

from crash.plants import PLANTS as CRASH_PLANTS
from frame.figures import Limit, Measured, options_of, tell
from mape_k.errors import MapeKError
from mape_k.knowledge import sqlite
from power.cut import cut_places, lay_down, picked_up, survivors
from power.layer import Layer
from power.life import BESIDE, SecondsClock, live, look

CUTS, QUICK_CUTS = 2_000, 200
CUTS_EACH_LIFE = 20
ACTIONS_EACH_LIFE = 6
PAGES_BETWEEN_CHECKPOINTS = 40
"""Few, so that cuts meet checkpoints."""
SEED = 20260302
FILES = ("knowledge.db", "knowledge.db-wal", *BESIDE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A bug to show that it is found: other pragmas, syncs that do not happen, or another program."""

    pragmas: tuple[str, ...] = ()
    is_synced: Callable[[str], bool] = lambda _file: True
    plant: Callable[[], None] = lambda: None


PLANTS: Mapping[str, Plant] = {
    "synchronous-normal": Plant(pragmas=("PRAGMA synchronous=NORMAL",)),
    "synchronous-off": Plant(pragmas=("PRAGMA synchronous=OFF",)),
    "log-not-synced": Plant(is_synced=lambda file: not file.endswith("-wal")),
    "database-not-synced": Plant(is_synced=lambda file: file.endswith("-wal")),
    "acknowledged-before-commit": Plant(plant=CRASH_PLANTS["acknowledged-before-commit"].plant),
}


@dataclass(slots=True)
class Tally:
    """What was found so far."""

    cuts: int = 0
    told: int = 0
    lost: int = 0
    damaged: int = 0
    steps: int = 0
    worst: list[str] = field(default_factory=list)


def main() -> int:
    """Run the benchmark; return 0 when nothing was lost and nothing damaged."""
    parser = options_of(__doc__, quick=f"{QUICK_CUTS} cuts instead of {CUTS}")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="run with this bug; the benchmark then must not hold")
    parser.add_argument("--list-plants", action="store_true", help="name the bugs that can be planted, and end")
    options = parser.parse_args()
    if options.list_plants:
        print("\n".join(sorted(PLANTS)))
        return 0
    plant = PLANTS[options.plant] if options.plant else Plant()
    cuts = QUICK_CUTS if options.quick or options.plant else CUTS
    _prepare(plant)
    with tempfile.TemporaryDirectory(prefix="mape-k-benchmark-") as scratch:
        measured = measure(Path(scratch), cuts, Layer(BESIDE, plant.is_synced))
    return tell(measured, _limits(cuts), as_json=options.json)


def _limits(cuts: int) -> dict[str, Limit]:
    return {"cuts": Limit(at_least=cuts), "lost": Limit(at_most=0), "damaged": Limit(at_most=0)}


def _prepare(plant: Plant) -> None:
    """Set the pragmas of this run behind those of the program, and plant the bug."""
    plant.plant()
    original = sqlite._engine  # noqa: SLF001 - there is no door for this

    def engine(*told: Any, **more: Any) -> Engine:  # noqa: ANN401
        made = original(*told, **more)
        event.listen(made, "connect", set_pragmas)
        return made

    def set_pragmas(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
        for pragma in (f"PRAGMA wal_autocheckpoint={PAGES_BETWEEN_CHECKPOINTS}", *plant.pragmas):
            connection.execute(pragma)

    sqlite._engine = engine  # noqa: SLF001


def measure(scratch: Path, cuts: int, layer: Layer) -> Measured:
    """Live, cut the power again and again, and say what was lost."""
    chance, clock, tally = Random(SEED), SecondsClock(), Tally()
    files: dict[str, bytes] = {}
    known: frozenset[str] = frozenset()
    for number, folder in enumerate(_folders(scratch)):
        if tally.cuts >= cuts:
            break
        lay_down(files, folder)
        with layer.watching(folder) as steps:
            _live(tally, folder, clock, chance, layer)
        tally.steps += len(steps)
        for place in cut_places(steps, min(CUTS_EACH_LIFE, cuts - tally.cuts), chance):
            left, told = survivors(files, steps[:place], chance)
            spot = scratch / f"cut-{number}-{tally.cuts}"
            lay_down(left, spot)
            found = _judge(tally, spot, known | told, clock)
        files, known = picked_up(spot, FILES), found
    return _measured(tally)


def _live(tally: Tally, folder: Path, clock: SecondsClock, chance: Random, layer: Layer) -> None:
    """Live one life; what was left by the cut before, and cannot be worked with, is damaged."""
    try:
        asyncio.run(live(folder, clock, chance, layer.tell, actions=ACTIONS_EACH_LIFE))
    except MapeKError as error:
        tally.damaged += 1
        tally.worst = tally.worst or [f"{folder.name}: {error}"]


def _folders(scratch: Path) -> Iterator[Path]:
    number = 0
    while True:
        number += 1
        yield scratch / f"life-{number}"


def _judge(tally: Tally, spot: Path, told: frozenset[str], clock: SecondsClock) -> frozenset[str]:
    """Count what a cut did; return the facts that are there, which no later cut may take."""
    after = asyncio.run(look(spot, clock))
    lost = told - after.facts
    tally.cuts += 1
    tally.told += len(told)
    tally.lost += len(lost)
    tally.damaged += bool(after.damage)
    if lost or after.damage:
        tally.worst = tally.worst or [f"{spot.name}: {after.damage}", *sorted(lost)[:5]]
    return after.facts


def _measured(tally: Tally) -> Measured:
    return Measured(
        figures={"cuts": tally.cuts, "lost": tally.lost, "damaged": tally.damaged},
        conditions={
            "acknowledged": tally.told,
            "lost_share_at_most": 3 / tally.told if not tally.lost else None,
            "damaged_share_at_most": 3 / tally.cuts if not tally.damaged else None,
            "writes_and_syncs": tally.steps,
            "synchronous": "FULL",
            "pages_between_checkpoints": PAGES_BETWEEN_CHECKPOINTS,
            "first_wrong": tally.worst,
        },
    )


if __name__ == "__main__":
    sys.exit(main())
