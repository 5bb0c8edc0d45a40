"""What is on the disk after a power cut: all that was synced, and of the rest whatever it pleased to write."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

from power.layer import SECTOR, Delete, Kept, Step, Sync, Told, Truncate, Write

Change = Write | Truncate | Delete


def cut_places(steps: Sequence[Step], cuts: int, chance: Random) -> list[int]:
    """Return after how many steps to cut: every other time close behind a word that something is durable."""
    told = [place for place, step in enumerate(steps) if isinstance(step, Told)]
    return [
        chance.choice(told) + chance.choice((1, 1, 2, 3)) if number % 2 and told else chance.randrange(len(steps) + 1)
        for number in range(cuts)
    ]


def survivors(before: dict[str, bytes], steps: Sequence[Step], chance: Random) -> tuple[dict[str, bytes], set[str]]:
    """Return the files after a cut behind the last step, and what had been told by then.

    Args:
        before: the files before the first step.
        steps: what was done until the cut.
        chance: draws which of the unsynced sectors reached the disk.
    """
    files = {name: bytearray(content) for name, content in before.items()}
    synced = {step.file: place for place, step in enumerate(steps) if isinstance(step, Sync | Delete)}
    share = chance.choice((0.0, 0.5, 0.9, 1.0))
    for place, step in enumerate(steps):
        if isinstance(step, Kept):
            files[step.file] = bytearray(step.content)
        elif not isinstance(step, Sync | Told):
            is_safe = place < synced.get(step.file, -1) or isinstance(step, Delete)
            _apply(files, step, 1.0 if is_safe else share, chance)
    return {name: bytes(content) for name, content in files.items()}, {s.what for s in steps if isinstance(s, Told)}


def _apply(files: dict[str, bytearray], change: Change, share: float, chance: Random) -> None:
    """Do a change to that share of its sectors."""
    if isinstance(change, Delete):
        files.pop(change.file, None)
        return
    content = files.setdefault(change.file, bytearray())
    if isinstance(change, Truncate):
        if chance.random() < share:
            del content[change.size :]
            _grow(content, change.size)
        return
    for offset in range(0, len(change.content), SECTOR):
        if chance.random() < share:
            sector = change.content[offset : offset + SECTOR]
            place = change.offset + offset
            _grow(content, place + len(sector))
            content[place : place + len(sector)] = sector


def _grow(content: bytearray, size: int) -> None:
    content.extend(bytes(max(0, size - len(content))))


def lay_down(files: dict[str, bytes], folder: Path) -> None:
    """Write files into an empty folder."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def picked_up(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the files of a folder, those that are there."""
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}
