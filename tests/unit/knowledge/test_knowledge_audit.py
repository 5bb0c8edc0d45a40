"""Every move, pause and start is in the audit trail, and whoever changes the trail is found out."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from knowledge_cases import NOON, a_cycle, admitted, brought_to, opened
from mape_k.errors import ConfigError, StoreError
from mape_k.knowledge import AuditFiles
from mape_k.knowledge.anchor import Anchor, ensure_key, read_anchor, read_key
from mape_k.knowledge.audit import Head
from mape_k.knowledge.inspection import Inspection, inspect_knowledge
from mape_k.model import Pause, State


def inspected(folder: Path) -> Inspection:
    return inspect_knowledge(f"sqlite:///{folder}/knowledge.sqlite", AuditFiles.within(folder))


def found(folder: Path) -> list[tuple[str, int | None]]:
    return [(problem.check, problem.sequence) for problem in inspected(folder).problems]


def alter(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "knowledge.sqlite")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def trail(folder: Path) -> list[tuple[str, dict]]:
    with closing(sqlite3.connect(folder / "knowledge.sqlite")) as connection:
        rows = connection.execute("SELECT kind, event FROM audit ORDER BY sequence").fetchall()
    return [(kind, json.loads(event)) for kind, event in rows]


@pytest.fixture
async def folder(tmp_path) -> Path:
    """A Knowledge that a daemon has left: a start, four moves of one action, a pause, a resume, in this order."""
    async with opened(tmp_path) as knowledge:
        await brought_to(knowledge.journal, State.IN_FORCE)
        await knowledge.orders.pause(Pause(since=NOON, by="an operator"))
        await knowledge.orders.resume("", by="operator")
        await knowledge.journal.close_cycle(a_cycle())
    return tmp_path


def test_starts_moves_and_pauses_are_told_in_their_order(folder):
    rows = trail(folder)

    assert [kind for kind, _ in rows] == ["start", *["transition"] * 4, "pause", "resume"]
    assert rows[0][1] == {"epoch": 1, "mode": "enforce"}
    assert (rows[1][1]["from_state"], rows[1][1]["to_state"], rows[1][1]["target"]) == (None, "admitted", "node-7")
    assert rows[5][1]["by"] == "an operator"


async def test_what_is_taken_back_leaves_no_row(tmp_path):
    async with opened(tmp_path) as knowledge:
        execution = await admitted(knowledge.journal)
        with pytest.raises(ValueError, match="cannot set colour"):
            await knowledge.journal.move(execution, State.APPLYING, colour="red")
    assert [kind for kind, _ in trail(tmp_path)] == ["start", "transition"]


def test_an_untouched_trail_is_whole_up_to_its_anchored_head(folder):
    whole = inspected(folder)

    assert (whole.problems, whole.rows) == ([], 7)
    assert whole.head == read_anchor(folder / "audit.anchor")[-1]


async def test_a_restart_goes_on_with_the_same_chain(folder):
    async with opened(folder) as knowledge:
        await knowledge.journal.close_cycle(a_cycle("c-2"))
        assert inspected(folder).problems == []
    assert inspected(folder).rows == 9
    assert trail(folder)[7:][1][1]["detail"] == "taken over after a restart"


@pytest.mark.parametrize(
    ("sequence", "statement"),
    [
        (3, "UPDATE audit SET event = replace(event, 'node-7', 'node-8') WHERE sequence = 3"),
        (3, "UPDATE audit SET at = '2026-03-01T12:00:00+00:00' WHERE sequence = 3"),
        (6, "UPDATE audit SET kind = 'resume' WHERE sequence = 6"),
        (4, "UPDATE audit SET hash = upper(hash) WHERE sequence = 4"),
        (4, "UPDATE audit SET event = CAST('\xff' AS BLOB) WHERE sequence = 4"),
        (4, "UPDATE audit SET event = CAST(x'ff' AS TEXT) WHERE sequence = 4"),
        (1, "DELETE FROM audit WHERE sequence = 1"),
        (5, "DELETE FROM audit WHERE sequence = 5"),
        (7, "DELETE FROM audit WHERE sequence = 7"),
        (1, "DELETE FROM audit"),
        (8, "INSERT INTO audit SELECT 8, at, kind, event, hash, hash FROM audit WHERE sequence = 7"),
        (1, "UPDATE audit SET sequence = sequence + 1000"),
    ],
)
def test_the_first_broken_row_is_named(folder, sequence, statement):
    alter(folder, statement)
    assert ("trail", sequence) in found(folder)


def test_two_rows_that_changed_places_are_found(folder):
    move = "UPDATE audit SET sequence = {} WHERE sequence = {}"
    alter(folder, move.format(99, 2), move.format(2, 3), move.format(3, 99))
    assert found(folder)[0] == ("trail", 2)


def test_rows_missing_from_the_end_are_seen_through_the_anchor_alone(folder):
    alter(folder, "DELETE FROM audit WHERE sequence > 5")
    (folder / "audit.anchor").write_text(str(read_anchor(folder / "audit.anchor")[0]) + "\n")
    assert found(folder) == []


def test_a_trail_without_its_anchor_is_not_called_whole(folder):
    (folder / "audit.anchor").unlink()
    assert found(folder) == [("anchor", None)]


def test_a_trail_written_anew_with_another_key_is_found(folder):
    (folder / "audit.key").write_text("00" * 32)
    assert found(folder)[0] == ("trail", 1)


def test_an_execution_that_was_changed_beside_the_trail_is_found(folder):
    alter(folder, "UPDATE executions SET state = 'failed'")
    (problem,) = inspected(folder).problems
    assert (problem.check, problem.what) == ("executions", "x-1 is failed; the trail left it in_force")


def test_an_open_execution_that_vanished_is_found_with_what_belonged_to_it(folder):
    alter(folder, "DELETE FROM executions")
    checks = [problem.check for problem in inspected(folder).problems]
    assert checks == [*["references"] * 4, "executions"]


@pytest.mark.parametrize("content", ["", "ab", "zz" * 32, "ab" * 33])
def test_what_is_no_key_is_refused_with_its_file(tmp_path, content):
    (tmp_path / "audit.key").write_text(content)
    with pytest.raises(ConfigError, match=r"audit.key: expected 64 hexadecimal digits"):
        read_key(tmp_path / "audit.key")


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "state" / "audit.key"
    assert len(ensure_key(path)) == 32
    assert ensure_key(path) == read_key(path)
    assert path.stat().st_mode & 0o777 == 0o600


def heads(*numbers: int) -> list[Head]:
    return [Head(number, f"{number:064x}") for number in numbers]


def test_the_anchor_keeps_the_first_and_the_newest(tmp_path):
    anchor = Anchor(tmp_path / "audit.anchor", kept=3)
    for head in heads(*range(1, 30)):
        anchor.note(head)
        kept = read_anchor(tmp_path / "audit.anchor")
        assert kept[0].sequence == 1
        assert kept[-3:] == heads(*range(max(1, head.sequence - 2), head.sequence + 1))[-3:]
        assert len(kept) <= 6


def test_half_a_line_that_a_crash_left_is_cut_off(tmp_path):
    path = tmp_path / "audit.anchor"
    Anchor(path).note(heads(1)[0])
    with path.open("a") as file:
        file.write("2 00")
    assert read_anchor(path) == heads(1)
    Anchor(path).note(heads(3)[0])
    assert read_anchor(path) == heads(1, 3)


def test_the_same_head_is_anchored_once(tmp_path):
    anchor = Anchor(tmp_path / "audit.anchor")
    for head in (Head(), *heads(1, 1)):
        anchor.note(head)
    assert read_anchor(tmp_path / "audit.anchor") == heads(1)


def test_an_altered_line_of_the_anchor_is_told_with_its_number(tmp_path):
    (tmp_path / "audit.anchor").write_text(f"{heads(1)[0]}\n2 nothing\n")
    with pytest.raises(StoreError, match=r"audit.anchor:2: expected a sequence and a hash"):
        read_anchor(tmp_path / "audit.anchor")


async def test_a_cycle_tells_the_head_and_one_that_cannot_anchor_it_says_so(tmp_path):
    async with opened(tmp_path) as knowledge:
        report = await knowledge.journal.close_cycle(a_cycle())
        assert report.audit_head == str(read_anchor(tmp_path / "audit.anchor")[-1])
        (tmp_path / "audit.anchor").unlink()
        (tmp_path / "audit.anchor").mkdir()
        await admitted(knowledge.journal)
        report = await knowledge.journal.close_cycle(a_cycle("c-2"))
        assert (report.result, "audit.anchor cannot be written" in report.failure) == ("blind", True)
