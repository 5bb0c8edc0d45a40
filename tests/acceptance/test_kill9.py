"""The crash run itself: a dozen kills of the real daemon, and what it must not miss."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def kill9(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "benchmarks" / "kill9.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def nothing_wrong(figures: dict) -> bool:
    return not any(figures[name] for name in ("lost", "doubled", "orphaned", "unrecovered"))


def test_a_dozen_kills_lose_double_orphan_and_leave_nothing() -> None:
    done = kill9("--kills", "12", "--json")
    figures = json.loads(done.stdout)["figures"]

    assert figures["kills"] >= 12
    assert nothing_wrong(figures), done.stdout


def test_the_bugs_that_can_be_planted_are_listed_with_their_meaning() -> None:
    done = kill9("--list-plants")

    assert done.returncode == 0
    assert len([line for line in done.stdout.splitlines() if len(line.split(maxsplit=1)) == 2]) >= 10


@pytest.mark.matrix
def test_a_dozen_kills_beside_a_database_server_lose_double_orphan_and_leave_nothing() -> None:
    done = kill9("--store", "postgresql", "--kills", "12", "--json")
    result = json.loads(done.stdout)

    assert result["figures"]["kills"] >= 12
    assert nothing_wrong(result["figures"]), result["conditions"]


@pytest.mark.matrix
def test_the_quick_run_meets_every_point_twice() -> None:
    done = kill9("--quick", "--json")
    result = json.loads(done.stdout)

    assert result["figures"]["points_covered"] == result["figures"]["points"], result["conditions"]
    assert nothing_wrong(result["figures"]), result["conditions"]
    assert done.returncode == 0, done.stdout


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("bug", "figure"),
    [
        ("key-per-attempt", "doubled"),
        ("new-key-when-resumed", "doubled"),
        ("no-key", "orphaned"),
        ("no-epoch", "orphaned"),
        ("effect-before-intent", "orphaned"),
        ("reconciler-off", "unrecovered"),
        ("acknowledged-before-commit", "lost"),
        ("outcome-before-effect", "lost"),
        ("compare-and-set-dropped", "lost"),
    ],
)
def test_a_planted_bug_is_told_by_its_figure(bug: str, figure: str) -> None:
    done = kill9("--plant", bug, "--kills", "60", "--json")

    assert done.returncode == 1, done.stdout
    assert json.loads(done.stdout)["figures"][figure] > 0, done.stdout
