"""What an action is admitted with, taken from its remediation once and for all."""

from dataclasses import replace

from mape_k.model.call import HttpCall
from mape_k.model.deadline import PATIENCE
from mape_k.model.execution import Terms
from mape_k.model.pack import Compensation, Part, Remediation
from mape_k.model.request import PolicyRequest


def terms_of(remediation: Remediation, request: PolicyRequest, *, reach_seconds: float) -> Terms:
    """Return the terms of an action.

    Args:
        remediation: as the pack has it now.
        request: the action's own; its further parts are for the same scope, lifetime and incident.
        reach_seconds: from the action until a first look may judge it.
    """
    undoing = [remediation.compensation, *(part.compensation for part in remediation.further)]
    return Terms(
        further=tuple(_further(part, request, number) for number, part in enumerate(remediation.further, start=1)),
        undo=tuple(_undo(each, request, number) for number, each in enumerate(undoing) if each is not None),
        is_irreversible=remediation.is_irreversible,
        rollback=remediation.rollback,
        verify_seconds=PATIENCE * remediation.verification.deadline_seconds + reach_seconds,
        probation_seconds=remediation.probation_seconds,
    )


def part_id(execution_id: str, number: int) -> str:
    """Return the id, and idempotency key, of a part: that of the execution for the first one."""
    return f"{execution_id}:{number + 1}" if number else execution_id


def _further(part: Part, request: PolicyRequest, number: int) -> PolicyRequest:
    return replace(
        request,
        name=_name(part.kind, request),
        kind=part.kind,
        parameters=part.parameters,
        call=_call(part, request, number),
    )


def _call(what: Part | Compensation, request: PolicyRequest, number: int) -> HttpCall | None:
    """Return the call of a part, or what undoes it, under the id of that part."""
    execution_id = request.call.action_id if request.call else ""
    return what.call and what.call.named(part_id(execution_id, number))


def _undo(compensation: Compensation, request: PolicyRequest, number: int) -> PolicyRequest:
    """Return what undoes a part, at whatever time it gets through."""
    return PolicyRequest(
        name=_name(compensation.kind, request),
        kind=compensation.kind,
        scope=request.scope,
        parameters=compensation.parameters,
        reason=f"roll-back: {request.reason}",
        incident_id=request.incident_id,
        call=_call(compensation, request, number),
    )


def _name(kind: str, request: PolicyRequest) -> str:
    return "-".join((kind.replace("_", "-"), *request.scope.values()))
