"""All places of one installation: everything is checked before anything is exchanged in any of them."""

import fcntl
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mape_k.catalogue import load_catalogue
from mape_k.deploy.places import PLACES, Prepared
from mape_k.errors import ConfigError
from mape_k.packfiles import read_folder

_OPEN_TO_SERVERS = 0o022


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of one server's folder.

    Args:
        place: prometheus, alertmanager, grafana or loki.
        path: what the server reads.
        has_changed: whether that differs from before.
        checked_by: the program that looked at it first; empty: none was found.
    """

    place: str
    path: Path
    has_changed: bool
    checked_by: str


def install(packs: Sequence[Path], folders: Mapping[str, Path]) -> tuple[Written, ...]:
    """Put packs into the folders of the servers; nothing is exchanged anywhere before all of it was checked.

    Args:
        packs: the folders of the packs.
        folders: by place, one or more of :data:`~mape_k.deploy.places.PLACES`.

    Raises:
        ConfigError: a pack, a folder or a configuration cannot be used, or something cannot be written; every server
            reads what it read before, but for those that the message names.
    """
    load_catalogue([str(pack) for pack in packs])
    problems = [f"{folder}: is no folder; make it first" for folder in folders.values() if not folder.is_dir()]
    resolved = [pack.resolve() for pack in packs]
    problems += [problem for pack in resolved for problem in _strays(pack)]
    if problems:
        raise ConfigError(problems)
    for pack in resolved:
        read_folder(pack)
    with _open_to_servers(), _alone_in({folder.resolve() for folder in folders.values()}):
        return _installed(resolved, folders)


def _strays(pack: Path) -> Iterator[str]:
    """Yield what would bring something into a server's folder that is not the pack's."""
    for path in sorted(pack.rglob("*")):
        if path.is_symlink() and not path.resolve().is_relative_to(pack):
            yield f"{path}: is a link that leads out of the pack; put a copy in its place"


@contextmanager
def _open_to_servers() -> Iterator[None]:
    """Let servers that run as somebody else read what is written, however careful the person at the terminal is."""
    before = os.umask(_OPEN_TO_SERVERS)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _alone_in(folders: Collection[Path]) -> Iterator[None]:
    """Keep a second installation out, which would build in the same place and mix its files with ours."""
    with ExitStack() as opened:
        for folder in sorted(folders):
            try:
                descriptor = os.open(folder, os.O_RDONLY)
                opened.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigError([f"{folder}: another installation is under way there; try again after it"]) from error
            except OSError as error:
                raise ConfigError([f"{folder}: cannot be read: {error.strerror}; name a folder of yours"]) from error
        yield


def _installed(packs: Sequence[Path], folders: Mapping[str, Path]) -> tuple[Written, ...]:
    prepared: list[Prepared] = []
    written: list[Written] = []
    try:
        for place, folder in folders.items():
            prepared.append(PLACES[place](packs, folder.resolve()))
        written.extend(map(_exchanged, prepared))
        return tuple(written)
    except OSError as error:
        new = ", ".join(str(each.path) for each in written if each.has_changed)
        already = f"; exchanged already: {new}" if new else ""
        raise ConfigError([f"{error.filename}: cannot be written: {error.strerror}{already}"]) from error
    finally:
        for each in prepared:
            if each.new is not None:
                each.new.unlink(missing_ok=True)


def _exchanged(prepared: Prepared) -> Written:
    has_changed = prepared.exchange()
    return Written(place=prepared.place, path=prepared.path, has_changed=has_changed, checked_by=prepared.checked_by)
