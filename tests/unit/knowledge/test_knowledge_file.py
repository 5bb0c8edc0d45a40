"""The SQLite file: whose it is, whether it is sound, and who may read it."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from knowledge_cases import SteppingClock, admitted, opened
from mape_k.errors import ConfigError, StoreError
from mape_k.knowledge import copy_database, open_knowledge
from mape_k.knowledge.sqlite import SqliteFile, database_file
from mape_k.model import Mode, State


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://mape:hunter2@db/knowledge", r"postgresql://mape:\*\*\*@db/knowledge names no SQLite file"),
        ("sqlite://", "names no SQLite file"),
        ("sqlite:///:memory:", "names no SQLite file"),
        ("/var/lib/mape-k.sqlite", "not a database URL"),
        ("", "not a database URL"),
    ],
)
def test_a_url_that_names_no_sqlite_file_is_refused_without_its_secret(url, complaint):
    with pytest.raises(ConfigError, match=complaint) as refusal:
        database_file(url)
    assert "hunter2" not in str(refusal.value)
    assert "sqlite:////absolute/path" in str(refusal.value)


def test_three_slashes_are_relative_and_four_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert database_file("sqlite:///k.sqlite") == tmp_path / "k.sqlite"
    assert database_file("sqlite:////var/lib/k.sqlite") == Path("/var/lib/k.sqlite")


async def test_file_and_folder_are_made_for_their_owner_alone(tmp_path):
    async with opened(tmp_path / "new"):
        made = list((tmp_path / "new").iterdir())
        assert {path.name for path in made} >= {"knowledge.sqlite", "knowledge.sqlite-wal", "knowledge.sqlite.lock"}
        assert {path.stat().st_mode & 0o777 for path in made} == {0o600}


async def test_a_second_daemon_is_refused_with_the_file_and_the_first_ones_process(tmp_path):
    async with opened(tmp_path):
        with pytest.raises(StoreError, match=rf"knowledge\.sqlite belongs to a running daemon, process {os.getpid()}:"):
            async with opened(tmp_path):
                pass
    async with opened(tmp_path) as again:
        assert again.epoch == 2


def test_another_process_is_refused_too(tmp_path):
    held = SqliteFile(tmp_path / "k.sqlite")
    script = f"""if True:
        from pathlib import Path
        from mape_k.knowledge.sqlite import SqliteFile
        SqliteFile(Path({str(tmp_path / "k.sqlite")!r}))
    """
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert f"process {os.getpid()}: stop that one" in other.stderr
    held.close()


async def test_a_file_that_is_no_database_is_told_with_the_remedy_and_left_untouched(tmp_path):
    (tmp_path / "knowledge.sqlite").write_text("these are my holiday notes, not a database\n" * 30)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"damaged, or not a SQLite file at all .*move it away"):
            async with opened(tmp_path):
                pass
    assert (tmp_path / "knowledge.sqlite").read_text().startswith("these are my holiday notes")


async def test_a_path_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/knowledge\.sqlite cannot be opened"):
        async with opened(tmp_path / "file"):
            pass


def test_every_connection_syncs_each_commit_and_minds_foreign_keys(tmp_path):
    database = SqliteFile(tmp_path / "k.sqlite")
    for engine, read_only in ((database.writer, 0), (database.reader, 1)):
        with engine.begin() as connection:
            asked = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "query_only")
            }
        assert asked == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "query_only": read_only}
    database.close()


def test_a_write_transaction_is_one_from_its_first_moment(tmp_path):
    database = SqliteFile(tmp_path / "k.sqlite")
    other = sqlite3.connect(database.path, timeout=0, isolation_level=None)
    with database.writer.begin(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()
    database.close()


@pytest.mark.parametrize("is_running", [True, False])
async def test_a_copy_is_taken_beside_a_running_daemon_and_changes_nothing(tmp_path, is_running):
    (tmp_path / "copy").mkdir()
    url = f"sqlite:///{tmp_path}/knowledge.sqlite"
    async with opened(tmp_path) as knowledge:
        await admitted(knowledge.journal)
        copied = copy_database(url, tmp_path / "copy") if is_running else ""
    copied = copied or copy_database(url, tmp_path / "copy")
    (tmp_path / "copy" / "audit.key").write_bytes((tmp_path / "audit.key").read_bytes())
    copy = await open_knowledge(copied, clock=SteppingClock(), mode=Mode.SHADOW)
    assert (await copy.journal.execution("x-1")).state is State.FAILED
    await copy.close()
    async with opened(tmp_path) as knowledge:
        assert knowledge.epoch == 2


def test_where_there_is_nothing_to_copy_a_new_one_is_named(tmp_path):
    copied = copy_database(f"sqlite:///{tmp_path}/never.sqlite", tmp_path / "copy")
    assert database_file(copied).parent == tmp_path / "copy"
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_copied_is_told(tmp_path):
    (tmp_path / "knowledge.sqlite").write_text("not a database, only text that is long enough to look at" * 20)
    with pytest.raises(StoreError, match=r"knowledge\.sqlite: cannot be copied"):
        copy_database(f"sqlite:///{tmp_path}/knowledge.sqlite", tmp_path)
