"""One cycle: the order of the phases, their deadlines, one failure shape. Start reading here."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from structlog.contextvars import bind_contextvars, unbind_contextvars

from mape_k.analyze import Analyst
from mape_k.errors import MapeKError, StoreError
from mape_k.execute import Executor
from mape_k.model import Catalogue, CycleReport, CycleResult, Ledger, Mode, Phase, PhaseTiming, SpanRef, WokenBy
from mape_k.monitor import Monitor
from mape_k.plan import make_plan
from mape_k.ports import Clock, Journal

log = structlog.get_logger(__name__)


class PhaseFailedError(Exception):
    """A phase did not complete: the one shape in which a failure leaves a phase."""

    def __init__(self, phase: Phase, cause: str) -> None:
        super().__init__(f"{phase}: {cause}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often and how long, in seconds; the settings check that these fit into each other."""

    interval: float
    cycle_budget: float
    phase_budgets: dict[Phase, float]
    debounce: float = 1.0


class Loop:
    """Looks once, decides once, acts on it; again at every tick, webhook and verification deadline.

    Args:
        monitor, analyst, executor, journal: the phases, and what they share.
        catalogue: the packs in use; replaced between two cycles, never within one.
        clock: the time.
        timing: interval and budgets.
        mode: what the daemon may do.
        closed: called with the report of every cycle, completed or not.
    """

    def __init__(
        self,
        *,
        monitor: Monitor,
        analyst: Analyst,
        executor: Executor,
        journal: Journal,
        catalogue: Catalogue,
        clock: Clock,
        timing: Timing,
        mode: Mode,
        closed: Callable[[CycleReport], None] = lambda _: None,
    ) -> None:
        self.monitor = monitor
        self.analyst = analyst
        self.executor = executor
        self.journal = journal
        self.catalogue = catalogue
        self.clock = clock
        self.timing = timing
        self.mode = mode
        self.last_report: CycleReport | None = None
        self.closed = closed
        self._woken_by: WokenBy | None = None
        self._wake = asyncio.Event()
        self._stopping = False

    async def run_cycle(self, woken_by: WokenBy = WokenBy.TICK, late_seconds: float | None = None) -> CycleReport:
        """Look once, decide once, act on it; a failed phase ends the cycle, never the loop."""
        report = self._begin(woken_by, late_seconds)
        begun = self.clock.monotonic()
        deadline = begun + self.timing.cycle_budget
        catalogue = self.catalogue
        try:
            async with self._phase(Phase.MONITOR, report, deadline):
                snapshot = report.snapshot = await self.monitor.observe(report.as_of, catalogue)
            async with self._phase(Phase.ANALYZE, report, deadline):
                ledger = report.ledger = await self._open_ledger(report)
                assessment = report.assessment = self.analyst.assess(snapshot, ledger, catalogue)
            async with self._phase(Phase.PLAN, report, deadline):
                plan = report.plan = make_plan(assessment, catalogue, ledger)
            async with self._phase(Phase.EXECUTE, report, deadline):
                budget = min(self.timing.phase_budgets[Phase.EXECUTE], deadline - self.clock.monotonic())
                report.executed = await self.executor.carry_out(
                    plan, assessment, catalogue, mode=self.mode, budget_seconds=budget
                )
            report.result = CycleResult.BLIND if assessment.blind else CycleResult.COMPLETED
        except PhaseFailedError as failure:
            report.result, report.failure = CycleResult.FAILED, str(failure)
            report.is_store_up = not isinstance(failure.__cause__, StoreError)
        report.seconds = self.clock.monotonic() - begun
        return self._close(await self.journal.close_cycle(report))

    async def run_forever(self) -> None:
        """Run cycles until :meth:`stop`; ticks keep their pace, missed ones are skipped, never queued."""
        next_tick, scheduled = self.clock.monotonic(), WokenBy.TICK
        gathering_until = next_tick
        while not self._stopping:
            is_woken, woken_by = self._woken_by is not None, self._woken_by or scheduled
            self._woken_by = None
            self._wake.clear()
            late = max(0.0, self.clock.monotonic() - next_tick) if woken_by is WokenBy.TICK else None
            report = await self.run_cycle(woken_by, late)
            now = self.clock.monotonic()
            while next_tick <= now:
                next_tick += self.timing.interval
            until_tick, until_look = next_tick - now, self._until_next_look(report)
            scheduled = WokenBy.DEADLINE if until_look < until_tick else WokenBy.TICK
            gathering_until = now + self.timing.debounce if is_woken else gathering_until
            await self._rest(min(until_tick, until_look), gathering_until)

    def wake(self, woken_by: WokenBy) -> None:
        """Ask for a cycle now; events only wake, what they say is never believed."""
        self._woken_by = self._woken_by or woken_by
        self._wake.set()

    def stop(self) -> None:
        """Let the running cycle end, and begin no other."""
        self._stopping = True
        self._wake.set()

    def _begin(self, woken_by: WokenBy, late_seconds: float | None) -> CycleReport:
        as_of = self.clock.now()
        name = hashlib.sha256(f"{as_of.isoformat()}|{self.catalogue.digest}".encode()).hexdigest()[:16]
        report = CycleReport(cycle_id=f"cyc-{name}", as_of=as_of, woken_by=woken_by, late_seconds=late_seconds)
        bind_contextvars(cycle_id=report.cycle_id, trace_id=SpanRef.of(report.cycle_id).trace_id)
        return report

    async def _open_ledger(self, report: CycleReport) -> Ledger:
        ledger = await self.journal.open_cycle(report)
        return replace(ledger, mode=self.mode, hold=self.executor.hold or ledger.hold, held=self.executor.held)

    def _close(self, report: CycleReport) -> CycleReport:
        self.last_report = report
        try:
            self.closed(report)
        except Exception:
            log.exception("cycle_not_told")
        unbind_contextvars("cycle_id", "trace_id")
        return report

    @asynccontextmanager
    async def _phase(self, phase: Phase, report: CycleReport, deadline: float) -> AsyncIterator[None]:
        """Time a phase, cut it at the cycle's deadline, and give whatever goes wrong in it one shape."""
        begun = self.clock.monotonic()
        limit = asyncio.timeout(max(0.0, deadline - begun))
        try:
            async with limit:
                yield
        except TimeoutError as error:
            cause = "cut at the cycle's deadline" if limit.expired() else repr(error)
            raise PhaseFailedError(phase, cause) from error
        except MapeKError as error:
            raise PhaseFailedError(phase, f"{type(error).__name__}: {error}") from error
        except Exception as error:
            log.exception("phase_failed", phase=phase)
            raise PhaseFailedError(phase, repr(error)) from error
        finally:
            seconds = self.clock.monotonic() - begun
            budget = self.timing.phase_budgets[phase]
            report.timings.append(PhaseTiming(phase=phase, seconds=seconds, budget_seconds=budget))

    async def _rest(self, seconds: float, gathering_until: float) -> None:
        """Wait for the next tick or a wake; woken too soon after the last wake's cycle, gather others first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        early = gathering_until - self.clock.monotonic()
        if self._wake.is_set() and early > 0 and not self._stopping:
            await self.clock.sleep(early)

    def _until_next_look(self, report: CycleReport) -> float:
        """Return the seconds until the next execution can be judged; the interval when none waits for that."""
        due: datetime | None = report.assessment.next_look_at if report.assessment else None
        if due is None:
            return self.timing.interval
        return max(self.timing.debounce, (due - self.clock.now()).total_seconds())
