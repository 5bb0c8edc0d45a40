"""A daemon as its interface sees it, with everything that it would be asked for given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp

from fakes_archive import FakeArchive, FakeOrders
from fakes_letters import FakeDeadLetters
from fakes_notices import FakeNotices
from mape_k.api import Live, Services, serve
from mape_k.errors import ConflictError
from mape_k.model import CycleReport, Mode, State, Verdict, WokenBy
from mape_k.recording import to_document
from mape_k.telemetry import Metrics
from sample_reports import NOON, a_catalogue, a_report, an_execution

OPERATOR, INGEST = "operator-token-of-the-tests", "ingest-token-of-the-tests"
AS_OPERATOR = {"Authorization": f"Bearer {OPERATOR}"}
AS_ALERTMANAGER = {"Authorization": f"Bearer {INGEST}"}


class StoppedClock:
    """It is always a minute past noon."""

    def now(self):
        return NOON + timedelta(minutes=1)

    def monotonic(self):
        return 0.0

    async def sleep(self, seconds):
        raise AssertionError(f"nobody sleeps {seconds} s here")


class FakeDaemon:
    """What a request may reach; its attributes may be changed at any time."""

    def __init__(self) -> None:
        self.report: CycleReport | None = a_report()
        self.mode, self.is_leader, self.is_draining, self.not_ready = Mode.ENFORCE, True, False, []
        self.is_standby = False
        self.woken: list[WokenBy] = []
        self.raised_by: list[str] = []
        self.archive, self.notices = an_archive(), FakeNotices()
        self.dead_letters = FakeDeadLetters()
        self.metrics = Metrics()
        self.changes: dict[str, Any] = {}

    def live(self) -> Live:
        return Live(
            mode=self.mode,
            epoch=3,
            version="1.2.3",
            started_at=NOON - timedelta(hours=5),
            interval_seconds=30,
            report=self.report,
            is_leader=self.is_leader,
            is_standby=self.is_standby,
            is_draining=self.is_draining,
        )

    async def raise_epoch(self, by: str) -> int:
        self.raised_by.append(by)
        if self.is_leader:
            return 9
        raise ConflictError("Nobody who is asked has refused this daemon's epoch: there is nothing to raise.")

    def services(self, **changes: Any) -> Services:
        facts: dict[str, Any] = {
            "archive": self.archive,
            "orders": FakeOrders(self.archive),
            "dead_letters": self.dead_letters,
            "notices": self.notices,
            "metrics": self.metrics,
            "clock": StoppedClock(),
            "wake": self.woken.append,
            "readiness": lambda: self.not_ready,
            "live": self.live,
            "catalogue": a_catalogue,
            "raise_epoch": self.raise_epoch,
            "operator_token": OPERATOR,
            "ingest_token": INGEST,
        }
        return Services(**(facts | self.changes | changes))


@asynccontextmanager
async def calling(services: Services) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve over a real socket, and yield a client of it."""
    runner = await serve(services, "127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            yield client
    finally:
        await runner.cleanup()


def an_archive() -> FakeArchive:
    cycles = [_cycle(number) for number in range(25, 0, -1)]
    action = to_document(an_execution(State.IN_FORCE, verdict=Verdict.IMPROVED, expires_at=NOON + timedelta(hours=1)))
    explanation = {"as_of": to_document(NOON), "decision": {"reason": "best_candidate"}}
    return FakeArchive(
        cycles=cycles,
        incidents=[{"incident_id": "i-0", "state": "closed", "symptom": "old_one", "target": "node-1"}],
        actions=[{**action, "explanation": explanation, "transitions": []}],
    )


def _cycle(number: int) -> dict[str, Any]:
    report = a_report(cycle_id=f"c-{number}", snapshot=None, as_of=NOON - timedelta(seconds=30 * (25 - number)))
    return dict(to_document(report))
