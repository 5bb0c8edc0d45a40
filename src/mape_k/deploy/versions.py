"""Folders named by their content, and the one step that exchanges what a server reads."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from mape_k.errors import ConfigError

FOLDER = "mape-k"
"""In each server's folder: what is installed lies below it, by server, since several may share a folder."""
PREVIOUS = ".previous"
_NEW = ".new"
_BUILDING = ".building"


def begin(versions: Path) -> Path:
    """Return an empty folder to build in, which nobody else can look into."""
    building = versions / _BUILDING
    shutil.rmtree(building, ignore_errors=True)
    versions.mkdir(parents=True, exist_ok=True)
    building.mkdir(mode=0o700)
    return building


def keep(built: Path, versions: Path) -> Path:
    """Move a built folder to where its content says, and return that; the same content is there already."""
    version = versions / _digest(built)
    built.chmod(0o755)
    if version.exists():
        shutil.rmtree(built)
    else:
        _sync_all(built)
        built.rename(version)
    return version


def _digest(folder: Path) -> str:
    content = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        content.update(path.read_bytes())
    return content.hexdigest()[:12]


def _sync_all(folder: Path) -> None:
    for path in (path for path in folder.rglob("*") if path.is_file()):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def candidate(path: Path, text: str, base: Path) -> Path:
    """Write what is to take the place of ``path`` beside it, so that it can be checked there.

    It may hold secrets: it belongs to whom ``path`` belongs, or ``base`` where there is no such file yet, and whoever
    may not read that may not read this, at any moment.
    """
    new = path.with_name(f".{path.name}{_NEW}")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    _give(new, path if path.exists() else base)
    _sync(new)
    return new


def _give(path: Path, like: Path) -> None:
    """Let a file belong to the same group, and as far as may be to the same user, with the same rights as another."""
    wanted = like.stat()
    try:
        os.chown(path, wanted.st_uid if os.geteuid() == 0 else -1, wanted.st_gid)
    except PermissionError:
        if not wanted.st_mode & stat.S_IROTH:  # then the server could not read it
            raise
    shutil.copymode(like, path)


def exchange(path: Path, new: Path) -> bool:
    """Put ``new`` in the place of ``path``, which stays beside it as ``….previous``; return whether they differ."""
    if path.exists() and path.read_bytes() == new.read_bytes():
        new.unlink()
        return False
    if path.exists():
        kept = path.with_name(f".{path.name}{PREVIOUS}{_NEW}")
        kept.unlink(missing_ok=True)
        kept.touch(mode=0o600)
        shutil.copyfile(path, kept)
        _give(kept, path)
        _sync(kept)
        kept.replace(path.with_name(path.name + PREVIOUS))
    new.replace(path)
    _sync(path.parent)
    return True


def check_free(link: Path) -> None:
    """See that there may be a link.

    Raises:
        ConfigError: something else is there.
    """
    if link.exists() and not link.is_symlink():
        raise ConfigError([f"{link}: is in the way and not ours; expected nothing there, or a link; move it away"])


def point(link: Path, version: Path) -> bool:
    """Let ``link`` lead to ``version``; the link before stays as ``….previous``; return whether they differ."""
    if link.is_symlink() and link.resolve() == version.resolve():
        return False
    new = link.with_name(f".{link.name}{_NEW}")
    new.unlink(missing_ok=True)
    new.symlink_to(os.path.relpath(version, link.parent))
    if link.is_symlink():
        kept = link.with_name(f".{link.name}{PREVIOUS}{_NEW}")
        kept.unlink(missing_ok=True)
        kept.symlink_to(link.readlink())
        kept.replace(link.with_name(link.name + PREVIOUS))
    new.replace(link)
    _sync(link.parent)
    return True


def forget_others(versions: Path, used: Iterable[str]) -> None:
    """Remove the versions that no text in ``used`` names."""
    texts = list(used)
    for version in versions.iterdir():
        if version.is_dir() and not version.name.startswith(".") and not any(version.name in text for text in texts):
            shutil.rmtree(version)
