"""Every change of an execution: one row changed by compare-and-set, one row added to its history."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import Connection, insert, update

from mape_k.errors import FencedError
from mape_k.knowledge import audit, dead_letters
from mape_k.knowledge.learning import learn
from mape_k.knowledge.ledger import (
    EPOCH,
    read_execution,
    read_ledger,
    read_meta,
    read_open_executions,
    read_pauses,
)
from mape_k.knowledge.schema import executions, transitions
from mape_k.model import (
    LEFT_ALONE,
    STARTS_FROM,
    TRANSITIONS,
    Action,
    Execution,
    FollowUp,
    Ledger,
    LetterKind,
    Mode,
    Observation,
    PolicyRequest,
    Reason,
    State,
    Step,
    due_at,
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
        "undone",
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

    What is about to be sent for the first time fails instead where a person has paused it meanwhile.

    Raises:
        FencedError: it is not as ``execution`` says (any more). ValueError: no such move, or no such field.
    """
    if execution.state is State.ADMITTED and to is State.APPLYING and _is_paused(connection, execution, at):
        to, named = State.FAILED, {"reason": Reason.PAUSED}
    _refuse_impossible(execution.state, to, named)
    moved = _set(connection, execution, to, at, {**entering(execution, to, at, named), **named})
    if to is not execution.state:
        record(connection, moved, from_state=execution.state, detail=named.get("detail", ""))
    if to is State.FROZEN is not execution.state:
        _keep_for_another_try(connection, moved, at)
    return moved


def entering(execution: Execution, to: State, at: datetime, named: Mapping[str, object]) -> dict[str, object]:
    """Return what a new state brings with it: its deadline, and a fresh count of attempts to leave it."""
    if to is execution.state:
        return {}
    fields: dict[str, object] = {"tries": 0, "due_at": due_at(to, execution.terms, _expiry(execution, named), at)}
    if to is State.PROBATION:
        fields["probation_until"] = at + timedelta(seconds=execution.terms.probation_seconds)
    return fields


def _expiry(execution: Execution, named: Mapping[str, object]) -> datetime | None:
    expires_at = named.get("expires_at", execution.expires_at)
    return expires_at if isinstance(expires_at, datetime) else None


def begin(
    connection: Connection,
    step: FollowUp,
    request: PolicyRequest,
    *,
    check: Callable[[Ledger], Reason | None],
    epoch: int,
    mode: Mode,
    at: datetime,
) -> Execution | Reason | None:
    """Admit what a person has agreed to, unless the guards say no by now; None when it was answered otherwise."""
    execution = read_execution(connection, step.execution_id)
    if execution is None or execution.state is not State.AWAITING_APPROVAL:
        return None
    if execution.epoch != epoch or read_meta(connection, EPOCH) != epoch:
        return Reason.FENCED
    if refusal := check(read_ledger(connection, as_of=at, epoch=epoch, mode=mode)):
        return refusal
    return move(connection, execution, State.ADMITTED, at=at, request=request, reason=step.reason)


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
    return move(connection, execution, next_state(execution, step.step), at=at, **fields)


def take_over(connection: Connection, execution: Execution, *, epoch: int, at: datetime) -> Execution:
    """Make an execution of an earlier daemon ours; what that daemon was in the middle of is settled or in doubt."""
    to, named = _after_interruption(execution)
    fields = {**entering(execution, to, at, named), **named, "epoch": epoch}
    if execution.due_at is None and to is execution.state:  # an earlier version set none
        fields["due_at"] = due_at(to, execution.terms, execution.expires_at, at)
    taken = _set(connection, execution, to, at, fields)
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


def _is_paused(connection: Connection, execution: Execution, at: datetime) -> bool:
    about = execution.pack, execution.remediation, execution.target
    return any(pause.covers(*about, at) for pause in read_pauses(connection, at))


def _keep_for_another_try(connection: Connection, frozen: Execution, at: datetime) -> None:
    error = frozen.detail or (frozen.reason.sentence if frozen.reason else "")
    kind, about = LetterKind.COMPENSATION, frozen.execution_id
    dead_letters.write(connection, kind=kind, about=about, channel=frozen.request.server, error=error, at=at)


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
            "due_at": due_at(to, action.terms, None, at),
            "renewals": 0,
            "observation": Observation(),
            "reason": Reason.APPROVAL_WANTED if to is State.AWAITING_APPROVAL else Reason.BEST_CANDIDATE,
            "detail": "",
        }
    )


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    """Return column values without enums, which not every driver takes."""
    return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}
