"""Damage: found by a look at every page, and the damaged file kept, never deleted."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import Connection, insert

from mape_k.errors import StoreError
from mape_k.knowledge import audit
from mape_k.knowledge.schema import pauses
from mape_k.recording import to_document

log = structlog.get_logger(__name__)

EVERY = timedelta(days=1)
_PARTS = ("", "-wal", "-shm")
_MARK = ".damaged-"


def set_aside(path: Path, anchor: Path, at: datetime) -> Path:
    """Move a file with its -wal and -shm, and the anchor of its trail, out of the way; return its name there.

    Raises:
        StoreError: it cannot be moved.
    """
    aside = _aside(path, at)
    moves = {anchor: _aside(anchor, at)} | {_sibling(path, part): _sibling(aside, part) for part in _PARTS}
    try:
        for old, new in moves.items():
            if old.exists():
                old.rename(new)
        sync_folder(anchor.parent)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path} is damaged and cannot be moved aside: {error.strerror}") from error
    log.critical("knowledge_set_aside", file=str(path), kept_as=str(aside))
    return aside


def begin_paused(connection: Connection, aside: Path, at: datetime) -> None:
    """Pause a Knowledge that begins empty where a damaged one is kept: whoever knows nothing may do nothing."""
    comment = (
        f"Knowledge was damaged; it is kept as {aside}, and this one began empty. "
        "Stop the daemon and put a copy back, or go on from here with `mape-k resume`."
    )
    pause = {"scope": "", "since": at, "by": "mape-k", "comment": comment, "until": None}
    connection.execute(insert(pauses).values(pause))
    audit.note(connection, audit.PAUSED, to_document(pause), at=at)


def copy_aside(path: Path, at: datetime) -> Path:
    """Copy a file that nobody writes any more, with its -wal and -shm, for its owner alone; return the copy.

    Raises:
        OSError: there is no room for it, for one.
    """
    aside = _aside(path, at)
    for part in _PARTS:
        if _sibling(path, part).exists():
            _sibling(aside, part).touch(mode=0o600)
            shutil.copyfile(_sibling(path, part), _sibling(aside, part))
    return aside


def kept_aside(path: Path) -> list[Path]:
    """Return the damaged files that were kept, oldest first."""
    kept = path.parent.glob(f"{path.name}{_MARK}*")
    return sorted(each for each in kept if not each.name.endswith(_PARTS[1:]))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _aside(path: Path, at: datetime) -> Path:
    return path.with_name(f"{path.name}{_MARK}{at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}")


def _sibling(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)


class Checkup:
    """Looks at every page once a day, on a connection and in a thread of its own: a big file keeps nobody waiting.

    Args:
        path: the file.
        found: called, from that thread, with what is wrong.
    """

    def __init__(self, path: Path, found: Callable[[str], None]) -> None:
        self._path = path
        self._found = found
        self._last: datetime | None = None
        self._looking: sqlite3.Connection | None = None
        self._thread: threading.Thread | None = None

    def tend(self, now: datetime) -> None:
        """Begin a look when the last one, or the start, was a day ago; do not wait for it."""
        self._last = self._last or now
        if now - self._last >= EVERY:
            self._last = now
            self.begin()

    def begin(self) -> None:
        """Begin a look, unless one is under way."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, name="knowledge-checkup", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait for the look that is under way."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Cut the look that is under way."""
        if self._looking is not None:
            with suppress(sqlite3.ProgrammingError):  # it has just ended by itself
                self._looking.interrupt()
        self.wait()

    def _look(self) -> None:
        try:
            with closing(_connected(self._path)) as self._looking:
                (said,) = self._looking.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            said = str(error) if is_damage(error) else "ok"
        finally:
            self._looking = None
        log.info("knowledge_checked", found=said)
        if said != "ok":
            self._found(said)


def is_damage(error: BaseException | None) -> bool:
    """Return whether an error of the engine says that the file is damaged."""
    return getattr(error, "sqlite_errorcode", -1) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
