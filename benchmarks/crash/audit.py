"""Knowledge held against the Charter's own journal: what was lost, doubled, orphaned, or left lying."""

import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

FORWARD, ROLL_BACK, RENEWAL = "", "rollback", "renew"
_KEY = re.compile(r"(?P<execution>act-[0-9a-f]{24})(?::(?P<purpose>rollback|renew)(?::(?P<number>\d+))?)?(?P<rest>.*)")
_BEGINS = {FORWARD: {"applying"}, ROLL_BACK: {"rolling_back"}, RENEWAL: {"renewing"}}
_SETTLED = frozenset({"in_force", "succeeded", "rolled_back", "failed"})


class Intent(NamedTuple):
    """One thing that was to be done once: an execution, and whether to apply, renew (which time) or undo it."""

    execution_id: str
    purpose: str
    number: int


class Move(NamedTuple):
    """One row of an execution's history."""

    at: str
    epoch: int
    from_state: str | None
    to_state: str


@dataclass(slots=True)
class Audit:
    """What is wrong, one sentence each."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    unrecovered: list[str] = field(default_factory=list)
    executions: int = 0
    effects: int = 0
    acknowledged: int = 0

    def __add__(self, other: "Audit") -> "Audit":
        return Audit(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def audit(knowledge: Path, journal: Path, trace: Path) -> Audit:
    """Hold the three against each other, after the last life ended in peace.

    Args:
        knowledge: the daemon's SQLite file.
        journal: the Charter's effects, as JSON lines.
        trace: what the daemon acknowledged to itself before it was killed, as JSON lines.
    """
    executions, moves = _read(knowledge)
    entries = [entry for entry in _lines(journal) if entry["source"] == "mape-k" and entry["effect"] != "lapsed"]
    effects = [entry for entry in entries if entry["effect"] in ("applied", "renewed", "rolled_back")]
    acknowledged = [line for line in _lines(trace) if line["what"] == "durable"]
    had_effect: dict[Intent, list[dict[str, Any]]] = defaultdict(list)
    for entry in effects:
        if (intent := _intent(entry)) is not None:
            had_effect[intent].append(entry)
    return Audit(
        lost=[
            *_forgotten(acknowledged, moves),
            *_torn(executions, moves),
            *_without_effect(executions, moves, had_effect),
        ],
        doubled=[f"{_told(intent)} had {len(found)} effects" for intent, found in had_effect.items() if len(found) > 1],
        orphaned=list(_orphaned(effects, moves)),
        unrecovered=[
            f"{name} is still {row['state']} ({row['detail']})"
            for name, row in executions.items()
            if row["state"] not in _SETTLED
        ],
        executions=len(executions),
        effects=len(effects),
        acknowledged=len(acknowledged),
    )


def _read(knowledge: Path) -> tuple[dict[str, sqlite3.Row], dict[str, list[Move]]]:
    with closing(sqlite3.connect(f"file:{knowledge}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        executions = {row["execution_id"]: row for row in connection.execute("SELECT * FROM executions")}
        moves: dict[str, list[Move]] = defaultdict(list)
        for row in connection.execute("SELECT * FROM transitions ORDER BY number"):
            at = row["at"].replace(" ", "T")
            moves[row["execution_id"]].append(Move(at, row["epoch"], row["from_state"], row["to_state"]))
    return executions, moves


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _intent(entry: Mapping[str, Any]) -> Intent | None:
    found = _KEY.fullmatch(entry["idempotency_key"] or "")
    if found is None:
        return None
    return Intent(found["execution"], found["purpose"] or FORWARD, int(found["number"] or 0))


def _told(intent: Intent) -> str:
    return f"{intent.execution_id} {intent.purpose or 'apply'}{intent.number or ''}"


def _forgotten(acknowledged: Iterable[Mapping[str, Any]], moves: Mapping[str, Sequence[Move]]) -> Iterator[str]:
    kept = Counter((name, move.to_state, move.epoch) for name, history in moves.items() for move in history)
    said = Counter((line["execution_id"], line["state"], line["epoch"]) for line in acknowledged)
    for name, state, epoch in (said - kept).elements():
        yield f"{name} was said to be {state} in epoch {epoch}, and is not known as that"


def _torn(executions: Mapping[str, sqlite3.Row], moves: Mapping[str, Sequence[Move]]) -> Iterator[str]:
    for name, row in executions.items():
        states = [None, *(move.to_state for move in moves[name])]
        broken = any(before.to_state != after.from_state for before, after in pairwise(moves[name]))
        if broken or states[-1] != row["state"]:
            yield f"{name} is {row['state']}, its history says {states}"


def _without_effect(
    executions: Mapping[str, sqlite3.Row],
    moves: Mapping[str, Sequence[Move]],
    had_effect: Mapping[Intent, Sequence[Mapping[str, Any]]],
) -> Iterator[str]:
    """Yield what Knowledge holds to have happened and did not, and what it denies and did happen."""
    for name, row in executions.items():
        passed = {move.to_state for move in moves[name]}
        claimed = {Intent(name, RENEWAL, number) for number in range(1, row["renewals"] + 1)}
        claimed |= {Intent(name, FORWARD, 0)} if "verifying" in passed else set()
        claimed |= {Intent(name, ROLL_BACK, 0)} if "rolled_back" in passed else set()
        yield from (f"{_told(intent)} is held to be done, and was not" for intent in claimed - had_effect.keys())
        if row["state"] == "failed" and Intent(name, FORWARD, 0) in had_effect:
            yield f"{name} is held to have failed ({row['detail']}), and was applied"


def _orphaned(effects: Iterable[Mapping[str, Any]], moves: Mapping[str, Sequence[Move]]) -> Iterator[str]:
    """Yield the effects whose intent was not durable, in this epoch, before they happened."""
    for entry in effects:
        intent, key = _intent(entry), entry["idempotency_key"]
        history = [] if intent is None else [m for m in moves.get(intent.execution_id, ()) if m.at <= entry["at"]]
        begun = intent is not None and any(m.to_state in _BEGINS[intent.purpose] for m in history)
        ours = any(move.epoch == entry["epoch"] for move in history)
        is_exact = intent is not None and key == _key(intent)
        if not (begun and ours and is_exact):
            why = (
                "no intent of before"
                if is_exact and not begun
                else "no intent in its epoch"
                if is_exact
                else "no key of ours"
            )
            yield f"{entry['effect']} of {entry['kind']} (key {key}, epoch {entry['epoch']}): {why}"


def _key(intent: Intent) -> str:
    suffix = {FORWARD: "", ROLL_BACK: ":rollback", RENEWAL: f":renew:{intent.number}"}
    return intent.execution_id + suffix[intent.purpose]
