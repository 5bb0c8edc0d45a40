"""The commands about packs."""

from pathlib import Path
from typing import Any

import click

from mape_k.cli.group import NOT_SO, as_json, settings, tell
from mape_k.cli.show import Document, emit, line, table
from mape_k.errors import ConfigError

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def pack() -> None:
    """List, check and build packs."""


@pack.command("list")
@as_json
def list_packs(*, use_json: bool) -> None:
    """List the packs that are shipped."""
    from mape_k.catalogue import load_catalogue, shipped_packs

    folders = shipped_packs()
    packs = load_catalogue(list(folders)).packs
    rows = [{"pack": name, "title": packs[name].title, "folder": str(folder)} for name, folder in folders.items()]
    emit({"items": rows}, as_json=use_json, human=lambda document: table(document["items"], "pack", "title", "folder"))


@pack.command("check")
@click.argument("packs", nargs=-1, metavar="[PACK]...")
@as_json
@click.pass_context
def check_packs(ctx: click.Context, *, packs: tuple[str, ...], use_json: bool) -> None:
    """Check packs, by name or folder; without any, those of MAPE_K_PACKS."""
    from mape_k.catalogue import load_catalogue

    wanted = packs or settings().packs
    try:
        catalogue = load_catalogue(wanted)
    except ConfigError as error:
        if use_json:
            emit({"ok": False, "problems": error.problems}, as_json=True, human=_show_packs)
        else:
            tell(error)
        ctx.exit(NOT_SO)
    rows = [_counts(each) for each in catalogue.packs.values()]
    emit({"ok": True, "problems": [], "packs": rows}, as_json=use_json, human=_show_packs)


def _counts(pack: Any) -> Document:  # noqa: ANN401 (a Pack; its module is imported only by commands that need it)
    return {"pack": pack.name} | {name: len(getattr(pack, name)) for name in ("signals", "symptoms", "remediations")}


def _show_packs(document: Document) -> None:
    table(document["packs"], "pack", "signals", "symptoms", "remediations")
    line("everything is as it should be")


@pack.command("build")
@click.argument("packs", nargs=-1, required=True, metavar="PACK...")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write to.")
@click.option("--time-scale", type=float, default=1.0, show_default=True, help="Divides every duration, for trials.")
@click.option("--prometheus", type=_File, help="Its configuration file, to be completed.")
@click.option("--alertmanager", type=_File, help="Its configuration file, to be scaled.")
@as_json
def build_packs(*, packs: tuple[str, ...], out: Path, time_scale: float, use_json: bool, **templates: Any) -> None:  # noqa: ANN401
    """Write the rules and configuration of packs, in true time or for a faster trial."""
    from mape_k.catalogue.folders import find_folder
    from mape_k.packbuild import build

    built = build([find_folder(name) for name in packs], out, time_scale, **templates)
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
