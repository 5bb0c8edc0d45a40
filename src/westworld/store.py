"""What must survive: violations, policies, keys, the epoch, the journal, the faults, and the world's own state."""

import asyncio
import fcntl
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from westworld import journal_file
from westworld.clock import from_wire, to_wire
from westworld.enforcement import JournalEntry, Policy
from westworld.happenings import Violation
from westworld.journal_file import JournalFile
from westworld.kinds import KINDS
from westworld.problems import InvalidFile
from westworld.writer import Writer, connect

Result = TypeVar("Result")
Connection = sqlite3.Connection
DatabaseError = sqlite3.Error
KEY_RETENTION_SECONDS = 8 * 86400.0
_VIOLATION_RETENTION_SECONDS = 40 * 86400.0
_LEVELS_OF_A_NODE = 4
_SCHEMA = """
CREATE TABLE IF NOT EXISTS violations (
  id TEXT PRIMARY KEY, detected_at TEXT NOT NULL, severity TEXT NOT NULL, violation_type TEXT NOT NULL,
  node_or_service TEXT NOT NULL, metric_name TEXT, level INTEGER NOT NULL, response TEXT NOT NULL, notified_at TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS violations_in_order ON violations (detected_at, id);
CREATE INDEX IF NOT EXISTS violations_to_notify ON violations (detected_at) WHERE notified_at IS NULL;
CREATE TABLE IF NOT EXISTS policies (
  sequence INTEGER PRIMARY KEY, policy_id TEXT UNIQUE NOT NULL, status TEXT NOT NULL, fields TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS policies_by_status ON policies (status);
CREATE TABLE IF NOT EXISTS keys (
  key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, answer TEXT NOT NULL, seen_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, effect TEXT NOT NULL, idempotency_key TEXT,
  epoch INTEGER, policy_id TEXT NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL, scope TEXT NOT NULL,
  source TEXT NOT NULL, incident_id TEXT NOT NULL, traceparent TEXT
);
CREATE TABLE IF NOT EXISTS faults (name TEXT PRIMARY KEY, injected_at REAL NOT NULL, parameters TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_ADD_VIOLATION = """
INSERT OR IGNORE INTO violations
  (id, detected_at, severity, violation_type, node_or_service, metric_name, level, response)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_ADD_ENTRY = """
INSERT INTO journal
  (at, effect, idempotency_key, epoch, policy_id, version, kind, scope, source, incident_id, traceparent)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_VIOLATION_COLUMNS = (
    "id, detected_at, severity, violation_type, node_or_service, metric_name, level, response, notified_at"
)
_PAGE_OF_VIOLATIONS = f"""
SELECT {_VIOLATION_COLUMNS} FROM violations WHERE (detected_at, id) > (?, ?) ORDER BY detected_at, id LIMIT ?
"""  # noqa: S608 names of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a key was answered with, and to which body."""

    fingerprint: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What an earlier run left."""

    epoch: int
    policies: tuple[Policy, ...]
    faults: Mapping[str, tuple[float, Mapping[str, float]]]
    world: Mapping[str, Any] | None
    past_violations: tuple[tuple[str, float], ...]
    to_notify: tuple[tuple[str, str], ...]


class Store:
    """A SQLite file with one writer; a second service on the same file is refused.

    Args:
        path: of the database; its folder is made.
        journal: file for the journal, beside the table.

    Raises:
        InvalidFile: the file cannot be used, or another service uses it.
    """

    def __init__(self, path: Path, journal: Path | None = None) -> None:
        with ExitStack() as held:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(_locked(path))
                self._reading = held.enter_context(closing(connect(path)))
                self._reading.executescript(_SCHEMA)
                self._journal = held.enter_context(closing(JournalFile(journal))) if journal else None
            except (OSError, sqlite3.Error, ValueError) as error:
                raise InvalidFile([f"{path}: cannot be used ({error}); give another --state or --journal"]) from error
            self._held = held.pop_all()
        self._writer = Writer(path, self._journal.catch_up if self._journal else _nothing_more)
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="charter-reader")

    async def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run one function in the next commit; durable when it returns."""
        return await asyncio.wrap_future(self._writer.submit(work))

    async def read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        run = lambda: self._reading.execute(query, values).fetchall()  # noqa: E731 a closure, not a name
        return await asyncio.get_running_loop().run_in_executor(self._reader, run)

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self._writer.close()
        self._reader.shutdown()
        self._held.close()

    async def remembered(self) -> Remembered:
        """Return what an earlier run left."""
        facts = dict(await self.read("SELECT name, value FROM facts"))
        rows = await self.read("SELECT fields FROM policies WHERE status = 'active' ORDER BY sequence")
        faults = await self.read("SELECT name, injected_at, parameters FROM faults ORDER BY injected_at")
        return Remembered(
            epoch=int(facts.get("epoch", "0")),
            policies=tuple(Policy(**json.loads(fields)) for (fields,) in rows),
            faults={name: (at, json.loads(parameters)) for name, at, parameters in faults},
            world=json.loads(facts["world"]) if "world" in facts else None,
            past_violations=tuple(await self._past_violations()),
            to_notify=tuple(
                await self.read("SELECT severity, id FROM violations WHERE notified_at IS NULL ORDER BY detected_at")
            ),
        )

    async def answer(self, key: str) -> Answer | None:
        """Return what a key was answered with."""
        rows = await self.read("SELECT fingerprint, answer FROM keys WHERE key = ?", key)
        return Answer(fingerprint=rows[0][0], body=json.loads(rows[0][1])) if rows else None

    async def policy(self, policy_id: str) -> Policy | None:
        """Return one policy, in force or not."""
        rows = await self.read("SELECT fields FROM policies WHERE policy_id = ?", policy_id)
        return Policy(**json.loads(rows[0][0])) if rows else None

    async def policies(self, *, after: int, limit: int, status: str | None) -> list[tuple[int, Policy]]:
        """Return policies with their sequence, oldest first."""
        rows = await self.read(
            "SELECT sequence, fields FROM policies WHERE sequence > ? AND (?2 IS NULL OR status = ?2) "
            "ORDER BY sequence LIMIT ?3".replace("> ?", "> ?1", 1),
            after,
            status,
            limit,
        )
        return [(sequence, Policy(**json.loads(fields))) for sequence, fields in rows]

    async def violations(self, *, after: tuple[str, str], limit: int) -> list[dict[str, Any]]:
        """Return violations beyond a time and id, oldest first."""
        names = _VIOLATION_COLUMNS.split(", ")
        rows = await self.read(_PAGE_OF_VIOLATIONS, *after, limit)
        return [_with_status(dict(zip(names, row, strict=True))) for row in rows]

    async def journal(self, *, after: int, limit: int) -> list[dict[str, Any]]:
        """Return journal entries beyond a sequence, oldest first."""
        return [journal_file.entry(row) for row in await self.read(journal_file.SELECT, after, limit)]

    async def _past_violations(self) -> list[tuple[str, float]]:
        rows = await self.read(
            "SELECT node_or_service, detected_at FROM ("
            "SELECT node_or_service, detected_at, row_number() OVER "
            "(PARTITION BY node_or_service ORDER BY detected_at DESC) AS nth FROM violations) "
            "WHERE nth <= ? ORDER BY detected_at",
            _LEVELS_OF_A_NODE,
        )
        return [(node, from_wire(at)) for node, at in rows]


def add_violations(connection: sqlite3.Connection, violations: Iterable[Violation]) -> list[Violation]:
    """Insert violations; return those whose id was not known yet."""
    return [v for v in violations if connection.execute(_ADD_VIOLATION, _violation_row(v)).rowcount == 1]


def note_notified(connection: sqlite3.Connection, notified: Sequence[tuple[str, float]]) -> None:
    """Write down when the committee heard of a violation."""
    rows = [(to_wire(at), violation_id) for violation_id, at in notified]
    connection.executemany("UPDATE violations SET notified_at = ? WHERE id = ?", rows)


def save_entries(connection: sqlite3.Connection, entries: Iterable[JournalEntry]) -> None:
    """Write journal entries, and the policies as they stand after them."""
    for entry in entries:
        save_policy(connection, entry.policy)
        connection.execute(_ADD_ENTRY, _entry_row(entry))


def save_policy(connection: sqlite3.Connection, policy: Policy) -> None:
    """Insert or update one policy."""
    fields = json.dumps({name: getattr(policy, name) for name in Policy.__slots__})
    connection.execute(
        "INSERT INTO policies (policy_id, status, fields) VALUES (?, ?, ?) "
        "ON CONFLICT (policy_id) DO UPDATE SET status = excluded.status, fields = excluded.fields",
        (policy.policy_id, policy.status, fields),
    )


def save_answer(connection: sqlite3.Connection, key: str, answer: Answer, now: float) -> None:
    """Remember what a key was answered with."""
    row = (key, answer.fingerprint, json.dumps(answer.body), now)
    connection.execute("INSERT INTO keys (key, fingerprint, answer, seen_at) VALUES (?, ?, ?, ?)", row)


def save_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Insert or replace one fact."""
    connection.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))


def save_fault(connection: sqlite3.Connection, name: str, injected_at: float, parameters: Mapping[str, float]) -> None:
    """Remember an injected fault."""
    connection.execute(
        "INSERT OR REPLACE INTO faults VALUES (?, ?, ?)", (name, injected_at, json.dumps(dict(parameters)))
    )


def forget_fault(connection: sqlite3.Connection, name: str) -> None:
    """Forget a fault that was taken back."""
    connection.execute("DELETE FROM faults WHERE name = ?", (name,))


def prune(connection: sqlite3.Connection, now: float) -> None:
    """Forget keys and violations beyond their retention."""
    connection.execute("DELETE FROM keys WHERE seen_at < ?", (now - KEY_RETENTION_SECONDS,))
    connection.execute(
        "DELETE FROM violations WHERE detected_at < ? AND notified_at IS NOT NULL",
        (to_wire(now - _VIOLATION_RETENTION_SECONDS),),
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_name(path.name + ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InvalidFile(
                [f"{path}: another Charter service uses it; stop that one or give another --state"]
            ) from error
        yield


def _nothing_more(_connection: sqlite3.Connection) -> None:
    """Do nothing after a commit: there is no journal file."""


def _violation_row(violation: Violation) -> tuple[object, ...]:
    return (
        violation.violation_id,
        to_wire(violation.detected_at),
        violation.severity,
        violation.violation_type,
        violation.node_or_service,
        violation.metric_name,
        violation.level,
        violation.response,
    )


def _entry_row(entry: JournalEntry) -> tuple[object, ...]:
    policy = entry.policy
    return (
        to_wire(entry.at),
        entry.effect,
        entry.idempotency_key,
        entry.epoch,
        policy.policy_id,
        policy.version,
        policy.kind,
        json.dumps({KINDS[policy.kind].label: policy.target}),
        policy.source,
        policy.incident_id,
        entry.traceparent,
    )


def _with_status(violation: dict[str, Any]) -> dict[str, Any]:
    return violation | {"status": "notified" if violation["notified_at"] else "open"}
