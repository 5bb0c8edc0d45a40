"""A person beside the daemon: answers what is asked, pauses and resumes, says what came of it, looks after letters.

And what makes work for people: a Charter that will not undo some policies at the first word.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random  # noqa: TID251 - seeded
from typing import Any

from crash import points
from mape_k.errors import FencedError, MapeKError, RejectedError
from mape_k.execute.gate import Gate
from mape_k.knowledge import Knowledge, dead_letters
from mape_k.main.daemon import Daemon
from mape_k.model import Consent, Execution, Feedback, Pause, Reason, State, asked_hash
from mape_k.notify import repeating
from mape_k.ports import Clock

LETTERS_EVERY_SECONDS = 0.1
PAUSED_SHARE, THAWED_SHARE, FEEDBACK_SHARE, NO_SHARE = 0.3, 0.2, 0.2, 0.1
NAME = "a person"
ELSEWHERE = "target:cells/nowhere"
"""What is paused, so that the rest goes on."""
PAST_VERIFYING = frozenset({State.PROBATION, State.IN_FORCE, State.UNDO_WANTED, State.ROLLED_BACK, State.SUCCEEDED})
"""States from which no execution comes back to be verified."""
STUBBORN = 4
"""Of so many executions one is not undone before a letter asks for it."""


def live_beside(rng: Random, wanted: Iterable[str]) -> None:
    """Put the person and the stubborn Charter into this process; the schedules of days become those of seconds.

    Args:
        rng: draws what the person does.
        wanted: points; whoever waits for one of those that a person reaches is not left to chance.
    """
    person = Person(rng, frozenset(point.partition(":")[0] for point in wanted))
    repeating.LOOK_SECONDS = LETTERS_EVERY_SECONDS
    dead_letters.LONGEST_ATTEMPT = timedelta(seconds=2 * LETTERS_EVERY_SECONDS)
    closed, roll_back = Daemon.closed, Gate.roll_back
    looks: set[asyncio.Task[None]] = set()

    def closed_and_seen(self: Daemon, report: Any) -> None:  # noqa: ANN401
        closed(self, report)
        if looks:
            return  # one look at a time
        looks.add(look := asyncio.create_task(person.look(self.knowledge, self.clock)))
        look.add_done_callback(looks.discard)

    Daemon.closed, Gate.roll_back = closed_and_seen, _refused_at_first(roll_back)


def _refused_at_first(original: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    async def roll_back(self: Gate, execution: Execution, *told: Any, **more: Any) -> bool:  # noqa: ANN401
        is_stubborn = not hashlib.sha256(execution.execution_id.encode()).digest()[0] % STUBBORN
        if is_stubborn and execution.state is State.ROLLING_BACK:
            raise RejectedError("not at the first word")
        return await original(self, execution, *told, **more)

    return roll_back


@dataclass(frozen=True, slots=True)
class Person:
    """Who does everything that there is to do for a person.

    Args:
        rng: draws what is done.
        wanted: writes that somebody waits for.
    """

    rng: Random
    wanted: frozenset[str]

    async def look(self, knowledge: Knowledge, clock: Clock) -> None:
        """Have one look."""
        try:
            await self._order(knowledge, clock)
            executions = (await knowledge.journal.ledger()).executions
            await self._come_late(knowledge, executions)
            for execution in executions:
                await self._say(knowledge, clock, execution)
            for letter in await knowledge.dead_letters.listed():
                await knowledge.dead_letters.retry(letter.letter_id, by=NAME)
            if self._does(points.RETRY, THAWED_SHARE):
                await asyncio.sleep(self.rng.uniform(0.0, 2 * LETTERS_EVERY_SECONDS))  # comes amid an attempt, too
                await knowledge.orders.resume("", by=NAME)
        except MapeKError:
            return  # another life will have another look

    def _does(self, what: str, share: float) -> bool:
        return what in self.wanted or self.rng.random() < share

    async def _come_late(self, knowledge: Knowledge, executions: Iterable[Execution]) -> None:
        """Move an execution on from a state that it has left, as who was held up would: that must not go through."""
        left = [execution for execution in executions if execution.state in PAST_VERIFYING]
        if left:
            held_up = replace(self.rng.choice(left), state=State.VERIFYING)
            with suppress(FencedError):
                await knowledge.journal.move(held_up, State.ROLLING_BACK, reason=Reason.NOT_IMPROVED)

    async def _order(self, knowledge: Knowledge, clock: Clock) -> None:
        if self._does(points.PAUSE, PAUSED_SHARE) or points.LIFT in self.wanted:
            await knowledge.orders.pause(Pause(since=clock.now(), by=NAME, scope=ELSEWHERE))
            await knowledge.orders.resume(ELSEWHERE, by=NAME)

    async def _say(self, knowledge: Knowledge, clock: Clock, execution: Execution) -> None:
        plan_hash = asked_hash(execution.state, execution.plan_hash)
        if plan_hash and execution.answer is None:
            is_given = self.rng.random() > NO_SHARE
            answer = Consent(is_given=is_given, by=NAME, at=clock.now(), plan_hash=plan_hash)
            await knowledge.orders.consent(execution.execution_id, answer)
        may_praise = execution.state is State.IN_FORCE and execution.feedback is None
        if may_praise and self._does(points.FEEDBACK, FEEDBACK_SHARE):
            word = Feedback(is_good=True, by=NAME, at=clock.now())
            await knowledge.orders.feedback(execution.execution_id, word)
