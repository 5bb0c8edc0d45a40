"""The commands about packs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mape_k.cli.group import NOT_SO, as_json, settings, tell
from mape_k.cli.show import Document, emit, fields, line, table
from mape_k.errors import ConfigError

_Target = click.Path(dir_okay=False, path_type=Path)


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
@click.argument("named", nargs=-1, metavar="[PACK|FILE]...")
@click.option("--sarif", "sarif_file", type=_Target, help="Also write the complaints as SARIF 2.1.0, for CI systems.")
@click.option("--strict", is_flag=True, help="Warnings end with 1, too.")
@click.option("--explain", "rule", metavar="RULE", help="Only say what a rule is about and what to do.")
@click.option("--list-rules", "is_list", is_flag=True, help="Only list the rules.")
@as_json
@click.pass_context
def check_packs(ctx: click.Context, /, *, named: tuple[str, ...], use_json: bool, **chosen: Any) -> None:  # noqa: ANN401
    """Check packs by name or folder, and anyone's rule, dashboard, Prometheus and Alertmanager files.

    Without any, the packs of MAPE_K_PACKS. Plain files are looked at together, and promtool's unit tests beside them
    tell which series, values and buckets there are. A comment "# mape-k: ignore RULE why" on a line or above it leaves
    that rule out there. Exit code 1: something is wrong; warnings alone are 0, with --strict 1.
    """
    from mape_k.packlint import explain

    if chosen["rule"] or chosen["is_list"]:
        _tell_rules([explain(chosen["rule"])] if chosen["rule"] else None, use_json=use_json)
        return
    document, report = _checked(named or settings().packs)
    if chosen["sarif_file"]:
        _write_sarif(report, chosen["sarif_file"])
    if not use_json:
        for problem in document["problems"]:
            tell(ConfigError([problem]))
    emit(document, as_json=use_json, human=_show_checked)
    if not document["ok"] or (chosen["strict"] and document["complaints"]):
        ctx.exit(NOT_SO)


_RULE_ROWS = ("name", "severity", "explanation", "remedy")


def _tell_rules(rules: Sequence[Any] | None, *, use_json: bool) -> None:
    from mape_k.packlint import CHECKS

    chosen = sorted(CHECKS.values(), key=lambda each: each.name) if rules is None else rules
    rows = [{key: str(getattr(each, key)) for key in _RULE_ROWS} for each in chosen]
    if rules is None:
        emit({"items": rows}, as_json=use_json, human=lambda found: table(found["items"], *_RULE_ROWS[:3]))
    else:
        emit(rows[0], as_json=use_json, human=lambda found: fields(**found))


def _checked(named: Sequence[str]) -> tuple[Document, Any]:
    """Return what is told of packs and files, and the report behind it."""
    from mape_k.catalogue import load_catalogue
    from mape_k.packlint import Report, check_files, check_pack

    folders, files = _sorted(named)
    problems, rows, reports = [], [], [check_files(files)] if files else []
    if folders:
        try:
            rows = [_counts(each) for each in load_catalogue([*folders]).packs.values()]
        except ConfigError as error:
            problems = error.problems
    reports += [check_pack(folder) for folder in folders.values() if folder.is_dir()]
    complaints = [each for report in reports for each in report.complaints]
    refusals = [each for report in reports for each in report.refusals]
    report = Report(complaints=tuple(complaints), refusals=tuple(refusals))
    problems += [str(each) for each in refusals]
    is_good = not problems and report.is_good
    told = [_complaint(each) for each in complaints]
    return {"ok": is_good, "problems": problems, "packs": rows, "complaints": told}, report


def _sorted(named: Sequence[str]) -> tuple[dict[str, Path], list[Path]]:
    """Return the packs by what they were called, and the files; a folder without pack.yaml stands for its files."""
    from mape_k.catalogue.folders import PACK_FILE, find_folder
    from mape_k.packlint import files_below

    folders, files = dict[str, Path](), list[Path]()
    for each in named:
        path = Path(each).expanduser()
        below = files_below(path) if path.is_dir() and not (path / PACK_FILE).exists() else ()
        if path.is_file():
            files.append(path)
        elif below:
            files += below
        else:
            folders[each] = find_folder(each)
    return folders, files


def _complaint(each: Any) -> Document:  # noqa: ANN401 (a Complaint, as above)
    keys = ("check", "severity", "line", "where", "message", "remedy")
    return {"path": str(each.path), **{key: getattr(each, key) for key in keys}}


def _write_sarif(report: Any, path: Path) -> None:  # noqa: ANN401 (as above)
    from mape_k import __version__
    from mape_k.packlint import sarif

    try:
        path.write_text(json.dumps(sarif(report, __version__, Path.cwd()), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror}; name another file"]) from error


def _counts(pack: Any) -> Document:  # noqa: ANN401 (a Pack; its module is imported only by commands that need it)
    return {"pack": pack.name} | {name: len(getattr(pack, name)) for name in ("signals", "symptoms", "remediations")}


def _show_checked(document: Document) -> None:
    for each in document["complaints"]:
        line(
            "{path}:{line}: {severity}: {where}: {message}; {remedy} [{check}]".format_map(each),
            tone=_TONES[each["severity"]],
        )
    if document["packs"]:
        table(document["packs"], "pack", "signals", "symptoms", "remediations")
    if not document["complaints"] and document["ok"]:
        line("everything is as it should be")
        return
    errors = sum(each["severity"] == "error" for each in document["complaints"]) + len(document["problems"])
    line(f"{errors} errors, {len(document['complaints']) + len(document['problems']) - errors} warnings")


_TONES = {"error": "bad", "warning": "warn"}
