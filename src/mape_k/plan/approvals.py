"""What becomes of actions about which a person was asked; every cycle decides anew whether they are still wanted."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from mape_k.model import Assessment, Decision, Execution, FollowUp, Ledger, Reason, State, Step

Again: TypeAlias = Callable[[Execution], Decision | None]
"""Decides again about an action as though nobody had been asked; None: what it is for is not seen at the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """The steps of executions that await an approval, and by incident why those without a step wait."""

    steps: tuple[FollowUp, ...]
    standing: Mapping[str, Reason]

    def told(self, decisions: Iterable[Decision]) -> Iterable[Decision]:
        """Yield the decisions; where a target waits for a person, with what has become of that."""
        for decision in decisions:
            standing = self.standing.get(decision.incident_id, decision.reason)
            yield replace(decision, reason=standing) if decision.reason is Reason.AWAITING_APPROVAL else decision


def approvals(assessment: Assessment, ledger: Ledger, again: Again) -> Approvals:
    """Return what becomes of every execution that awaits an approval.

    It is begun only if a person agreed to exactly this plan in time and it would be decided just so now, guards
    included. It is withdrawn when a person said no, nobody answered, it is not needed, or it would be another plan.
    """
    waiting = [e for e in ledger.open_executions if e.state is State.AWAITING_APPROVAL]
    standing = {e.execution_id: _standing(e, again(e), assessment, ledger) for e in waiting}
    steps = ((e.execution_id, *standing[e.execution_id]) for e in waiting)
    return Approvals(
        steps=tuple(FollowUp(execution_id=name, step=step, reason=reason) for name, step, reason in steps if step),
        standing={e.incident_id: standing[e.execution_id][1] for e in waiting},
    )


def _standing(
    execution: Execution, now: Decision | None, assessment: Assessment, ledger: Ledger
) -> tuple[Step | None, Reason]:
    """Return the step to take, and why; without a step it waits."""
    if against := _against(execution, now, assessment, ledger):
        return Step.WITHDRAW, against
    if now is None or execution.answer is None:
        return None, Reason.AWAITING_APPROVAL
    if now.reason is not Reason.BEST_CANDIDATE:
        return None, now.reason
    return Step.BEGIN, Reason.APPROVED


def _against(execution: Execution, now: Decision | None, assessment: Assessment, ledger: Ledger) -> Reason | None:
    """Return why an action will never begin; None: it still may."""
    if execution.answer is not None and not execution.answer.is_given:
        return Reason.REJECTED_BY_PERSON
    if execution.due_at is not None and assessment.as_of >= execution.due_at:
        return Reason.EXPIRED if execution.answer else Reason.APPROVAL_EXPIRED
    if now is None:
        return None if assessment.blind or _is_open(execution.incident_id, assessment, ledger) else Reason.WITHDRAWN
    is_same = now.action is not None and now.action.plan_hash == execution.plan_hash
    return None if is_same else Reason.PLAN_CHANGED


def _is_open(incident_id: str, assessment: Assessment, ledger: Ledger) -> bool:
    return incident_id not in assessment.closed and any(i.incident_id == incident_id for i in ledger.incidents)
