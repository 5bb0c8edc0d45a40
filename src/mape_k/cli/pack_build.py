"""`mape-k pack build`."""

from pathlib import Path
from typing import Any

import click

from mape_k.cli.group import as_json
from mape_k.cli.show import Document, emit, line

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("build")
@click.argument("packs", nargs=-1, required=True, metavar="PACK...")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write to.")
@click.option("--time-scale", type=float, default=1.0, show_default=True, help="Divides every duration, for trials.")
@click.option("--prometheus", type=_File, help="Its configuration file, to be completed.")
@click.option("--alertmanager", type=_File, help="Its configuration file, to be completed.")
@as_json
def build_packs(*, packs: tuple[str, ...], out: Path, time_scale: float, use_json: bool, **bases: Any) -> None:  # noqa: ANN401
    """Write the rules and configuration of packs, in true time or for a faster trial."""
    from mape_k.catalogue.folders import find_folder
    from mape_k.packbuild import build

    built = build([find_folder(name) for name in packs], out, time_scale, **bases)
    document = {
        "packs": [str(path) for path in built.packs],
        "rule_files": [str(path) for path in built.rule_files],
        "prometheus": built.prometheus and str(built.prometheus),
        "alertmanager": built.alertmanager and str(built.alertmanager),
    }
    emit(document, as_json=use_json, human=_show_built)


def _show_built(document: Document) -> None:
    written = [*document["packs"], *document["rule_files"], document["prometheus"], document["alertmanager"]]
    for path in filter(None, written):
        line(f"wrote {path}")
