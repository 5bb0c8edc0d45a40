"""What becomes of executions that are already open."""

from collections.abc import Iterable

from mape_k.model import (
    Assessment,
    Catalogue,
    Execution,
    Expiring,
    FollowUp,
    Ledger,
    OnExpiry,
    Reason,
    State,
    Step,
    Verdict,
)

_HALF_DONE = frozenset({State.ADMITTED, State.APPLYING, State.UNCERTAIN, State.ROLLING_BACK, State.RENEWING})
"""States in which a crash, a failing store or an unreachable Charter may have left an execution."""

_MAY_NEVER_HAVE_ARRIVED = frozenset({State.UNCERTAIN, State.FAILED})


def follow_ups(assessment: Assessment, catalogue: Catalogue, ledger: Ledger) -> Iterable[FollowUp]:
    """Yield the next step of every open execution that is due for one."""
    for judgement in assessment.judgements:
        if judgement.verdict is not None:
            step = Step.CONFIRM if judgement.verdict is Verdict.IMPROVED else Step.ROLL_BACK
            yield FollowUp(
                execution_id=judgement.execution_id, step=step, reason=judgement.reason, verdict=judgement.verdict
            )
    for execution in ledger.open_executions:
        if execution.state in _HALF_DONE:
            reason = execution.reason or Reason.NO_ANSWER
            yield FollowUp(execution_id=execution.execution_id, step=Step.RESUME, reason=reason)
    superseded = {e.execution_id: e for e in ledger.open_executions if _is_superseded(e, ledger)}
    for execution_id, execution in superseded.items():
        verdict = execution.verdict
        yield FollowUp(execution_id=execution_id, step=Step.LET_LAPSE, reason=Reason.SUPERSEDED, verdict=verdict)
    executions = {e.execution_id: e for e in ledger.executions}
    for ending in assessment.expiring:
        if ending.execution_id not in superseded:
            yield _at_expiry(ending, executions[ending.execution_id], catalogue, assessment)


def _is_superseded(execution: Execution, ledger: Ledger) -> bool:
    """Whether the same was done again to the same target: the policy is now that of the newer execution."""
    if execution.state is not State.IN_FORCE or execution.applied_at is None:
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
