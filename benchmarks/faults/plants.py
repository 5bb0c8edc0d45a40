"""Bugs to plant in the daemon, each of which the benchmark must find."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mape_k import knowledge
from mape_k.knowledge.reserve import Reserve
from mape_k.knowledge.sqlite import SqliteFile
from mape_k.telemetry import Metrics


def _damage_not_heeded() -> None:
    SqliteFile.note_damage = lambda _self, _found: None


def _damage_not_told() -> None:
    Metrics.knowledge_disk = lambda _self, **_told: None


def _begun_unpaused() -> None:
    knowledge.begin_paused = lambda *_told: None


def _damaged_file_deleted() -> None:
    def delete(path: Path, *_told: Any) -> Path:  # noqa: ANN401
        for part in ("", "-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)
        return path

    knowledge.set_aside = delete


def _epoch_forgotten() -> None:
    knowledge.read_epoch = lambda _path: 0


def _begun_on_the_reserve() -> None:
    SqliteFile.hold = None


def _reserve_not_made_again() -> None:
    original, made = Reserve.restore, set[int]()

    def restore(self: Reserve) -> None:
        if id(self) not in made:
            made.add(id(self))
            original(self)

    Reserve.restore = restore


def _failing_store_not_told() -> None:
    original = Metrics.knowledge_up
    Metrics.knowledge_up = lambda self, _is_up: original(self, True)  # noqa: FBT003


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug, and the faults among which it must be found."""

    plant: Callable[[], None]
    among: str


PLANTS: Mapping[str, Plant] = {
    "damage-not-heeded": Plant(_damage_not_heeded, "damaged"),
    "damage-not-told": Plant(_damage_not_told, "damaged"),
    "begun-unpaused": Plant(_begun_unpaused, "damaged"),
    "damaged-file-deleted": Plant(_damaged_file_deleted, "damaged"),
    "epoch-forgotten": Plant(_epoch_forgotten, "damaged"),
    "begun-on-the-reserve": Plant(_begun_on_the_reserve, "disk_full"),
    "reserve-not-made-again": Plant(_reserve_not_made_again, "disk_full"),
    "failing-store-not-told": Plant(_failing_store_not_told, "running"),
}
