"""All places of one installation: everything is checked before anything is exchanged in any of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mape_k.catalogue import load_catalogue
from mape_k.deploy.places import PLACES, Prepared
from mape_k.errors import ConfigError


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
        ConfigError: a pack, a folder or a configuration cannot be used; every server reads what it read before.
    """
    load_catalogue([str(pack) for pack in packs])
    problems = [f"{folder}: is no folder; make it first" for folder in folders.values() if not folder.is_dir()]
    if problems:
        raise ConfigError(problems)
    resolved = [pack.resolve() for pack in packs]
    prepared: list[Prepared] = []
    try:
        for place, folder in folders.items():
            prepared.append(PLACES[place](resolved, folder.resolve()))
        return tuple(_exchanged(each) for each in prepared)
    except OSError as error:
        raise ConfigError([f"{error.filename}: cannot be written: {error.strerror}"]) from error
    finally:
        for each in prepared:
            if each.new is not None:
                each.new.unlink(missing_ok=True)


def _exchanged(prepared: Prepared) -> Written:
    has_changed = prepared.exchange()
    return Written(place=prepared.place, path=prepared.path, has_changed=has_changed, checked_by=prepared.checked_by)
