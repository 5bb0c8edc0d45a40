"""The parts of an action: what is sent for each, under which key, and how far it has come."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mape_k.model import Execution, PolicyRequest, SpanRef, part_id

UNNAMED = ""
"""Stands in for the name of a policy that is taken to be in force though its answer never came."""


@dataclass(frozen=True, slots=True)
class Part:
    """One request of an action, with the key that is the same for every attempt at it."""

    number: int
    key: str
    request: PolicyRequest
    is_last: bool


def parts_of(execution: Execution) -> Iterator[Part]:
    """Yield what is sent for an execution, in this order; a further part must not come later than the first one may."""
    not_after = execution.request.not_after
    requests = (execution.request, *(replace(each, not_after=not_after) for each in execution.terms.further))
    for number, request in enumerate(requests):
        yield Part(number, part_key(execution, number), request, is_last=number + 1 == len(requests))


def next_part(execution: Execution) -> Part:
    """Return the first part that is not known to be in force, else the last one."""
    known = int(execution.policy_id is not None) + len(execution.further_ids)
    return next(part for part in parts_of(execution) if part.number == known or part.is_last)


def part_key(execution: Execution, number: int) -> str:
    """Return the idempotency key of a part: the execution's id for the first one."""
    return part_id(execution.execution_id, number)


def named(execution: Execution, number: int, policy_id: str) -> dict[str, object]:
    """Return the fields that keep the other side's name for a part."""
    return {"further_ids": (*execution.further_ids, policy_id)} if number else {"policy_id": policy_id}


def traceparent(execution: Execution) -> str:
    """Return a W3C trace context that is the same for every request of one execution."""
    return SpanRef.of(execution.execution_id).traceparent
