"""What a daemon does to its Knowledge while the power is on, and what of it is there afterwards."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

from mape_k.errors import MapeKError
from mape_k.knowledge import AuditFiles, Knowledge, open_knowledge
from mape_k.knowledge.inspection import inspect_knowledge
from mape_k.knowledge.quarantine import kept_aside
from mape_k.model import Action, CycleReport, Execution, Mode, Pause, PolicyRequest, Reason, State, WokenBy
from mape_k.ports import Notice

FILE = "knowledge.db"
BESIDE = ("audit.key", "audit.anchor", "epoch")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PATHS = (
    (State.APPLYING, State.VERIFYING, State.IN_FORCE),
    (State.APPLYING, State.VERIFYING, State.ROLLING_BACK, State.ROLLED_BACK),
    (State.APPLYING, State.UNCERTAIN),
)
_FACTS = (
    "SELECT execution_id || ' ' || to_state FROM transitions",
    "SELECT 'cycle ' || cycle_id FROM cycles WHERE result IS NOT NULL",
    "SELECT 'notice ' || fingerprint FROM notices",
    "SELECT 'pause ' || comment FROM pauses",
)
Tell = Callable[[str], None]


@dataclass(slots=True)
class SecondsClock:
    """Goes on by one second at each look."""

    time: datetime = START

    def now(self) -> datetime:
        """Return the time."""
        self.time += timedelta(seconds=1)
        return self.time

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


async def live(folder: Path, clock: SecondsClock, chance: Random, tell: Tell, *, actions: int) -> None:
    """Open Knowledge, act, take webhooks, close cycles, be paused, and end; tell what is durable as soon as it is."""
    knowledge = await open_knowledge(url(folder), clock=clock, mode=Mode.ENFORCE)
    try:
        await knowledge.orders.resume("", by="operator")  # what begins in place of a damaged one begins paused
        for number in range(actions):
            name = f"e{knowledge.epoch}-{number}"
            await _act(knowledge, name, chance.choice(PATHS), clock, tell)
            await _take_webhook(knowledge, name, chance, tell)
            await _close_cycle(knowledge, name, clock, tell)
        pause = Pause(since=clock.now(), by="operator", comment=f"life {knowledge.epoch}", scope=f"{knowledge.epoch}")
        await knowledge.orders.pause(pause)
        tell(f"pause {pause.comment}")
    finally:
        await knowledge.close()


def url(folder: Path) -> str:
    """Return where the Knowledge of a folder is."""
    return f"sqlite:///{folder}/{FILE}"


async def _act(knowledge: Knowledge, name: str, path: tuple[State, ...], clock: SecondsClock, tell: Tell) -> None:
    now = clock.now()
    execution = await knowledge.journal.admit(_action(name, now), check=lambda _: None, explanation={}, now=now)
    if not isinstance(execution, Execution):
        raise TypeError(f"{name} was refused: {execution}")
    tell(f"{name} {execution.state}")
    for state in path:
        execution = await knowledge.journal.move(execution, state, reason=Reason.BEST_CANDIDATE)
        tell(f"{name} {state}")


async def _take_webhook(knowledge: Knowledge, name: str, chance: Random, tell: Tell) -> None:
    alerts = [f"{name}-{number}" for number in range(chance.choice((1, 10, 60)))]
    notices = [Notice(status="firing", labels={"alertname": "Ill", "is": each}, fingerprint=each) for each in alerts]
    await knowledge.notices.take(notices, group_key=name)
    for each in alerts:
        tell(f"notice {each}")


async def _close_cycle(knowledge: Knowledge, name: str, clock: SecondsClock, tell: Tell) -> None:
    report = CycleReport(cycle_id=name, as_of=clock.now(), woken_by=WokenBy.TICK)
    await knowledge.journal.open_cycle(report)
    if (await knowledge.journal.close_cycle(report)).is_store_up:
        tell(f"cycle {name}")


def _action(name: str, now: datetime) -> Action:
    request = PolicyRequest(
        name=name,
        kind="block_source",
        scope={"node_or_service": name},
        parameters={},
        ttl_seconds=3600.0,
        not_after=now + timedelta(minutes=1),
    )
    return Action(
        execution_id=name,
        incident_id=f"i-{name}",
        pack="charter",
        symptom="forbidden_metric_spike",
        remediation="block_source",
        target=name,
        request=request,
        baseline=31.4,
        score=0.4,
    )


@dataclass(frozen=True, slots=True)
class After:
    """What was found after a cut: facts that are there, and what is wrong with the file or its trail."""

    facts: frozenset[str]
    damage: str


async def look(folder: Path, clock: SecondsClock) -> After:
    """Open what a cut left as the next daemon would, and say what is there."""
    try:
        knowledge = await open_knowledge(url(folder), clock=clock, mode=Mode.ENFORCE)
        await knowledge.close()
        problems = inspect_knowledge(url(folder), AuditFiles.within(folder)).problems
    except MapeKError as error:
        return After(frozenset(), str(error))
    aside = [f"set aside as {each.name}" for each in kept_aside(folder / FILE)]
    damage = "; ".join([*aside, *(f"{problem.check}: {problem.what}" for problem in problems)])
    with closing(sqlite3.connect(folder / FILE)) as connection:
        facts = {fact for query in _FACTS for (fact,) in connection.execute(query)}
    return After(frozenset(facts), damage)
