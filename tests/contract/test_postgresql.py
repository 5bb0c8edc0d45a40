"""What is peculiar to PostgreSQL: coming back, giving up in time, words for a person, and the commands beside it."""

import asyncio
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import func, inspect, select

from frame.postgres import Server
from knowledge_cases import NOON, SteppingClock, a_cycle, an_action, brought_to, opened
from mape_k.errors import ConfigError, PermanentError, StoreError
from mape_k.knowledge import AuditFiles, copy_database, open_knowledge
from mape_k.knowledge.engines import open_database
from mape_k.knowledge.inspection import inspect_knowledge
from mape_k.knowledge.keeping import back_up, count, prune
from mape_k.knowledge.lines import export_file, import_file
from mape_k.knowledge.migrate import FOLDER
from mape_k.model import Execution, Mode, State
from postgres_cases import new_url, opened_at


@pytest.fixture
def url(postgres: Server) -> str:
    return new_url(postgres)


async def test_after_the_server_was_killed_and_started_again_it_goes_on(postgres, tmp_path):
    url = new_url(postgres)
    async with opened_at(url, tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.VERIFYING)
        postgres.kill()
        with pytest.raises(StoreError):
            await knowledge.journal.open_cycle(a_cycle("lost"))
        postgres.start()
        assert (await knowledge.journal.execution("x-1")).state is State.VERIFYING
        ledger = await knowledge.journal.open_cycle(a_cycle("found"))
        assert [e.execution_id for e in ledger.executions] == ["x-1"]


async def test_a_commit_waits_for_the_disk_of_the_server_and_times_are_utc(url, tmp_path):
    async with opened_at(url, tmp_path) as knowledge:
        names = ("synchronous_commit", "timezone")
        read = select(*(func.current_setting(name) for name in names))
        assert tuple(await knowledge.store.write(lambda c: c.execute(read).one())) == ("on", "UTC")


async def test_no_text_of_a_stranger_is_too_strange(url, tmp_path):
    async with opened_at(url, tmp_path) as knowledge:
        strange = an_action("x-1", target="näh'; DROP TABLE meta; --\u202e\x1b[2J")
        kept = await knowledge.journal.admit(strange, check=lambda _: None, explanation={"a": "\x00"}, now=NOON)
        assert isinstance(kept, Execution)
        assert (await knowledge.journal.execution("x-1")).target == strange.target
        with pytest.raises(StoreError):
            await knowledge.journal.admit(an_action("\ud800"), check=lambda _: None, explanation={}, now=NOON)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda url: url.replace(url.rpartition("/")[2], "absent"), "does not exist"),
        (lambda url: url.replace("tester:", "tester:not"), "password authentication failed"),
        (lambda url: url.replace("127.0.0.1:", "127.0.0.1:1"), "refused|invalid port|out of range"),
    ],
)
async def test_what_keeps_it_from_opening_is_said_without_the_password(broken, words, postgres, url, tmp_path):
    with pytest.raises(StoreError, match=words) as refused:
        await open_knowledge(
            broken(url),
            clock=SteppingClock(),
            mode=Mode.SHADOW,
            audit_files=AuditFiles.within(tmp_path),
        )
    assert postgres.password not in str(refused.value)


def test_without_the_driver_the_extra_is_named():
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from mape_k.knowledge.postgresql import PostgresDatabase\n"
        "PostgresDatabase('postgresql://me@localhost/db')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'mape-k[postgres]'" in done.stderr
    assert ConfigError.__name__ in done.stderr


async def test_the_commands_look_at_it_beside_a_running_daemon(url, tmp_path):
    async with opened_at(url, tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.VERIFYING)
        await knowledge.journal.close_cycle(a_cycle("c-1"))
        counted = await asyncio.to_thread(count, url)
        assert {t["table"]: t["rows"] for t in counted["tables"]}["executions"] == 1
        assert all(t["bytes"] > 0 for t in counted["tables"])
        found = await asyncio.to_thread(inspect_knowledge, url, AuditFiles.within(tmp_path))
        assert (found.problems, found.rows) == ([], 4)
        with pytest.raises(PermanentError, match="pg_dump"):
            back_up(url, tmp_path / "copy")


async def test_pruning_waits_until_nobody_leads(url, tmp_path):
    files = AuditFiles.within(tmp_path)
    async with opened_at(url, tmp_path, replica="a"):
        with pytest.raises(StoreError, match="a leads"):
            await asyncio.to_thread(prune, url, files, older_than=NOON - NOON, now=NOON)
    assert await asyncio.to_thread(prune, url, files, older_than=NOON - NOON, now=NOON)


async def test_a_copy_for_a_trial_is_a_file_of_its_own(url, tmp_path):
    (tmp_path / "copy").mkdir()
    async with opened_at(url, tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.VERIFYING)
        copy = await asyncio.to_thread(copy_database, url, tmp_path / "copy")
    trial = await open_knowledge(copy, clock=knowledge.journal._clock, mode=Mode.SHADOW)
    assert (await trial.journal.execution("x-1")).state is State.VERIFYING
    await trial.close()


async def test_rows_move_from_a_file_to_a_server_and_numbers_go_on(url, tmp_path):
    async with opened(tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.VERIFYING)
    rows = export_file(f"sqlite:///{tmp_path}/knowledge.sqlite", tmp_path / "lines")
    assert import_file(url, AuditFiles.within(tmp_path), Path(tmp_path / "lines")) == rows
    async with opened_at(url, tmp_path) as knowledge:
        assert knowledge.epoch == 2
        await brought_to(knowledge.journal, State.VERIFYING, "x-2")
        assert (await knowledge.journal.execution("x-1")).state is State.VERIFYING


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
async def test_tables_of_an_earlier_version_become_those_of_today(revision, postgres, url, tmp_path):
    with closing(open_database(url)) as database, database.writer.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    async with opened_at(url, tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.VERIFYING)
        migrated = await knowledge.store.read(columns)
    async with opened_at(new_url(postgres), tmp_path / "fresh") as knowledge:
        assert migrated == await knowledge.store.read(columns)


def columns(connection):
    """Return the columns of every table as the engine has them, and the indices."""
    seen = inspect(connection)
    return {
        table: (
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in seen.get_columns(table)),
            sorted(tuple(index["column_names"]) for index in seen.get_indexes(table)),
        )
        for table in seen.get_table_names()
    }
