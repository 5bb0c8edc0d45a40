"""Knowledge as the loop and the executor use it: every write is durable when it returns."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection

from mape_k.errors import FencedError
from mape_k.knowledge import cycles, moves, notices
from mape_k.knowledge.anchor import Anchor
from mape_k.knowledge.audit import Head, read_head
from mape_k.knowledge.lease import Lease
from mape_k.knowledge.ledger import read_execution, read_ledger
from mape_k.knowledge.retention import Retention
from mape_k.knowledge.store import Store
from mape_k.model import (
    Action,
    Bounds,
    CycleReport,
    CycleResult,
    Execution,
    FollowUp,
    Incident,
    Ledger,
    Mode,
    PolicyRequest,
    Reason,
    State,
)
from mape_k.ports import Clock
from mape_k.recording import encode_snapshot

T = TypeVar("T")


class SqlJournal:
    """The journal in a database; satisfies :class:`mape_k.ports.Journal`, where its methods are described.

    Args:
        lease: whether this daemon leads, and its epoch; what carries another one is not ours to move.
        mode, bounds: said to every reader of the ledger.
        anchor: where the head of the audit trail is kept besides, after each cycle.
        recent_notices: how young a notice must be for its alert to be looked for, how old an alert to be announced.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        lease: Lease,
        mode: Mode,
        retention: Retention,
        anchor: Anchor,
        recent_notices: timedelta,
        bounds: Bounds | None = None,
    ) -> None:
        self._bounds = bounds or Bounds()
        self._lease = lease
        self._anchor = anchor
        self._store = store
        self._clock = clock
        self._mode = mode
        self._retention = retention
        self._recent_notices = recent_notices

    @property
    def epoch(self) -> int:
        """The epoch in which this daemon leads, or led last."""
        return self._lease.epoch

    @property
    def hold(self) -> Reason | None:
        """Why nothing may be begun, as far as the store knows."""
        return self._store.hold if self._lease.is_held else Reason.STANDBY

    async def ledger(self, as_of: datetime | None = None) -> Ledger:
        """Return what we are committed to, and write nothing.

        Raises:
            StoreError: it cannot be read.
        """
        at = as_of or self._clock.now()
        ledger = await self._store.read(lambda c: read_ledger(c, as_of=at, epoch=self.epoch, mode=self._mode))
        return replace(ledger, hold=self.hold, bounds=self._bounds)

    async def _write(self, run: Callable[[Connection], T]) -> T:
        """Run a write of the leader, in a transaction during which nobody else can begin to lead.

        Raises:
            FencedError: somebody else has begun to lead; this daemon stops. StoreError: not written.
        """

        def guarded(connection: Connection) -> T:
            self._lease.require(connection)
            return run(connection)

        try:
            return await self._store.write(guarded)
        except FencedError as error:
            if error.current_epoch is not None and error.current_epoch > self.epoch:
                self._lease.give_up()
            raise

    async def open_cycle(self, report: CycleReport) -> Ledger:
        """Note the start of a cycle and return what we are committed to; without the lease, or damaged, only read."""

        def run(connection: Connection) -> Ledger:
            cycles.begin(connection, report)
            return read_ledger(connection, as_of=report.as_of, epoch=self.epoch, mode=self._mode)

        if self.hold not in _ONLY_READ:
            with suppress(FencedError):
                return replace(await self._write(run), hold=self.hold, bounds=self._bounds)
        return await self.ledger(report.as_of)

    async def close_cycle(self, report: CycleReport) -> CycleReport:
        """Keep the report and all it carries; what cannot be kept makes the cycle blind, and is said in it.

        A standby keeps nothing: the cycles in Knowledge are the leader's.
        """
        if not self._lease.is_held:
            return report
        try:
            await self._store.tend(report.as_of)
            recorded = await asyncio.to_thread(encode_snapshot, report.snapshot) if report.snapshot else None
            head = await self._write(lambda connection: self._end(connection, report, recorded))
            report.audit_head = str(head)
            await asyncio.to_thread(self._anchor.note, head)
        except FencedError as error:
            report.failure = "; ".join(filter(None, (report.failure, f"not kept: {error}")))
        except Exception as error:  # noqa: BLE001 - the next cycle must come, whatever became of this one
            report.is_store_up = False
            report.result = max(report.result, CycleResult.BLIND, key=_GRAVITY.index)
            report.failure = "; ".join(filter(None, (report.failure, f"not kept: {error}")))
        return report

    def _end(self, connection: Connection, report: CycleReport, recorded: bytes | None) -> Head:
        if self.hold is Reason.STORE_FULL:
            recorded = None  # what is left of the disk is for outcomes
        if report.snapshot:
            report.notices = notices.tally(connection, report.snapshot, recent=self._recent_notices)
        cycles.end(connection, report, recorded, epoch=self.epoch)
        self._retention.note(connection, written_bytes=len(recorded or b""), now=report.as_of)
        return read_head(connection)

    async def admit(
        self,
        action: Action,
        *,
        check: Callable[[Ledger], Reason | None],
        explanation: Mapping[str, object],
        now: datetime,
        to: State = State.ADMITTED,
        incident: Incident | None = None,
    ) -> Execution | Reason:
        """Commit the intent, or return the reason why not."""
        if self.hold is not None:
            return self.hold

        def run(connection: Connection) -> Execution | Reason:
            terms: Mapping[str, Any] = {"explanation": explanation, "mode": self._mode, "to": to}
            admitted = moves.admit(connection, action, check=self._bounded(check), epoch=self.epoch, at=now, **terms)
            if incident is not None and isinstance(admitted, Execution):
                cycles.keep_incidents(connection, (incident,), {}, now)
            return admitted

        try:
            return await self._write(run)
        except FencedError:
            return Reason.FENCED

    def _bounded(self, check: Callable[[Ledger], Reason | None]) -> Callable[[Ledger], Reason | None]:
        """Return the check of a ledger that says what a person set."""
        return lambda ledger: check(replace(ledger, bounds=self._bounds))

    async def move(self, execution: Execution, to: State, **fields: object) -> Execution:
        """Move by compare-and-set; fields that are not named stay as they are."""
        at = self._clock.now()
        return await self._write(lambda connection: moves.move(connection, execution, to, at=at, **fields))

    async def begin(
        self,
        step: FollowUp,
        request: PolicyRequest,
        *,
        check: Callable[[Ledger], Reason | None],
        now: datetime,
    ) -> Execution | Reason | None:
        """Admit what a person has agreed to, or return the reason why not."""
        if self.hold is not None:
            return self.hold
        return await self._write(
            lambda connection: moves.begin(
                connection, step, request, check=self._bounded(check), epoch=self.epoch, mode=self._mode, at=now
            )
        )

    async def follow_up(self, step: FollowUp, *, now: datetime) -> Execution | None:
        """Commit the start of a step, with what it teaches.

        Raises:
            FencedError: another daemon has taken the execution over. StoreError: not written.
            ValueError: a confirmation whose verdict is not that the world got better.
        """
        return await self._write(lambda connection: moves.follow_up(connection, step, epoch=self.epoch, at=now))

    async def execution(self, execution_id: str) -> Execution | None:
        """Return one execution as it stands."""
        return await self._store.read(lambda connection: read_execution(connection, execution_id))


_ONLY_READ = (Reason.STANDBY, Reason.STORE_DAMAGED)
_GRAVITY = (CycleResult.COMPLETED, CycleResult.BLIND, CycleResult.FAILED)
