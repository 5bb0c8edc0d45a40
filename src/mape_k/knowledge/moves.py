"""Every change of an execution: one row changed by compare-and-set, one row added to its history."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import Connection, insert, update

from mape_k.errors import FencedError
from mape_k.knowledge import audit
from mape_k.knowledge.learning import learn
from mape_k.knowledge.ledger import EPOCH, read_execution, read_ledger, read_meta, read_open_executions
from mape_k.knowledge.schema import executions, transitions
from mape_k.model import (
    LEFT_ALONE,
    STARTS_FROM,
    TRANSITIONS,
    Action,
    Execution,
    FollowUp,
    Ledger,
    Mode,
    Observation,
    Reason,
    State,
    Step,
    next_state,
)

MOVABLE = frozenset(
    {
        "request",
        "policy_id",
        "further_ids",
        "applied_at",
        "expires_at",
        "renewals",
        "tries",
        "observation",
        "verdict",
        "reason",
        "detail",
    }
)
"""The fields of an execution that a move may set."""


def admit(
    connection: Connection,
    action: Action,
    *,
    check: Callable[[Ledger], Reason | None],
    explanation: Mapping[str, object],
    epoch: int,
    mode: Mode,
    at: datetime,
    to: State = State.ADMITTED,
) -> Execution | Reason:
    """Write the intent down, unless it was before, the guards say no, or another daemon has taken over."""
    if read_meta(connection, EPOCH) != epoch:
        return Reason.FENCED
    if known := read_execution(connection, action.execution_id):
        return Reason.IN_FLIGHT if known.is_open else Reason.ALREADY_TRIED
    if refusal := check(read_ledger(connection, as_of=at, epoch=epoch, mode=mode)):
        return refusal
    connection.execute(insert(executions).values({**_row_of(action, to, epoch, at), "explanation": explanation}))
    admitted = _reread(connection, action.execution_id)
    record(connection, admitted, from_state=None)
    return admitted


def move(connection: Connection, execution: Execution, to: State, *, at: datetime, **named: object) -> Execution:
    """Move by compare-and-set on (state, epoch); fields that are not named stay as they are.

    Raises:
        FencedError: it is not as ``execution`` says (any more). ValueError: no such move, or no such field.
    """
    _refuse_impossible(execution.state, to, named)
    moved = _set(connection, execution, to, at, named)
    if to is not execution.state:
        record(connection, moved, from_state=execution.state, detail=named.get("detail", ""))
    return moved


def follow_up(connection: Connection, step: FollowUp, *, epoch: int, at: datetime) -> Execution | None:
    """Start a step: move, and learn where the step says what became of the action.

    Raises:
        FencedError: another daemon has taken the execution over. ValueError: a confirmation without an improvement.
    """
    execution = read_execution(connection, step.execution_id)
    if execution is None or execution.state not in STARTS_FROM[step.step]:
        return None
    if execution.epoch != epoch:
        raise FencedError(f"{step.execution_id} was taken over", current_epoch=execution.epoch)
    if step.step is Step.RESUME:
        return execution
    learn(connection, execution, step, at=at)
    fields: dict[str, object] = {"verdict": step.verdict or execution.verdict, "reason": step.reason}
    to = next_state(execution, step.step)
    if to is State.PROBATION:
        fields["probation_until"] = at + timedelta(seconds=execution.terms.probation_seconds)
    return move(connection, execution, to, at=at, **fields)


def take_over(connection: Connection, execution: Execution, *, epoch: int, at: datetime) -> Execution:
    """Make an execution of an earlier daemon ours; what that daemon was in the middle of is settled or in doubt."""
    to, named = _after_interruption(execution)
    taken = _set(connection, execution, to, at, {**named, "epoch": epoch})
    record(connection, taken, from_state=execution.state, detail=named.get("detail", "taken over after a restart"))
    return taken


def thaw(connection: Connection, target: str = "", *, at: datetime) -> None:
    """Give frozen targets back, all or ``PACK/NAME``: a person has looked at them."""
    for execution in read_open_executions(connection):
        if execution.state in LEFT_ALONE and target in ("", f"{execution.pack}/{execution.target}"):
            move(connection, execution, State.ROLLED_BACK, at=at, reason=Reason.THAWED, expires_at=None)


def record(connection: Connection, moved: Execution, *, from_state: State | None, detail: object = "") -> None:
    """Add a move to the history of an execution, and to the audit trail."""
    values = {
        "execution_id": moved.execution_id,
        "at": moved.updated_at,
        "epoch": moved.epoch,
        "from_state": from_state,
        "to_state": moved.state,
        "reason": moved.reason,
        "detail": detail,
    }
    connection.execute(insert(transitions).values(_plain(values)))
    what = {"remediation": moved.remediation, "target": moved.target, "policy_id": moved.policy_id}
    audit.note(connection, audit.TRANSITION, values | what, at=moved.updated_at)


def _after_interruption(execution: Execution) -> tuple[State, dict[str, object]]:
    if execution.state is State.ADMITTED:
        detail = "the daemon stopped before anything was sent"
        return State.FAILED, {"reason": Reason.EXPIRED, "detail": detail}
    if execution.state is State.APPLYING:
        detail = "the daemon stopped before the answer came"
        sent_at = execution.applied_at or execution.updated_at
        return State.UNCERTAIN, {"reason": Reason.NO_ANSWER, "detail": detail, "applied_at": sent_at}
    return execution.state, {}


def _refuse_impossible(state: State, to: State, named: Mapping[str, object]) -> None:
    if to is not state and to not in TRANSITIONS[state]:
        raise ValueError(f"no execution moves from {state} to {to}")
    if strange := sorted(named.keys() - MOVABLE):
        raise ValueError(f"a move cannot set {', '.join(strange)}")


def _set(
    connection: Connection, execution: Execution, to: State, at: datetime, named: Mapping[str, object]
) -> Execution:
    as_said = (
        (executions.c.execution_id == execution.execution_id)
        & (executions.c.state == execution.state.value)
        & (executions.c.epoch == execution.epoch)
    )
    values = _plain({**named, "state": to, "updated_at": at})
    if not connection.execute(update(executions).where(as_said).values(values)).rowcount:
        raise FencedError(f"{execution.execution_id} is not {execution.state} in epoch {execution.epoch} any more")
    return _reread(connection, execution.execution_id)


def _reread(connection: Connection, execution_id: str) -> Execution:
    execution = read_execution(connection, execution_id)
    if execution is None:
        raise FencedError(f"{execution_id} is gone")
    return execution


def _row_of(action: Action, to: State, epoch: int, at: datetime) -> dict[str, object]:
    return _plain(
        {
            "execution_id": action.execution_id,
            "incident_id": action.incident_id,
            "pack": action.pack,
            "symptom": action.symptom,
            "remediation": action.remediation,
            "target": action.target,
            "request": action.request,
            "baseline": action.baseline,
            "terms": action.terms,
            "plan_hash": action.plan_hash,
            "state": to,
            "epoch": epoch,
            "admitted_at": at,
            "updated_at": at,
            "renewals": 0,
            "observation": Observation(),
            "reason": Reason.BEST_CANDIDATE,
            "detail": "",
        }
    )


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    """Return column values without enums, which not every driver takes."""
    return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}
