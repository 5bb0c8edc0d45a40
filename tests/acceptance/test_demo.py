"""The demo as users start it: faults healed by the real loop against real servers, and nothing left behind."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from real_stack import wait_until

pytestmark = pytest.mark.real

OTHER_WORLD = Path(__file__).parents[2] / "config" / "charter" / "worlds" / "other.yaml"
WRONG_FIRST = {"stale_restore", "metric_prober", "notifier_channel_down", "oversized_rules", "committee_backlog"}
"""Faults of the shipped world that the shipped pack's first choice does not help against."""

MARK = "DEMO_OF_THE_TESTS"
LONGEST_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A demo under test; ``mark`` is in the environment of all its processes."""

    folder: Path
    mark: str

    def start(self, *options: str | Path) -> "subprocess.Popen[str]":
        """Start it with its temporary folder in this one's."""
        return subprocess.Popen(
            [sys.executable, "-m", "mape_k", "demo", "--json", *options],
            env=os.environ | {MARK: self.mark, "TMPDIR": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str | Path) -> dict[str, Any]:
        """Run it to its end, and return its JSON once everything that holds for every demo was seen to hold."""
        with self.start(*options) as process:
            out, told = process.communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == 0, told + out
        result: dict[str, Any] = json.loads(out)
        assert result["healed"] == result["total"] == len(result["faults"])
        assert {fault["outcome"] for fault in result["faults"]} == {"healed"}
        assert (result["journal"]["doubled"], result["journal"]["unknown"]) == (0, 0)
        assert result["cycles"]["duration_p99_seconds"] < 1
        assert (self.processes(), list(self.folder.iterdir())) == ([], [])
        return result

    def processes(self) -> list[str]:
        """Return the command lines of what still runs."""
        return [line for line in map(self._command, Path("/proc").glob("[0-9]*")) if line]

    def _command(self, process: Path) -> str:
        try:
            is_ours = f"{MARK}={self.mark}" in (process / "environ").read_text("utf-8", "replace").split("\0")
            return (process / "cmdline").read_text("utf-8", "replace").replace("\0", " ") if is_ours else ""
        except OSError:
            return ""


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return Demo(folder=folder, mark=uuid.uuid4().hex)


def attempts(result: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Return what was tried against each fault, in order, with the verdicts."""
    return {f["name"]: [(a["remediation"], a["verdict"]) for a in f["attempts"]] for f in result["faults"]}


def first_verdicts(result: dict[str, Any]) -> dict[str, str]:
    return {name: tried[0][1] for name, tried in attempts(result).items()}


def faults(*names: str) -> list[str]:
    return [word for name in names for word in ("--fault", name)]


def cycle_results(kept: Path) -> dict[str, int]:
    """Return how many cycles ended how, from the Knowledge that a demo left behind."""
    with closing(sqlite3.connect(kept / "knowledge.db")) as knowledge:
        return dict(knowledge.execute("SELECT result, count(*) FROM cycles GROUP BY result"))


def cycles_that_acted(kept: Path) -> set[str]:
    """Return how the cycles ended in which actions were admitted."""
    latest = "SELECT result FROM cycles WHERE as_of <= admitted_at ORDER BY as_of DESC LIMIT 1"
    with closing(sqlite3.connect(kept / "knowledge.db")) as knowledge:
        return {result for (result,) in knowledge.execute(f"SELECT ({latest}) FROM executions")}  # noqa: S608


# short enough for every run of the tests


def test_a_minimal_charter_is_enough_to_heal_a_critical_fault_and_to_correct_a_wrong_choice(demo: Demo) -> None:
    result = demo.run("--minimal", *faults("rogue_node", "notifier_channel_down"))

    assert attempts(result) == {
        "rogue_node": [("quarantine_node", "improved")],
        "notifier_channel_down": [("restart_notifier", "unchanged"), ("failover_notifier", "improved")],
    }


def test_while_prometheus_is_down_nothing_is_done_and_then_faults_are_healed(demo: Demo, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    result = demo.run("--kill", "prometheus", "--keep", kept, *faults("metric_prober", "oversized_rules"))

    tried = attempts(result)
    assert tried["oversized_rules"] == [("add_validation_capacity", "unchanged"), ("drop_oversized_rules", "improved")]
    assert tried["metric_prober"][-1] == ("block_source", "improved")
    assert cycle_results(kept)["blind"] >= 3
    assert "failed" not in cycle_results(kept)
    assert cycles_that_acted(kept) == {"completed"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_ended_leaves_no_process_behind(demo: Demo, number: signal.Signals) -> None:
    with demo.start() as process:
        assert process.stderr is not None
        assert any("injected" in line for line in process.stderr), "it ended before the first fault"
        running = demo.processes()
        process.send_signal(number)
        process.stderr.read()

    assert len(running) == 5, running
    assert process.returncode == (-signal.SIGKILL if number is signal.SIGKILL else 1)
    wait_until(lambda: demo.processes() == [], "the end of all processes", seconds=10)


# the long matrix


@pytest.mark.matrix
@pytest.mark.parametrize("options", [[], ["--minimal"], ["--no-webhook"]], ids=["full", "minimal", "no webhook"])
def test_every_fault_of_the_shipped_world_is_healed(demo: Demo, options: list[str]) -> None:
    result = demo.run(*options)

    wrong_first = {name for name, verdict in first_verdicts(result).items() if verdict != "improved"}
    assert result["total"] == 11
    assert len(wrong_first & WRONG_FIRST) >= 2


@pytest.mark.matrix
@pytest.mark.parametrize("killed", ["prometheus", "alertmanager", "charter"])
def test_what_is_killed_meanwhile_blinds_and_then_every_fault_is_healed(
    demo: Demo, tmp_path: Path, killed: str
) -> None:
    kept = tmp_path / "kept"

    assert demo.run("--kill", killed, "--keep", kept)["total"] == 11
    assert cycle_results(kept)["blind"] >= 2
    assert "failed" not in cycle_results(kept)
    assert cycles_that_acted(kept) == {"completed"}


@pytest.mark.matrix
def test_every_fault_is_healed_although_the_daemon_is_killed_meanwhile(demo: Demo) -> None:
    assert demo.run("--kill", "daemon")["total"] == 11


@pytest.mark.matrix
def test_every_fault_of_a_world_with_other_numbers_and_other_cures_is_healed(demo: Demo) -> None:
    result = demo.run("--world", OTHER_WORLD)

    tried = attempts(result)
    assert result["total"] == 11
    assert tried["oversized_rules"] == [("add_validation_capacity", "improved")]
    assert tried["bulk_revocation_jobs"][-1] == ("add_revocation_workers", "improved")


@pytest.mark.matrix
def test_a_second_demo_on_the_same_knowledge_chooses_right_first(demo: Demo, tmp_path: Path) -> None:
    first = demo.run("--keep", tmp_path / "kept")
    second = demo.run("--keep", tmp_path / "kept")

    assert {name for name, verdict in first_verdicts(first).items() if verdict != "improved"} == WRONG_FIRST
    assert set(first_verdicts(second).values()) == {"improved"}
