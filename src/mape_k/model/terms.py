"""What an action is admitted with, taken from its remediation once and for all."""

from dataclasses import replace

from mape_k.model.deadline import PATIENCE
from mape_k.model.execution import PolicyRequest, Terms
from mape_k.model.pack import Compensation, Remediation


def terms_of(remediation: Remediation, request: PolicyRequest, *, reach_seconds: float) -> Terms:
    """Return the terms of an action.

    Args:
        remediation: as the pack has it now.
        request: the action's own; its further parts are for the same scope, lifetime and incident.
        reach_seconds: from the action until a first look may judge it.
    """
    undoing = [remediation.compensation, *(part.compensation for part in remediation.further)]
    return Terms(
        further=tuple(
            replace(request, name=_name(part.kind, request), kind=part.kind, parameters=part.parameters)
            for part in remediation.further
        ),
        undo=tuple(_undo(each, request) for each in undoing if each is not None),
        is_irreversible=remediation.is_irreversible,
        rollback=remediation.rollback,
        verify_seconds=PATIENCE * remediation.verification.deadline_seconds + reach_seconds,
        probation_seconds=remediation.probation_seconds,
    )


def _undo(compensation: Compensation, request: PolicyRequest) -> PolicyRequest:
    """Return what undoes a part, at whatever time it gets through."""
    return PolicyRequest(
        name=_name(compensation.kind, request),
        kind=compensation.kind,
        scope=request.scope,
        parameters=compensation.parameters,
        reason=f"roll-back: {request.reason}",
        incident_id=request.incident_id,
    )


def _name(kind: str, request: PolicyRequest) -> str:
    return "-".join((kind.replace("_", "-"), *request.scope.values()))
