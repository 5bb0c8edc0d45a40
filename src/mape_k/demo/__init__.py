"""The demo: the real loop against real servers, with faults injected and healed in front of the user."""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from mape_k.catalogue import load_catalogue
from mape_k.catalogue.folders import find_folder, shipped
from mape_k.demo.kept import let_lapse
from mape_k.demo.screen import Screen, final_table
from mape_k.demo.stack import Component, Stack, claim_port, find_tool, free_port, python_module
from mape_k.demo.story import Addresses, Course, Outcome, Story, reconcile
from mape_k.demo.world import default_world, read_faults
from mape_k.errors import ConfigError, TransientError
from mape_k.model import Catalogue
from mape_k.packbuild import Built, build, prometheus_flags
from mape_k.packbuild import Stack as Addressed
from mape_k.ports import Clock

TIME_SCALE = 60.0
"""How much faster the demo's time runs: an hour of a rule passes in a minute."""

PACKS = ("charter", "mape-k")

RELAPSE_WATCH_SECONDS = 90.0
"""How long after the last healing alerts may take to fade: the longest window of a rule, and some room."""

COOLDOWN_SECONDS = 1800.0 / TIME_SCALE
"""The packs' longest cooldown, in the demo's time."""

EXIT_HEALED, EXIT_NOT_HEALED, EXIT_UNREACHABLE = 0, 1, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What a demo is asked to do.

    Args:
        seconds: bounds the whole; what is not healed, or still fires, by then is not healed.
        faults: names to inject; empty: all of the world.
        world: the Charter's world file; None: the shipped one.
        minimal: a Charter with the three required endpoints only, without keys and tokens.
        webhook: whether Alertmanager wakes the daemon; polling alone must be enough.
        keep: folder whose Knowledge the demo goes on from and leaves behind.
        kill: a component to kill while faults are being healed, and to start again.
        as_json: print one object instead of a table.
        port: preferred one for the daemon's page; the next free one is taken.
    """

    seconds: float = 360.0
    faults: tuple[str, ...] = ()
    world: Path | None = None
    minimal: bool = False
    webhook: bool = True
    keep: Path | None = None
    kill: str | None = None
    as_json: bool = False
    port: int = 8001


KILLABLE: Mapping[str, float] = {"prometheus": 6.0, "alertmanager": 6.0, "charter": 4.0, "daemon": 2.0}
"""Components that may be killed during a demo, and how many seconds they stay down."""


def list_faults(world: Path | None) -> list[dict[str, Any]]:
    """Return the faults of a world file, in the order of their waves."""
    return [
        {"name": f.name, "alert": f.alert, "wave": f.wave, "title": f.title}
        for f in read_faults(world or default_world())
    ]


def run_demo(options: DemoOptions, clock: Clock) -> int:
    """Run the demo to its end; return the exit code: 0 only when every fault was healed.

    Raises:
        ConfigError: an option that cannot be carried out, or a component that is not installed.
    """
    try:
        return asyncio.run(_run(options, clock))
    except asyncio.CancelledError:
        return EXIT_NOT_HEALED
    except TransientError as error:
        print(f"demo: {error}", file=sys.stderr)  # noqa: T201 - the one line that says why nothing runs
        return EXIT_UNREACHABLE


async def _run(options: DemoOptions, clock: Clock) -> int:
    if options.kill is not None and options.kill not in KILLABLE:
        raise ConfigError([f"--kill {options.kill}: expected one of {', '.join(KILLABLE)}"])
    with tempfile.TemporaryDirectory(prefix="mape-k-demo-") as scratch:
        demo = _Demo.prepare(options, Path(scratch), clock)
        _end_on_signals(asyncio.current_task())
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            return await demo.run(http)


def _end_on_signals(task: "asyncio.Task[Any] | None") -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if task is not None:
            loop.add_signal_handler(number, task.cancel)


@dataclass(slots=True, kw_only=True)
class _Demo:
    """One demo, laid out on disk and not yet started."""

    options: DemoOptions
    scratch: Path
    clock: Clock
    built: Built
    ports: Mapping[str, int]
    claim: socket.socket
    world: Path
    courses: list[Course]
    knowledge: Path
    is_watched: bool = field(default_factory=sys.stdout.isatty)

    @classmethod
    def prepare(cls, options: DemoOptions, scratch: Path, clock: Clock) -> "_Demo":
        """Choose the faults, find free ports, and build packs and configuration for the demo's time scale."""
        ports = {name: free_port() for name in ("prometheus", "alertmanager", "charter")}
        ports["daemon"], claim = claim_port(options.port)
        (scratch / "ingest.token").write_text(secrets.token_urlsafe(32))
        built = build(
            [find_folder(name) for name in PACKS],
            scratch / "config",
            TIME_SCALE,
            prometheus=shipped("prometheus") / "prometheus.yml",
            alertmanager=shipped("alertmanager") / "alertmanager.yml",
            stack=_addressed(ports, scratch, webhook=options.webhook),
        )
        world = options.world or default_world()
        catalogue = load_catalogue([str(path) for path in built.packs])
        knowledge = (options.keep or scratch).resolve() / "knowledge.db"
        knowledge.parent.mkdir(parents=True, exist_ok=True)
        return cls(
            options=options,
            scratch=scratch,
            clock=clock,
            built=built,
            ports=ports,
            claim=claim,
            world=world,
            courses=_courses(options, world, catalogue),
            knowledge=knowledge,
        )

    async def run(self, http: aiohttp.ClientSession) -> int:
        """Start everything, play the faults, tell the result, and end everything whatever happens."""
        screen = Screen(self.clock, is_live=self.is_watched and not self.options.as_json, quiet=self.options.as_json)
        stack = Stack(self._components(), http, self.clock)
        at = Addresses(**{name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()})
        story = Story(self.courses, at=at, http=http, clock=self.clock, told=screen.told, progress=screen.progress)
        try:
            with screen:
                await self._play(stack, story, screen, at)
            result = await self._result(story)
            self._tell(result)
            await self._stay(at)
        finally:
            await asyncio.shield(stack.end())
            self.claim.close()
        return EXIT_HEALED if result["healed"] == result["total"] else EXIT_NOT_HEALED

    async def _play(self, stack: Stack, story: Story, screen: Screen, at: Addresses) -> None:
        deadline = self.clock.monotonic() + self.options.seconds
        await self._go_on_from_earlier(screen)
        await stack.start(lambda name: screen.told(f"{name}: up"))
        screen.told(f"status page: {at.daemon}/")
        killing: set[asyncio.Task[None]] = set()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._left(deadline)):
                await story.warm_up()
                await story.play(self._left(deadline), between=lambda wave: self._kill_in(wave, stack, screen, killing))
                await asyncio.gather(*killing)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(RELAPSE_WATCH_SECONDS, self._left(deadline))):
                await story.settle()
        for task in killing:
            task.cancel()

    def _left(self, deadline: float) -> float:
        return max(0.0, deadline - self.clock.monotonic())

    async def _go_on_from_earlier(self, screen: Screen) -> None:
        """Make a kept Knowledge ready for a fresh Charter, and let cooldowns pass."""
        if not self.knowledge.exists():
            return
        await let_lapse(self.knowledge, self.clock)
        screen.told(f"going on from the Knowledge in {self.knowledge.parent} once its cooldowns are over")
        await self.clock.sleep(COOLDOWN_SECONDS)

    def _kill_in(self, wave: int, stack: Stack, screen: Screen, killing: set[asyncio.Task[None]]) -> None:
        """Kill the chosen component a moment after the first wave was injected."""
        name = self.options.kill
        if name is None or killing:
            return
        screen.told(f"{name}: will be killed while wave {wave} is healed")
        killing.add(asyncio.create_task(self._kill(name, stack, screen), name=f"kill {name}"))

    async def _kill(self, name: str, stack: Stack, screen: Screen) -> None:
        await self.clock.sleep(3.0)
        screen.told(f"{name}: killed")
        await stack.restart(name, down_seconds=KILLABLE[name])
        screen.told(f"{name}: started again")

    async def _result(self, story: Story) -> dict[str, Any]:
        firing = await story.firing()
        for course in self.courses:
            course.relapsed = course.relapsed or (course.is_over and course.fault.alert in firing)
        return {
            "faults": [course.document() for course in self.courses],
            "cycles": await story.cycles(),
            "journal": reconcile(self._effects(), await story.executions()),
            "healed": sum(course.outcome is Outcome.HEALED for course in self.courses),
            "total": len(self.courses),
        }

    def _effects(self) -> Sequence[Mapping[str, Any]]:
        """Return the Charter's journal from its file, which also a minimal one keeps."""
        lines = (self.scratch / "charter.journal").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def _tell(self, result: Mapping[str, Any]) -> None:
        if self.options.as_json:
            sys.stdout.write(json.dumps(result, indent=2) + "\n")
        else:
            sys.stdout.write(final_table(result, colours=self.is_watched and "NO_COLOR" not in os.environ))
        sys.stdout.flush()

    async def _stay(self, at: Addresses) -> None:
        """On a terminal, leave everything up until the user has seen enough."""
        if not self.is_watched or self.options.as_json:
            return
        sys.stdout.write(f"\nEverything stays up; look at {at.daemon}/ and end it with Ctrl-C.\n")
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    def _components(self) -> dict[str, Component]:
        urls = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}
        commands: Mapping[str, tuple[list[str], str, Mapping[str, str] | None]] = {
            "charter": (self._charter(), "/metrics", None),
            "prometheus": (self._prometheus(), "/-/ready", None),
            "alertmanager": (self._alertmanager(), "/-/ready", None),
            "daemon": (python_module("mape_k", "run"), "/healthz", self._daemon_environment(urls)),
        }
        return {
            name: Component(
                name=name, command=command, ready_url=urls[name] + path, log=self.scratch / f"{name}.log", env=env
            )
            for name, (command, path, env) in commands.items()
        }

    def _charter(self) -> list[str]:
        flags = ["--minimal"] if self.options.minimal else []
        return python_module(
            "westworld",
            *("--listen", f"127.0.0.1:{self.ports['charter']}"),
            *("--state", str(self.scratch / "charter.db")),
            *("--journal", str(self.scratch / "charter.journal")),
            *("--world", str(self.world), "--time-scale", f"{TIME_SCALE:g}"),
            "--enable-faults",
            *flags,
        )

    def _prometheus(self) -> list[str]:
        return [
            str(find_tool("prometheus")),
            f"--config.file={self.built.prometheus}",
            f"--storage.tsdb.path={self.scratch / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}",
            "--log.level=warn",
            *prometheus_flags(TIME_SCALE),
        ]

    def _alertmanager(self) -> list[str]:
        return [
            str(find_tool("alertmanager")),
            f"--config.file={self.built.alertmanager}",
            f"--storage.path={self.scratch / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{self.ports['alertmanager']}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]

    def _daemon_environment(self, urls: Mapping[str, str]) -> dict[str, str]:
        """Return the daemon's environment: what a user would set, with the demo's pace."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MAPE_K_")}
        return inherited | {
            "PROMETHEUS_URL": urls["prometheus"],
            "ALERTMANAGER_URL": urls["alertmanager"],
            "CHARTER_API_URL": urls["charter"],
            "MAPE_K_MODE": "enforce",
            "MAPE_K_PACKS": ":".join(str(path) for path in self.built.packs),
            "MAPE_K_KNOWLEDGE_URL": f"sqlite:///{self.knowledge}",
            "MAPE_K_LISTEN": f"127.0.0.1:{self.ports['daemon']}",
            "MAPE_K_INGEST_TOKEN_FILE": str(self.scratch / "ingest.token"),
            "MAPE_K_INTERVAL": "1",
            "MAPE_K_CYCLE_BUDGET": "1",
            "MAPE_K_MONITOR_BUDGET": "0.35",
            "MAPE_K_ANALYZE_BUDGET": "0.15",
            "MAPE_K_PLAN_BUDGET": "0.1",
            "MAPE_K_EXECUTE_BUDGET": "0.35",
            "MAPE_K_STALE_AFTER_INTERVALS": "8",
            "MAPE_K_ALERTS_RETURN_SECONDS": f"{120 / TIME_SCALE:g}",
            "MAPE_K_ACTION_BUDGET_WINDOW": f"{3600 / TIME_SCALE:g}",
            "STATE_DIRECTORY": str(self.knowledge.parent),
        }


def _addressed(ports: Mapping[str, int], scratch: Path, *, webhook: bool) -> Addressed:
    here = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    return Addressed(
        targets={"westworld-charter": here["charter"], "mape-k": here["daemon"]},
        alertmanager=here["alertmanager"],
        webhook_url=f"http://{here['daemon']}/api/v1/alerts" if webhook else None,
        token_file=scratch / "ingest.token",
    )


def _courses(options: DemoOptions, world: Path, catalogue: Catalogue) -> list[Course]:
    symptoms = {s.alert: s for s in catalogue.symptoms if s.alert is not None}
    faults = read_faults(world)
    unknown = sorted(set(options.faults) - {fault.name for fault in faults})
    if unknown:
        names = ", ".join(fault.name for fault in faults)
        raise ConfigError([f"--fault {name}: {world} has no such fault; it has {names}" for name in unknown])
    chosen = [fault for fault in faults if not options.faults or fault.name in options.faults]
    deaf = [fault for fault in chosen if fault.alert not in symptoms]
    if deaf:
        raise ConfigError([f"{world}: fault {f.name} raises {f.alert}, for which no pack has a symptom" for f in deaf])
    return [Course(fault=f, pack=symptoms[f.alert].pack, symptom=symptoms[f.alert].name) for f in chosen]
