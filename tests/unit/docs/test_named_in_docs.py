"""What the pages for users name exists: commands, options, targets, variables, metrics, alerts, reasons, headings."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mape_k.cli import cli
from mape_k.model import Reason
from mape_k.settings.load import FILE
from mape_k.settings.variables import SECRETS, VARIABLES
from mape_k.telemetry.table import TABLE, Kind
from shipped_packs import log_rules, rules
from westworld.__main__ import _parser as charter_parser
from westworld.metrics import Metrics

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "user-guide.md"
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "config").rglob("*.md")),
]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

OF_THE_TESTS = {"MAPE_K_REQUIRE_REAL", "MAPE_K_TOOLS"}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
CODE = re.compile(r"^ *```\w*\n(?P<block>.*?)^ *```|`(?P<span>[^`\n]+)`", re.DOTALL | re.MULTILINE)


def code(text: str) -> Iterator[str]:
    """Yield every line of code in a page, without its comment."""
    for found in CODE.finditer(text):
        for line in (found["block"] or found["span"]).splitlines():
            yield line.partition(" #")[0]


def calls(text: str) -> Iterator[tuple[click.Command, str]]:
    """Yield each command that a page calls, with the words that are left over as its arguments."""
    for line in code(text):
        for words in re.findall(r"(?:^|[\s/])mape-k ([a-z][^|]*)", line):
            yield named(words.split())


def named(words: list[str]) -> tuple[click.Command, str]:
    command: click.Command = cli
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command, " ".join(words)


def options(command: click.Command) -> set[str]:
    if command.name == "charter":
        return set(OPTION.findall(charter_parser().format_help()))
    children = command.commands.values() if isinstance(command, click.Group) else ()
    own = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return own.union(*(options(child) for child in children))


def metric_names() -> set[str]:
    own = {metric.full_name: metric.kind is Kind.HISTOGRAM for metric in TABLE}
    typed = re.findall(r"^# TYPE (\S+) (\S+)", Metrics(nodes=()).exposition().decode(), re.MULTILINE)
    known = own | {name: kind == "histogram" for name, kind in typed}
    return {
        name + s
        for name, is_histogram in known.items()
        for s in ("", "_bucket", "_count", "_sum")[: 1 + 3 * is_histogram]
    }


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@each_page
def test_every_command_that_a_page_calls_exists_with_its_options(page: Path) -> None:
    for command, arguments in calls(page.read_text()):
        assert not isinstance(command, click.Group) or not arguments, f"no such command: {arguments}"
        assert set(OPTION.findall(arguments)) <= options(command), f"mape-k {command.name} {arguments}"


@each_page
def test_every_option_that_a_page_names_alone_exists(page: Path) -> None:
    assert {o for line in code(page.read_text()) if line.startswith("--") for o in OPTION.findall(line)} <= options(cli)


@each_page
def test_every_target_of_make_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert {t for line in code(page.read_text()) for t in re.findall(r"(?:^|sudo )make ([a-z-]+)", line)} <= targets


@each_page
def test_every_variable_that_a_page_names_can_be_set(page: Path) -> None:
    known = {*VARIABLES, *(secret + FILE for secret in SECRETS), *OF_THE_TESTS}

    assert set(re.findall(r"\bMAPE_K_[A-Z_]*[A-Z]", page.read_text())) <= known


@each_page
def test_every_metric_that_a_page_names_is_exported(page: Path) -> None:
    assert set(re.findall(r"(?<![/\w])(?:mape_k|westworld_charter)_\w+", page.read_text())) <= metric_names()


@each_page
def test_every_alert_about_the_daemon_that_a_page_names_exists(page: Path) -> None:
    known = {rule.name for rule in (*rules("alert"), *log_rules())} | {"MapeKTestAlert"}

    assert set(re.findall(r"\bMapeK[A-Z]\w+", page.read_text())) <= known


@each_page
def test_every_link_to_a_heading_finds_it(page: Path) -> None:
    for target, place in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        text = (page.parent / target).read_text() if target else page.read_text()
        assert place in {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def test_the_guide_speaks_of_reasons_that_there_are() -> None:
    rows = re.findall(r"^\| decision ([^|]+)\|", GUIDE.read_text(), re.MULTILINE)

    assert {reason for row in rows for reason in re.findall(r"`(\w+)`", row)} <= set(Reason)
    assert len(rows) >= 5


def test_the_checks_of_the_pages_see_what_is_wrong() -> None:
    page = (
        "```\nmape-k fly --high   # --really\n```\nand `mape-k pack check --sideways ./it`, `mape-k charter --minimal`"
    )
    (first, left), (check, arguments), (charter, _) = calls(page)

    assert (first, left) == (cli, "fly --high")
    assert set(OPTION.findall(arguments)) - options(check) == {"--sideways"}
    assert "--minimal" in options(charter)
    assert {"mape_k_cycle_duration_seconds_bucket", "westworld_charter_audit_committee_size"} <= metric_names()
    assert "mape_k_paused_bucket" not in metric_names()
