"""Two real replicas: stopped, cut off, hung, killed and handed over; and the bugs that must not hide there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "split_brain.py"


def split_brain(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, BENCHMARK, *arguments], capture_output=True, text=True, check=False)


def test_a_leader_that_is_stopped_and_one_that_stops_are_followed_and_nothing_stale_is_done() -> None:
    done = split_brain("--quick", "--seconds", "20", "--json")
    result = json.loads(done.stdout)

    assert result["figures"]["pauses"] >= 1, done.stdout
    assert {result["figures"][name] for name in ("stale_accepted", "two_leaders", "doubled")} == {0}, done.stdout


def test_the_bugs_that_can_be_planted_are_listed_with_their_meaning() -> None:
    done = split_brain("--list-plants")

    assert done.returncode == 0
    assert len([line for line in done.stdout.splitlines() if len(line.split(maxsplit=1)) == 2]) >= 5


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("bug", "figure"),
    [
        ("no-fence", "stale_accepted"),
        ("no-self-fence", "two_leaders"),
        ("epoch-not-raised", "two_leaders"),
        ("renewal-without-cycles", "takeover_p99_ratio"),
        ("lease-not-released", "handover_p99_seconds"),
    ],
)
def test_a_planted_bug_is_caught(bug: str, figure: str) -> None:
    done = split_brain("--plant", bug)

    assert done.returncode == 1, done.stdout
    assert figure in done.stderr.partition("caught by")[2]
