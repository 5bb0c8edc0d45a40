"""The peers of the core, by hand: each says what a test tells it to, and keeps what it was asked."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np

from builders import JOB, LABEL
from mape_k.errors import TransientError
from mape_k.model import Alert, PolicyRequest
from mape_k.ports import Applied, InstantVector, ViolationPage

HANGS = 10**6
"""Seconds after which a hanging peer would answer."""


def a_job(up: float = 1.0, age: float = 5.0) -> Callable[[str, datetime], InstantVector]:
    """Return what is told of a scrape job: who answers, and when it was asked last."""

    def answer(promql: str, moment: datetime) -> InstantVector:
        value = moment.timestamp() - age if promql.startswith("timestamp(") else up
        return InstantVector(labels=({"job": JOB},), values=np.array([value]))

    return answer


def rows(values: Mapping[str, float] | float, **fields: object) -> InstantVector:
    """Return an answer with one row for each target, or with the one row of a system."""
    by_target = {LABEL: values} if not isinstance(values, Mapping) else values
    labels = tuple({LABEL: target} for target in values) if isinstance(values, Mapping) else ({},)
    return InstantVector(labels=labels, values=np.array(list(by_target.values())), **fields)


class FakeMetricSource:
    """``answers`` by query: a vector, an error, or the seconds that it hangs; other queries ask for the job."""

    def __init__(self, **answers: object) -> None:
        self.answers, self.job, self.asked = answers, a_job(), []

    async def query(self, promql: str, *, at: datetime, timeout_seconds: float) -> InstantVector:
        self.asked.append((promql, at, timeout_seconds))
        answer = self.answers.get(promql) or self.job(promql, at)
        return await _given(answer)


class FakeAlertSource:
    """What is active: alerts, an error, or the seconds that it hangs."""

    def __init__(self, *alerts: Alert) -> None:
        self.answer: object = alerts

    async def alerts(self, *, timeout_seconds: float) -> tuple[Alert, ...]:  # noqa: ARG002
        return await _given(self.answer)


class FakeViolationSource:
    """A page of violations, an error, or the seconds that it hangs."""

    def __init__(self) -> None:
        self.answer: object = ViolationPage()
        self.asked_since: list[datetime] = []

    async def violations(self, *, since: datetime, timeout_seconds: float) -> ViolationPage:  # noqa: ARG002
        self.asked_since.append(since)
        return await _given(self.answer)


class FakeEffector:
    """Keeps every request that left; ``errors`` are raised in turn, None lets one through; ``seen`` looks on."""

    def __init__(self, *errors: Exception | None, is_idempotent: bool = True) -> None:
        self.is_idempotent, self.errors, self.seconds = is_idempotent, list(errors), 0.0
        self.sent: list[tuple[str, PolicyRequest | str | None]] = []
        self.seen: Callable[[str], None] = lambda _: None
        self.undoes_by_id, self.in_force, self.asked = True, {}, []

    async def apply(self, request: PolicyRequest, *, key: str, **_: object) -> Applied:
        was_known = self.is_idempotent and any(sent == key for sent, _ in self.sent)
        await self._take(key, request)
        number = key.split(":")[1] if key.count(":") == 1 else "1"
        return Applied(policy_id=f"pol-{number}", was_known=was_known, is_idempotent=self.is_idempotent)

    async def is_in_force(self, policy_id: str, **_: object) -> bool | None:
        """Answer with what ``in_force`` says of a policy, in turn where that is a list."""
        self.asked.append(policy_id)
        answer = self.in_force.get(policy_id)
        if isinstance(answer, Exception):
            raise answer
        return answer.pop(0) if isinstance(answer, list) else answer

    async def roll_back(
        self, policy_id: str | None, compensation: PolicyRequest | None, *, key: str, **_: object
    ) -> bool:
        await self._take(key, policy_id or compensation)
        return self.undoes_by_id

    async def _take(self, key: str, what: PolicyRequest | str | None) -> None:
        self.sent.append((key, what))
        self.seen(key)
        await asyncio.sleep(self.seconds)
        if self.errors and (error := self.errors.pop(0)):
            raise error


async def _given(answer: object) -> object:
    if isinstance(answer, int | float):
        answer = await asyncio.sleep(answer, TransientError("it answers, far too late"))
    if isinstance(answer, Exception):
        raise answer
    return answer
