"""The commands about Knowledge: what they print, and with which exit code they end."""

import json
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner

from knowledge_cases import SteppingClock, a_cycle, brought_to
from mape_k.cli import cli
from mape_k.knowledge import open_knowledge
from mape_k.model import FollowUp, Mode, Reason, State, Step, Verdict


def knowledge(folder, *arguments: str):
    return CliRunner().invoke(cli, ["knowledge", *arguments], env={"STATE_DIRECTORY": str(folder)})


@pytest.fixture
async def folder(tmp_path):
    opened = await open_knowledge(f"sqlite:///{tmp_path}/knowledge.db", clock=SteppingClock(), mode=Mode.ENFORCE)
    await brought_to(opened.journal, State.VERIFYING)
    helped = FollowUp(execution_id="x-1", step=Step.CONFIRM, reason=Reason.VERIFIED, verdict=Verdict.IMPROVED)
    await opened.journal.follow_up(helped, now=SteppingClock().now())
    await opened.journal.close_cycle(a_cycle())
    await opened.close()
    return tmp_path


def test_stats_print_rates_and_tables(folder):
    told = knowledge(folder, "stats").stdout
    assert "0.27 to 1.00" in told
    assert "transitions" in told
    assert json.loads(knowledge(folder, "stats", "--json").stdout)["success_rates"][0]["successes"] == 1


def test_a_trail_that_is_whole_ends_with_0_and_a_broken_one_with_1(folder):
    whole = knowledge(folder, "verify")
    assert (whole.exit_code, "everything is as it was written" in whole.stdout) == (0, True)
    with closing(sqlite3.connect(folder / "knowledge.db")) as connection, connection:
        connection.execute("UPDATE audit SET kind = 'prune' WHERE sequence = 2")
    broken = knowledge(folder, "verify", "--json")
    document = json.loads(broken.stdout)
    assert (broken.exit_code, document["ok"], document["problems"][0]["sequence"]) == (1, False, 2)
    assert "it was altered" in knowledge(folder, "verify").stdout


def test_an_export_fills_an_empty_knowledge_once(folder, tmp_path):
    file, copy = tmp_path / "lines", tmp_path / "copy"
    assert "wrote" in knowledge(folder, "export", str(file)).stdout
    assert knowledge(folder, "export", "-").stdout.encode() == file.read_bytes()
    assert "rows" in knowledge(copy, "import", str(file)).stdout
    again = knowledge(copy, "import", str(file))
    assert (again.exit_code, "is not empty" in again.stderr) == (3, True)


def test_a_backup_is_a_knowledge_of_its_own(folder, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    told = json.loads(knowledge(folder, "backup", str(copy / "knowledge.db"), "--json").stdout)
    assert told["bytes"] == (copy / "knowledge.db").stat().st_size
    assert knowledge(copy, "stats", "--json").stdout == knowledge(folder, "stats", "--json").stdout
    assert "keep audit.key with it" in knowledge(folder, "backup", str(copy / "knowledge.db")).stdout


def test_a_backup_to_where_nothing_can_be_written_ends_with_1(folder):
    result = knowledge(folder, "backup", "/nowhere/copy.db")
    assert (result.exit_code, "/nowhere/copy.db: cannot be written" in result.stderr) == (1, True)


def test_a_file_that_is_no_export_ends_with_1(tmp_path):
    (tmp_path / "lines").write_text("nonsense")
    result = knowledge(tmp_path / "copy", "import", str(tmp_path / "lines"))
    assert (result.exit_code, "lines:1:" in result.stderr) == (1, True)


def test_an_export_to_where_nothing_can_be_written_ends_with_1(folder):
    result = knowledge(folder, "export", "/nowhere/lines")
    assert (result.exit_code, "/nowhere/lines: cannot be written" in result.stderr) == (1, True)


def test_prune_counts_what_it_took(folder):
    assert json.loads(knowledge(folder, "prune", "--older-than", "1", "--json").stdout)["taken"]["cycles"] == 1
    assert "rows taken" in knowledge(folder, "prune", "--older-than", "30").stdout


@pytest.mark.parametrize("days", ["0", "-1", "nan", "9999"])
def test_an_age_out_of_range_is_bad_usage(folder, days):
    assert knowledge(folder, "prune", "--older-than", days).exit_code == 2


@pytest.mark.parametrize("command", [("stats",), ("verify",), ("export", "-"), ("backup", "copy")])
def test_where_there_is_no_knowledge_the_commands_say_so_in_one_line(tmp_path, command):
    (tmp_path / "audit.key").write_text("ab" * 32)
    result = knowledge(tmp_path, *command)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "there is no Knowledge" in result.stderr
