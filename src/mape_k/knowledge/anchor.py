"""What the audit trail rests on outside the store: the key, and the heads it has had."""

import os
import re
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mape_k.errors import ConfigError, StoreError
from mape_k.knowledge.audit import Head
from mape_k.knowledge.quarantine import sync_folder
from mape_k.settings import write_once

_KEY_BYTES = 32
_LINE = re.compile(r"([1-9][0-9]{0,18}) ([0-9a-f]{64})")
_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFiles:
    """Where the key and the anchor of an audit trail are, and beside the anchor the highest epoch there was."""

    key: Path
    anchor: Path

    @property
    def epoch(self) -> Path:
        """The file of the highest epoch."""
        return self.anchor.with_name("epoch")

    @classmethod
    def within(cls, folder: Path) -> "AuditFiles":
        """Return them under their usual names."""
        return cls(key=folder / "audit.key", anchor=folder / "audit.anchor")


def ensure_key(path: Path) -> bytes:
    """Return the key, made (mode 0600) when there is none.

    Raises:
        ConfigError: it cannot be made or read, or is no key.
    """
    if not path.exists():
        write_once(path, secrets.token_hex(_KEY_BYTES) + "\n")
    return read_key(path)


def read_key(path: Path) -> bytes:
    """Return the key.

    Raises:
        ConfigError: it cannot be read, or is no key.
    """
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except OSError as error:
        raise ConfigError([f"{path}: the key of the audit trail cannot be read: {error.strerror}"]) from error
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigError([f"{path}: expected {2 * _KEY_BYTES} hexadecimal digits; put the key back from your copy"])
    return key


def read_epoch(path: Path) -> int:
    """Return the highest epoch that this host has had, whatever became of its Knowledge; 0 where none is known.

    Raises:
        ConfigError: the file cannot be read, or holds no number.
    """
    try:
        return int(path.read_text("ascii"))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: expected one whole number, the highest epoch there was: {error}"]) from error


def keep_epoch(path: Path, epoch: int) -> None:
    """Keep the epoch for the day on which Knowledge is lost.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        _replace(path, f"{epoch}\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error


def read_anchor(path: Path) -> list[Head]:
    """Return the heads that were anchored, oldest first; none where there is no file.

    Raises:
        StoreError: it cannot be read, or a line of it is no head.
    """
    return [_head(path, number, line) for number, line in enumerate(_whole_lines(path), start=1)]


class Anchor:
    """A text file of heads, a line each, synced; the first and the newest are always kept.

    Args:
        path: made when absent, readable by its owner alone.
        kept: lines that stay when the oldest are dropped, which happens at twice as many.

    Raises:
        StoreError: it cannot be read.
    """

    def __init__(self, path: Path, *, kept: int = _KEPT) -> None:
        self._path = path
        self._kept = kept
        self._lines = _whole_lines(path)
        self._is_whole = False  # until written by this process: a power cut may have left half a line at its end

    def note(self, head: Head) -> None:
        """Keep a head, unless it is the newest one already.

        Raises:
            StoreError: it cannot be written.
        """
        line = str(head)
        if not head.sequence or self._lines[-1:] == [line]:
            return
        try:
            self._write(line)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror}") from error

    def _write(self, line: str) -> None:
        is_appended = self._is_whole and len(self._lines) < 2 * self._kept
        self._is_whole = False
        if is_appended:
            self._append(line)
        else:
            newest = self._lines[max(1, len(self._lines) - self._kept) :]
            self._replace([*self._lines[:1], *newest, line])
        self._is_whole = True

    def _append(self, line: str) -> None:
        with self._path.open("a", encoding="ascii") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._lines.append(line)

    def _replace(self, lines: list[str]) -> None:
        _replace(self._path, "".join(f"{line}\n" for line in lines))
        self._lines = lines


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, durably."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as draft:
        draft.write(text)
        draft.flush()
        os.fsync(draft.fileno())
    Path(draft.name).replace(path)
    sync_folder(path.parent)


def _whole_lines(path: Path) -> list[str]:
    """Return the lines without one that has no end, which a crash cut short."""
    try:
        return path.read_text("ascii", "replace").split("\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def _head(path: Path, number: int, line: str) -> Head:
    found = _LINE.fullmatch(line)
    if found is None:
        raise StoreError(f"{path}:{number}: expected a sequence and a hash; the anchor was altered")
    return Head(int(found[1]), found[2])
