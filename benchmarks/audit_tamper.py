"""Random edits of the audit trail, each held against `mape-k knowledge verify` on a copy of its own.

The trail is made by the real journal: actions admitted, moved, rolled back and taken over, pauses, restarts. An edit
flips characters, deletes, forges, doubles, swaps or moves rows, or cuts them off at the end; often whoever edits also
numbers and hashes all rows anew, with a key that was guessed. ``--plant no-anchor`` looks without the anchor: then rows
cut off at the end go unseen.
"""

import asyncio
import hashlib
import hmac
import json
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any

from frame.figures import Limit, Measured, options_of, tell
from mape_k.knowledge import AuditFiles, Knowledge, open_knowledge
from mape_k.knowledge.inspection import inspect_knowledge
from mape_k.model import Action, CycleReport, Execution, Mode, Pause, PolicyRequest, Reason, State, WokenBy

EDITS, QUICK_EDITS = 10_000, 1_000
STARTS, ACTIONS_EACH = 4, 8
SEED = 20260301
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
COLUMNS = ("sequence", "at", "kind", "event", "previous", "hash")
PATHS = (
    (State.APPLYING, State.VERIFYING, State.IN_FORCE),
    (State.APPLYING, State.VERIFYING, State.ROLLING_BACK, State.ROLLED_BACK),
    (State.APPLYING, State.UNCERTAIN),
)
FILE = "knowledge.db"

Row = dict[str, Any]
Edit = Callable[[list[Row], Random], list[Row]]


def main() -> int:
    """Run the benchmark; return 0 when every edit was found."""
    parser = options_of(__doc__, quick=f"{QUICK_EDITS} edits instead of {EDITS}")
    parser.add_argument("--plant", choices=["no-anchor"], help="look with this flaw; the benchmark then must not hold")
    options = parser.parse_args()
    edits = QUICK_EDITS if options.quick else EDITS
    with tempfile.TemporaryDirectory(prefix="mape-k-benchmark-") as scratch:
        measured = measure(Path(scratch), edits, looks_at_anchor=options.plant != "no-anchor")
    return tell(measured, {"edits": Limit(at_least=edits), "found": Limit(at_least=edits)}, as_json=options.json)


def measure(scratch: Path, edits: int, *, looks_at_anchor: bool) -> Measured:
    """Return how many of so many edits were found."""
    original, copy = scratch / "original", scratch / "copy"
    asyncio.run(write_trail(original))
    whole = read(original)
    if not sound(original, looks_at_anchor=True):
        raise RuntimeError("the untouched trail is not sound: nothing can be measured")
    shutil.copytree(original, copy)
    chance, made, missed = Random(SEED), Counter[str](), Counter[str]()
    while made.total() < edits:
        name = chance.choice(sorted(KINDS))
        edited = KINDS[name]([dict(row) for row in whole], chance)
        if edited != whole:
            write(copy, edited)
            made[name] += 1
            missed[name] += sound(copy, looks_at_anchor=looks_at_anchor)
    return Measured(
        figures={"edits": made.total(), "found": made.total() - missed.total()},
        conditions={
            "trail_rows": len(whole),
            "missed_share_at_most": 3 / edits if not missed.total() else None,
            "looks_at_anchor": looks_at_anchor,
            "found_of_each": {name: f"{made[name] - missed[name]} of {made[name]}" for name in sorted(made)},
        },
    )


@dataclass(slots=True)
class SecondsClock:
    """Goes on by one second at each look."""

    time: datetime = START

    def now(self) -> datetime:
        """Return the time."""
        self.time += timedelta(seconds=1)
        return self.time

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


async def write_trail(folder: Path) -> None:
    """Let daemon after daemon act, pause and stop."""
    clock = SecondsClock()
    for start in range(STARTS):
        knowledge = await open_knowledge(f"sqlite:///{folder}/{FILE}", clock=clock, mode=Mode.ENFORCE)
        try:
            for number in range(ACTIONS_EACH):
                await act(knowledge, f"x-{start}-{number}", PATHS[number % len(PATHS)], clock)
            await knowledge.orders.pause(Pause(since=clock.now(), by="operator", comment="a look"))
            await knowledge.orders.resume("", by="operator")
        finally:
            await knowledge.close()


async def act(knowledge: Knowledge, name: str, path: tuple[State, ...], clock: SecondsClock) -> None:
    """Admit an action, move it along, and close a cycle."""
    now = clock.now()
    execution = await knowledge.journal.admit(action(name, now), check=lambda _: None, explanation={}, now=now)
    if not isinstance(execution, Execution):
        raise TypeError(f"{name} was refused: {execution}")
    for state in path:
        execution = await knowledge.journal.move(execution, state, reason=Reason.BEST_CANDIDATE)
    await knowledge.journal.close_cycle(CycleReport(cycle_id=name, as_of=clock.now(), woken_by=WokenBy.TICK))


def action(name: str, now: datetime) -> Action:
    """Return an action as Plan would."""
    target = f"node-{name[-1]}"
    request = PolicyRequest(
        name=name,
        kind="block_source",
        scope={"node_or_service": target},
        parameters={},
        ttl_seconds=3600.0,
        not_after=now + timedelta(minutes=1),
    )
    return Action(
        execution_id=name,
        incident_id=f"i-{name}",
        pack="charter",
        symptom="forbidden_metric_spike",
        remediation="block_source",
        target=target,
        request=request,
        baseline=31.4,
        score=0.4,
    )


def read(folder: Path) -> list[Row]:
    """Return the trail."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM audit ORDER BY sequence")  # noqa: S608 - constants
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def write(copy: Path, rows: list[Row]) -> None:
    """Put an edited trail into the copy of the Knowledge, beside the untouched key and anchor."""
    with closing(sqlite3.connect(copy / FILE)) as connection, connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("DELETE FROM audit")
        connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", [tuple(row.values()) for row in rows])


def sound(folder: Path, *, looks_at_anchor: bool) -> bool:
    """Return whether the trail passes for untouched."""
    files = AuditFiles.within(folder)
    if not looks_at_anchor:
        files = AuditFiles(key=files.key, anchor=folder / "none")
    found = inspect_knowledge(f"sqlite:///{folder}/{FILE}", files)
    return all(problem.check != "trail" for problem in found.problems)


def flip(rows: list[Row], chance: Random) -> list[Row]:
    """Change one character of one field, or a number."""
    row, column = chance.choice(rows), chance.choice(COLUMNS)
    if column == "sequence":
        row[column] = len(rows) + chance.randrange(1, 1000)
        return sorted(rows, key=lambda each: each["sequence"])
    place = chance.randrange(len(row[column]))
    row[column] = row[column][:place] + chance.choice("0123456789abcdef-:T") + row[column][place + 1 :]
    return rows


def retype(rows: list[Row], chance: Random) -> list[Row]:
    """Turn a text into the same bytes."""
    row, column = chance.choice(rows), chance.choice(COLUMNS[1:])
    row[column] = row[column].encode()
    return rows


def delete(rows: list[Row], chance: Random) -> list[Row]:
    """Take one row out and leave the gap."""
    del rows[chance.randrange(len(rows))]
    return rows


def close_gap(rows: list[Row], chance: Random) -> list[Row]:
    """Take some rows out and number the others anew."""
    begin = chance.randrange(len(rows))
    return numbered(rows[:begin] + rows[begin + chance.randrange(1, 4) :])


def truncate(rows: list[Row], chance: Random) -> list[Row]:
    """Cut off the end: one row, a few, or most."""
    return rows[: -chance.choice((1, 1, 2, 3, chance.randrange(1, len(rows) + 1)))]


def forge(rows: list[Row], chance: Random) -> list[Row]:
    """Put in a row that tells of something else."""
    forged = dict(chance.choice(rows))
    forged["event"] = json.dumps({"target": f"node-{chance.randrange(100)}"})
    place = chance.randrange(len(rows) + 1)
    return numbered([*rows[:place], forged, *rows[place:]])


def double(rows: list[Row], chance: Random) -> list[Row]:
    """Tell one row twice."""
    place = chance.randrange(len(rows))
    return numbered([*rows[: place + 1], *rows[place:]])


def swap(rows: list[Row], chance: Random) -> list[Row]:
    """Let two rows change places."""
    one, other = chance.sample(range(len(rows)), 2)
    rows[one], rows[other] = dict(rows[other]), dict(rows[one])
    return numbered(rows)


def move(rows: list[Row], chance: Random) -> list[Row]:
    """Take a block of rows elsewhere."""
    begin = chance.randrange(len(rows) - 1)
    block = rows[begin : begin + chance.randrange(1, 10)]
    rest = rows[:begin] + rows[begin + len(block) :]
    place = chance.randrange(len(rest) + 1)
    return numbered([*rest[:place], *block, *rest[place:]])


def numbered(rows: list[Row]) -> list[Row]:
    """Number all rows anew."""
    return [{**row, "sequence": number} for number, row in enumerate(rows, start=1)]


def hashed_anew(edit: Edit) -> Edit:
    """Return the same edit with all rows hashed anew from the first change on, by somebody who has to guess the key."""

    def forged(rows: list[Row], chance: Random) -> list[Row]:
        before = [dict(row) for row in rows]
        edited = numbered(edit(rows, chance))
        key, previous = chance.randbytes(32), "0" * 64
        for place, row in enumerate(edited):
            if row != (before[place] if place < len(before) else None) or row["previous"] != previous:
                content = json.dumps([row["sequence"], row["at"], row["kind"], row["event"]], separators=(",", ":"))
                row["previous"] = previous
                row["hash"] = hmac.new(key, (previous + content).encode(), hashlib.sha256).hexdigest()
            previous = row["hash"]
        return edited

    return forged


PLAIN: dict[str, Edit] = {
    edit.__name__: edit for edit in (flip, retype, delete, close_gap, truncate, forge, double, swap, move)
}
KINDS = PLAIN | {f"{name}_hashed_anew": hashed_anew(PLAIN[name]) for name in ("close_gap", "forge", "swap", "move")}

if __name__ == "__main__":
    sys.exit(main())
