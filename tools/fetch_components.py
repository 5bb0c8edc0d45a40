#!/usr/bin/env python3
"""Bring Prometheus, Alertmanager and PostgreSQL to ``.tools/bin``, without root and without touching the system.

``fetch_components.py FOLDER chromium`` brings the browser in which the suite looks at pages; ``make test`` needs it.

What is installed already is linked. What is absent is fetched as the distribution's own packages, through apt with
private state and cache folders, and unpacked under ``.tools``: nothing is installed, started or enabled.
Standard library only, since it runs while the project is being set up. Safe to run twice, and at the same time.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ATTEMPTS = 3
PAUSE_SECONDS = 5.0
COMMAND_TIMEOUT_SECONDS = 300.0
DOWNLOAD_TIMEOUT_SECONDS = 900.0
APT_CONFIGURATION = Path("/etc/apt/apt.conf.d")

FIXED_TEMPLATES = "/usr/share/prometheus/alertmanager"
"""Where Debian's Alertmanager reads its templates, and refuses to start without them: compiled in, no option."""
PASSED_TEMPLATES = "/proc/self/fd/9".ljust(len(FIXED_TEMPLATES), "/")
"""As long as the other: the same folder, opened by the script that starts it."""
STARTER = """#!/bin/sh
# Alertmanager finds its templates behind descriptor 9, wherever this folder is.
usr=$(dirname -- "$(dirname -- "$(realpath -- "$0")")")
exec "$usr/bin/prometheus-alertmanager" "$@" 9<"$usr/share/prometheus/alertmanager"
"""


@dataclass(frozen=True, kw_only=True)
class Component:
    """One program: the name that it has here, the names that it may have elsewhere, and who packages it."""

    name: str
    package: str
    also_known_as: tuple[str, ...] = ()
    says: str = ""

    @property
    def banner(self) -> str:
        """What its ``--version`` says, whichever version it is."""
        return self.says or f"{self.name}, version"


COMPONENTS = (
    Component(name="prometheus", package="prometheus"),
    Component(name="promtool", package="prometheus"),
    Component(name="alertmanager", package="prometheus-alertmanager", also_known_as=("prometheus-alertmanager",)),
    Component(name="amtool", package="prometheus-alertmanager"),
    Component(name="postgres", package="postgresql-15", says="postgres (PostgreSQL)"),
    Component(name="initdb", package="postgresql-15", says="initdb (PostgreSQL)"),
)
BROWSER = Component(
    name="chromium", package="chromium", also_known_as=("chromium-browser", "google-chrome"), says="Chrom"
)
"""Chromium, or a Chrome that is installed."""
SIZES = {"chromium": "115 to 200 MB"}
POSTGRESQL = "usr/lib/postgresql/15/bin"
LIBRARIES = {
    "postgresql-15": (
        "libpq5",
        "libicu72",
        "libldap-2.5-0",
        "libsasl2-2",
        "libxml2",
        "libxslt1.1",
        "libgssapi-krb5-2",
        "libkrb5-3",
        "libk5crypto3",
        "libkrb5support0",
        "libkeyutils1",
    )
}
"""What a package rests on and small systems lack; unpacked beside it."""
RESTS_ON_MANY = {"chromium": ("fonts-dejavu-core",)}
"""Packages that rest on so many others that apt says which are absent; with them come these."""
BROWSER_STARTER = """#!/bin/sh
# Chromium finds its libraries and fonts beside it, wherever this folder is.
root=$(dirname -- "$(dirname -- "$(dirname -- "$(realpath -- "$0")")")")
libraries=
for folder in "$root"/usr/lib/*-linux-gnu* "$root"/lib/*-linux-gnu* "$root"/usr/lib/*-linux-gnu*/nss \\
  "$root"/usr/lib/*-linux-gnu*/pulseaudio; do
  if [ -d "$folder" ]; then libraries="$libraries${libraries:+:}$folder"; fi
done
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" FONTCONFIG_FILE="$root/etc/fonts/beside.conf"
exec "$root/usr/lib/chromium/chromium" "$@"
"""
BROWSER_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir prefix="relative">../../usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <match target="pattern">
    <test name="family"><string>monospace</string></test>
    <edit name="family" mode="prepend" binding="strong"><string>DejaVu Sans Mono</string></edit>
  </match>
  <match target="pattern">
    <edit name="family" mode="append_last"><string>DejaVu Sans</string></edit>
  </match>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""
POSTGRESQL_STARTER = """#!/bin/sh
# PostgreSQL finds its libraries and the rest of itself beside it, wherever this folder is.
root=$(dirname -- "$(dirname -- "$(dirname -- "$(realpath -- "$0")")")")
libraries=$(dirname -- "$(find "$root/usr/lib" -name 'libpq.so.5' | head -n 1)")
exec env LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \\
  "$root/usr/lib/postgresql/15/bin/$(basename -- "$0")" "$@"
"""


class NotAvailableError(Exception):
    """A component could not be brought; the message says what a person can do."""


def main(folder: Path, names: Sequence[str] = ()) -> int:
    """Fill ``folder``/bin with the components named, or with all but the browser; return the exit code."""
    known = {component.name: component for component in (*COMPONENTS, BROWSER)}
    if unknown := [name for name in names if name not in known]:
        tell(f"unknown: {', '.join(unknown)}; known are {', '.join(known)}")
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with only_one(folder / ".lock"):
            bring([known[name] for name in names] or COMPONENTS, folder)
    except (NotAvailableError, OSError) as problem:
        tell(f"failed: {problem}")
        return 1
    return 0


def bring(components: Sequence[Component], folder: Path) -> None:
    """Link what is installed, fetch the rest, and prove that each one runs.

    Raises:
        NotAvailableError: one is absent and could not be fetched.
    """
    absent = [component for component in components if not link(component, folder)]
    if absent:
        packages = sorted({component.package for component in absent})
        size = " and ".join(SIZES.get(package, "") for package in packages if package in SIZES) or "up to 60 MB"
        tell(f"not installed: {', '.join(c.name for c in absent)}; fetching {' and '.join(packages)}, {size}")
        fetch(packages, folder)
    for component in absent:
        if not link(component, folder):
            raise NotAvailableError(f"{component.name} does not run after unpacking {component.package}")
    tell(f"ready in {folder / 'bin'}: {', '.join(component.name for component in components)}")


def link(component: Component, folder: Path) -> bool:
    """Link the first copy of ``component`` that runs into ``folder``/bin; return whether there is one."""
    for candidate in candidates(component, folder):
        if runs(component, candidate):
            point(folder / "bin" / component.name, candidate.resolve())
            return True
    return False


def candidates(component: Component, folder: Path) -> Iterator[Path]:
    """Yield where ``component`` may be: what was linked before, PATH, the usual folders, what was unpacked."""
    yield folder / "bin" / component.name
    names = (component.name, *component.also_known_as)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/bin", "/usr/bin", f"/{POSTGRESQL}"])
    yield from (Path(found) for name in names if (found := shutil.which(name, path=path)))
    yield from (folder / "unpacked" / component.package / "usr/bin" / name for name in names)


def runs(component: Component, candidate: Path) -> bool:
    """Return whether ``candidate`` is the program that ``component`` means, and runs on this machine."""
    try:
        answer = subprocess.run([candidate, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and component.banner in answer.stdout + answer.stderr


def point(place: Path, target: Path) -> None:
    """Make ``place`` a symbolic link to ``target`` in one step."""
    place.parent.mkdir(exist_ok=True)
    fresh = place.with_name(f".{place.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(place)


def fetch(packages: Sequence[str], folder: Path) -> None:
    """Download ``packages`` and unpack each under ``folder``/unpacked; a partial one never gets there.

    Raises:
        NotAvailableError: this is no Debian-like system, or every attempt failed.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NotAvailableError(
            f"apt-get and dpkg-deb are needed to fetch {' and '.join(packages)}. On another system, "
            f"install them (programs {', '.join(programs(packages))}), put them on PATH and run this again"
        )
    work = folder / "fetching"
    for attempt in range(1, ATTEMPTS + 1):
        shutil.rmtree(work, ignore_errors=True)
        try:
            wanted = download(packages, work)
            unpack(wanted, work, folder / "unpacked")
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as problem:
            tell(f"attempt {attempt} of {ATTEMPTS}: {said(problem)}")
            time.sleep(PAUSE_SECONDS if attempt < ATTEMPTS else 0)
        else:
            return
        finally:
            shutil.rmtree(work, ignore_errors=True)
    raise NotAvailableError(
        f"could not fetch {' and '.join(packages)}. Is the network up, and is Debian's section `main` among apt's "
        f"sources? Installing them by hand does as well: apt-get install {' '.join(packages)}"
    )


def programs(packages: Sequence[str]) -> list[str]:
    """Return the programs that packages bring."""
    return [component.name for component in (*COMPONENTS, BROWSER) if component.package in packages]


def download(packages: Sequence[str], work: Path) -> dict[str, tuple[str, ...]]:
    """Download ``packages`` into ``work``/packages with apt state of our own; return each with what it rests on."""
    for part in ("lists/partial", "cache/archives/partial", "conf", "packages"):
        (work / part).mkdir(parents=True)
    apt = ["apt-get", "-q", *apt_options(work)]
    tell("reading the package lists")
    try:
        command([*apt, "update"], work)
    except subprocess.CalledProcessError as problem:  # one bad source among several must not be the end
        tell(f"going on although {said(problem)}")
    wanted = {package: parts(package, apt, work) for package in packages}
    names = sorted({name for all_parts in wanted.values() for name in all_parts})
    tell(f"downloading {len(names)} packages")
    command([*apt, "download", *names], work / "packages", DOWNLOAD_TIMEOUT_SECONDS)
    return wanted


def parts(package: str, apt: Sequence[str], work: Path) -> tuple[str, ...]:
    """Return a package and what it rests on; of what rests on many others, those that are not installed."""
    if package not in RESTS_ON_MANY:
        return package, *LIBRARIES.get(package, ())
    plan = command([*apt, "--simulate", "--no-install-recommends", "install", package, *RESTS_ON_MANY[package]], work)
    steps = [line.split() for line in plan.splitlines() if line.startswith("Inst ")]
    fresh = {name for _, name, version, *_ in steps if not version.startswith("[")}
    return tuple(sorted(fresh | {package}))


def apt_options(work: Path) -> list[str]:
    """Return the options that keep apt inside ``work``; the system's sources, keys and proxies stay in use."""
    copy_apt_configuration(work / "conf")
    settings = {
        "Dir::State": work,
        "Dir::State::lists": work / "lists",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": work / "cache",
        "Dir::Etc::Parts": work / "conf",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "",
        "Acquire::Retries": "3",
        "Acquire::Languages": "none",
    }
    return [argument for key, value in settings.items() for argument in ("-o", f"{key}={value}")]


def copy_apt_configuration(place: Path) -> None:
    """Copy apt's configuration without its hooks, which would tidy up the system's own caches."""
    for part in sorted(APT_CONFIGURATION.glob("*")):
        with contextlib.suppress(OSError):  # a file that an ordinary user may not read
            text = part.read_text(errors="replace")
            if "Invoke" not in text:
                (place / part.name).write_text(text)


def unpack(wanted: Mapping[str, Sequence[str]], work: Path, place: Path) -> None:
    """Unpack each downloaded package in ``work`` with what it rests on, and move it, whole, under ``place``."""
    place.mkdir(exist_ok=True)
    for package, names in wanted.items():
        tell(f"unpacking {package}" + (f" and {len(names) - 1} that it rests on" if len(names) > 1 else ""))
        for part in names:
            (archive,) = (work / "packages").glob(f"{part.partition(':')[0]}_*.deb")
            command(["dpkg-deb", "-x", str(archive), str(work / package)], work)
        relocate_templates(work / package / "usr/bin")
        write_starters(work / package)
        shutil.rmtree(place / package, ignore_errors=True)
        (work / package).rename(place / package)


def write_starters(place: Path) -> None:
    """Let an unpacked PostgreSQL or Chromium under ``place`` be started like any other program."""
    if (place / "usr/lib/chromium/chromium").exists():
        (place / "etc/fonts").mkdir(parents=True, exist_ok=True)
        (place / "etc/fonts/beside.conf").write_text(BROWSER_FONTS)
        write_starter(place / "usr/bin/chromium", BROWSER_STARTER)
    for program in (place / POSTGRESQL).glob("*"):
        if program.name in (component.name for component in COMPONENTS):
            write_starter(place / "usr/bin" / program.name, POSTGRESQL_STARTER)


def write_starter(place: Path, text: str) -> None:
    """Write a script that can be run, in place of whatever was there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.write_text(text)
    place.chmod(0o755)


def relocate_templates(programs: Path) -> None:
    """Let an unpacked Alertmanager among ``programs`` read its templates from where it was unpacked."""
    program, starter = programs / "prometheus-alertmanager", programs / "alertmanager"
    if not program.exists() or FIXED_TEMPLATES.encode() not in (code := program.read_bytes()):
        return
    program.write_bytes(code.replace(FIXED_TEMPLATES.encode(), PASSED_TEMPLATES.encode()))
    starter.write_text(STARTER)
    starter.chmod(0o755)


def command(arguments: Sequence[str], folder: Path, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS) -> str:
    """Run a command in ``folder`` and return what it prints; raises subprocess's errors when it fails or hangs."""
    return subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=True,
    ).stdout


def said(problem: subprocess.CalledProcessError | subprocess.TimeoutExpired) -> str:
    """Return the last words of a failed command."""
    if isinstance(problem, subprocess.TimeoutExpired):
        return f"{problem.cmd[0]} took longer than {problem.timeout:.0f} s"
    words = (problem.stderr or problem.stdout or "").strip().splitlines()
    return f"{problem.cmd[0]} ended with {problem.returncode}: {words[-1] if words else 'no message'}"


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold ``lock`` while the block runs, so that two set-ups at once do the work once."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def tell(line: str) -> None:
    """Print one line of progress."""
    print(f"components: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".tools").absolute(), sys.argv[2:]))
