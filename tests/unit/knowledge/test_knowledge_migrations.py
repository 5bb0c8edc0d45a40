"""The tables that migrations make are the tables that the code works with."""

import base64
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from knowledge_cases import NOON, brought_to, opened
from mape_k.errors import StoreError
from mape_k.knowledge.migrate import FOLDER, HEAD, migrate
from mape_k.knowledge.schema import metadata
from mape_k.knowledge.sqlite import SqliteFile
from mape_k.model import Reason, State

VERSIONS = Path(__file__).with_name("versions")
"""What earlier versions left: whole databases as SQL, and every statement that one made, all written by their code."""

OPEN = """if True:
    import asyncio, sys
    from pathlib import Path
    from knowledge_cases import opened
    async def main():
        async with opened(Path(sys.argv[1])) as knowledge:
            print(knowledge.epoch, "alembic" in sys.modules)
    asyncio.run(main())
"""


@pytest.fixture
def file(tmp_path):
    database = SqliteFile(tmp_path / "knowledge.sqlite")
    yield database
    database.close()


def made_anew(connection):
    migrate(connection)


def made_by_migrations(connection):
    command.stamp(configured(connection), "base")
    migrate(connection)


def configured(connection):
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config


@pytest.mark.parametrize("make", [made_anew, made_by_migrations])
def test_tables_are_those_of_the_schema_however_they_were_made(file, make):
    with file.writer.begin() as connection:
        make(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_the_newest_revision_is_the_one_that_the_program_expects():
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_migration_can_be_taken_back_and_made_again(file):
    with file.writer.begin() as connection:
        migrate(connection)
        command.downgrade(configured(connection), "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
        migrate(connection)
        assert set(metadata.tables) < set(inspect(connection).get_table_names())


@pytest.mark.parametrize("before", [[], ["alembic_version"]], ids=["anew", "by migrations"])
def test_a_migration_that_is_interrupted_leaves_everything_as_it_was(file, before):
    with file.writer.begin() as connection:
        if before:
            command.stamp(configured(connection), "base")
    with closing(file.writer.connect()) as connection:
        migrate(connection)
        connection.rollback()
    with file.reader.begin() as connection:
        assert inspect(connection).get_table_names() == before


def test_a_start_with_nothing_to_migrate_does_not_load_the_migration_tool(tmp_path):
    for expected in ("1 False", "2 False"):
        ran = subprocess.run(
            [sys.executable, "-c", OPEN, str(tmp_path)], capture_output=True, text=True, check=True, env=_environment()
        )
        assert ran.stdout.strip() == expected


async def test_tables_of_a_newer_version_are_left_alone(tmp_path):
    async with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "knowledge.sqlite") as plain:
        plain.execute("UPDATE alembic_version SET version_num = '9999'")
    plain.close()
    with pytest.raises(StoreError, match=f"revision 9999, this version knows them up to {HEAD}"):
        async with opened(tmp_path):
            pass


def restamped(folder, revision):
    with closing(sqlite3.connect(folder / "knowledge.sqlite")) as plain, plain:
        plain.execute("ALTER TABLE executions ADD COLUMN mood TEXT NOT NULL DEFAULT 'fair'")
        plain.execute("UPDATE alembic_version SET version_num = ?", (revision,))


async def test_tables_to_which_a_newer_version_only_added_are_worked_with_and_left_as_they_are(tmp_path):
    async with opened(tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.VERIFYING)
    restamped(tmp_path, f"9999+{HEAD}")
    async with opened(tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.VERIFYING, "x-2")
        moods = "SELECT mood, version_num FROM executions, alembic_version"
        rows = await knowledge.store.read(lambda c: c.exec_driver_sql(moods).fetchall())
    assert rows == [("fair", f"9999+{HEAD}")] * 2


@pytest.mark.parametrize("revision", ["9999+9998", "9999+", "9999"])
async def test_tables_that_a_newer_version_changed_for_later_ones_only_are_refused(tmp_path, revision):
    async with opened(tmp_path):
        pass
    restamped(tmp_path, revision)
    with pytest.raises(StoreError, match="run the newer version again"):
        async with opened(tmp_path):
            pass


def loaded(folder, name):
    """Put a database as an earlier version left it, with nothing but its key missing."""
    with closing(sqlite3.connect(folder / "knowledge.sqlite")) as plain, plain:
        plain.executescript((VERSIONS / name).read_text())
    (folder / "audit.key").write_text("0" * 64)


@pytest.mark.parametrize("revision", ["0001", "0003"])
async def test_what_an_earlier_version_left_is_all_there_after_the_migration(tmp_path, revision):
    loaded(tmp_path, f"revision_{revision}.sql")
    async with opened(tmp_path) as knowledge:
        ledger = await knowledge.journal.ledger()
        keeps = await knowledge.keys_echoed("http://charter")
        healed = await knowledge.archive.item("actions", "x-healed")
    states = {e.execution_id: (e.state, e.reason) for e in ledger.executions}
    assert states == {
        "x-healed": (State.SUCCEEDED, Reason.VERIFIED),
        "x-worse": (State.ROLLING_BACK, Reason.MADE_WORSE),
        "x-open": (State.VERIFYING, Reason.BEST_CANDIDATE),
        "x-intent": (State.FAILED, Reason.EXPIRED),
    }
    assert [(p.scope, p.by, p.comment, p.since) for p in ledger.pauses] == [("", "operator", "a look", NOON)]
    (rate,) = ledger.success_rates.values()
    assert (rate.successes, rate.failures, len(ledger.incidents), keeps) == (1, 1, 2, True)
    assert (knowledge.epoch, len(healed["transitions"])) == (2, 4)


async def test_what_an_earlier_version_writes_into_the_tables_of_today_is_read_by_the_program_of_today(tmp_path):
    async with opened(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "knowledge.sqlite", isolation_level=None)) as plain:
        for statement, rows in json.loads((VERSIONS / "statements_0003.json").read_text()):
            for row in rows if "alembic" not in statement else ():
                _play(plain, statement, row)
    async with opened(tmp_path) as knowledge:
        ledger = await knowledge.journal.ledger()
        await knowledge.journal.move(await knowledge.journal.execution("x-worse"), State.ROLLED_BACK)
    assert {e.execution_id: e.state for e in ledger.executions} == {
        "x-healed": State.SUCCEEDED,
        "x-worse": State.ROLLING_BACK,
        "x-open": State.VERIFYING,
        "x-intent": State.FAILED,
    }
    assert {(e.tries, e.further_ids, e.plan_hash, e.consent) for e in ledger.executions} == {(0, (), "", None)}
    assert (len(ledger.incidents), len(ledger.success_rates)) == (2, 1)


def _play(plain, statement, row):
    """Do what the earlier version did; it ended each transaction by other means than a statement."""
    if statement.startswith("BEGIN") and plain.in_transaction:
        plain.execute("COMMIT")
    values = [base64.b64decode(value["bytes"]) if isinstance(value, dict) else value for value in row]
    plain.execute(statement, values).fetchall()


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(path for path in sys.path if path)}
