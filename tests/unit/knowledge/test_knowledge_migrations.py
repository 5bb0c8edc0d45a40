"""The tables that migrations make are the tables that the code works with."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from knowledge_cases import opened
from mape_k.errors import StoreError
from mape_k.knowledge.migrate import FOLDER, HEAD, migrate
from mape_k.knowledge.schema import metadata
from mape_k.knowledge.sqlite import SqliteFile

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


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(path for path in sys.path if path)}
