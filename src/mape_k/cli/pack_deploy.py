"""`mape-k pack install` and `mape-k pack verify`."""

from pathlib import Path

import click

from mape_k.cli.checked import end_with
from mape_k.cli.group import DONE, as_json, settings
from mape_k.cli.show import emit, line, table

_Folder = click.Path(file_okay=False, path_type=Path)


@click.command("install")
@click.argument("packs", nargs=-1, metavar="[PACK]...")
@click.option("--prometheus-dir", type=_Folder, help="Prometheus' folder, such as /etc/prometheus.")
@click.option("--alertmanager-dir", type=_Folder, help="Alertmanager's folder, such as /etc/alertmanager.")
@click.option("--grafana-dir", type=_Folder, help="A folder for boards, which a provider of Grafana reads.")
@click.option("--loki-dir", type=_Folder, help="A folder for rules, which Loki's ruler reads.")
@click.option("--reload/--no-reload", "must_reload", default=True, help="Have the servers read their folders again.")
@as_json
@click.pass_context
def install_packs(
    ctx: click.Context, /, *, packs: tuple[str, ...], must_reload: bool, use_json: bool, **dirs: Path | None
) -> None:
    """Put packs into the folders of the servers; without any named, those of MAPE_K_PACKS.

    Everything is checked first, and exchanged in one step; what was there before stays beside it as ….previous.
    """
    from mape_k.catalogue.folders import find_folder
    from mape_k.deploy import install

    folders = {option.removesuffix("_dir"): folder for option, folder in dirs.items() if folder is not None}
    if not folders:
        raise click.UsageError("say where to: --prometheus-dir, --alertmanager-dir, --grafana-dir or --loki-dir")
    written = install([find_folder(name) for name in packs or settings().packs], folders)
    rows = [
        {
            "place": each.place,
            "path": str(each.path),
            "has_changed": each.has_changed,
            "checked_by": each.checked_by or "nobody: its checker is not on the PATH",
        }
        for each in written
    ]
    if not use_json:
        table(
            [{**row, "changed": "written" if row["has_changed"] else "as before"} for row in rows],
            place="server",
            changed="",
            path="what it reads",
            checked_by="checked by",
        )
    changed = [each.place for each in written if each.has_changed and each.place in ("prometheus", "alertmanager")]
    if not (must_reload and changed):
        emit({"ok": True, "written": rows, "checked": []}, as_json=use_json, human=lambda _: line("done"))
        ctx.exit(DONE)
    from mape_k.main.deploying import reload_servers

    end_with(ctx, reload_servers(settings(), changed), use_json=use_json, written=rows)


@click.command("verify")
@click.argument("packs", nargs=-1, metavar="[PACK]...")
@click.option("--test-alert", is_flag=True, help="Raise an alert for each pack and see it leave to its receivers.")
@as_json
@click.pass_context
def verify_packs(ctx: click.Context, /, *, packs: tuple[str, ...], test_alert: bool, use_json: bool) -> None:
    """Look whether all of packs is there: targets up, rules loaded, metrics present, receivers known.

    Without any named, those of MAPE_K_PACKS.
    """
    from mape_k.catalogue.folders import find_folder
    from mape_k.main.deploying import verify

    wanted = packs or settings().packs
    end_with(ctx, verify(settings(), [find_folder(name) for name in wanted], test_alert=test_alert), use_json=use_json)
