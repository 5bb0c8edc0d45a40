"""Knowledge counted, copied as lines and shortened, beside a daemon or without one."""

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from knowledge_cases import NOON, a_cycle, admitted, brought_to, opened
from mape_k.errors import PermanentError, StoreError
from mape_k.knowledge import AuditFiles
from mape_k.knowledge.inspection import inspect_knowledge
from mape_k.knowledge.keeping import count, prune, wilson
from mape_k.knowledge.lines import MOST_BYTES, export_file, exported, import_file
from mape_k.knowledge.migrate import HEAD
from mape_k.model import Assessment, FollowUp, Reason, State, Step, Verdict
from sample_reports import a_report, an_incident

LATER = NOON + timedelta(days=40)


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/knowledge.sqlite"


def rows_in(folder: Path) -> dict[str, int]:
    return {each["table"]: each["rows"] for each in count(url(folder))["tables"]}


async def judged(journal, name: str, step: Step, verdict: Verdict) -> None:
    await brought_to(journal, State.VERIFYING, name)
    await journal.follow_up(FollowUp(execution_id=name, step=step, reason=Reason.VERIFIED, verdict=verdict), now=NOON)


@pytest.fixture
async def folder(tmp_path) -> Path:
    """A Knowledge with a row in every table that a daemon fills by itself."""
    home = tmp_path / "home"
    async with opened(home) as knowledge:
        await judged(knowledge.journal, "x-1", Step.CONFIRM, Verdict.IMPROVED)
        await judged(knowledge.journal, "x-2", Step.ROLL_BACK, Verdict.WORSE)
        await knowledge.journal.close_cycle(a_report())
    return home


def imported(folder: Path, path: Path) -> int:
    return import_file(url(folder), AuditFiles.within(folder), path)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 1, 0.0, 0.7301), (1, 1, 0.2699, 1.0), (5, 10, 0.2693, 0.7307), (90, 100, 0.8396, 0.9395)],
)
def test_the_interval_of_a_rate_is_wilsons(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-3)


async def test_rates_and_sizes_are_counted_beside_a_running_daemon(folder):
    async with opened(folder):
        document = count(url(folder))
    (rate,) = document["success_rates"]
    assert (rate["successes"], rate["failures"], rate["rate"]) == (1, 1, 0.5)
    assert 0 < rate["low"] < 0.5 < rate["high"] < 1
    assert document["epoch"] == 2
    assert all(table["bytes"] > 0 for table in document["tables"])


def test_what_is_exported_and_imported_is_the_same_and_verifies_with_the_same_key(folder, tmp_path):
    copy = tmp_path / "copy"
    rows = export_file(url(folder), tmp_path / "lines")
    copy.mkdir()
    (copy / "audit.key").write_bytes((folder / "audit.key").read_bytes())

    assert imported(copy, tmp_path / "lines") == rows == sum(rows_in(folder).values())
    assert list(exported(url(copy))) == list(exported(url(folder)))
    problems = inspect_knowledge(url(copy), AuditFiles.within(copy)).problems
    assert [problem.check for problem in problems] == ["anchor"]


async def test_a_daemon_goes_on_from_an_import_in_a_later_epoch(folder, tmp_path):
    export_file(url(folder), tmp_path / "lines")
    imported(tmp_path / "copy", tmp_path / "lines")
    async with opened(tmp_path / "copy") as knowledge:
        assert knowledge.epoch == 2
        assert (await knowledge.journal.execution("x-1")).state is State.SUCCEEDED


def test_an_export_is_for_its_owner_alone_and_replaces_an_earlier_one(folder, tmp_path):
    (tmp_path / "lines").write_text("an earlier one")
    export_file(url(folder), tmp_path / "lines")
    assert (tmp_path / "lines").stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "lines").read_bytes().splitlines()[0])["mape_k_knowledge"] == 1


def test_what_is_not_empty_is_not_filled(folder, tmp_path):
    export_file(url(folder), tmp_path / "lines")
    with pytest.raises(StoreError, match="is not empty: audit has rows"):
        imported(folder, tmp_path / "lines")


HEADER = f'{{"mape_k_knowledge":1,"revision":"{HEAD}"}}'


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["nonsense"], "lines:1: JSON is malformed"),
        ([HEADER.replace(":1,", ":2,")], "lines:1: expected version 1"),
        ([HEADER.replace(HEAD, "0000")], "lines:1: expected version 1, revision"),
        ([HEADER, '{"table":"planets","row":{}}'], "lines:2: no such table: 'planets'"),
        ([HEADER, '{"table":"meta","row":{"name":"a"}}'], "lines:2: meta: missing or unknown: document"),
        ([HEADER, '{"table":"meta","row":{"name":1,"document":1}}'], "lines:2: meta.name: Expected `str`"),
        ([HEADER, *['{"table":"meta","row":{"name":"a","document":1}}'] * 2], "lines:3: UNIQUE constraint failed"),
        ([HEADER], "lines: the line at the end, which counts the rows, is missing"),
        ([HEADER, '{"rows":3}'], "lines:2: expected 3 rows before it, not 0"),
        ([HEADER, '{"rows":0}', '{"rows":0}'], "lines:3: expected nothing after"),
        ([], "lines: the line at the end"),
        ([HEADER, "x" * (MOST_BYTES + 5)], "lines:2: the line is longer than"),
    ],
    ids=["json", "version", "revision", "table", "column", "type", "twice", "cut", "count", "more", "empty", "long"],
)
def test_a_bad_line_is_named_and_nothing_is_imported(lines, told, tmp_path):
    (tmp_path / "lines").write_text("\n".join(lines))
    with pytest.raises(PermanentError, match=told.replace(".", r"\.")):
        imported(tmp_path / "copy", tmp_path / "lines")
    (tmp_path / "good").write_text(HEADER + '\n{"rows":0}\n')
    assert imported(tmp_path / "copy", tmp_path / "good") == 0


@pytest.mark.parametrize("ask", [count, lambda name: list(exported(name))])
def test_a_knowledge_that_is_not_there_is_told_and_not_made(ask, tmp_path):
    with pytest.raises(StoreError, match="there is no Knowledge"):
        ask(url(tmp_path))
    assert list(tmp_path.iterdir()) == []


async def test_only_what_ended_long_ago_is_pruned(tmp_path):
    files = AuditFiles.within(tmp_path)
    incidents = {name: an_incident(f"node-{name}", f"i-{name}") for name in ("ended", "open", "busy")}
    async with opened(tmp_path, retention_days=365) as knowledge:
        for name, incident in incidents.items():
            execution = await admitted(knowledge.journal, f"x-{name}", incident_id=incident.incident_id)
            if name != "busy":
                await knowledge.journal.move(execution, State.FAILED, reason=Reason.REJECTED)
        both = Assessment(as_of=NOON, incidents=tuple(incidents.values()))
        await knowledge.journal.close_cycle(a_cycle("c-1", assessment=both))
        await knowledge.journal.close_cycle(
            a_cycle("c-2", assessment=Assessment(as_of=NOON, closed=("i-ended", "i-busy")))
        )
        await knowledge.journal.close_cycle(a_cycle("c-3", LATER))
    audited = rows_in(tmp_path)["audit"]

    taken = prune(url(tmp_path), files, older_than=timedelta(days=30), now=LATER)

    assert {name: rows for name, rows in taken.items() if rows} == {
        "transitions": 2,
        "executions": 1,
        "incidents": 1,
        "cycles": 2,
    }
    assert (rows_in(tmp_path)["incidents"], rows_in(tmp_path)["executions"]) == (2, 2)
    assert rows_in(tmp_path)["audit"] == audited + 1
    assert inspect_knowledge(url(tmp_path), files).problems == []


async def test_what_budgets_still_count_is_not_pruned_whatever_is_asked(tmp_path):
    async with opened(tmp_path) as knowledge:
        await knowledge.journal.close_cycle(a_cycle("c-1"))
    taken = prune(url(tmp_path), AuditFiles.within(tmp_path), older_than=timedelta(0), now=NOON + timedelta(hours=23))
    assert taken["cycles"] == 0


async def test_neither_import_nor_prune_goes_beside_a_running_daemon(folder, tmp_path):
    export_file(url(folder), tmp_path / "lines")
    async with opened(folder):
        with pytest.raises(StoreError, match="belongs to a running daemon"):
            imported(folder, tmp_path / "lines")
        with pytest.raises(StoreError, match="belongs to a running daemon"):
            prune(url(folder), AuditFiles.within(folder), older_than=timedelta(days=30), now=LATER)


def test_tables_of_another_version_are_not_read(folder):
    with closing(sqlite3.connect(folder / "knowledge.sqlite")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(StoreError, match="revision 0001"):
        count(url(folder))
