"""The local stack: real Prometheus, real Alertmanager, the reference Charter and the daemon, each a child process."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from mape_k.errors import ConfigError, TransientError
from mape_k.ports import Clock

READY_SECONDS = 45.0
"""How long a component may take until it answers."""

END_SECONDS = 10.0
"""How long a component may take to end by itself before it is killed."""

PORTS_TRIED = 200

_ASK_AND_BECOME = (
    "import ctypes, os, signal, sys; "
    "ctypes.CDLL(None).prctl(1, signal.SIGKILL); "  # PR_SET_PDEATHSIG
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


def find_tool(name: str) -> Path:
    """Return the binary of a component: from ``MAPE_K_TOOLS``, the project's own folder, or the search path.

    Raises:
        ConfigError: it is nowhere.
    """
    project = Path(__file__).resolve().parents[3]
    folders = [os.environ.get("MAPE_K_TOOLS", ""), str(project / ".tools" / "bin"), os.environ.get("PATH", "")]
    found = shutil.which(name, path=os.pathsep.join(filter(None, folders)))
    if found is None:
        raise ConfigError([f"{name}: not found; run `make setup` in the project, or install it and put it on PATH"])
    return Path(found)


def free_port(port: int = 0) -> int:
    """Return ``port``, or any free loopback port for 0.

    Raises:
        OSError: it is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return int(probe.getsockname()[1])


def claim_port(preferred: int) -> tuple[int, socket.socket]:
    """Return the next free loopback port from ``preferred`` on, and what keeps other demos off it while it is open.

    Between the choice and the daemon that listens a moment passes, in which another demo would find the port free too
    and then take this demo's daemon for its own. The claim is a name in no file system: it ends with its process.

    Raises:
        ConfigError: there is none.
    """
    for port in range(preferred, preferred + PORTS_TRIED):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0mape-k-demo-{port}")
            return free_port(port), claim
        except OSError:
            claim.close()
    raise ConfigError([f"no free port from {preferred} to {preferred + PORTS_TRIED - 1}; end what listens there"])


def _ending_with_parent(command: Sequence[str]) -> tuple[str, ...]:
    """Return a command that the kernel ends when the demo ends, even by SIGKILL.

    A program asks for that by itself, before it becomes the wanted one: code of ours between fork and exec would wait
    for ever for a lock that another thread held at that moment.
    """
    return (sys.executable, "-I", "-S", "-c", _ASK_AND_BECOME, *command)


@dataclass(slots=True, kw_only=True)
class Component:
    """One child process: how to start it, and where it says that it is ready.

    Args:
        name: also the name of its log file.
        command: program and arguments.
        ready_url: answers 200 once it is up.
        log: file that takes its output.
        env: its environment; None: this process's own.
    """

    name: str
    command: Sequence[str]
    ready_url: str
    log: Path
    env: Mapping[str, str] | None = None
    process: asyncio.subprocess.Process | None = field(default=None)

    async def start(self) -> None:
        """Start the process; its output is appended to its log."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *_ending_with_parent(self.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()

    async def end(self) -> None:
        """Ask it to end, and insist."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def ready(self, http: aiohttp.ClientSession, clock: Clock) -> None:
        """Wait until it answers.

        Raises:
            TransientError: it ended, or did not answer in time; with the last lines of its log.
        """
        deadline = clock.monotonic() + READY_SECONDS
        while clock.monotonic() < deadline:
            if self.process is not None and self.process.returncode is not None:
                raise TransientError(
                    f"{self.name} ended at once (exit {self.process.returncode}):\n{self.last_words()}"
                )
            if await answers(http, self.ready_url):
                return
            await clock.sleep(0.1)
        raise TransientError(f"{self.name} did not become ready in {READY_SECONDS:g} s:\n{self.last_words()}")

    def last_words(self) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-8:])


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    """Return whether ``url`` answers 200."""
    try:
        async with http.get(url) as response:
            return response.status == 200  # noqa: PLR2004 - HTTP's word for yes
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


class Stack:
    """The components of one demo, in the order in which they start.

    Args:
        components: by name.
        http: for asking whether they are ready.
        clock: the time.
    """

    def __init__(self, components: Mapping[str, Component], http: aiohttp.ClientSession, clock: Clock) -> None:
        self.components = components
        self._http = http
        self._clock = clock

    async def start(self, told: Callable[[str], None]) -> None:
        """Start every component and wait until each answers."""
        for component in self.components.values():
            await component.start()
        for component in self.components.values():
            await component.ready(self._http, self._clock)
            told(component.name)

    async def restart(self, name: str, *, down_seconds: float) -> None:
        """Kill one component, leave it down for a while, and start it again on its own data."""
        component = self.components[name]
        component.kill()
        if component.process is not None:
            await component.process.wait()
        await self._clock.sleep(down_seconds)
        await component.start()
        await component.ready(self._http, self._clock)

    async def end(self) -> None:
        """End every component, the last one started first; the daemon may still finish what it is doing."""
        for component in reversed(tuple(self.components.values())):
            await component.end()


def python_module(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this installation."""
    return [sys.executable, "-m", module, *arguments]
