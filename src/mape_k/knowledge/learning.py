"""What became of actions, counted: the experience that the next decision stands on."""

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from mape_k.knowledge.schema import outcomes, success_rates
from mape_k.model import Execution, FollowUp, State, Step, Verdict

_FAILURES = frozenset({Step.ROLL_BACK, Step.ASK_TO_UNDO, Step.KEEP})


def learn(connection: Connection, execution: Execution, step: FollowUp, *, at: datetime) -> None:
    """Keep the outcome that a step settles, and count it; steps that settle nothing teach nothing.

    A confirmation counts as a success once. What did not help counts as a failure when that is seen, whether it is
    then undone, kept, or a person is asked; also of an action that was confirmed before and did harm later: then both
    are counted, since both were seen. What nobody could see trains nothing.

    Raises:
        ValueError: a confirmation without the verdict that the world got better.
    """
    if step.step not in (Step.CONFIRM, *_FAILURES) or execution.state is State.UNDO_WANTED:
        return
    success = _is_success(step)
    _keep(connection, execution, step.verdict or Verdict.UNKNOWN, success, at)
    if success is not None and execution.feedback is None:
        _count(connection, execution, success=success)


def correct(connection: Connection, execution: Execution, *, success: bool) -> None:
    """Count an action as a person says, instead of as it was; later verdicts on it do not count any more."""
    counted = _counted(connection, execution)
    if counted is not None:
        _count(connection, execution, success=counted, number=-1)
    _count(connection, execution, success=success)


def _counted(connection: Connection, execution: Execution) -> bool | None:
    """Return as what an action counts: a person's last word, else its newest outcome that anybody could tell."""
    if execution.feedback is not None:
        return execution.feedback.is_good
    told = (outcomes.c.execution_id == execution.execution_id) & outcomes.c.success.is_not(None)
    newest = select(outcomes.c.success).where(told).order_by(outcomes.c.number.desc()).limit(1)
    return connection.execute(newest).scalar()


def _is_success(step: FollowUp) -> bool | None:
    if step.step in _FAILURES:
        return None if step.verdict in (None, Verdict.UNKNOWN) else False
    if step.verdict is not Verdict.IMPROVED:
        raise ValueError(f"{step.execution_id} cannot be confirmed with the verdict {step.verdict}")
    return True


def _keep(connection: Connection, execution: Execution, verdict: Verdict, success: bool | None, at: datetime) -> None:
    connection.execute(
        insert(outcomes).values(
            execution_id=execution.execution_id,
            at=at,
            pack=execution.pack,
            remediation=execution.remediation,
            symptom=execution.symptom,
            target=execution.target,
            verdict=verdict.value,
            success=success,
        )
    )


def _count(connection: Connection, execution: Execution, *, success: bool, number: int = 1) -> None:
    names = {"pack": execution.pack, "remediation": execution.remediation, "symptom": execution.symptom}
    counted = {"successes": number * success, "failures": number * (not success)}
    more = {name: success_rates.c[name] + added for name, added in counted.items()}
    if not connection.execute(update(success_rates).filter_by(**names).values(more)).rowcount:
        connection.execute(insert(success_rates).values(**names, **counted))
