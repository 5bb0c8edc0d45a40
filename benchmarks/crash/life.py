"""The real daemon, hooked: ``python -m crash.life LIFE`` lives one life.

``python -m crash.life serve`` imports the daemon once and forks a life for each line of standard input; it answers with
the process id of each and, when that is over, with its exit code, or the negative number of the signal that ended it.
"""

import json
import os
import sys
from random import Random  # noqa: TID251 - seeded

import alembic.command  # noqa: F401 - else each life that migrates loads it anew

from crash.hooks import watch
from crash.person import live_beside
from crash.plants import PLANTS
from crash.reaper import Life, Reaper, die_with_parent
from mape_k.main import run
from mape_k.settings import load_settings


def main() -> int:
    """Live one life, or serve many."""
    if sys.argv[1] != "serve":
        return live(Life(**json.loads(sys.argv[1])))
    for line in iter(sys.stdin.readline, ""):
        _fork(line)
    return 0


def live(life: Life) -> int:
    """Live one life; return the daemon's exit code when it is allowed to end."""
    log = os.open(life.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.environ |= life.environment
    if life.plant is not None:
        PLANTS[life.plant].plant()
    live_beside(Random(life.seed))
    watch(Reaper(life), Random(life.seed))
    return run(load_settings(os.environ))


def _fork(order: str) -> None:
    child = os.fork()
    if not child:
        die_with_parent()
        os._exit(live(Life(**json.loads(order))))
    _answer(child)
    _answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
