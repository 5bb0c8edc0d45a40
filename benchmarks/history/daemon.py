"""The real daemon, as it is wired for production, in virtual time and between the peers of a town."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

from frame.virtual_time import VirtualClock
from history.peers import Alertmanager, Charter, OpenLine, Prometheus
from history.town import Town, moment
from integration.http_effector import HttpServers
from mape_k.catalogue import load_catalogue
from mape_k.errors import StoreError
from mape_k.knowledge import Knowledge, Store
from mape_k.loop import Loop
from mape_k.main.wiring import Peers, make_loop, opened
from mape_k.model import Catalogue, CycleReport, Execution, Reason
from mape_k.settings import load_settings
from mape_k.telemetry import Metrics, configure_logging

PACK = Path(__file__).with_name("pack")
INTERVAL = 30.0


class Daemon:
    """One daemon over its lives: what it did, what it told, and how its disk behaves.

    Args:
        folder: of its Knowledge.
        town: what it looks after.
        clock: the time.
        variables: settings besides the defaults.
    """

    def __init__(self, folder: Path, town: Town, clock: VirtualClock, **variables: str) -> None:
        self.folder, self.town, self.clock = folder, town, clock
        self.charter = Charter(town)
        self.variables = {
            "STATE_DIRECTORY": str(folder),
            "MAPE_K_MODE": "enforce",
            "MAPE_K_PACKS": str(PACK),
            "MAPE_K_INTERVAL": str(INTERVAL),
        } | variables
        self.reports: list[CycleReport] = []
        self.moves: list[tuple[float, Execution]] = []
        self.refused: list[tuple[float, Reason]] = []
        self.changed: Callable[[Catalogue], Catalogue] = lambda catalogue: catalogue
        self.writes_held_up: list[float] = []
        self.disk_fails_for: frozenset[str] = frozenset()
        self._open = AsyncExitStack()
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open Knowledge, wire everything together and run."""
        configure_logging("CRITICAL", "json", stream=sys.stderr)
        settings, metrics = load_settings(self.variables), Listening(self)
        self.knowledge: Knowledge = await self._open.enter_async_context(opened(settings, self.clock, metrics))
        self._watch(self.knowledge.store)
        peers = Peers(
            prometheus=Prometheus(self.town),
            alertmanager=Alertmanager(self.town),
            charter=self.charter,
            servers=HttpServers(OpenLine(), {}),
            http=OpenLine(),
        )
        self.loop: Loop = make_loop(
            settings,
            peers=peers,
            knowledge=self.knowledge,
            catalogue=self.changed(load_catalogue(settings.packs)),
            clock=self.clock,
            metrics=metrics,
        )
        self.loop.closed = self.reports.append
        self._running = asyncio.create_task(self.loop.run_forever(), name="loop")

    async def stop(self) -> None:
        """End as on SIGTERM; one that does not run ends as it is."""
        running, self._running = self._running, None
        if running is not None:
            self.loop.stop()
            await running
            await self.loop.executor.drain(10.0)
        await self._open.aclose()

    def _watch(self, store: Store) -> None:
        """Let no time pass while a write becomes durable, except what a scenario adds; save the disk the syncing."""
        with closing(store._database.writer.raw_connection()) as connection:  # noqa: SLF001 - there is no door for this
            connection.cursor().execute("PRAGMA synchronous=OFF")
        write = store.write

        async def watched(run: Callable[..., Any]) -> Any:  # noqa: ANN401 - as it is
            whose = _whose_write()
            if self.writes_held_up and whose == "action":
                await asyncio.sleep(self.writes_held_up.pop(0))
            if whose in self.disk_fails_for:
                raise StoreError("disk I/O error")
            with self.clock.loop.standing_still():
                return await write(run)

        store.write = watched

    def told(self, since: float = 0.0, until: float = 10**9) -> set[Reason]:
        """Return every reason that was given in a time: for what was held, refused, moved."""
        begin, end = moment(since), moment(until)
        reports = [r for r in self.reports if begin <= r.as_of < end]
        moved = {e.reason for at, e in self.moves if e.reason and since <= at < until}
        return moved | {r for t, r in self.refused if since <= t < until} | set(_reasons(reports))


class Listening(Metrics):
    """Metrics that a scenario can read afterwards, move by move."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__()
        self._daemon = daemon

    def action_moved(self, execution: Execution) -> None:
        """Count a move, and keep it."""
        super().action_moved(execution)
        self._daemon.moves.append((self._daemon.clock.monotonic(), execution))

    def action_refused(self, reason: Reason) -> None:
        """Count a refusal, and keep it."""
        super().action_refused(reason)
        self._daemon.refused.append((self._daemon.clock.monotonic(), reason))


def _whose_write() -> str:
    """Return ``action`` for what the executor writes, ``cycle`` for all else."""
    task = asyncio.current_task()
    return "action" if task is not None and task.get_name().startswith("execution ") else "cycle"


def _reasons(reports: Iterable[CycleReport]) -> Iterable[Reason]:
    for plan in (report.plan for report in reports if report.plan):
        yield from (plan.refusal,) if plan.refusal else ()
        for decision in plan.decisions:
            yield decision.reason
            yield from (why for c in decision.candidates for why in (c.refusal, c.asks) if why)
