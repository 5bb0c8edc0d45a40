"""Let the storage of a real daemon fail in eight ways, and see what it does, what it tells, and how it comes back.

For each fault: nothing is sent that has no durable intent, and nothing at all where no intent can be written (held
against the Charter's own journal); a metric tells of it within one cycle; when the fault has ended, work goes on within
two cycles. A cycle that was under way at either moment is not counted. Damage is looked for every second here, not once
a day. Where the machine lends no mount of its own, the two faults that need one are left out and named.
"""

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from faults.plants import PLANTS
from faults.world import INTERVAL, World, open_world
from frame.figures import Limit, Measured, options_of, tell
from integration.clock import SystemClock
from mape_k.knowledge import open_knowledge
from mape_k.knowledge.keeping import back_up
from mape_k.model import Mode

ONE_CYCLE, TWO_CYCLES = 2, 3
"""With the one that was under way."""
LEAST = 5
STILL_SECONDS = 3 * INTERVAL
PAGE = 4096
EXIT_NOT_REACHED = 3
MOUNT_MEGABYTES = 12


@dataclass(slots=True)
class Outcome:
    """What became of one fault."""

    is_safe: bool = False
    is_told: bool = False
    is_recovered: bool = False
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = {"safe": self.is_safe, "told": self.is_told, "recovered": self.is_recovered}
        return ", ".join([*(name if is_so else f"NOT {name}" for name, is_so in said.items()), *self.notes])


def main() -> int:
    """Run the benchmark; return 0 when every fault was met safely, told and overcome."""
    parser = options_of(__doc__, quick="the same: all faults once")
    parser.add_argument("--plant", choices=sorted(PLANTS), help="run with this bug; the benchmark then must not hold")
    parser.add_argument("--list-plants", action="store_true", help="name the bugs that can be planted, and end")
    options = parser.parse_args()
    if options.list_plants:
        print("\n".join(sorted(PLANTS)))
        return 0
    with tempfile.TemporaryDirectory(prefix="mape-k-benchmark-") as scratch:
        outcomes = asyncio.run(measure(Path(scratch), options.plant))
    faults = len(outcomes)
    limits = {
        "faults": Limit(at_least=1 if options.plant else LEAST),
        **dict.fromkeys(("safe", "told", "recovered"), Limit(at_least=faults)),
    }
    return tell(_measured(outcomes), limits, as_json=options.json)


def _measured(outcomes: Mapping[str, Outcome]) -> Measured:
    every = outcomes.values()
    return Measured(
        figures={
            "faults": len(outcomes),
            "safe": sum(each.is_safe for each in every),
            "told": sum(each.is_told for each in every),
            "recovered": sum(each.is_recovered for each in every),
        },
        conditions={
            "interval_seconds": INTERVAL,
            "not_run": [] if can_mount() else ["disk_full", "read_only"],
            "unsafe_share_at_most": 3 / len(outcomes) if all(each.is_safe for each in every) else None,
            **{name: str(outcome) for name, outcome in outcomes.items()},
        },
    )


async def measure(scratch: Path, plant: str | None) -> dict[str, Outcome]:
    """Run all faults, some daemons beside each other; return what became of each."""
    stories = {"running": _running, "damaged": _damaged}
    if can_mount():
        stories |= {"disk_full": _disk_full, "read_only": _read_only}
    chosen = [PLANTS[plant].among] if plant else list(stories)
    found = await asyncio.gather(*(stories[name](scratch / name, plant) for name in chosen))
    return {name: outcome for each in found for name, outcome in each.items()}


def can_mount() -> bool:
    """Return whether a process may be given mounts of its own."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_apart("true"), "true"], check=False, capture_output=True).returncode == 0


def _apart(script: str) -> list[str]:
    """Return a command that runs another one, given behind it, with mounts of its own made by a script."""
    mapped = ["--map-root-user"] if os.getuid() else []
    return ["unshare", "--mount", *mapped, "sh", "-c", f'{script} && exec "$@"', "sh"]


async def _running(folder: Path, plant: str | None) -> dict[str, Outcome]:
    """Trouble a running daemon in three ways, one after the other."""
    _made(folder)
    async with open_world(folder, plant=plant) as world:
        await world.start()
        await world.acts()
        outcomes = {"locked": await _with(world, _locked, _store_fails)}
        outcomes["file_may_not_grow"] = await _with(world, _may_not_grow, _store_fails)
        outcomes["out_of_descriptors"] = await _with(world, _no_descriptors, _blind)
    return outcomes


def _store_fails(metrics: dict[str, float]) -> bool:
    return metrics["knowledge_up"] == 0


def _blind(metrics: dict[str, float]) -> bool:
    return metrics["sources_up"] == 0


def _on_the_reserve(metrics: dict[str, float]) -> bool:
    return metrics["knowledge_reserve_bytes"] == 0


def _works(metrics: dict[str, float]) -> bool:
    return metrics["knowledge_up"] == 1 and metrics["sources_up"] == 1


async def _with(
    world: World,
    begin: Callable[[World], Callable[[], None]],
    is_told: Callable[[dict[str, float]], bool],
    *,
    but_for: str = "",
) -> Outcome:
    """Let a fault begin and end, during which nothing is done, but for one effect."""
    found = Outcome(notes=world.notes)
    end = begin(world)
    try:
        found.is_told = await world.seen(is_told, cycles=ONE_CYCLE)
        found.is_safe = await world.is_still(STILL_SECONDS, but_for=but_for)
    finally:
        end()
    found.is_recovered = (
        await world.seen(lambda m: _works(m) and not is_told(m), cycles=TWO_CYCLES) and await world.acts()
    )
    unfounded = world.unfounded()
    found.is_safe = found.is_safe and not unfounded
    world.notes, found.notes = [], [*found.notes, *unfounded[:3]]
    return found


def _locked(world: World) -> Callable[[], None]:
    other = sqlite3.connect(world.file, timeout=20, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other.close


def _may_not_grow(world: World) -> Callable[[], None]:
    return _limited(world, resource.RLIMIT_FSIZE, 0)


def _no_descriptors(world: World) -> Callable[[], None]:
    return _limited(world, resource.RLIMIT_NOFILE, 3)


def _limited(world: World, what: int, most: int) -> Callable[[], None]:
    before = resource.prlimit(world.pid, what)
    resource.prlimit(world.pid, what, (most, before[1]))
    return lambda: resource.prlimit(world.pid, what, before) and None


async def _damaged(folder: Path, plant: str | None) -> dict[str, Outcome]:
    """Damage the file under a running daemon, then start another one on it, then put a copy back."""
    _made(folder)
    async with open_world(folder, plant=plant) as world:
        copy = await _old_copy(world)
        await world.start()
        await world.acts()
        return {
            "damaged_running": await _damaged_running(world),
            "damaged_at_start": await _damaged_at_start(world, copy),
        }


async def _old_copy(world: World) -> Path:
    """Copy a Knowledge on which other daemons begin afterwards, so that its epoch is behind the Charter's."""
    url, copy = f"sqlite:///{world.file}", world.folder / "copy.db"
    for start in range(4):
        knowledge = await open_knowledge(url, clock=SystemClock(), mode=Mode.SHADOW)
        await knowledge.close()
        if not start:
            back_up(url, copy)
    return copy


async def _damaged_running(world: World) -> Outcome:
    """Overwrite most of the pages under the daemon; it recovers when a person puts a copy back, which comes next."""
    found = Outcome(notes=world.notes)
    _smash(world.file)
    found.is_told = await world.seen(lambda m: m["knowledge_damaged"] == 1, cycles=2 * TWO_CYCLES)
    found.is_safe = await world.is_still(STILL_SECONDS)
    found.is_recovered = len(_kept_aside(world)) == 1
    return found


async def _damaged_at_start(world: World, copy: Path) -> Outcome:
    """Start a daemon on the damaged file, then do what the guide says."""
    found = Outcome()
    await world.stop()
    await world.start()
    found.is_told = await world.seen(lambda m: m.get("paused") == 1 and m["cycles"] >= 1)
    found.is_safe = await world.is_still(STILL_SECONDS) and len(_kept_aside(world)) > 1
    await world.stop()
    _put_back(world, copy)
    await world.start()
    found.is_recovered = await world.acts()
    found.notes = [] if found.is_told and found.is_recovered else [world.last_words()]
    return found


def _smash(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(2 * PAGE)
        file.write(os.urandom(size - 4 * PAGE))


def _kept_aside(world: World) -> list[Path]:
    return [each for each in world.state.glob("knowledge.db.damaged-*") if each.name.endswith("Z")]


def _put_back(world: World, copy: Path) -> None:
    """Do what the guide says."""
    for name in ("knowledge.db", "knowledge.db-wal", "knowledge.db-shm", "audit.anchor"):
        (world.state / name).unlink(missing_ok=True)
    copy.rename(world.file)


async def _disk_full(folder: Path, plant: str | None) -> dict[str, Outcome]:
    """Fill the small disk of a daemon of its own."""
    state = _made(folder / "state")
    async with open_world(folder, plant=plant, state=state) as world:
        await world.start(*_apart(f"mount -t tmpfs -o size={MOUNT_MEGABYTES}m none {state}"))
        await world.acts()
        inside = Path(f"/proc/{world.pid}/root{state}")
        world.state = inside
        found = await _with(world, lambda _: _filled(inside), _on_the_reserve, but_for="rolled_back")
        return {"disk_full": found}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _filled(folder: Path) -> Callable[[], None]:
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(PAGE)):
                pass
        except OSError:
            pass
    return (folder / "ballast").unlink


async def _read_only(folder: Path, plant: str | None) -> dict[str, Outcome]:
    """Start a daemon on a disk that may only be read, where an earlier one has worked."""
    _made(folder)
    found = Outcome()
    async with open_world(folder, plant=plant) as world:
        await world.start()
        await world.acts()
        await world.stop()
        await world.start(
            *_apart(f"mount --bind {world.state} {world.state} && mount -o remount,ro,bind {world.state}")
        )
        heard = len(world.effects())
        code = await world.exit_code()
        found.is_told, words = code == EXIT_NOT_REACHED, world.last_words()
        found.is_safe = len(world.effects()) == heard
        await world.start()
        found.is_recovered = await world.seen(lambda m: _works(m) and m["cycles"] >= 1) and await world.acts()
        await world.stop()
        unfounded = world.unfounded()
        found.notes = [*unfounded[:3], *([] if found.is_told else [f"exit {code}", words])]
        found.is_safe = found.is_safe and not unfounded
    return {"read_only": found}


if __name__ == "__main__":
    sys.exit(main())
