"""Knowledge as the loop and the executor use it: every write is durable when it returns."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mape_k.knowledge import cycles, moves, notices
from mape_k.knowledge.anchor import Anchor
from mape_k.knowledge.audit import Head, read_head
from mape_k.knowledge.ledger import read_execution, read_ledger
from mape_k.knowledge.store import Store
from mape_k.model import Action, CycleReport, CycleResult, Execution, FollowUp, Ledger, Mode, Reason, State
from mape_k.ports import Clock
from mape_k.recording import encode_snapshot


class SqlJournal:
    """The journal in a database; satisfies :class:`mape_k.ports.Journal`, where its methods are described.

    Args:
        epoch: of this daemon; what carries another one is not ours to move.
        mode: said to every reader of the ledger.
        anchor: where the head of the audit trail is kept besides, after each cycle.
        recent_notices: how young a notice must be for its alert to be looked for, how old an alert to be announced.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        epoch: int,
        mode: Mode,
        retention: cycles.Retention,
        anchor: Anchor,
        recent_notices: timedelta,
    ) -> None:
        self.epoch = epoch
        self._anchor = anchor
        self._store = store
        self._clock = clock
        self._mode = mode
        self._retention = retention
        self._recent_notices = recent_notices

    async def ledger(self) -> Ledger:
        """Return what we are committed to at this moment, outside of any cycle.

        Raises:
            StoreError: it cannot be read.
        """
        as_of = self._clock.now()
        return await self._store.read(lambda c: read_ledger(c, as_of=as_of, epoch=self.epoch, mode=self._mode))

    async def open_cycle(self, report: CycleReport) -> Ledger:
        """Note the start of a cycle and return what we are committed to, in one transaction."""

        def run(connection: Connection) -> Ledger:
            cycles.begin(connection, report)
            return read_ledger(connection, as_of=report.as_of, epoch=self.epoch, mode=self._mode)

        return await self._store.write(run)

    async def close_cycle(self, report: CycleReport) -> CycleReport:
        """Keep the report and all it carries; what cannot be kept makes the cycle blind, and is said in it."""
        try:
            recorded = await asyncio.to_thread(encode_snapshot, report.snapshot) if report.snapshot else None
            head = await self._store.write(lambda connection: self._end(connection, report, recorded))
            report.audit_head = str(head)
            await asyncio.to_thread(self._anchor.note, head)
        except Exception as error:  # noqa: BLE001 - the next cycle must come, whatever became of this one
            report.is_store_up = False
            report.result = max(report.result, CycleResult.BLIND, key=_GRAVITY.index)
            report.failure = "; ".join(filter(None, (report.failure, f"not kept: {error}")))
        return report

    def _end(self, connection: Connection, report: CycleReport, recorded: bytes | None) -> Head:
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
    ) -> Execution | Reason:
        """Commit the intent, or return the reason why not."""
        return await self._store.write(
            lambda connection: moves.admit(
                connection,
                action,
                check=check,
                explanation=explanation,
                epoch=self.epoch,
                mode=self._mode,
                at=now,
                to=to,
            )
        )

    async def move(self, execution: Execution, to: State, **fields: object) -> Execution:
        """Move by compare-and-set; fields that are not named stay as they are."""
        at = self._clock.now()
        return await self._store.write(lambda connection: moves.move(connection, execution, to, at=at, **fields))

    async def follow_up(self, step: FollowUp, *, now: datetime) -> Execution | None:
        """Commit the start of a step, with what it teaches.

        Raises:
            FencedError: another daemon has taken the execution over. StoreError: not written.
            ValueError: a confirmation whose verdict is not that the world got better.
        """
        return await self._store.write(lambda connection: moves.follow_up(connection, step, epoch=self.epoch, at=now))

    async def execution(self, execution_id: str) -> Execution | None:
        """Return one execution as it stands."""
        return await self._store.read(lambda connection: read_execution(connection, execution_id))


_GRAVITY = (CycleResult.COMPLETED, CycleResult.BLIND, CycleResult.FAILED)
