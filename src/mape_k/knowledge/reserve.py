"""Space kept beside the file, so that a full disk still takes the outcomes of what is under way."""

import os
from contextlib import suppress
from pathlib import Path


class Reserve:
    """A file that only takes up space; on a full disk it is given up, and made again when there is room.

    Args:
        path: where it is, on the disk that it is for.
        size: bytes; 0: there is none.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self.held_bytes = 0

    @property
    def is_given_up(self) -> bool:
        """Whether it should be there and is not: the disk is full, or nearly."""
        return self.held_bytes < self._size

    def give_up(self) -> bool:
        """Free its space; return whether there was any."""
        had_any = self.held_bytes > 0
        self.held_bytes = 0
        with suppress(OSError):  # freeing space is not worth an error on top of the one that asked for it
            self._path.unlink(missing_ok=True)
        return had_any

    def restore(self) -> None:
        """Make it, where as much again stays free; else leave it for the next time."""
        if not self.is_given_up:
            return
        try:
            if self._has_room():
                self._make()
        except OSError:
            self.give_up()

    def _has_room(self) -> bool:
        disk = os.statvfs(self._path.parent)
        kept = self._path.stat().st_blocks * 512 if self._path.exists() else 0
        return disk.f_bavail * disk.f_frsize + kept >= 2 * self._size

    def _make(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._size)
            os.ftruncate(descriptor, self._size)
        finally:
            os.close(descriptor)
        self.held_bytes = self._size
