"""What happened elsewhere, played with the real daemon: a few of it here, all of it in the long run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from history.plants import PLANTS
from history.tell import STORIES

ROOT = Path(__file__).parents[2]
A_FEW = (
    "stale-plan-before-it-is-sent",
    "nothing-named",
    "most-are-ill-at-once",
    "pause-in-a-migration",
    "error-taken-for-violation",
    "herd-of-repairs",
    "one-fault-16",
    "wrong-first-5",
    "renewal-6",
    "restart-11",
)


def incidents(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "benchmarks" / "incidents.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def only(*names: str) -> list[str]:
    return [argument for name in names for argument in ("--only", name)]


def test_a_few_incidents_hold_and_a_few_days_see_no_needless_hold() -> None:
    done = incidents("--json", *only(*A_FEW))
    result = json.loads(done.stdout)

    assert result["figures"] == {
        "held": 6,
        "scenarios": 6,
        "needless_holds": 0,
        "needless_actions": 0,
        "ordinary": 4,
    }, done.stderr
    assert result["conditions"]["needless_bound_per_day"] == 3 / 4
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("bug", "scenario", "figure"),
    [
        ("never-late", "stale-plan-before-it-is-sent", "held"),
        ("once-in-a-lifetime", "again-later-15", "needless_holds"),
    ],
)
def test_a_guard_that_is_off_and_one_that_holds_too_much_are_both_told(bug: str, scenario: str, figure: str) -> None:
    done = incidents("--plant", bug, "--json", *only(scenario))

    assert done.returncode == 1, done.stdout
    assert json.loads(done.stdout)["figures"][figure] == (0 if figure == "held" else 1)
    assert f"{bug}: caught by {scenario}" in done.stderr


def test_the_incidents_and_the_bugs_that_can_be_planted_are_listed_with_their_meaning() -> None:
    for option, names in (("--list", STORIES), ("--list-plants", PLANTS)):
        lines = incidents(option).stdout.splitlines()
        assert [line.split()[0] for line in lines] == list(names)
        assert all(len(line.split()) > 3 for line in lines)


def test_a_scenario_that_there_is_not_is_refused() -> None:
    done = incidents("--only", "one-fault-17")

    assert done.returncode == 2
    assert "no such scenario" in done.stderr


@pytest.mark.matrix
def test_every_incident_holds_and_a_hundred_ordinary_days_see_no_needless_hold() -> None:
    done = incidents("--quick", "--json")
    figures = json.loads(done.stdout)["figures"]

    assert figures["held"] == figures["scenarios"] >= 12, done.stderr
    assert (figures["needless_holds"], figures["needless_actions"], figures["ordinary"]) == (0, 0, 100), done.stderr


@pytest.mark.matrix
@pytest.mark.parametrize("bug", PLANTS)
def test_every_planted_bug_is_caught(bug: str) -> None:
    done = incidents("--plant", bug, "--json")

    assert done.returncode == 1, done.stdout
    assert f"{bug}: caught by" in done.stderr
