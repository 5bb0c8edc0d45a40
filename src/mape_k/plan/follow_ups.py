"""What becomes of executions that are already open."""

from collections.abc import Iterable, Iterator, Mapping

from mape_k.model import (
    Assessment,
    Catalogue,
    Execution,
    Expiring,
    FollowUp,
    Judgement,
    Ledger,
    OnExpiry,
    Owner,
    Reason,
    RollbackRule,
    State,
    Step,
    Verdict,
)

_MAY_NEVER_HAVE_ARRIVED = frozenset({State.UNCERTAIN, State.FAILED})

_HELPED = frozenset({State.PROBATION, State.IN_FORCE})

_UNDOING: Mapping[RollbackRule, Step] = {
    RollbackRule.AUTO: Step.ROLL_BACK,
    RollbackRule.APPROVE: Step.ASK_TO_UNDO,
    RollbackRule.NEVER: Step.KEEP,
}


def follow_ups(assessment: Assessment, catalogue: Catalogue, ledger: Ledger) -> Iterable[FollowUp]:
    """Return the next step of every open execution that is due for one, at most one for each.

    What was applied last is undone first, so that the steps of one cycle go back the way they came.
    """
    executions = {e.execution_id: e for e in ledger.executions}
    steps: dict[str, FollowUp] = {}
    for step in _due(assessment, catalogue, ledger, executions):
        steps.setdefault(step.execution_id, step)
    undoing = [step for step in steps.values() if _undoes(step, executions[step.execution_id])]
    undoing.sort(key=lambda step: _began(executions[step.execution_id]), reverse=True)
    return (*(step for step in steps.values() if step not in undoing), *undoing)


def _due(
    assessment: Assessment, catalogue: Catalogue, ledger: Ledger, executions: Mapping[str, Execution]
) -> Iterator[FollowUp]:
    for execution in ledger.open_executions:
        if execution.state.owner is Owner.EXECUTOR:
            yield FollowUp(
                execution_id=execution.execution_id, step=Step.RESUME, reason=execution.reason or Reason.NO_ANSWER
            )
        elif execution.state is State.UNDO_WANTED:
            yield from _answered(execution, assessment)
        elif _is_superseded(execution, ledger):
            yield _step(execution, Step.LET_LAPSE, Reason.SUPERSEDED)
    for judgement in assessment.judgements:
        if judgement.verdict is not None:
            yield _after_verdict(judgement, judgement.verdict, executions[judgement.execution_id])
    for ending in assessment.expiring:
        yield _at_expiry(ending, executions[ending.execution_id], catalogue, assessment)


def _after_verdict(judgement: Judgement, verdict: Verdict, execution: Execution) -> FollowUp:
    """Return what a verdict leads to: who was admitted with which rule is undone by that rule."""
    if verdict is not Verdict.IMPROVED:
        step = _UNDOING[execution.terms.rollback]
    else:
        step = Step.SETTLE if execution.state is State.PROBATION else Step.CONFIRM
    return FollowUp(execution_id=execution.execution_id, step=step, reason=judgement.reason, verdict=verdict)


def _answered(execution: Execution, assessment: Assessment) -> Iterator[FollowUp]:
    """Yield what becomes of an action that a person was asked to let undo, once there is an answer or no more time."""
    if execution.answer is not None:
        step = Step.ROLL_BACK if execution.answer.is_given else Step.KEEP
        yield _step(execution, step, Reason.APPROVED if execution.answer.is_given else Reason.REJECTED_BY_PERSON)
    elif execution.due_at is not None and assessment.as_of >= execution.due_at:
        yield _step(execution, Step.GIVE_UP, Reason.APPROVAL_EXPIRED)


def _step(execution: Execution, step: Step, reason: Reason) -> FollowUp:
    return FollowUp(execution_id=execution.execution_id, step=step, reason=reason, verdict=execution.verdict)


def _undoes(step: FollowUp, execution: Execution) -> bool:
    return step.step is Step.ROLL_BACK or execution.state is State.ROLLING_BACK


def _began(execution: Execution) -> tuple[object, str]:
    return execution.applied_at or execution.admitted_at, execution.execution_id


def _is_superseded(execution: Execution, ledger: Ledger) -> bool:
    """Whether the same was done again to the same target: the policy is the newer execution's, and undone with it."""
    if execution.state not in _HELPED or execution.applied_at is None:
        return False
    what = (execution.pack, execution.remediation, execution.target)
    return any(
        (e.pack, e.remediation, e.target) == what and e.applied_at is not None and e.applied_at > execution.applied_at
        for e in ledger.executions
        if e.state not in _MAY_NEVER_HAVE_ARRIVED
    )


def _at_expiry(ending: Expiring, execution: Execution, catalogue: Catalogue, assessment: Assessment) -> FollowUp:
    """Decide on purpose what becomes of a policy near its end; what cannot be seen keeps what helped."""
    remediation = catalogue.remediation(execution.pack, execution.remediation)
    lifetime = remediation.lifetime if remediation else None
    step, reason = Step.LET_LAPSE, Reason.NO_LONGER_NEEDED
    if execution.expires_at is not None and assessment.as_of >= execution.expires_at:
        step, reason = Step.LET_LAPSE, Reason.LAPSED_UNSEEN
    elif lifetime is not None and lifetime.on_expiry is OnExpiry.ESCALATE:
        step, reason = Step.ESCALATE, Reason.PERSON_DECIDES
    elif lifetime is not None and ending.is_needed is not False:
        step, reason = Step.RENEW, Reason.STILL_NEEDED if ending.is_needed else Reason.NEED_UNKNOWN
        if execution.renewals >= lifetime.max_renewals:
            step, reason = Step.ESCALATE, Reason.RENEWALS_USED_UP
    return FollowUp(execution_id=execution.execution_id, step=step, reason=reason, verdict=execution.verdict)
