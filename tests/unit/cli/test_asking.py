import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from fakes_daemon import OPERATOR, FakeDaemon
from mape_k.cli import cli
from mape_k.model import Ledger, Outlook, Pause
from sample_reports import NOON, a_report, an_execution
from serving_daemon import in_thread

HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e[red]x\r\n"
COMMANDS = [["status"], ["incidents"], ["actions"], ["explain", "x-1"], ["pause"], ["resume"]]


@pytest.fixture
def daemon():
    return FakeDaemon()


@pytest.fixture
def environment(daemon, tmp_path):
    with in_thread(daemon) as port:
        yield {
            "MAPE_K_LISTEN": f"127.0.0.1:{port}",
            "MAPE_K_OPERATOR_TOKEN": OPERATOR,
            "STATE_DIRECTORY": str(tmp_path),
        }


def mape_k(*arguments: str, **environment: str | None):
    return CliRunner().invoke(cli, arguments, env=environment)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_prints_one_json_object_when_asked(environment, command):
    result = mape_k(*command, "--json", **environment)

    assert result.exit_code == 0, result.stderr
    assert isinstance(json.loads(result.stdout), dict)
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_says_something_to_a_person(environment, command):
    result = mape_k(*command, **environment)

    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip()


def test_status_says_what_was_not_done_and_why(environment):
    result = mape_k("status", **environment)

    assert "2 open incidents." in result.stdout
    assert "The same was done to this target too recently." in result.stdout
    assert "charter unreachable" in result.stdout


def test_status_says_which_packs_are_held_back_and_what_is_left_of_budgets(daemon, environment):
    storm = Outlook(known=9, ill=7, storm_since=NOON)
    done = an_execution(admitted_at=NOON)
    daemon.report = a_report(ledger=Ledger(as_of=NOON, outlooks={"charter": storm}, executions=(done,)))

    lines = mape_k("status", **environment).stdout.splitlines()

    assert "charter  storm         7    9   0" in lines
    assert "actions      everything                   59    60     3600 s" in lines


def test_status_says_who_paused(daemon, environment):
    daemon.archive.paused = Pause(since=NOON, by="dolores", comment="maintenance")

    result = mape_k("status", **environment)

    assert "2026-03-01 12:00:00  resumed  dolores  everything  maintenance" in result.stdout


def test_pause_and_resume_reach_the_daemon(daemon, environment):
    mape_k("pause", "--comment", "maintenance", "--by", "dolores", **environment)
    paused = daemon.archive.paused
    mape_k("resume", **environment)

    assert (paused.by, paused.comment) == ("dolores", "maintenance")
    assert daemon.archive.paused is None


def test_explain_shows_the_incident_the_candidates_and_the_history(daemon, environment):
    finding = {"symptom": "spike", "target": "node-7", "evidence": [_evidence(31.4, "value"), _evidence(None, "stale")]}
    daemon.archive.documents["actions"][0] |= {
        "explanation": {
            "incident": {"risk": {"score": 72.0, "terms": {"severity": 50}}, "causes": [_cause(finding)]},
            "decision": {
                "candidates": [
                    {"remediation": "wipe", "score": 0.1, "terms": {}, "refusal": None, "asks": "irreversible"},
                    {"remediation": None, "score": 0.0, "terms": {}, "refusal": None},
                ]
            },
        },
        "transitions": [{"at": "2026-03-01T12:00:00Z", "from_state": None, "to_state": "admitted", "reason": None}],
    }

    shown = mape_k("explain", "x-1", **environment).stdout

    assert "why: risk 72 (severity 50)" in shown
    assert "threshold: rate 31.4 against 10" in shown
    assert "threshold: rate stale against 10" in shown
    assert re.search(r"wipe +0.1 .*irreversible", shown)
    assert "do nothing" in shown
    assert "2026-03-01 12:00:00" in shown


def _cause(finding):
    return {"finding": finding, "confidence": 0.9, "terms": {}}


def _evidence(observed, quality):
    reading = {"observed": observed, "quality": quality}
    return {"detector": "threshold", "what": "rate", "reading": reading, "limit": 10, "detail": ""}


def test_explain_of_an_unknown_action_is_not_so(environment):
    result = mape_k("explain", "../x 9", **environment)

    assert result.exit_code == 1
    assert result.stderr == "mape-k: There is no action ../x 9; GET /api/v1/actions lists them.\n"


def test_lists_can_be_cut_and_gone_on_with(daemon, environment):
    first = daemon.archive.documents["actions"][0]
    daemon.archive.documents["actions"] = [{**first, "execution_id": f"x-{number}"} for number in range(5)]

    page = mape_k("actions", "--limit", "2", **environment).stdout
    rest = mape_k("actions", "--limit", "2", "--cursor", "2", "--json", **environment).stdout

    assert page.endswith("more: --cursor 2\n")
    assert [item["execution_id"] for item in json.loads(rest)["items"]] == ["x-2", "x-3"]


def test_an_empty_list_says_none(environment):
    assert mape_k("actions", "--state", "failed", **environment).stdout == "none\n"


@pytest.mark.parametrize("command", COMMANDS[:4], ids=lambda command: command[0])
def test_hostile_values_do_not_reach_the_terminal(daemon, environment, command):
    action = {**daemon.archive.documents["actions"][0], "target": HOSTILE, "detail": HOSTILE}
    daemon.archive.documents["actions"] = [action]
    daemon.archive.documents["incidents"][0] |= {"target": HOSTILE}
    daemon.archive.paused = Pause(since=NOON, by=HOSTILE, comment=HOSTILE)
    daemon.not_ready = [HOSTILE]

    shown = mape_k(*command, **environment).stdout

    assert not set(shown) & set("\x1b\x07\u202e\r")
    assert "[red]" in shown


def run_on_a_terminal(arguments: list[str], environment: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    chunks: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(ours, chunks))
    reader.start()
    command = [sys.executable, "-m", "mape_k", *arguments]
    subprocess.run(command, stdout=theirs, env=os.environ | environment | {"TERM": "xterm"}, check=True, timeout=60)
    os.close(theirs)
    reader.join(10)
    os.close(ours)
    return b"".join(chunks).decode()


def _read_all(descriptor: int, chunks: list[bytes]) -> None:
    try:
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
    except OSError:
        return  # the other end is closed


def test_a_terminal_gets_colours_and_nothing_else_that_steers_it(daemon, environment):
    action = {**daemon.archive.documents["actions"][0], "target": HOSTILE}
    daemon.archive.documents["actions"] = [action]

    shown = run_on_a_terminal(["actions"], environment)

    controls = set(re.findall(r"\x1b[^m]*m|\x1b.", shown))
    assert controls
    assert all(re.fullmatch(r"\x1b\[[0-9;]*m", control) for control in controls)
    assert "\u202e" not in shown


def test_the_token_is_found_in_the_state_folder(daemon, environment, tmp_path):
    (tmp_path / "operator.token").write_text(OPERATOR)

    result = mape_k("pause", **environment | {"MAPE_K_OPERATOR_TOKEN": None})

    assert result.exit_code == 0
    assert daemon.archive.paused is not None


def test_without_a_token_reading_goes_on_and_acting_says_what_is_missing(environment):
    tokenless = environment | {"MAPE_K_OPERATOR_TOKEN": None}

    assert mape_k("status", **tokenless).exit_code == 0
    result = mape_k("pause", **tokenless)
    assert result.exit_code == 2
    assert result.stderr.startswith("mape-k: MAPE_K_OPERATOR_TOKEN: not set")


def test_a_wrong_token_is_a_mistake_of_the_configuration(environment):
    result = mape_k("pause", **environment | {"MAPE_K_OPERATOR_TOKEN": "another-token-of-enough-length"})

    assert result.exit_code == 2
    assert "must be the one that the daemon was started with" in result.stderr
    assert "another-token" not in result.stderr


def test_a_store_that_is_down_could_not_be_reached(daemon, environment):
    daemon.archive.is_down = True

    result = mape_k("actions", **environment)

    assert result.exit_code == 3
    assert "disk is full" in result.stderr


def test_no_daemon_is_told_in_one_line_with_the_remedy(environment):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    result = mape_k("status", **environment | {"MAPE_K_LISTEN": f"127.0.0.1:{port}"})

    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1
    assert "mape-k run" in result.stderr


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope"])
def test_what_is_no_daemon_is_told(environment, answer):
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer_once, args=(server, answer))
        thread.start()
        result = mape_k("status", **environment | {"MAPE_K_LISTEN": f"127.0.0.1:{server.getsockname()[1]}"})
        thread.join(10)

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def _answer_once(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)
