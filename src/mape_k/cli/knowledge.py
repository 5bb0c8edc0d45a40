"""The commands about Knowledge itself: they work on its file, not through the daemon."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mape_k.cli.group import DONE, NOT_SO, as_json, settings
from mape_k.cli.show import Document, emit, fields, line, table

if TYPE_CHECKING:
    from mape_k.knowledge import AuditFiles
    from mape_k.settings import Settings


@click.group()
def knowledge() -> None:
    """Count, copy, check and shorten what is remembered."""


@knowledge.command()
@as_json
def stats(*, use_json: bool) -> None:
    """Say what helped how often, with 90 % intervals, and what each table takes; beside a running daemon too."""
    from mape_k.knowledge.keeping import count

    emit(count(settings().knowledge_file_url), as_json=use_json, human=_show_stats)


def _show_stats(document: Document) -> None:
    rates = [{**rate, "interval": f"{rate['low']:.2f} to {rate['high']:.2f}"} for rate in document["success_rates"]]
    table(rates, "pack", "remediation", "symptom", "successes", "failures", "rate", interval="90 % interval")
    line("")
    table(document["tables"], "table", "rows", "bytes")


@knowledge.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@as_json
def export_file(*, file: Path, use_json: bool) -> None:
    """Write every row as JSON Lines to FILE, or to standard output for -; beside a running daemon too."""
    from mape_k.knowledge.lines import export_file as export
    from mape_k.knowledge.lines import exported

    url = settings().knowledge_file_url
    if str(file) == "-":
        sys.stdout.buffer.writelines(exported(url))
        return
    rows = export(url, file)
    emit({"file": str(file), "rows": rows}, as_json=use_json, human=lambda d: line(f"wrote {d['rows']} rows to {file}"))


@knowledge.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@as_json
def backup(*, file: Path, use_json: bool) -> None:
    """Copy the SQLite file as it is now to FILE, whole and checked; beside a running daemon too."""
    from mape_k.knowledge.keeping import back_up

    size = back_up(settings().knowledge_file_url, file)
    told = {"file": str(file), "bytes": size}
    emit(told, as_json=use_json, human=lambda d: line(f"copied {d['bytes']} bytes to {file}; keep audit.key with it"))


@knowledge.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
def import_file(*, file: Path, use_json: bool) -> None:
    """Fill an empty Knowledge with the rows of FILE, all of them or none; no daemon may run."""
    from mape_k.knowledge.lines import import_file as fill

    chosen = settings()
    rows = fill(chosen.knowledge_file_url, _audit_files(chosen), file)
    emit({"file": str(file), "rows": rows}, as_json=use_json, human=lambda d: line(f"read {d['rows']} rows"))


@knowledge.command()
@as_json
@click.pass_context
def verify(ctx: click.Context, *, use_json: bool) -> None:
    """Check pages, references and the audit trail against its anchor; beside a running daemon too."""
    from mape_k.knowledge.inspection import inspect_knowledge
    from mape_k.recording import to_document

    chosen = settings()
    found = inspect_knowledge(chosen.knowledge_file_url, _audit_files(chosen))
    is_good = not found.problems
    emit({"ok": is_good, **to_document(found)}, as_json=use_json, human=_show_verified)
    ctx.exit(DONE if is_good else NOT_SO)


def _show_verified(document: Document) -> None:
    head = document["head"]
    for aside in document["set_aside"]:
        line(f"began in the place of {aside}, which was damaged and has a trail of its own")
    fields(rows=document["rows"], anchored=document["anchored"], head=f"{head['sequence']} {head['hash']}")
    if document["problems"]:
        table(document["problems"], "check", sequence="row", what="what is wrong")
    else:
        line("everything is as it was written")


@knowledge.command()
@click.option("--older-than", "days", type=click.IntRange(1, 3650), required=True, metavar="DAYS", help="From 1.")
@as_json
def prune(*, days: int, use_json: bool) -> None:
    """Take away incidents, actions and cycles that ended so long ago; the audit trail stays; no daemon may run."""
    from mape_k.knowledge.keeping import prune as take
    from mape_k.main import system_clock

    chosen, now = settings(), system_clock().now()
    taken = take(chosen.knowledge_file_url, _audit_files(chosen), older_than=timedelta(days=days), now=now)
    rows = [{"table": name, "taken": number} for name, number in taken.items()]
    emit({"taken": taken}, as_json=use_json, human=lambda _: table(rows, "table", taken="rows taken"))


@knowledge.command("raise-epoch")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--by", default="operator", show_default=True, help="Who says so, for the audit trail.")
@as_json
def raise_epoch(*, yes: bool, by: str, use_json: bool) -> None:
    """Let the running daemon act again after Knowledge was put back from an old copy.

    The Charter then follows a higher epoch than the daemon has, and refuses it. Make sure first that no other daemon
    acts on the same Charter: it would be shut out.
    """
    from mape_k.client import connect

    if not yes:
        click.confirm("Is it certain that no other daemon acts on this Charter?", abort=True)
    answer = connect(settings()).post("epoch", document={"by": by})
    emit(answer, as_json=use_json, human=lambda said: line(f"acts again, in epoch {said['epoch']}"))


def _audit_files(chosen: "Settings") -> "AuditFiles":
    from mape_k.knowledge import AuditFiles

    return AuditFiles(key=chosen.audit_key_path, anchor=chosen.audit_anchor_path)
