"""Folders named by their content, and the one step that exchanges what a server reads."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from mape_k.errors import ConfigError

FOLDER = "mape-k"
"""In each server's folder: everything that is installed lies below it."""
PREVIOUS = ".previous"
_NEW = ".new"


def keep(built: Path, versions: Path) -> Path:
    """Move a built folder to where its content says, and return that; the same content is there already."""
    version = versions / _digest(built)
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


def candidate(path: Path, text: str) -> Path:
    """Write what is to take the place of ``path`` beside it, so that it can be checked there."""
    new = path.with_name(f".{path.name}{_NEW}")
    new.write_text(text, encoding="utf-8")
    _sync(new)
    return new


def exchange(path: Path, new: Path) -> bool:
    """Put ``new`` in the place of ``path``, which stays beside it as ``….previous``; return whether they differ."""
    if path.exists() and path.read_bytes() == new.read_bytes():
        new.unlink()
        return False
    if path.exists():
        shutil.copymode(path, new)
        kept = path.with_name(f".{path.name}{PREVIOUS}{_NEW}")
        shutil.copy2(path, kept)
        _sync(kept)
        kept.replace(path.with_name(path.name + PREVIOUS))
    new.replace(path)
    _sync(path.parent)
    return True


def point(link: Path, version: Path) -> bool:
    """Let ``link`` lead to ``version``; the link before stays as ``….previous``; return whether they differ."""
    if link.is_symlink() and link.resolve() == version.resolve():
        return False
    if link.exists() and not link.is_symlink():
        raise ConfigError([f"{link}: is in the way and not ours; expected nothing there, or a link; move it away"])
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
