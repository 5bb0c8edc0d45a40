#!/usr/bin/env python3
"""Run the suite on every supported Python that this machine has, each in a virtual environment of its own."""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.11", "3.12", "3.13")
ABSENT = "not run"


def places(version: str) -> Iterator[Path]:
    """Yield where an interpreter of ``version`` may be: PATH, then pyenv's versions, newest first."""
    if found := shutil.which(f"python{version}"):
        yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    with contextlib.suppress(PermissionError):  # another user's
        yield from sorted(pyenv.glob(f"{version}*/bin/python{version}"), reverse=True)


def interpreter(version: str) -> Path | None:
    """Return an interpreter of ``version`` that can make virtual environments; None when there is none."""
    question = "import ensurepip, sys, venv; print('{}.{}'.format(*sys.version_info))"
    for place in places(version):
        answer = subprocess.run([place, "-c", question], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == version:
            return place
    return None


def environment(python: Path, version: str) -> Path:
    """Return the interpreter of a virtual environment with the project in it; made anew when the lock is newer."""
    folder = ROOT / ".tools" / "venvs" / version
    inside, stamp, lock = folder / "bin" / "python", folder / ".locked", ROOT / "requirements-dev.lock"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        print(f"python {version}: installing into {folder}", flush=True)
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        pip_install(inside, "--require-hashes", "-r", str(lock))
        stamp.touch()
    pip_install(inside, "--no-build-isolation", "--no-deps", "-e", ".")
    return inside


def pip_install(python: Path, *arguments: str) -> None:
    """Install into the environment of ``python``; raises CalledProcessError when pip cannot."""
    command = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *arguments]
    subprocess.run(command, check=True, cwd=ROOT)


def run_suite(version: str, arguments: Sequence[str]) -> str:
    """Run the suite on ``version``; return ``passed``, ``failed`` or that it is absent."""
    python = interpreter(version)
    if python is None:
        return ABSENT
    try:
        inside = environment(python, version)
    except subprocess.CalledProcessError as problem:
        return f"failed: could not be set up ({problem.cmd[0]} ended with {problem.returncode})"
    suite = [str(inside), "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(suite, cwd=ROOT, env={**os.environ, "MAPE_K_REQUIRE_REAL": "1"}, check=False)
    return "passed" if done.returncode == 0 else f"failed: pytest ended with {done.returncode}"


def main(arguments: Sequence[str] | None = None, run: Callable[[str, Sequence[str]], str] = run_suite) -> int:
    """Run the suite on each version and print which ran; return 1 when one failed or none ran."""
    parser = argparse.ArgumentParser(description="Run the suite on every supported Python that this machine has.")
    _, for_pytest = parser.parse_known_args(arguments)
    outcomes = {version: run(version, for_pytest or ["-n", "2"]) for version in VERSIONS}
    for version, outcome in outcomes.items():
        print(f"python {version}: {outcome}")
    ran = [outcome for outcome in outcomes.values() if outcome != ABSENT]
    return 0 if ran and all(outcome == "passed" for outcome in ran) else 1


if __name__ == "__main__":
    sys.exit(main())
