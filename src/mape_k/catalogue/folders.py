"""Where packs are: shipped with the program, or a folder of one's own."""

import re
from pathlib import Path

from mape_k.errors import ConfigError, did_you_mean

PACK_FILE = "pack.yaml"

_BARE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PROGRAM = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """Return a folder of configuration in the wheel, or that of the checkout that the program runs from."""
    inside = _PROGRAM / name
    return inside if inside.is_dir() else _PROGRAM.parents[1] / "config" / name


def shipped_packs(folder: Path | None = None) -> dict[str, Path]:
    """Return the folders of the packs that come with the program, by name, sorted."""
    return {file.parent.name: file.parent for file in sorted((folder or shipped("packs")).glob(f"*/{PACK_FILE}"))}


def find_folder(spec: str, shipped: Path | None = None) -> Path:
    """Return the folder that ``spec`` means: a bare name is a shipped pack, all else a path.

    Raises:
        ConfigError: no shipped pack has that name.
    """
    if _BARE_NAME.fullmatch(spec) is None:
        return Path(spec).expanduser()
    packs = shipped_packs(shipped)
    if spec not in packs:
        remedy = did_you_mean(spec, packs) or f"; shipped are {', '.join(packs) or 'none'}"
        raise ConfigError([f"pack {spec}: no such pack is shipped{remedy} (a folder of your own: ./{spec})"])
    return packs[spec]
