"""The servers that tests start end with them, even with a test run that is killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from real_stack import alertmanager, wait_until

pytestmark = pytest.mark.real

TESTS = Path(__file__).parents[1]
RUN = """
import sys
from pathlib import Path
from real_stack import alertmanager

with alertmanager(Path(sys.argv[1])) as running:
    print(running.process.pid, flush=True)
    sys.stdin.read()
"""


def is_running(pid: int) -> bool:
    """Whether a process still has a command line; one that merely waits for its parent has none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


def test_a_server_ends_with_its_block(tmp_path: Path) -> None:
    with alertmanager(tmp_path) as running:
        assert is_running(running.process.pid)

    assert not is_running(running.process.pid)


def test_a_test_run_that_is_killed_leaves_no_server_behind(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, tmp_path],
        env={"PYTHONPATH": str(TESTS), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as killed:
        assert killed.stdout is not None
        pid = int(killed.stdout.readline())
        assert is_running(pid)
        killed.kill()

    wait_until(lambda: not is_running(pid), "the end of the server", seconds=10)
