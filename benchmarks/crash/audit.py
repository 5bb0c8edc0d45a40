"""Knowledge held against the Charter's own journal: what was lost, doubled, orphaned, or left lying."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import RowMapping, select

from crash import points
from crash.store import Store
from mape_k.knowledge import audit as trail
from mape_k.knowledge.schema import audit as audit_rows
from mape_k.knowledge.schema import executions as execution_rows
from mape_k.knowledge.schema import transitions

FORWARD, ROLL_BACK, RENEWAL = "", "rollback", "renew"
_KEY = re.compile(
    r"(?P<execution>act-[0-9a-f]{24})(?::(?P<part>[2-9]))?"
    r"(?::(?P<purpose>rollback|renew)(?::(?P<number>\d+))?)?(?P<rest>.*)"
)
_BEGINS = {FORWARD: {"applying"}, ROLL_BACK: {"rolling_back"}, RENEWAL: {"renewing"}}
_SETTLED = frozenset({"in_force", "succeeded", "rolled_back", "inconclusive", "failed"})
_UNTOUCHED = frozenset({"undone_elsewhere", "lapsed_unseen", "thawed"})
"""Reasons for being rolled back without a request of ours."""
_KINDS = {
    points.PAUSE: trail.PAUSED,
    points.LIFT: trail.RESUMED,
    points.CONSENT: trail.CONSENT,
    points.FEEDBACK: trail.FEEDBACK,
}
"""What the audit trail calls each order of a person."""


class Intent(NamedTuple):
    """One thing that was to be done once: to apply, renew (which time) or undo a part of an execution."""

    execution_id: str
    part: int
    purpose: str
    number: int


class Move(NamedTuple):
    """One row of an execution's history."""

    at: datetime
    epoch: int
    from_state: str | None
    to_state: str
    reason: str | None


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


def audit(knowledge: Store, journal: Path, trace: Path) -> Audit:
    """Hold the three against each other, after the last life ended in peace.

    Args:
        knowledge: the daemon's.
        journal: the Charter's effects, as JSON lines.
        trace: what the daemon acknowledged to itself before it was killed, as JSON lines.
    """
    executions, moves = _read(knowledge)
    entries = _lines(journal)
    lapsed = {entry["policy_id"] for entry in entries if entry["effect"] == "lapsed"}
    ours = [entry for entry in entries if entry["source"] == "mape-k"]
    effects = [entry for entry in ours if entry["effect"] in ("applied", "renewed", "rolled_back")]
    acknowledged = [line for line in _lines(trace) if line["what"] == "durable"]
    had_effect: dict[Intent, list[dict[str, Any]]] = defaultdict(list)
    for entry in effects:
        if (intent := _intent(entry)) is not None:
            had_effect[intent].append(entry)
    return Audit(
        lost=[
            *_forgotten(acknowledged, moves),
            *_torn(executions, moves),
            *_without_effect(executions, moves, had_effect, lapsed),
            *_orders_forgotten(_lines(trace), knowledge),
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


def _read(knowledge: Store) -> tuple[dict[str, RowMapping], dict[str, list[Move]]]:
    executions = {row["execution_id"]: row for row in knowledge.rows(select(execution_rows))}
    moves: dict[str, list[Move]] = defaultdict(list)
    for row in knowledge.rows(select(transitions).order_by(transitions.c.number)):
        facts = (row[name] for name in ("at", "epoch", "from_state", "to_state", "reason"))
        moves[row["execution_id"]].append(Move(*facts))
    return executions, moves


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _intent(entry: Mapping[str, Any]) -> Intent | None:
    found = _KEY.fullmatch(entry["idempotency_key"] or "")
    if found is None:
        return None
    part, number = int(found["part"] or 1), int(found["number"] or 0)
    return Intent(found["execution"], part, found["purpose"] or FORWARD, number)


def _told(intent: Intent) -> str:
    return f"{intent.execution_id} part {intent.part} {intent.purpose or 'apply'}{intent.number or ''}"


def _forgotten(acknowledged: Iterable[Mapping[str, Any]], moves: Mapping[str, Sequence[Move]]) -> Iterator[str]:
    kept = Counter((name, move.to_state, move.epoch) for name, history in moves.items() for move in history)
    said = Counter((line["execution_id"], line["state"], line["epoch"]) for line in acknowledged)
    for name, state, epoch in (said - kept).elements():
        yield f"{name} was said to be {state} in epoch {epoch}, and is not known as that"


def _torn(executions: Mapping[str, RowMapping], moves: Mapping[str, Sequence[Move]]) -> Iterator[str]:
    for name, row in executions.items():
        states = [None, *(move.to_state for move in moves[name])]
        broken = any(before.to_state != after.from_state for before, after in pairwise(moves[name]))
        if broken or states[-1] != row["state"]:
            yield f"{name} is {row['state']}, its history says {states}"


def _without_effect(
    executions: Mapping[str, RowMapping],
    moves: Mapping[str, Sequence[Move]],
    had_effect: Mapping[Intent, Sequence[Mapping[str, Any]]],
    lapsed: set[str],
) -> Iterator[str]:
    """Yield what Knowledge holds to have happened and did not, and what it denies and did happen."""
    for name, row in executions.items():
        parts = range(1, 2 + len(row["terms"]["further"]))
        passed = {move.to_state for move in moves[name]}
        claimed = {Intent(name, part, RENEWAL, number) for number in range(1, row["renewals"] + 1) for part in parts}
        claimed |= {Intent(name, part, FORWARD, 0) for part in parts} if "verifying" in passed else set()
        yield from (f"{_told(intent)} is held to be done, and was not" for intent in claimed - had_effect.keys())
        first = Intent(name, 1, FORWARD, 0)
        if row["state"] == "failed" and first in had_effect:
            yield f"{name} is held to have failed ({row['detail']}), and was applied"
        if row["state"] == "rolled_back" and moves[name][-1].reason not in _UNTOUCHED:
            yield from _not_undone(name, had_effect, lapsed)


def _not_undone(name: str, had_effect: Mapping[Intent, Sequence[Mapping[str, Any]]], lapsed: set[str]) -> Iterator[str]:
    """Yield the parts that were applied, were not undone and have not ended by themselves."""
    undone = {intent.part for intent in had_effect if intent.execution_id == name and intent.purpose == ROLL_BACK}
    for intent, entries in had_effect.items():
        is_applied = intent.execution_id == name and intent.purpose == FORWARD
        if is_applied and intent.part not in undone and not lapsed.intersection(e["policy_id"] for e in entries):
            yield f"{_told(intent)} is held to be undone, and was not"


def _orders_forgotten(trace: Iterable[Mapping[str, Any]], knowledge: Store) -> Iterator[str]:
    """Yield the orders of which a person was told that they are kept, and that are not."""
    kept = Counter(row["kind"] for row in knowledge.rows(select(audit_rows.c.kind)))
    told = Counter(_KINDS[line["order"]] for line in trace if line["what"] == "ordered")
    yield from (f"{count} times {kind} is forgotten" for kind, count in (told - kept).items())


def _orphaned(effects: Iterable[Mapping[str, Any]], moves: Mapping[str, Sequence[Move]]) -> Iterator[str]:
    """Yield the effects whose intent was not durable, in this epoch, before they happened."""
    for entry in effects:
        intent, key, at = _intent(entry), entry["idempotency_key"], datetime.fromisoformat(entry["at"])
        history = [] if intent is None else [m for m in moves.get(intent.execution_id, ()) if m.at <= at]
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
    number = f":{intent.number}" if intent.number else ""
    part = f":{intent.part}" if intent.part > 1 else ""
    return intent.execution_id + part + (f":{intent.purpose}{number}" if intent.purpose else "")
