import json

import pytest
from click.testing import CliRunner

from fakes_daemon import OPERATOR, FakeDaemon
from fakes_letters import FakeDeadLetters, a_letter
from mape_k.cli import cli
from mape_k.model import LetterKind, LetterState
from serving_daemon import in_thread

UNDOING = a_letter("dl-2", kind=LetterKind.COMPENSATION, about="act-1", channel="charter", document=None)
PARKED = a_letter("dl-3", state=LetterState.PARKED, due_at=None, attempts=5, error="\x1b[2Jno")


@pytest.fixture
def daemon():
    daemon = FakeDaemon()
    daemon.dead_letters = FakeDeadLetters(a_letter(), UNDOING, PARKED)
    return daemon


@pytest.fixture
def environment(daemon, tmp_path):
    with in_thread(daemon) as port:
        yield {
            "MAPE_K_LISTEN": f"127.0.0.1:{port}",
            "MAPE_K_OPERATOR_TOKEN": OPERATOR,
            "STATE_DIRECTORY": str(tmp_path),
        }


def dlq(environment, *arguments: str):
    return CliRunner().invoke(cli, ["dlq", *arguments], env=environment)


def test_the_list_says_what_failed_why_and_when_it_is_tried_again(environment):
    shown = dlq(environment, "list").stdout

    assert "2026-03-01 12:30:00 UTC" in shown
    assert "compensation" in shown
    assert "parked" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("command", [["list"], ["retry", "dl-1"], ["drop", "dl-1"], ["drop", "dl-2", "--yes"]])
def test_every_command_prints_one_json_object_when_asked(environment, command):
    result = dlq(environment, *command, "--json")

    assert result.exit_code == 0, result.stderr
    assert isinstance(json.loads(result.stdout), dict)


def test_a_retry_is_due_now_and_kept_with_who_wanted_it(environment, daemon):
    result = dlq(environment, "retry", "dl-3", "--by", "ada")

    assert (result.exit_code, daemon.dead_letters.ordered_by) == (0, ["ada"])
    assert daemon.dead_letters.letters["dl-3"].state is LetterState.PENDING
    assert "due now" in result.stdout


def test_a_notification_is_dropped_at_once(environment, daemon):
    assert dlq(environment, "drop", "dl-1").exit_code == 0
    assert daemon.dead_letters.letters["dl-1"].state is LetterState.DROPPED


def test_a_roll_back_is_dropped_only_by_who_says_yes(environment, daemon):
    refused = dlq(environment, "drop", "dl-2")

    assert (refused.exit_code, "say --yes" in refused.stderr) == (2, True)
    assert daemon.dead_letters.letters["dl-2"].state is LetterState.PENDING
    done = dlq(environment, "drop", "dl-2", "--yes")
    assert (done.exit_code, "`mape-k resume` gives its target back" in done.stdout) == (0, True)
    assert daemon.dead_letters.letters["dl-2"].state is LetterState.DROPPED


@pytest.mark.parametrize("order", ["retry", "drop"])
def test_a_letter_that_is_not_there_is_told(environment, order):
    result = dlq(environment, order, "dl-none")

    assert (result.exit_code, "There is no dead letter dl-none" in result.stderr) == (1, True)


def test_without_any_letter_it_says_none(environment, daemon):
    daemon.dead_letters.letters.clear()

    assert dlq(environment, "list").stdout == "none\n"
