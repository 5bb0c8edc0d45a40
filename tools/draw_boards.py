#!/usr/bin/env python3
"""Draw the Grafana boards of the packs: tools/boards/PACK/*.py become config/packs/PACK/dashboards/UID.json.

Without an argument all packs; else those named. Boards whose description is gone are removed.
"""

import runpy
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from mape_k.packbuild.grafana import Board, draw

ROOT = Path(__file__).resolve().parent.parent
DESCRIPTIONS = ROOT / "tools" / "boards"
PACKS = ROOT / "config" / "packs"
NOT_OURS = "objectives.json"
"""Drawn from the objectives of a pack, by `mape-k pack build`."""


def packs() -> list[str]:
    """Return the packs that have descriptions of boards."""
    return sorted(folder.name for folder in DESCRIPTIONS.iterdir() if any(folder.glob("*.py")))


def boards(pack: str) -> Iterator[Board]:
    """Yield the boards of a pack, by the names of their files."""
    for path in sorted((DESCRIPTIONS / pack).glob("*.py")):
        if not path.name.startswith("_"):
            yield runpy.run_path(str(path))["BOARD"]


def drawn(pack: str) -> dict[Path, str]:
    """Return the text of each file that the boards of a pack become."""
    return {PACKS / pack / "dashboards" / f"{board.uid}.json": draw(board) for board in boards(pack)}


def write(names: Iterable[str]) -> None:
    """Write the boards of the packs named, and remove what no description draws any more."""
    for pack in names:
        files = drawn(pack)
        folder = PACKS / pack / "dashboards"
        folder.mkdir(exist_ok=True)
        for stale in set(folder.glob("*.json")) - files.keys() - {folder / NOT_OURS}:
            stale.unlink()
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
            print(f"drew {path.relative_to(ROOT)}")


if __name__ == "__main__":
    write(sys.argv[1:] or packs())
