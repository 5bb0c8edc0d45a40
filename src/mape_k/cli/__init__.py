"""The commands. What a command needs is imported when it runs, so that every one of them starts quickly."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mape_k import __version__
from mape_k.cli import ask, dlq, knowledge, pack_build, pack_deploy, pack_preview, packs, tell
from mape_k.cli.checked import end_with
from mape_k.cli.group import DONE, NOT_SO, UNREACHABLE, Commands, as_json, settings
from mape_k.cli.show import emit, table

if TYPE_CHECKING:
    from mape_k.model import CycleReport

_RESULTS = {"completed": DONE, "blind": UNREACHABLE, "failed": NOT_SO}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mape-k")
def cli() -> None:
    """Watch Prometheus and Alertmanager, remedy through the Charter API, believe nothing that was not seen.

    Settings are environment variables; `mape-k check` checks them. Exit codes: 0 done, 1 not so, 2 bad usage or
    configuration, 3 something needed cannot be reached.
    """


def main() -> None:
    """Run the command that the arguments name."""
    cli(prog_name="mape-k")


@cli.command()
@as_json
@click.pass_context
def run(ctx: click.Context, *, use_json: bool) -> None:
    """Run the daemon in the foreground; its log is on standard output."""
    from mape_k import main as daemon

    chosen = settings()
    if use_json:
        chosen = chosen.model_copy(update={"log_format": "json"})
    ctx.exit(daemon.run(chosen))


@cli.command()
@click.option("--dry-run", is_flag=True, help="Decide, write nothing and do nothing.")
@as_json
@click.pass_context
def once(ctx: click.Context, *, dry_run: bool, use_json: bool) -> None:
    """Run one cycle, and say what each phase saw and decided."""
    from mape_k import main as daemon

    report = daemon.once(settings(), dry_run=dry_run)
    emit(_report_document(report), as_json=use_json, human=ask.show_report)
    ctx.exit(_RESULTS[report.result])


def _report_document(report: "CycleReport") -> dict[str, Any]:
    from dataclasses import replace

    from mape_k.recording import to_document

    return dict(to_document(replace(report, ledger=None)))


@cli.command()
@click.option("--connect", is_flag=True, help="Ask every service, query and receiver too.")
@click.option("--test-alert", is_flag=True, help="With --connect: send Alertmanager an alert that resolves itself.")
@click.option("--test-notification", is_flag=True, help="With --connect: send a message over each channel to people.")
@as_json
@click.pass_context
def check(ctx: click.Context, *, connect: bool, test_alert: bool, test_notification: bool, use_json: bool) -> None:
    """Check settings and packs, and when asked what they point to."""
    from mape_k import main as daemon

    if test_alert and not connect:
        raise click.UsageError("--test-alert asks Alertmanager: say --connect too.")
    if test_notification and not connect:
        raise click.UsageError("--test-notification sends messages: say --connect too.")
    checked = daemon.check(settings(), connect=connect, test_alert=test_alert, test_notification=test_notification)
    end_with(ctx, checked, use_json=use_json)


@cli.command()
@click.option("--seconds", type=click.FloatRange(1, 86400), default=360.0, show_default=True, help="Bounds the whole.")
@click.option("--fault", "faults", multiple=True, metavar="NAME", help="Inject this one; may be repeated.")
@click.option("--world", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The Charter's world file.")
@click.option("--minimal", is_flag=True, help="A Charter with the three required endpoints only.")
@click.option("--no-webhook", is_flag=True, help="Polling alone wakes the loop.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Go on from the Knowledge kept there.")
@click.option("--kill", metavar="COMPONENT", help="Kill it while faults are being healed, and start it again.")
@click.option("--list", "only_list", is_flag=True, help="List the faults and end.")
@as_json
@click.pass_context
def demo(ctx: click.Context, /, *, only_list: bool, no_webhook: bool, use_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Heal injected faults against real servers, in front of you; ends with a table."""
    from mape_k.demo import DemoOptions, list_faults, run_demo
    from mape_k.main import system_clock

    if only_list:
        faults = list_faults(options["world"])
        emit({"faults": faults}, as_json=use_json, human=lambda d: table(d["faults"], "name", "alert", "wave", "title"))
        return
    ctx.exit(run_demo(DemoOptions(webhook=not no_webhook, as_json=use_json, **options), system_clock()))


@cli.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def charter(arguments: tuple[str, ...]) -> None:
    """Run the reference Charter service alone; `mape-k charter --help` lists its options."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "westworld", *arguments])  # noqa: S606 (our own interpreter)


packs.pack.add_command(pack_build.build_packs)
packs.pack.add_command(pack_preview.preview)
packs.pack.add_command(pack_deploy.install_packs)
packs.pack.add_command(pack_deploy.verify_packs)
for command in (*ask.COMMANDS, *tell.COMMANDS, dlq.dlq, packs.pack, knowledge.knowledge):
    cli.add_command(command)
