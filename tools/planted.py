#!/usr/bin/env python3
"""Plant each known bug in a copy of the project and see that the suite catches it.

The bugs are rows of ``tests/planted/bugs.toml``: a name, a file, the exact text to replace, the text in its place, and
the tests that must notice. A bug counts as caught only when these tests pass without it and fail with it.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path("tests/planted/bugs.toml")
TIMEOUT_SECONDS = 300.0
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".tools", ".*_cache", ".hypothesis", ".coverage*", "__pycache__")
PYTEST_FAILED = 1


class BadTableError(Exception):
    """The table of bugs does not fit the code; the message says which row and why."""


class Outcome(StrEnum):
    """What became of one bug; only ``CAUGHT`` is good."""

    CAUGHT = "caught"
    MISSED = "missed"
    NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One row of the table.

    Args:
        old: occurs in ``file`` exactly once.
        tests: what pytest is given; at least one of these must fail with the bug.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What became of one bug, and the line of pytest that says so."""

    bug: Bug
    outcome: Outcome
    detail: str


def read_table(root: Path) -> tuple[Bug, ...]:
    """Return the bugs of the project at ``root``.

    Raises:
        BadTableError: a row is malformed, or its text is not in its file exactly once.
    """
    try:
        rows = tomllib.loads((root / TABLE).read_text()).get("bug", [])
        bugs = tuple(Bug(**{**row, "tests": tuple(row["tests"])}) for row in rows)
    except (OSError, tomllib.TOMLDecodeError, TypeError, KeyError) as problem:
        raise BadTableError(f"{TABLE}: {problem}") from problem
    for bug in bugs:
        planted(root, bug)
    return bugs


def planted(root: Path, bug: Bug) -> str:
    """Return the text of the bug's file with the bug in it.

    Raises:
        BadTableError: the text to replace is not there exactly once, or nothing would change.
    """
    try:
        text = (root / bug.file).read_text()
    except OSError as problem:
        raise BadTableError(f"{bug.name}: {problem}") from problem
    if text.count(bug.old) != 1 or bug.old == bug.new:
        raise BadTableError(
            f"{bug.name}: the text to replace occurs {text.count(bug.old)} times in {bug.file}; write one that occurs "
            "once, and that the new text differs from"
        )
    return text.replace(bug.old, bug.new)


@contextlib.contextmanager
def copy_of(root: Path) -> Iterator[Path]:
    """Yield a copy of the project in a temporary folder; the installed tools are shared with the original."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        Path(folder).chmod(0o755)  # a database server that root starts runs as another user, and needs the tools
        copy = Path(folder) / "project"
        shutil.copytree(root, copy, ignore=LEFT_OUT)
        for shared in (".venv", ".tools"):
            if (root / shared).exists():
                (copy / shared).symlink_to(root / shared)
        yield copy


def run_tests(copy: Path, tests: Sequence[str]) -> tuple[int | None, str]:
    """Run ``tests`` against the code of ``copy``; return pytest's exit code (None: too slow) and its last line."""
    sources = os.pathsep.join(filter(None, [str(copy / "src"), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": sources, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return None, f"longer than {TIMEOUT_SECONDS:.0f} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode, said.strip().splitlines()[-1] if said.strip() else ""


def try_bug(root: Path, bug: Bug) -> Trial:
    """Run the bug's tests without it and with it."""
    with copy_of(root) as copy:
        code, line = run_tests(copy, bug.tests)
        if code != 0:
            return Trial(bug=bug, outcome=Outcome.NOT_RUN, detail=f"its tests do not pass without the bug: {line}")
        (copy / bug.file).write_text(planted(copy, bug))
        code, line = run_tests(copy, bug.tests)
    outcomes = {0: Outcome.MISSED, PYTEST_FAILED: Outcome.CAUGHT}
    return Trial(
        bug=bug, outcome=outcomes.get(code, Outcome.NOT_RUN) if code is not None else Outcome.NOT_RUN, detail=line
    )


def report(trials: Sequence[Trial], *, as_json: bool) -> str:
    """Return what became of all bugs, for a person or a program."""
    caught = sum(trial.outcome is Outcome.CAUGHT for trial in trials)
    if as_json:
        rows = [{"name": t.bug.name, "file": t.bug.file, "outcome": t.outcome, "detail": t.detail} for t in trials]
        return json.dumps({"bugs": rows, "caught": caught, "total": len(trials)}, indent=2)
    width = max((len(trial.bug.name) for trial in trials), default=0)
    lines = [f"{trial.bug.name:{width}}  {trial.outcome:8} {trial.detail}" for trial in trials]
    return "\n".join([*lines, f"{caught} of {len(trials)} caught"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the bugs two at a time; return 0 when all were caught, 1 when not, 2 when the table is wrong."""
    parser = argparse.ArgumentParser(description="Plant each known bug and see that the suite catches it.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", metavar="NAME", action="append", help="try this bug alone (repeatable)")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project (default: this one)")
    options = parser.parse_args(arguments)
    try:
        bugs = [bug for bug in read_table(options.root) if not options.only or bug.name in options.only]
    except BadTableError as problem:
        print(problem, file=sys.stderr)
        return 2
    if not bugs:
        print(f"no bug to plant in {options.root / TABLE}", file=sys.stderr)
        return 2
    with ThreadPoolExecutor(max_workers=2) as pool:
        trials = list(pool.map(lambda bug: try_bug(options.root, bug), bugs))
    print(report(trials, as_json=options.json))
    return 0 if all(trial.outcome is Outcome.CAUGHT for trial in trials) else 1


if __name__ == "__main__":
    sys.exit(main())
