"""The commands about packs."""

from typing import Any

import click

from mape_k.cli.group import NOT_SO, as_json, settings, tell
from mape_k.cli.show import Document, emit, line, table
from mape_k.errors import ConfigError


@click.group()
def pack() -> None:
    """List, check and build packs."""


@pack.command("list")
@as_json
def list_packs(*, use_json: bool) -> None:
    """List the packs that are shipped, and how much of everything each has."""
    from mape_k.catalogue import load_catalogue, shipped_packs
    from mape_k.packfiles import counts, read_folder

    folders = shipped_packs()
    packs = load_catalogue(list(folders)).packs
    rows = [
        {"pack": name, "title": packs[name].title, "folder": str(folder), "counts": dict(counts(read_folder(folder)))}
        for name, folder in folders.items()
    ]
    emit({"items": rows}, as_json=use_json, human=_show_list)


def _show_list(document: Document) -> None:
    table(document["items"], "pack", "title", "folder")
    names = [row["pack"] for row in document["items"]]
    counted = [row["counts"] for row in document["items"]]
    rows = [
        {"counted": key.replace("_", " "), **{name: row[key] for name, row in zip(names, counted, strict=True)}}
        for key in (counted[0] if counted else ())
    ]
    table(rows, "counted", *names)


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
