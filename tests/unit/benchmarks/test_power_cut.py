"""The power cut of the benchmark: what was synced stays, what was not may go, sector by sector."""

import sqlite3
from contextlib import closing
from random import Random  # noqa: TID251 - seeded

from power.cut import survivors
from power.layer import SECTOR, Delete, Kept, Layer, Sync, Told, Truncate, Write

SYNCED = [Write("k", 0, b"a" * SECTOR * 8), Sync("k"), Told("a is safe")]


def after(steps, before=None):
    return [survivors(before or {}, steps, Random(seed)) for seed in range(40)]  # noqa: S311 - seeded


def test_what_was_synced_is_there_after_every_cut():
    assert {files["k"] for files, _ in after(SYNCED)} == {b"a" * SECTOR * 8}
    assert all(told == {"a is safe"} for _, told in after(SYNCED))


def test_what_was_not_synced_is_lost_kept_or_torn_between_sectors():
    cut = {files["k"] for files, _ in after([*SYNCED, Write("k", 0, b"b" * SECTOR * 8)])}
    assert {b"a" * SECTOR * 8, b"b" * SECTOR * 8} < cut
    assert all(len(set(files[place : place + SECTOR])) == 1 for files in cut for place in range(0, len(files), SECTOR))


def test_a_sync_of_one_file_says_nothing_about_another():
    assert {files.get("other", b"") for files, _ in after([Write("other", 0, b"x"), Sync("k")])} == {b"", b"x"}


def test_a_truncation_may_be_lost_and_a_deletion_is_not():
    steps = [Truncate("k", 2), Delete("log"), Kept("key", b"secret")]
    cut = after(steps, {"k": b"1234", "log": b"5"})
    assert {files["k"] for files, _ in cut} == {b"12", b"1234"}
    assert all("log" not in files and files["key"] == b"secret" for files, _ in cut)


def test_the_layer_writes_down_what_sqlite_does_and_leaves_other_folders_alone(tmp_path):
    (tmp_path / "watched").mkdir()
    layer = Layer(beside=())
    with layer.watching(tmp_path / "watched") as steps:
        for name in ("elsewhere.db", "watched/k.db"):
            with closing(sqlite3.connect(tmp_path / name)) as connection, connection:
                connection.execute("CREATE TABLE t (a)")
    assert {step.file for step in steps} == {"k.db", "k.db-journal"}
    files, _ = survivors({}, steps, Random(1))  # noqa: S311 - seeded
    (tmp_path / "copy.db").write_bytes(files["k.db"])
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT name FROM sqlite_schema").fetchall() == [("t",)]
