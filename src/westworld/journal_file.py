"""The journal as a file of JSON lines, so that an auditor needs no service to read it."""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

_COLUMNS = (
    "sequence, at, effect, idempotency_key, epoch, policy_id, version, kind, scope, source, incident_id, traceparent"
)
SELECT = f"SELECT {_COLUMNS} FROM journal WHERE sequence > ? ORDER BY sequence LIMIT ?"  # noqa: S608 names of ours
_MOST = 10_000


def entry(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return a journal row as the API and the file show it."""
    document = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return document | {"scope": json.loads(document["scope"])}


class JournalFile:
    """Appends what the database has and the file has not; each line is on the disk before anybody is answered.

    Args:
        path: of the file; what an earlier run could not append is appended with the first commit.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._last = _last_sequence(path)
        self._file = path.open("a", encoding="utf-8")

    def catch_up(self, connection: sqlite3.Connection) -> None:
        """Append the entries that are committed but not in the file yet."""
        while rows := connection.execute(SELECT, (self._last, _MOST)).fetchall():
            self._file.writelines(json.dumps(entry(row)) + "\n" for row in rows)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._last = rows[-1][0]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _last_sequence(path: Path) -> int:
    """Return the sequence of the last whole line, and cut a torn one off."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))
    last = whole.splitlines()[-1] if whole else b'{"sequence": 0}'
    return int(json.loads(last)["sequence"])
