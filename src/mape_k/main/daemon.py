"""The daemon: the loop with everything that starts, wakes, shows and stops it."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog

from integration.clock import SystemClock
from integration.systemd import Systemd
from mape_k import __version__
from mape_k.api import Live, Services, serve
from mape_k.errors import ConfigError, ConflictError, FencedError, StoreError
from mape_k.guards import budgets, held_packs
from mape_k.knowledge import Knowledge
from mape_k.loop import Loop
from mape_k.main.beside import beside
from mape_k.main.leadership import Leadership
from mape_k.main.people import People, make_people
from mape_k.main.reach import catalogue_for, missing_servers
from mape_k.main.tracing import UNTRACED, Tracing, open_tracing
from mape_k.main.wiring import make_loop, open_peers, opened
from mape_k.model import Catalogue, CycleReport, CycleResult, Ledger, Mode, Reason, WokenBy
from mape_k.settings import Address, Settings, Tokens, ensure_tokens
from mape_k.telemetry import Metrics, canonical_line, configure_logging
from mape_k.telemetry.table import SOURCES

log = structlog.get_logger(__name__)

TELL_AGAIN_SECONDS = 5.0
"""Between an unexpected end of what tells people and its next beginning."""

DRAIN_SECONDS = 10.0
"""How long actions under way may take to end at shutdown; later ones are taken up again at the next start."""


def run(settings: Settings) -> int:
    """Run the daemon in the foreground until it is told to stop; return the exit code.

    Raises:
        ConfigError: a pack, a token file or the listening address cannot be used.
        StoreError: Knowledge cannot be opened.
    """
    clock, metrics = SystemClock(), Metrics()
    catalogue = catalogue_for(settings)
    tokens = ensure_tokens(settings)
    configure_logging(settings.log_level, settings.log_format, secrets=_secrets(settings, tokens))
    return asyncio.run(_run(settings, catalogue, tokens, clock, metrics))


async def _run(settings: Settings, catalogue: Catalogue, tokens: Tokens, clock: SystemClock, metrics: Metrics) -> int:
    systemd = Systemd(os.environ.get("NOTIFY_SOCKET"), clock=clock)
    async with (
        open_tracing(settings, metrics) as tracing,
        opened(settings, clock, metrics) as knowledge,
        open_peers(settings, clock, metrics, knowledge) as peers,
    ):
        loop = make_loop(
            settings,
            peers=peers,
            knowledge=knowledge,
            catalogue=catalogue,
            clock=clock,
            metrics=metrics,
            tracing=tracing,
        )
        daemon = Daemon(
            settings=settings,
            loop=loop,
            knowledge=knowledge,
            metrics=metrics,
            systemd=systemd,
            clock=clock,
            circuits=peers.circuits,
            tracing=tracing,
        )
        daemon.people = make_people(
            settings,
            http=peers.http,
            knowledge=knowledge,
            compensator=loop.executor,
            clock=clock,
            metrics=metrics,
            may_work=lambda: daemon.is_leader and not daemon.is_draining,
        )
        daemon.heed_signals()
        async with _listening(daemon.services(tokens), settings) as address:
            await daemon.begin(address)
            await daemon.run()
    log.info("stopped")
    return 0


@asynccontextmanager
async def _listening(services: Services, settings: Settings) -> AsyncIterator[str]:
    runner = await serve(services, settings.listen.host, settings.listen.port)
    try:
        host, port = runner.addresses[0][:2]
        yield str(Address(str(host), int(port)))
    finally:
        await runner.cleanup()


def _secrets(settings: Settings, tokens: Tokens) -> list[str]:
    given = (
        settings.charter_token,
        settings.prometheus_token,
        settings.alertmanager_token,
        settings.knowledge_password,
        settings.notify_slack_url,
        settings.notify_pagerduty_key,
        settings.notify_email_password,
        settings.notify_webhook_token,
        settings.otlp_token,
        *settings.http_tokens_by_name.values(),
    )
    return [s.get_secret_value() for s in (*given, tokens.operator, tokens.ingest) if s is not None]


@dataclass(slots=True, kw_only=True)
class Daemon:
    """The running service: the loop with everything that starts, wakes, shows and stops it."""

    settings: Settings
    loop: Loop
    knowledge: Knowledge
    metrics: Metrics
    systemd: Systemd
    clock: SystemClock
    leadership: Leadership = field(init=False)
    is_draining: bool = False
    circuits: Callable[[], Mapping[str, float]] = dict
    people: People | None = None
    tracing: Tracing = UNTRACED
    _services: Services | None = field(default=None)
    _taking_up: asyncio.Task[None] | None = field(default=None)

    def __post_init__(self) -> None:
        self.leadership = Leadership(
            self.knowledge.lease,
            clock=self.clock,
            renew_seconds=self.settings.lease_renew_seconds,
            patience_seconds=2 * self.settings.interval,
            changed=self.lead_changed,
        )

    @property
    def is_leader(self) -> bool:
        """Whether this daemon is in charge: it has the lease, and the other side follows it."""
        return self.knowledge.lease.is_held and not self.loop.executor.is_fenced

    def services(self, tokens: Tokens) -> Services:
        """Return what the HTTP interface may reach."""
        started_at = self.clock.now()
        self._services = Services(
            archive=self.knowledge.archive,
            orders=self.knowledge.orders,
            dead_letters=self.knowledge.dead_letters,
            notices=self.knowledge.notices,
            metrics=self.metrics,
            clock=self.clock,
            wake=self.loop.wake,
            readiness=self.not_ready,
            live=lambda: Live(
                mode=self.settings.mode,
                epoch=self.knowledge.epoch,
                version=__version__,
                started_at=started_at,
                interval_seconds=self.settings.interval,
                report=self.loop.last_report,
                is_leader=self.is_leader,
                is_standby=not self.knowledge.lease.is_held,
                is_draining=self.is_draining,
            ),
            catalogue=lambda: self.loop.catalogue,
            raise_epoch=self.raise_epoch,
            operator_token=tokens.operator.get_secret_value(),
            ingest_token=tokens.ingest.get_secret_value(),
        )
        return self._services

    async def begin(self, address: str) -> None:
        """Say what runs, and in which mode; what earlier daemons did is taken over, so that it counts as known."""
        self.metrics.build_info(__version__)
        self.metrics.mode(self.settings.mode)
        self.metrics.leader(is_leader=self.is_leader)
        self.metrics.cycle_budget(self.settings.cycle_budget)
        self.metrics.catalogue_loaded(self.loop.catalogue)
        ledger = await self.knowledge.journal.ledger()
        self.metrics.ledger_opened(ledger)
        self._tell_restraint(ledger)
        log.info(
            "started",
            version=__version__,
            listening=address,
            mode=self.settings.mode,
            meaning=MODE_SENTENCES[self.settings.mode],
            packs=list(self.loop.catalogue.packs),
            epoch=self.knowledge.epoch,
            leads=self.knowledge.lease.is_held,
        )
        self._tell_missing_servers()
        if self.people is not None:
            self.people.introduce()
        self.loop.closed = self.closed
        gc.freeze()  # what is here now stays for good: to look it through again and again would delay webhooks
        self.systemd.ready(f"{self.settings.mode}, listening on {address}")

    def heed_signals(self) -> None:
        """Take signals from now on; before anybody can see that the daemon is up, since SIGHUP would end it."""
        running = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(number, self.stop)
        running.add_signal_handler(signal.SIGHUP, self.reload)

    async def run(self) -> None:
        """Run the loop until a signal ends it; then finish or journal what is under way, and let another one lead."""
        async with beside(leadership=self.leadership.keep(), people=self.tell_people()):
            await self.take_up()
            await self.loop.run_forever()
            cut = await self.loop.executor.drain(DRAIN_SECONDS)
        with suppress(StoreError):  # then the others wait until the lease ends
            await self.knowledge.lease.release()
        log.info("drained", cut=cut)

    async def tell_people(self) -> None:
        """Tell people until cancelled; what goes wrong there is logged and begun again, and never ends the daemon."""
        while True:
            try:
                if self.people is not None:
                    await self.people.serve()
                    log.error("people_not_told", error="telling ended by itself")
            except Exception as error:
                log.exception("people_not_told", error=str(error))
            await self.clock.sleep(TELL_AGAIN_SECONDS)

    async def take_up(self) -> None:
        """Ask what really happened to all that an earlier daemon left open; what is not answered in time goes on."""
        try:
            ledger = await self.knowledge.journal.ledger()
            asked = await self.loop.executor.reconcile(
                ledger.open_executions,
                self.loop.catalogue,
                mode=self.settings.mode,
                budget_seconds=self.settings.execute_budget,
            )
            log.info("taken_up", asked=len(asked), open=len(ledger.open_executions))
        except Exception as error:  # noqa: BLE001 - the cycles say what is wrong, and take up what they find
            log.warning("not_taken_up", error=str(error))

    def lead_changed(self, leads: bool) -> None:
        """Take up what is open as the new leader, or leave everything to another one."""
        if leads:
            self.loop.executor.begin_epoch()
            self._taking_up = asyncio.create_task(self.take_up(), name="take up")
        self.metrics.leader(is_leader=self.is_leader)
        self.loop.wake(WokenBy.DEADLINE)

    async def raise_epoch(self, by: str) -> int:
        """Act again, in an epoch above the one that the other side follows; return it.

        Raises:
            ConflictError: the other side follows this daemon already. FencedError: another one leads.
            StoreError: not written.
        """
        executor = self.loop.executor
        if not self.knowledge.lease.is_held:
            raise FencedError(f"{Reason.STANDBY.sentence} Ask the one that leads.")
        if not executor.is_fenced:
            raise ConflictError("Nobody who is asked has refused this daemon's epoch: there is nothing to raise.")
        epoch = await self.knowledge.lease.raise_epoch(executor.fenced_by or 0, by=by)
        log.warning("epoch_raised", epoch=epoch, by=by)
        executor.begin_epoch()
        return epoch

    def stop(self) -> None:
        """Begin to stop: no new webhooks, no new cycle, no new action."""
        self.is_draining = True
        self.systemd.stopping("finishing the running cycle")
        self.loop.stop()

    def reload(self) -> None:
        """Read the packs again; packs that cannot be used change nothing."""
        self.systemd.reloading()
        try:
            self.loop.catalogue = catalogue_for(self.settings)
            self.metrics.catalogue_loaded(self.loop.catalogue)
            self._tell_missing_servers()
            log.info("packs_reloaded", packs=list(self.loop.catalogue.packs), digest=self.loop.catalogue.digest[:12])
        except ConfigError as error:
            log.warning("packs_not_reloaded", problems=error.problems)
        self.systemd.ready()

    def _tell_missing_servers(self) -> None:
        for problem in missing_servers(self.loop.catalogue, self.settings):
            log.warning("server_not_configured", problem=problem)

    def not_ready(self) -> list[str]:
        """Return why the daemon is not ready, a sentence each."""
        report = self.loop.last_report
        if self.is_draining:
            return ["the daemon is stopping"]
        if report is None:
            return ["no cycle has completed yet"]
        if report.result is CycleResult.FAILED:
            return [f"the last cycle failed: {report.failure}"]
        sources = report.snapshot.sources.values() if report.snapshot else ()
        reasons = [f"{s.name} cannot be seen: {s.detail}" for s in sources if not s.is_up]
        reasons += [self._fenced()] if self.loop.executor.is_fenced else []
        reasons += [hold.sentence] if (hold := self.knowledge.store.hold) else []
        return reasons + ([report.failure] if report.failure else [])

    def _fenced(self) -> str:
        theirs = self.loop.executor.fenced_by or "a higher one"
        return f"the other side follows epoch {theirs}, this daemon has {self.knowledge.epoch}: {FENCED}"

    def closed(self, report: CycleReport) -> None:
        """Tell metrics, log, status page and service manager of a cycle that ended."""
        is_complete = report.result is not CycleResult.FAILED
        if report.late_seconds is not None:
            self.metrics.cycle_started(report.late_seconds)
        self.metrics.cycle_closed(report)
        self.tracing.cycle_closed(report)
        self._tell_restraint(report.ledger_by_now)
        self.metrics.leader(is_leader=self.is_leader)
        self._tell_circuits()
        self.metrics.knowledge_up(report.is_store_up)
        store = self.knowledge.store
        self.metrics.knowledge_disk(is_damaged=store.hold is Reason.STORE_DAMAGED, reserve_bytes=store.reserve_bytes)
        line = canonical_line(report)
        (log.info if is_complete else log.error)("cycle_closed", **line)
        if self._services is not None:
            self._services.events.publish("cycle_closed", line, report.cycle_id)
        if self.people is not None:
            self.people.observe(report)
        if is_complete:
            self.leadership.cycle_completed()
        # A store that fails is told by everything above; a restart would only take away who tells it.
        if is_complete or not report.is_store_up:
            self.systemd.watchdog()
        self.systemd.status(_status_line(self.settings.mode, report))

    def _tell_circuits(self) -> None:
        asked_to_wait = dict.fromkeys(self.loop.executor.held, 1.0)
        held_back = {**dict.fromkeys(SOURCES, 0.0), **self.circuits(), **asked_to_wait}
        for target, is_held_back in held_back.items():
            self.metrics.circuit(target, is_held_back)

    def _tell_restraint(self, ledger: Ledger | None) -> None:
        """Tell what is left of the budgets, and which packs are held back; a cycle without a ledger changes nothing."""
        if ledger is None:
            return
        self.metrics.budgets(budgets(ledger, self.loop.catalogue))
        self.metrics.packs_held(held_packs(ledger, self.loop.catalogue).values())


FENCED = "end the daemon that has it; where there is none, `mape-k knowledge raise-epoch` lets this one act again"

MODE_SENTENCES: Mapping[Mode, str] = {
    Mode.SHADOW: "decides, records and scores, never acts; MAPE_K_MODE=enforce lets it act",
    Mode.APPROVE: "decides and asks a person before each action; `mape-k approve ID` lets it act",
    Mode.ENFORCE: "acts; `mape-k pause` stops it from acting",
}


def _status_line(mode: Mode, report: CycleReport) -> str:
    incidents = len(report.assessment.incidents) if report.assessment else 0
    return f"{mode}: last cycle {report.result} in {report.seconds:.2f} s, {incidents} open incidents"
