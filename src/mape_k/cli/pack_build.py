"""`mape-k pack build`."""

from pathlib import Path
from typing import Any

import click

from mape_k.cli.group import as_json
from mape_k.cli.show import Document, emit, line

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("build")
@click.argument("packs", nargs=-1, required=True, metavar="PACK...")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write whole copies to.")
@click.option("--time-scale", type=float, default=1.0, show_default=True, help="Divides every duration, for trials.")
@click.option("--prometheus", type=_File, help="Its configuration file, to be completed.")
@click.option("--alertmanager", type=_File, help="Its configuration file, to be completed.")
@click.option("--no-boards", is_flag=True, help="Without --out: draw no board; drawing needs the extra `boards`.")
@as_json
def build_packs(
    *,
    packs: tuple[str, ...],
    out: Path | None,
    time_scale: float,
    no_boards: bool,
    use_json: bool,
    **bases: Any,  # noqa: ANN401
) -> None:
    """Write the rules and configuration of packs, in true time or for a faster trial.

    Without --out only what is made from objectives is written, rules and a board, into the packs' own folders.
    """
    from mape_k.catalogue.folders import find_folder
    from mape_k.packbuild import build, generate

    folders = [find_folder(name) for name in packs]
    if out is None:
        if time_scale != 1 or any(bases.values()):
            raise click.UsageError("--time-scale, --prometheus and --alertmanager make a copy: say --out too.")
        written = [str(path) for folder in folders for path in generate(folder, boards=not no_boards)]
        emit({"written": written}, as_json=use_json, human=_show_written)
        return
    built = build(folders, out, time_scale, **bases)
    document = {
        "packs": [str(path) for path in built.packs],
        "rule_files": [str(path) for path in built.rule_files],
        "prometheus": built.prometheus and str(built.prometheus),
        "alertmanager": built.alertmanager and str(built.alertmanager),
    }
    emit(document, as_json=use_json, human=_show_built)


def _show_built(document: Document) -> None:
    written = [*document["packs"], *document["rule_files"], document["prometheus"], document["alertmanager"]]
    _show_written({"written": [path for path in written if path]})


def _show_written(document: Document) -> None:
    for path in document["written"]:
        line(f"wrote {path}")
    if not document["written"]:
        line("no objectives, nothing to write")
