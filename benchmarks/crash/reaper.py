"""One life of the daemon under test, and who ends it."""

import ctypes
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

HALF_DONE = frozenset({"uncertain", "rolling_back", "renewing"})
"""States that a daemon which took an execution over has to bring to an end before it has recovered."""

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends, even by SIGKILL."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """How one life goes.

    Args:
        trace: file for what it acknowledges, one JSON line each.
        log: file for its output.
        environment: its settings.
        armed: the points to die at, each with the how manieth time.
        plant: the bug to plant; None for the program as it is.
        seed: draws how long a request is under way when it dies.
    """

    trace: str
    log: str
    environment: Mapping[str, str]
    armed: Mapping[str, int] = field(default_factory=dict)
    plant: str | None = None
    seed: int = 0


class Reaper:
    """Ends this process at the first armed point that comes due, and writes down what was promised before that.

    Args:
        life: which one this is.
        born: when the process began to run (monotonic seconds).
    """

    def __init__(self, life: Life, born: float) -> None:
        self._left = dict(life.armed)
        self._born = born
        self._trace = os.open(life.trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._taken: set[str] = set()
        self._half_done: set[str] = set()

    def reach(self, point: str) -> None:
        """Pass a point, or die there."""
        if point in self._left:
            self._left[point] -= 1
            if not self._left[point]:
                self._write("killed", point=point)
                os.kill(os.getpid(), signal.SIGKILL)

    def took_over(self, execution_id: str, state: str) -> None:
        """Note an execution that an earlier life left open."""
        self._taken.add(execution_id)
        if state in HALF_DONE:
            self._half_done.add(execution_id)

    def is_resumed(self, execution_id: str) -> bool:
        """Return whether an earlier life began this execution."""
        return execution_id in self._taken

    def acknowledge(self, execution_id: str, state: str, epoch: int) -> None:
        """Write down that a move was called durable; note when the last one that was half done is settled."""
        self._write("durable", execution_id=execution_id, state=state, epoch=epoch)
        if execution_id in self._half_done and state not in HALF_DONE:
            self._half_done.remove(execution_id)
            if not self._half_done:
                self._write("recovered", seconds=time.monotonic() - self._born)

    def ordered(self, what: str) -> None:
        """Write down that a person was told that an order of his is durable."""
        self._write("ordered", order=what)

    def _write(self, what: str, **facts: object) -> None:
        """Add a line to the trace; once written, it survives this process."""
        os.write(self._trace, json.dumps({"what": what, **facts}).encode() + b"\n")
