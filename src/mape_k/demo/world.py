"""The faults that a world file of the reference Charter describes; the rest of it is the Charter's own business."""

from pathlib import Path
from typing import Any

from mape_k.catalogue.yaml_text import read_yaml
from mape_k.demo.story import Fault
from mape_k.errors import ConfigError


def default_world() -> Path:
    """Return the world that is shipped with the program, or lies in its checkout."""
    source = Path(__file__).resolve().parents[2]
    inside = source / "westworld" / "config" / "worlds" / "default.yaml"
    return inside if inside.is_file() else source.parent / "config" / "charter" / "worlds" / "default.yaml"


def read_faults(world: Path) -> list[Fault]:
    """Return the faults of a world, in the order of their waves.

    Raises:
        ConfigError: the file cannot be read, or a fault does not say which alert it raises.
    """
    if not world.is_file():
        raise ConfigError([f"{world}: no such world file"])
    document = read_yaml(world.read_text("utf-8")).value
    described = _mapping(_mapping(document).get("faults"))
    problems = [f"{world}: faults.{name}: needs `raises: <alert>`" for name, f in described.items() if not _alert(f)]
    if problems or not described:
        raise ConfigError(problems or [f"{world}: faults: there are none"])
    faults = [
        Fault(name=name, title=str(f.get("title", name)), alert=_alert(f), wave=int(f.get("wave", 1)))
        for name, f in described.items()
    ]
    return sorted(faults, key=lambda fault: fault.wave)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _alert(fault: object) -> str:
    return str(fault.get("raises", "")) if isinstance(fault, dict) else ""
