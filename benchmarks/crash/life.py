"""The real daemon, hooked: ``python -m crash.life`` lives the one life that a line of standard input describes.

``python -m crash.life serve`` imports the daemon once and forks a life for each line of standard input; it answers with
the process id of each and, when that is over, with its exit code, or the negative number of the signal that ended it.
"""

import gc
import importlib
import json
import os
import sys
import time
from contextlib import suppress
from random import Random  # noqa: TID251 - seeded

from crash.hooks import watch
from crash.person import live_beside
from crash.plants import PLANTS
from crash.reaper import Life, Reaper, die_with_parent
from mape_k.main import run
from mape_k.settings import load_settings

LOADED_LATE = ("alembic.command", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg", "psycopg")
"""What the daemon imports only when it needs it, and each forked life would import anew."""


def main() -> int:
    """Live one life, or serve many."""
    if sys.argv[1:] == ["serve"]:
        return _serve()
    imported = time.process_time()  # not the time on the wall: several worlds share the processors
    order = sys.stdin.readline()
    return live(order, time.monotonic() - imported) if order else 0


def live(order: str, born: float) -> int:
    """Live one life; return the daemon's exit code when it is allowed to end.

    Args:
        order: the life, as JSON.
        born: when the process began to run (monotonic seconds).
    """
    life = Life(**json.loads(order))
    log = os.open(life.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.environ |= life.environment
    if life.plant is not None:
        PLANTS[life.plant].plant()
    live_beside(Random(life.seed), life.armed)
    watch(Reaper(life, born), Random(life.seed))
    return run(load_settings(os.environ))


def _serve() -> int:
    for module in LOADED_LATE:
        with suppress(ImportError):
            importlib.import_module(module)
    gc.freeze()  # else each life copies the pages of all that was imported
    for order in iter(sys.stdin.readline, ""):
        child = os.fork()
        if not child:
            born = time.monotonic()
            die_with_parent()
            os._exit(live(order, born))
        _answer(child)
        _answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return 0


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
