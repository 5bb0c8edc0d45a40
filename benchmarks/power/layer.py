"""A layer under SQLite that writes down every write, truncation and sync of its files, in the order they were made.

It is a virtual file system of SQLite's own kind, registered by ctypes in the library that Python's sqlite3 uses: the
methods of each opened file are replaced by ones that note what is asked for and then do it. The program knows nothing.
"""

import ctypes as c
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECTOR = 512
_OK = 0
_METHODS = (
    *("xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock", "xUnlock", "xCheckReservedLock"),
    *("xFileControl", "xSectorSize", "xDeviceCharacteristics", "xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap"),
    *("xFetch", "xUnfetch"),
)
_VFS = (
    *("xOpen", "xDelete", "xAccess", "xFullPathname", "xDlOpen", "xDlError", "xDlSym", "xDlClose", "xRandomness"),
    *("xSleep", "xCurrentTime", "xGetLastError", "xCurrentTimeInt64", "xSetSystemCall", "xGetSystemCall"),
    "xNextSystemCall",
)


class _Methods(c.Structure):
    _fields_ = (("iVersion", c.c_int), *((name, c.c_void_p) for name in _METHODS))


class _File(c.Structure):
    _fields_ = (("methods", c.POINTER(_Methods)),)


class _Vfs(c.Structure):
    _fields_ = (
        ("iVersion", c.c_int),
        ("szOsFile", c.c_int),
        ("mxPathname", c.c_int),
        ("pNext", c.c_void_p),
        ("zName", c.c_char_p),
        ("pAppData", c.c_void_p),
        *((name, c.c_void_p) for name in _VFS),
    )


_FileP = c.POINTER(_File)
_OPEN = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p, _FileP, c.c_int, c.c_void_p)
_DELETE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_char_p, c.c_int)
_WRITE = c.CFUNCTYPE(c.c_int, _FileP, c.c_void_p, c.c_int, c.c_int64)
_TRUNCATE = c.CFUNCTYPE(c.c_int, _FileP, c.c_int64)
_SYNC = c.CFUNCTYPE(c.c_int, _FileP, c.c_int)


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes put into a file."""

    file: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file made that long."""

    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """All that was done to a file before is on the disk."""

    file: str


@dataclass(frozen=True, slots=True)
class Delete:
    """A file taken away."""

    file: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is replaced whole and durably, by other means than SQLite."""

    file: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody was told that something is durable."""

    what: str


Step = Write | Truncate | Sync | Delete | Kept | Told


class Layer:
    """Watches the files of one folder; ``steps`` is what was done to them.

    Args:
        beside: names of files in that folder that SQLite knows nothing of.
        is_heeded: whether a sync of that file is passed on and written down; a disk that lies heeds none.
    """

    def __init__(self, beside: tuple[str, ...], is_heeded: Callable[[str], bool] = lambda _file: True) -> None:
        self.steps: list[Step] = []
        self._beside = dict.fromkeys(beside, b"")
        self._is_heeded = is_heeded
        self._folder = ""
        self._library = c.CDLL(_library())
        self._library.sqlite3_vfs_find.restype = c.POINTER(_Vfs)
        self._original = self._library.sqlite3_vfs_find(None)
        self._tables: dict[int, _Methods] = {}
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []
        self._vfs = self._made()

    @contextmanager
    def watching(self, folder: Path) -> Iterator[list[Step]]:
        """Write down what is done to the files of a folder that are opened meanwhile."""
        self.steps, self._folder = [], f"{folder}/"
        self._library.sqlite3_vfs_register(c.byref(self._vfs), 1)
        try:
            yield self.steps
        finally:
            self._library.sqlite3_vfs_register(self._original, 1)
            self._folder = ""

    def tell(self, what: str) -> None:
        """Write down that somebody was told that something is durable."""
        self._look_beside()
        self.steps.append(Told(what))

    def _look_beside(self) -> None:
        for name, known in self._beside.items():
            path = Path(self._folder, name)
            content = path.read_bytes() if path.exists() else b""
            if content != known:
                self._beside[name] = content
                self.steps.append(Kept(name, content))

    def _made(self) -> _Vfs:
        vfs = _Vfs.from_buffer_copy(self._original.contents)
        vfs.zName, vfs.pNext = b"noting", None
        vfs.xOpen = self._callback(_OPEN, self._open)
        vfs.xDelete = self._callback(_DELETE, self._delete)
        return vfs

    def _callback(self, kind: Any, function: Callable[..., int]) -> int | None:  # noqa: ANN401 - a ctypes function type
        made = kind(function)
        self._kept.append(made)  # SQLite holds it for as long as the process lives
        return c.cast(made, c.c_void_p).value

    def _open(self, _vfs: int, name: int | None, file: Any, flags: int, out: int | None) -> int:  # noqa: ANN401
        """Open a file; the name goes on as the very pointer that came, since SQLite keeps it."""
        result = int(_OPEN(self._original.contents.xOpen)(c.addressof(self._original.contents), name, file, flags, out))
        path = c.string_at(name).decode() if name else ""
        if result == _OK and self._folder and path.startswith(self._folder):
            self._names[c.addressof(file.contents)] = path.removeprefix(self._folder)
            file.contents.methods = c.pointer(self._methods(file.contents.methods))
        return result

    def _methods(self, original: Any) -> _Methods:  # noqa: ANN401 - a pointer to _Methods
        """Return the noting twin of a table of methods."""
        place = c.addressof(original.contents)
        if place not in self._tables:
            twin = _Methods.from_buffer_copy(original.contents)
            write, truncate = _WRITE(original.contents.xWrite), _TRUNCATE(original.contents.xTruncate)
            sync = _SYNC(original.contents.xSync)
            twin.xWrite = self._callback(_WRITE, lambda f, at, n, offset: self._write(write, f, at, n, offset))
            twin.xTruncate = self._callback(_TRUNCATE, lambda f, size: self._truncate(truncate, f, size))
            twin.xSync = self._callback(_SYNC, lambda f, flags: self._sync(sync, f, flags))
            self._tables[place] = twin
        return self._tables[place]

    def _name(self, file: Any) -> str:  # noqa: ANN401 - a pointer to _File
        return self._names[c.addressof(file.contents)]

    def _write(self, original: Any, file: Any, place: int, length: int, offset: int) -> int:  # noqa: ANN401
        self.steps.append(Write(self._name(file), offset, c.string_at(place, length)))
        return int(original(file, place, length, offset))

    def _truncate(self, original: Any, file: Any, size: int) -> int:  # noqa: ANN401
        self.steps.append(Truncate(self._name(file), size))
        return int(original(file, size))

    def _sync(self, original: Any, file: Any, flags: int) -> int:  # noqa: ANN401
        self._look_beside()
        if not self._is_heeded(self._name(file)):
            return _OK
        self.steps.append(Sync(self._name(file)))
        return int(original(file, flags))

    def _delete(self, _vfs: int, name: bytes, sync_folder: int) -> int:
        path = name.decode()
        if self._folder and path.startswith(self._folder):
            self.steps.append(Delete(path.removeprefix(self._folder)))
        return int(_DELETE(self._original.contents.xDelete)(c.addressof(self._original.contents), name, sync_folder))


def _library() -> str | None:
    """Return the library that Python's sqlite3 has loaded; None: it is part of the program itself."""
    import _sqlite3  # noqa: F401, PLC0415 - loads it

    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    found = re.search(r"\S+/libsqlite3\.so\S*", maps)
    return found.group() if found else None
