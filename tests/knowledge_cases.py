"""What the tests of Knowledge share: a clock that steps, an opened file, and actions to write down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mape_k.knowledge import Knowledge, open_knowledge
from mape_k.model import Action, CycleReport, Execution, Mode, PolicyRequest, State, WokenBy
from mape_k.ports import Journal

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PATH = (State.APPLYING, State.VERIFYING, State.IN_FORCE)


class SteppingClock:
    """Goes on by one second at each look."""

    def __init__(self, start: datetime = NOON) -> None:
        self.time = start

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def monotonic(self) -> float:
        return self.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@asynccontextmanager
async def opened(folder: Path, **options: object) -> AsyncIterator[Knowledge]:
    facts: dict = {"clock": SteppingClock(), "mode": Mode.ENFORCE}
    knowledge = await open_knowledge(f"sqlite:///{folder}/knowledge.sqlite", **(facts | options))
    try:
        yield knowledge
    finally:
        await knowledge.close()


def an_action(execution_id: str = "x-1", **fields: object) -> Action:
    request = PolicyRequest(
        name=f"block-source-{execution_id}",
        kind="block_source",
        scope={"node_or_service": "node-7"},
        parameters={"burst": 3},
        ttl_seconds=3600.0,
        not_after=NOON + timedelta(minutes=1),
    )
    facts: dict = {
        "execution_id": execution_id,
        "incident_id": "i-1",
        "pack": "charter",
        "symptom": "forbidden_metric_spike",
        "remediation": "block_source",
        "target": "node-7",
        "request": request,
        "baseline": 31.4,
        "score": 0.4,
    }
    return Action(**(facts | fields))


def a_cycle(cycle_id: str = "c-1", as_of: datetime = NOON, **fields: object) -> CycleReport:
    return CycleReport(cycle_id=cycle_id, as_of=as_of, woken_by=WokenBy.TICK, **fields)


async def admitted(
    journal: Journal, execution_id: str = "x-1", *, to: State = State.ADMITTED, **fields: object
) -> Execution:
    execution = await journal.admit(
        an_action(execution_id, **fields), check=lambda _: None, explanation={"why": "a test"}, now=NOON, to=to
    )
    assert isinstance(execution, Execution), execution
    return execution


async def brought_to(journal: Journal, state: State, execution_id: str = "x-1", **fields: object) -> Execution:
    """Admit an execution and move it on until it is in ``state``; ``fields`` are set with the first move."""
    execution = await admitted(journal, execution_id)
    for step in PATH[: PATH.index(state) + 1]:
        execution = await journal.move(execution, step, **fields)
        fields = {}
    return execution
