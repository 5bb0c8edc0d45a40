"""E: carry a plan out. The intent is durable before the request leaves, the outcome after; verdicts are the loop's."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from mape_k.errors import (
    ConflictError,
    FencedError,
    MapeKError,
    PermanentError,
    RejectedError,
    TransientError,
    UncertainError,
)
from mape_k.guards import Proposal, refusal
from mape_k.model import (
    Action,
    Assessment,
    Catalogue,
    Decision,
    Execution,
    FollowUp,
    Incident,
    Ledger,
    Mode,
    Plan,
    PolicyRequest,
    Reason,
    Remediation,
    State,
    Step,
)
from mape_k.ports import Applied, Clock, Effector, Journal

log = structlog.get_logger(__name__)

_NOT_SENT = (Step.CONFIRM, Step.LET_LAPSE, Step.ESCALATE)
"""Steps that only Knowledge hears of; they are taken in every mode."""


class Executor:
    """Admits, sends, awaits until the deadline; what is still open then goes on in tasks of its own.

    Args:
        effector: who changes the world.
        journal: where each step is durable.
        clock: the time.
        request_timeout_seconds: what one request may take.
        told: called with every execution that moved.
        refused: called with the reason whenever an action that was planned is not admitted.
    """

    def __init__(
        self,
        *,
        effector: Effector,
        journal: Journal,
        clock: Clock,
        request_timeout_seconds: float,
        told: Callable[[Execution], None] = lambda _: None,
        refused: Callable[[Reason], None] = lambda _: None,
    ) -> None:
        self._effector = effector
        self._journal = journal
        self._clock = clock
        self._timeout = request_timeout_seconds
        self._told = told
        self._refused = refused
        self._running: dict[str, asyncio.Task[Execution | Reason | None]] = {}
        self._waits_until = 0.0
        self.is_fenced = False

    @property
    def hold(self) -> Reason | None:
        """Why nothing may be sent at the moment; None: it may."""
        if self.is_fenced:
            return Reason.FENCED
        return Reason.ASKED_TO_WAIT if self._clock.monotonic() < self._waits_until else None

    async def carry_out(
        self, plan: Plan, assessment: Assessment, catalogue: Catalogue, *, mode: Mode, budget_seconds: float
    ) -> tuple[str, ...]:
        """Take every step of a plan, follow-ups first, and wait for them at most ``budget_seconds``.

        Returns:
            The ids of the executions that were started or moved on in this cycle.
        """
        started: dict[str, asyncio.Task[Execution | Reason | None]] = {}
        may_send = mode is Mode.ENFORCE and self.hold is None
        for step in plan.follow_ups:
            if may_send or step.step in _NOT_SENT:
                self._start(started, step.execution_id, self._follow_up(step, catalogue))
        for action in plan.actions if may_send else ():
            remediation = catalogue.remediation(action.pack, action.remediation)
            if remediation is not None:
                explanation = _explanation(action, plan, assessment)
                self._start(started, action.execution_id, self._act(action, remediation, explanation, assessment))
        if started:
            await asyncio.wait(started.values(), timeout=budget_seconds)
        return tuple(name for name, task in started.items() if not task.done() or isinstance(task.result(), Execution))

    async def drain(self, timeout_seconds: float) -> int:
        """Wait for what is under way; return how many were cut because they did not end in time.

        What is cut stays open in the journal and is taken up again at the next start.
        """
        running = tuple(self._running.values())
        if not running:
            return 0
        _, pending = await asyncio.wait(running, timeout=timeout_seconds)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return len(pending)

    def _start(
        self,
        started: dict[str, asyncio.Task[Execution | Reason | None]],
        execution_id: str,
        work: Coroutine[Any, Any, Execution | Reason | None],
    ) -> None:
        """Run one step as a named task; a step of an execution that is still under way is not begun twice."""
        if self.is_fenced or execution_id in self._running:
            work.close()
            return
        task = asyncio.create_task(work, name=f"execution {execution_id}")
        self._running[execution_id] = started[execution_id] = task
        task.add_done_callback(lambda done: self._ended(execution_id, done))

    def _ended(self, execution_id: str, task: asyncio.Task[Execution | Reason | None]) -> None:
        self._running.pop(execution_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("execution_step_failed", execution_id=execution_id, error=str(error))

    async def _act(
        self,
        action: Action,
        remediation: Remediation,
        explanation: Mapping[str, object],
        assessment: Assessment,
    ) -> Execution | Reason:
        admitted = await self._journal.admit(
            action,
            check=lambda ledger: self._last_check(action, remediation, assessment, ledger),
            explanation=explanation,
            now=self._clock.now(),
        )
        if isinstance(admitted, Reason):
            log.warning("action_not_admitted", execution_id=action.execution_id, reason=admitted.value)
            self._refused(admitted)
            return admitted
        return await self._send(await self._move(admitted, State.APPLYING))

    def _last_check(
        self, action: Action, remediation: Remediation, assessment: Assessment, ledger: Ledger
    ) -> Reason | None:
        """Ask the guards once more, on the ledger as it is inside the admitting transaction."""
        if self.is_fenced:
            return Reason.FENCED
        if _is_late(action.request, self._clock.now()):
            return Reason.EXPIRED
        incident = next(i for i in assessment.incidents if i.incident_id == action.incident_id)
        about = (action.pack, action.symptom, action.target)
        finding = next(f for f in incident.findings if f.key == about)
        return refusal(Proposal.of(remediation, incident, finding), ledger)

    async def _send(self, execution: Execution) -> Execution:
        """Send a policy whose intent is durable, and make the answer durable."""
        if _is_late(execution.request, self._clock.now()):
            return await self._move(execution, State.FAILED, reason=Reason.EXPIRED)
        sent_at = self._clock.now()
        try:
            applied = await self._apply(execution, key=execution.execution_id, request=execution.request)
        except UncertainError as error:
            return await self._unanswered(execution, sent_at, str(error))
        except MapeKError as error:
            return await self._failed(execution, error)
        return await self._in_force(execution, applied)

    async def _resolve(self, execution: Execution) -> Execution:
        """Find out what became of a request without an answer: ask with the same key, else look at the world."""
        if not self._effector.is_idempotent:
            return await self._observe(execution)
        try:
            applied = await self._apply(execution, key=execution.execution_id, request=execution.request)
        except (TransientError, UncertainError, FencedError):
            return execution
        except (RejectedError, ConflictError) as error:
            return await self._failed(execution, error)
        except PermanentError:
            return await self._observe(execution)
        return await self._in_force(execution, applied)

    async def _unanswered(self, execution: Execution, sent_at: datetime, detail: str) -> Execution:
        return await self._move(execution, State.UNCERTAIN, applied_at=sent_at, reason=Reason.NO_ANSWER, detail=detail)

    async def _observe(self, execution: Execution) -> Execution:
        """Take it that the request arrived, and let the world say what came of it."""
        sent_at = execution.applied_at or execution.updated_at
        return await self._move(execution, State.VERIFYING, **self._from(execution, sent_at))

    async def _in_force(self, execution: Execution, applied: Applied) -> Execution:
        """Write down that the Charter has the policy; one that it had before ends as long after its sending."""
        now = self._clock.now()
        began_at = execution.applied_at if applied.was_known and execution.applied_at else now
        fields = self._from(execution, began_at) | {"applied_at": now}
        return await self._move(execution, State.VERIFYING, policy_id=applied.policy_id, **fields)

    def _from(self, execution: Execution, applied_at: datetime) -> dict[str, object]:
        """Return the times that count from the moment a policy came into force."""
        ttl = execution.request.ttl_seconds
        expires_at = applied_at + timedelta(seconds=ttl) if ttl is not None else None
        return {"applied_at": applied_at, "expires_at": expires_at}

    async def _failed(self, execution: Execution, error: MapeKError) -> Execution:
        reasons: Mapping[type[MapeKError], Reason] = {
            FencedError: Reason.FENCED,
            ConflictError: Reason.CONFLICT,
            PermanentError: Reason.REJECTED,
        }
        reason = next((r for kind, r in reasons.items() if isinstance(error, kind)), Reason.UNREACHABLE)
        if isinstance(error, RejectedError) and _is_late(execution.request, self._clock.now()):
            reason = Reason.EXPIRED  # it came too late: that says nothing against another try on fresh evidence
        return await self._move(execution, State.FAILED, reason=reason, detail=str(error))

    async def _follow_up(self, step: FollowUp, catalogue: Catalogue) -> Execution | None:
        execution = await self._journal.follow_up(step, now=self._clock.now())
        if execution is None:
            return None
        self._tell(execution)
        remediation = catalogue.remediation(execution.pack, execution.remediation)
        carry_on: Mapping[State, Callable[[], Awaitable[Execution]]] = {
            State.ADMITTED: lambda: self._move(execution, State.FAILED, reason=Reason.EXPIRED),
            State.APPLYING: lambda: self._unanswered(execution, execution.updated_at, "its end was not written down"),
            State.UNCERTAIN: lambda: self._resolve(execution),
            State.ROLLING_BACK: lambda: self._roll_back(execution, remediation),
            State.RENEWING: lambda: self._renew(execution, remediation),
        }
        return await carry_on[execution.state]() if execution.state in carry_on else execution

    async def _roll_back(self, execution: Execution, remediation: Remediation | None) -> Execution:
        """Undo what did not help; what cannot be undone freezes its target until a person looked."""
        if remediation is not None and remediation.leaves_nothing:
            return await self._move(execution, State.ROLLED_BACK, expires_at=None)
        if remediation is None or remediation.is_irreversible:
            return await self._move(execution, State.FROZEN, reason=Reason.ROLL_BACK_FAILED)
        try:
            with self._heeding():
                await self._effector.roll_back(
                    execution.policy_id,
                    _compensation(execution, remediation),
                    key=f"{execution.execution_id}:rollback",
                    epoch=execution.epoch,
                    traceparent=_traceparent(execution),
                    timeout_seconds=self._timeout,
                )
        except (TransientError, FencedError):
            return execution
        except UncertainError as error:
            return execution if self._effector.is_idempotent else await self._freeze(execution, error)
        except MapeKError as error:
            return await self._freeze(execution, error)
        return await self._move(execution, State.ROLLED_BACK, expires_at=None)

    async def _freeze(self, execution: Execution, error: MapeKError) -> Execution:
        return await self._move(execution, State.FROZEN, reason=Reason.ROLL_BACK_FAILED, detail=str(error))

    async def _renew(self, execution: Execution, remediation: Remediation | None) -> Execution:
        """Extend a policy that is still needed; a refusal is told, and the policy ends when its lifetime does."""
        request = _renewed(execution, remediation)
        try:
            await self._apply(
                execution, key=f"{execution.execution_id}:renew:{execution.renewals + 1}", request=request
            )
        except (TransientError, UncertainError) as error:
            counted = isinstance(error, UncertainError) and not self._effector.is_idempotent
            return await self._move(
                execution,
                State.IN_FORCE,
                renewals=execution.renewals + int(counted),
                reason=Reason.RENEWAL_FAILED,
                detail=str(error),
            )
        except FencedError:
            return execution
        except MapeKError as error:
            return await self._move(execution, State.SUCCEEDED, reason=Reason.RENEWAL_FAILED, detail=str(error))
        ttl = timedelta(seconds=request.ttl_seconds or 0.0)
        return await self._move(
            execution, State.IN_FORCE, renewals=execution.renewals + 1, expires_at=self._clock.now() + ttl
        )

    async def _apply(self, execution: Execution, *, key: str, request: PolicyRequest) -> Applied:
        with self._heeding():
            return await self._effector.apply(
                request,
                key=key,
                epoch=execution.epoch,
                traceparent=_traceparent(execution),
                timeout_seconds=self._timeout,
            )

    @contextmanager
    def _heeding(self) -> Iterator[None]:
        """Remember when the other side says that somebody else is in charge, or how long it wants to be left alone."""
        try:
            yield
        except TransientError as error:
            asked_for = error.retry_after_seconds or 0.0
            self._waits_until = max(self._waits_until, self._clock.monotonic() + asked_for)
            raise
        except FencedError:
            self.is_fenced = True
            raise

    async def _move(self, execution: Execution, to: State, **fields: object) -> Execution:
        moved = await self._journal.move(execution, to, **fields)
        self._tell(moved)
        return moved

    def _tell(self, moved: Execution) -> None:
        self._told(moved)
        log.info(
            "action_moved",
            execution_id=moved.execution_id,
            remediation=moved.remediation,
            target=moved.target,
            state=moved.state.value,
            reason=moved.reason.value if moved.reason else None,
            verdict=moved.verdict.value if moved.verdict else None,
            detail=moved.detail,
        )


def _is_late(request: PolicyRequest, now: datetime) -> bool:
    return request.not_after is not None and now > request.not_after


def _renewed(execution: Execution, remediation: Remediation | None) -> PolicyRequest:
    """Return the renewal; made of durable facts alone, since a key that is repeated must carry the same body."""
    lifetime = remediation.lifetime if remediation else None
    ttl_seconds = lifetime.ttl_seconds if lifetime else execution.request.ttl_seconds
    return replace(execution.request, ttl_seconds=ttl_seconds, not_after=execution.expires_at)


def _compensation(execution: Execution, remediation: Remediation) -> PolicyRequest | None:
    """Return what undoes an execution, at whatever time it gets through; of durable facts alone, as a renewal."""
    if remediation.compensation is None:
        return None
    kind = remediation.compensation.kind
    return PolicyRequest(
        name=f"{kind.replace('_', '-')}-{execution.target}",
        kind=kind,
        scope=execution.request.scope,
        parameters=remediation.compensation.parameters,
        reason=f"roll-back of {execution.execution_id}: {execution.reason.sentence if execution.reason else ''}",
        incident_id=execution.incident_id,
    )


def _traceparent(execution: Execution) -> str:
    """Return a W3C trace context that is the same for every request of one execution."""
    digest = hashlib.sha256(execution.execution_id.encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-01"


def _explanation(action: Action, plan: Plan, assessment: Assessment) -> Mapping[str, object]:
    """Return what ``explain`` shows: the incident as it was seen, and the decision with all it was made among."""
    incident: Incident = next(i for i in assessment.incidents if i.incident_id == action.incident_id)
    decision: Decision = next(d for d in plan.decisions if d.action is action)
    return {"as_of": plan.as_of, "incident": incident, "decision": decision}
