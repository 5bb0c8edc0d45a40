"""The commands that tell the daemon something, against a served interface with a Knowledge of its own."""

import asyncio
import contextlib
import json
import os
import pty
import subprocess
import sys
from datetime import timedelta

import pytest
from click.testing import CliRunner

from fakes_daemon import OPERATOR, FakeDaemon
from knowledge_cases import NOON, an_action, opened
from mape_k.cli import cli
from mape_k.model import PolicyRequest, State, Terms, asked_hash
from serving_daemon import in_thread

HASH = "c0ffee" * 10 + "beef"
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e[red]x\r\n"
UNDO = PolicyRequest(name="unblock", kind="unblock_source", scope={"node_or_service": "node-7"})
THEN = PolicyRequest(name="rotate", kind="rotate_keys", scope={"node_or_service": "node-7"}, parameters={"n": 2})


class Told:
    """A daemon that asks about x-1, and what its Knowledge holds."""

    def __init__(self, knowledge, port, folder) -> None:
        self.knowledge = knowledge
        self.environment = {
            "MAPE_K_LISTEN": f"127.0.0.1:{port}",
            "MAPE_K_OPERATOR_TOKEN": OPERATOR,
            "STATE_DIRECTORY": str(folder),
        }

    def ask(self, **fields: object) -> None:
        action = an_action(plan_hash=HASH, terms=Terms(further=(THEN,), undo=(UNDO,)), **fields)
        admission = self.knowledge.journal.admit(
            action, check=lambda _: None, explanation={}, now=NOON, to=State.AWAITING_APPROVAL
        )
        asyncio.run(_awaited(admission))

    def move(self, *states: State) -> None:
        for state in states:
            asyncio.run(_awaited(self.knowledge.journal.move(self.execution, state)))

    @property
    def execution(self):
        return asyncio.run(_awaited(self.knowledge.journal.execution("x-1")))

    @property
    def pauses(self):
        return asyncio.run(_awaited(self.knowledge.archive.pauses()))


async def _awaited(work):
    return await work


@pytest.fixture
def told(tmp_path):
    with contextlib.ExitStack() as stack:
        folder = tmp_path / "knowledge"
        folder.mkdir()
        knowledge = asyncio.run(opened(folder).__aenter__())
        stack.callback(lambda: asyncio.run(knowledge.close()))
        daemon = FakeDaemon()
        daemon.changes = {"archive": knowledge.archive, "orders": knowledge.orders}
        port = stack.enter_context(in_thread(daemon))
        yield Told(knowledge, port, tmp_path)


def mape_k(told: Told, *arguments: str):
    return CliRunner().invoke(cli, arguments, env=told.environment)


# approve and reject


def test_approve_shows_what_would_be_sent_and_sends_the_hash_that_it_showed(told):
    told.ask()

    result = mape_k(told, "approve", "x-1", "--comment", "go on", "--by", "dolores")

    assert result.exit_code == 0, result.stderr
    assert HASH in result.stdout
    sent = [line.strip() for line in result.stdout.splitlines() if line.startswith("  {")]
    assert [json.loads(line)["kind"] for line in sent] == ["block_source", "rotate_keys"]
    assert json.loads(sent[0])["parameters"] == {"burst": 3}
    consent = told.execution.answer
    assert (consent.is_given, consent.by, consent.comment, consent.plan_hash) == (True, "dolores", "go on", HASH)


def test_what_is_approved_to_be_undone_is_shown_as_what_undoes_it(told):
    told.ask()
    told.move(State.ADMITTED, State.APPLYING, State.VERIFYING, State.UNDO_WANTED)

    result = mape_k(told, "approve", "x-1")

    assert result.stdout.startswith("undo block_source on node-7")
    assert "unblock_source" in result.stdout
    assert "rotate_keys" not in result.stdout
    assert told.execution.answer.plan_hash == asked_hash(State.UNDO_WANTED, HASH)


def test_reject_says_no(told):
    told.ask()

    result = mape_k(told, "reject", "x-1", "--comment", "not today")

    assert (result.exit_code, told.execution.answer.is_given) == (0, False)


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_what_was_seen_elsewhere_must_still_be_the_plan(told, command):
    told.ask()

    other = mape_k(told, command, "x-1", "--hash", "0ff1ce")
    unanswered = told.execution.answer
    same = mape_k(told, command, "x-1", "--hash", HASH[:12])

    assert (other.exit_code, unanswered, same.exit_code) == (1, None, 0)
    assert other.stderr == f"mape-k: the plan is another one now: its hash is {HASH}, not 0ff1ce\n"


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_nothing_can_be_answered_where_nobody_is_asked(told, command):
    told.ask()
    told.move(State.FAILED)

    result = mape_k(told, command, "x-1")

    assert (result.exit_code, result.stderr) == (1, "mape-k: nobody is asked about x-1; it is failed\n")


def test_the_second_of_two_answers_is_told_who_was_first(told):
    told.ask()
    mape_k(told, "reject", "x-1", "--by", "dolores")

    late = mape_k(told, "approve", "x-1")

    assert late.exit_code == 1
    assert "x-1 was rejected by dolores" in late.stderr


def test_an_unknown_action_is_not_so(told):
    assert [mape_k(told, command, "x-9").exit_code for command in ("approve", "reject")] == [1, 1]


@pytest.mark.parametrize("arguments", [("approve", "x-1"), ("reject", "x-1"), ("pause",), ("resume",)])
def test_every_command_prints_one_json_object_and_nothing_else(told, arguments):
    told.ask()

    result = mape_k(told, *arguments, "--json")

    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert isinstance(json.loads(result.stdout), dict)


def test_hostile_names_do_not_reach_the_terminal(told):
    told.ask(target=HOSTILE, symptom=HOSTILE, request=PolicyRequest(name="x", kind=HOSTILE, scope={HOSTILE: HOSTILE}))

    shown = mape_k(told, "status").stdout + mape_k(told, "approve", "x-1").stdout

    assert not set(shown) & set("\x1b\x07\u202e\r")
    assert "[red]" in shown


@pytest.mark.parametrize(
    ("typed", "options", "status", "is_given"),
    [(b"y\n", [], 0, True), (b"n\n", [], 1, None), (b"\n", [], 1, None), (b"", ["--yes"], 0, True)],
)
def test_on_a_terminal_a_person_is_asked_once_more(told, typed, options, status, is_given):
    told.ask()
    ours, theirs = pty.openpty()
    os.write(ours, typed)

    command = [sys.executable, "-m", "mape_k", "approve", "x-1", *options]
    ended = subprocess.run(
        command, stdin=theirs, capture_output=True, env=os.environ | told.environment, timeout=60, check=False
    )
    os.close(ours)
    os.close(theirs)

    assert ended.returncode == status, ended.stderr
    assert (b"Do you agree?" in ended.stderr) == bool(typed)
    answer = told.execution.answer
    assert (answer and answer.is_given) == is_given


# feedback


def test_feedback_is_kept(told):
    told.ask()
    told.move(State.ADMITTED, State.APPLYING, State.VERIFYING, State.SUCCEEDED)

    result = mape_k(told, "feedback", "x-1", "bad", "--comment", "it was the weather")

    assert (result.exit_code, result.stdout) == (0, "kept: it counts as bad\n")
    assert (told.execution.feedback.is_good, told.execution.feedback.comment) == (False, "it was the weather")


def test_feedback_too_early_is_not_so_and_of_another_kind_is_bad_usage(told):
    told.ask()

    assert [mape_k(told, "feedback", "x-1", word).exit_code for word in ("good", "great")] == [1, 2]


def test_explain_says_who_agreed_and_who_said_what_became_of_it(told):
    told.ask()
    mape_k(told, "approve", "x-1", "--by", "dolores", "--comment", "go on")
    told.move(State.ADMITTED, State.APPLYING, State.VERIFYING, State.SUCCEEDED)
    mape_k(told, "feedback", "x-1", "bad", "--by", "bernard")

    shown = mape_k(told, "explain", "x-1").stdout

    assert "approved by dolores at 2026-03-01 12:01:00 go on" in shown
    assert "bad by bernard at 2026-03-01 12:01:00" in shown


# pause and resume


@pytest.mark.parametrize(
    ("options", "scope"),
    [
        ((), ""),
        (("--remediation", "charter/block_source"), "remediation:charter/block_source"),
        (("--target", "charter/node-7"), "target:charter/node-7"),
    ],
)
def test_a_pause_is_about_what_it_says_and_ends_when_it_says(told, options, scope):
    paused = mape_k(told, "pause", *options, "--for", "2h", "--comment", "moving", "--by", "dolores")
    (pause,) = told.pauses
    resumed = mape_k(told, "resume", *options)

    assert (paused.exit_code, resumed.exit_code, told.pauses) == (0, 0, ())
    assert (pause.scope, pause.by, pause.comment, pause.until - pause.since) == (
        scope,
        "dolores",
        "moving",
        timedelta(hours=2),
    )
    assert "until 2026-03-01 14:01:00 UTC" in paused.stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--remediation", "charter/block_sauce"),
        ("--target", "chart/node-7"),
        ("--target", "node-7"),
        ("--remediation", "charter/block_source", "--target", "charter/node-7"),
        ("--for", "soon"),
        ("--for", "0s"),
    ],
)
def test_a_pause_of_what_is_not_there_is_bad_usage_and_pauses_nothing(told, options):
    result = mape_k(told, "pause", *options)

    assert (result.exit_code, told.pauses) == (2, ())
    assert result.stderr


def test_status_shows_pauses_with_their_scope_and_approvals_with_the_command_to_copy(told):
    told.ask()
    mape_k(told, "pause", "--target", "charter/node-9", "--comment", "moving", "--by", "dolores")

    shown = mape_k(told, "status").stdout

    assert "target:charter/node-9  moving" in shown
    assert f"mape-k approve x-1 --hash {HASH[:12]}" in shown
