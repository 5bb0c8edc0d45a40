"""`mape-k pack preview`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mape_k.cli.group import DONE, NOT_SO, as_json, settings
from mape_k.cli.show import Document, emit, line, table
from mape_k.errors import ConfigError

if TYPE_CHECKING:
    from mape_k.ports import MetricSource
    from mape_k.preview import AskedBoard, BoardFile, Span

MAX_DAYS = 366


@click.command("preview")
@click.argument("boards", nargs=-1, required=True, metavar="PACK|FILE...")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The page to write.")
@click.option("--prometheus", "url", metavar="URL", help="Whom to ask instead of PROMETHEUS_URL.")
@click.option("--at", metavar="TIME", help="The end of what is shown, such as 2026-11-26T12:00:00Z; now without it.")
@click.option("--range", "length", default="1h", show_default=True, help="How far back is shown.")
@click.option("--scrape-interval", "scrape", default="15s", show_default=True, help="The shortest step between points.")
@click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="Choose; commas between several values, or repeat it.",
)
@click.option("--theme", type=click.Choice(["auto", "light", "dark"]), default="auto", show_default=True)
@click.option("--strict", is_flag=True, help="End with 1 when a panel that should show something does not.")
@as_json
@click.pass_context
def preview(ctx: click.Context, /, *, boards: tuple[str, ...], out: Path, url: str | None, **options: Any) -> None:  # noqa: ANN401
    """Draw boards with the data that a Prometheus has, as one page that needs nothing else."""
    from mape_k.main.asking import ask_prometheus
    from mape_k.preview import check_variables, read_boards, render, report

    chosen = settings()
    url = url or chosen.prometheus_url
    wanted = _variables(options["variables"])
    files = read_boards([_path(name) for name in boards])
    check_variables(files, wanted)
    span = _span(options["at"], options["length"], options["scrape"])
    answered = ask_prometheus(chosen, url, _questions(files, span, wanted))
    _write(out, render(answered, theme=options["theme"], source=url))
    document = {"out": str(out), **report(answered)}
    emit(document, as_json=options["use_json"], human=_show)
    ctx.exit(NOT_SO if options["strict"] and document["empty"] else DONE)


def _path(name: str) -> Path:
    from mape_k.catalogue.folders import find_folder

    return Path(name) if Path(name).suffix == ".json" else find_folder(name)


def _variables(given: Sequence[str]) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for each in given:
        name, equals, values = each.partition("=")
        if not equals:
            raise click.UsageError(f"--var {each}: expected NAME=VALUE.")
        wanted.setdefault(name, []).extend(values.split(","))
    return wanted


def _span(at: str | None, length: str, scrape: str) -> "Span":
    from mape_k.main import system_clock
    from mape_k.preview import Span

    end = (_moment(at) if at else system_clock().now()).timestamp()
    seconds = _seconds("--range", length)
    if not 1 <= seconds <= MAX_DAYS * 86400:
        raise click.UsageError(f"--range {length}: expected 1s to {MAX_DAYS}d.")
    if end < seconds:
        raise click.UsageError(f"--at {at}: expected a time after 1970, the range before it too.")
    return Span(start=end - seconds, end=end, scrape_seconds=max(_seconds("--scrape-interval", scrape), 0.001))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromtimestamp(float(text), UTC) if text.isdecimal() else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise click.UsageError(f"--at {text}: expected a time such as 2026-11-26T12:00:00Z.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _seconds(option: str, text: str) -> float:
    from mape_k.catalogue.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: {error}.") from error


def _questions(
    files: "Sequence[BoardFile]", span: "Span", wanted: dict[str, list[str]]
) -> "Callable[[MetricSource], Awaitable[list[AskedBoard]]]":
    from mape_k.preview import Asker

    async def ask(source: "MetricSource") -> "list[AskedBoard]":
        asker = Asker(source, span, wanted)
        await asker.is_there()
        return list(await asyncio.gather(*(asker.board(file) for file in files)))

    return ask


def _write(out: Path, page: str) -> None:
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{out}: cannot be written: {error.strerror}; choose another file"]) from error


def _show(document: Document) -> None:
    rows = [{**row, "shows": _verdict(row)} for row in document["panels"]]
    table(rows, "board", "shows", title="panel")
    if document["empty"]:
        line(f"{len(document['empty'])} of {len(rows)} panels show nothing", tone="warn")
    line(f"wrote {document['out']}")


def _verdict(row: Document) -> str:
    if not row["is_asked"]:
        return "not asked"
    if any(query["error"] for query in row["queries"]):
        return "an error"
    series = row["series"]
    return f"{series} series" if row["has_data"] else "nothing, rightly" if row["may_be_empty"] else "nothing"
