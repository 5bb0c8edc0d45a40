"""Packs and the servers' configuration as files to run with, in true time or divided for a trial.

At ``time_scale`` 60 an hour passes in a minute: every duration is divided, every rate stays what it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mape_k.catalogue.pack_file import read_pack
from mape_k.errors import ConfigError
from mape_k.packbuild.draft import Draft, write_files
from mape_k.packbuild.generated import boards_of, rule_files_of
from mape_k.packbuild.objectives import read_objectives
from mape_k.packbuild.scale import prometheus_flags
from mape_k.packbuild.stack import Stack

__all__ = ["Built", "Stack", "build", "generate", "prometheus_flags"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What was written.

    Args:
        packs: the folder of each pack, in the order asked for.
        rule_files: of all packs.
        prometheus, alertmanager: configuration files; None where no template was given.
    """

    packs: tuple[Path, ...]
    rule_files: tuple[Path, ...]
    prometheus: Path | None = None
    alertmanager: Path | None = None


def build(
    pack_dirs: Sequence[Path],
    out_dir: Path,
    time_scale: float = 1.0,
    *,
    prometheus: Path | None = None,
    alertmanager: Path | None = None,
    stack: Stack | None = None,
) -> Built:
    """Write packs, and what Prometheus and Alertmanager are configured with, for a run at ``time_scale``.

    Args:
        pack_dirs: the folders of the packs.
        out_dir: made when absent; holds ``packs/NAME/``, ``prometheus.yml``, ``alertmanager.yml`` and ``templates/``
            afterwards.
        time_scale: what every duration is divided by, over 0; 1 keeps true time.
        prometheus: its configuration file to start from; the packs' rules and scrape jobs are put in. None: none is
            written.
        alertmanager: as ``prometheus``, with the packs' routes, receivers and inhibitions.
        stack: when given, the configuration points at these servers and notifies the daemon alone.

    Raises:
        ConfigError: everything that is wrong with the given files; nothing was written then.
    """
    if not (math.isfinite(time_scale) and time_scale > 0):
        raise ConfigError([f"time scale {time_scale}: expected a finite number over 0; 1 keeps true time"])
    draft = Draft(out_dir, time_scale)
    built = Built(
        packs=tuple(draft.add_pack(folder) for folder in pack_dirs),
        rule_files=tuple(draft.rule_files),
        prometheus=draft.add_prometheus(prometheus, stack) if prometheus else None,
        alertmanager=draft.add_alertmanager(alertmanager, stack) if alertmanager else None,
    )
    draft.write()
    return built


def generate(folder: Path, *, boards: bool = True) -> tuple[Path, ...]:
    """Write what is made from a pack's objectives into the pack's own folder; return the files.

    Args:
        folder: of the pack.
        boards: whether the board is drawn too; it needs the extra ``boards``.

    Raises:
        ConfigError: everything that is wrong with the pack or its objectives; nothing was written then.
    """
    objectives = read_objectives(folder, read_pack(folder).document.pack)
    made = rule_files_of(objectives) | (boards_of(objectives) if boards else {})
    files = {folder / path: text for path, text in made.items()}
    write_files(files)
    return tuple(files)
