"""The command that plants bugs, on a toy project of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from planted import read_table

ROOT = Path(__file__).parents[3]
COMMAND = ROOT / "tools" / "planted.py"

CODE = "def double(number):\n    return number * 2\n"
TESTS = """
from toy import double

def test_doubles():
    assert double(3) == 6

def test_nothing():
    assert double
"""


def a_toy(folder: Path, **row: object) -> Path:
    """Write a project of one function, two tests and one bug, whose row ``row`` changes."""
    fields = {
        "name": "adds instead",
        "file": "src/toy.py",
        "old": "number * 2",
        "new": "number + 2",
        "tests": ["tests/test_toy.py"],
    } | row
    lines = ["[[bug]]", *(f"{key} = {json.dumps(value)}" for key, value in fields.items())]
    for name, text in {
        "src/toy.py": CODE,
        "tests/test_toy.py": TESTS,
        "tests/planted/bugs.toml": "\n".join(lines),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def plant(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, COMMAND, "--root", root, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_bug_that_its_tests_notice_is_caught(tmp_path: Path) -> None:
    done = plant(a_toy(tmp_path))

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 of 1 caught"


def test_the_project_itself_is_left_as_it_was(tmp_path: Path) -> None:
    plant(a_toy(tmp_path))

    assert (tmp_path / "src/toy.py").read_text() == CODE


def test_a_bug_that_no_test_notices_is_missed_and_fails_the_command(tmp_path: Path) -> None:
    done = plant(a_toy(tmp_path, tests=["tests/test_toy.py::test_nothing"]), "--json")

    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["caught"], told["total"], told["bugs"][0]["outcome"]) == (0, 1, "missed")


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        pytest.param({"new": "number *"}, "error", id="bug that does not even import"),
        pytest.param(
            {"tests": ["tests/test_toy.py::test_gone"]}, "do not pass without the bug", id="tests that are gone"
        ),
    ],
)
def test_a_bug_that_never_ran_does_not_count_as_caught(tmp_path: Path, row: dict[str, object], detail: str) -> None:
    done = plant(a_toy(tmp_path, **row), "--json")

    assert done.returncode == 1
    bug = json.loads(done.stdout)["bugs"][0]
    assert bug["outcome"] == "not run"
    assert detail in bug["detail"]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        pytest.param({"old": "absent"}, "adds instead: the text to replace occurs 0 times in src/toy.py", id="absent"),
        pytest.param({"old": "number"}, "adds instead: the text to replace occurs 2 times in src/toy.py", id="twice"),
        pytest.param({"new": "number * 2"}, "differs", id="no change"),
        pytest.param({"file": "src/gone.py"}, "adds instead: [Errno 2]", id="no such file"),
        pytest.param({"colour": "red"}, "unexpected keyword argument 'colour'", id="unknown key"),
    ],
)
def test_a_row_that_does_not_fit_the_code_stops_the_command(
    tmp_path: Path, row: dict[str, object], complaint: str
) -> None:
    done = plant(a_toy(tmp_path, **row))

    assert done.returncode == 2
    assert complaint in done.stderr


def test_an_empty_choice_is_an_error_and_not_a_success(tmp_path: Path) -> None:
    assert plant(a_toy(tmp_path), "--only", "another").returncode == 2


def test_every_bug_of_the_table_still_fits_the_code() -> None:
    names = [bug.name for bug in read_table(ROOT)]

    assert len(names) == len(set(names))
