"""E: carry a plan out. The intent is durable before the request leaves, the outcome after; verdicts are the loop's."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias

import structlog

from mape_k.errors import MapeKError, TransientError
from mape_k.execute.gate import Gate
from mape_k.execute.moment import Moment
from mape_k.execute.reconcile import Reconciler
from mape_k.execute.record import Record
from mape_k.execute.sending import Sending, is_late
from mape_k.execute.undoing import Undoing
from mape_k.guards import Proposal, refusal
from mape_k.model import (
    LEFT_ALONE,
    Action,
    Alert,
    Assessment,
    Catalogue,
    Decision,
    Execution,
    FollowUp,
    Incident,
    Ledger,
    Mode,
    Owner,
    Plan,
    Reason,
    State,
    Step,
    Terms,
    terms_of,
)
from mape_k.ports import AlertSource, Clock, EffectorOf, Journal

log = structlog.get_logger(__name__)

_SENT = frozenset({Step.BEGIN, Step.ROLL_BACK, Step.RENEW, Step.RESUME})
"""Steps with which requests leave; of the others only Knowledge hears, and they are taken in every mode."""

_STOPPED = (Reason.FENCED, Reason.STANDBY)
"""Holds under which this daemon touches nothing, not even in Knowledge: somebody else is in charge."""

_Outcome: TypeAlias = Execution | Reason | None
_Started: TypeAlias = dict[str, asyncio.Task[_Outcome]]
_New: TypeAlias = dict[str, Callable[[Moment], Coroutine[Any, Any, _Outcome]]]


class Executor:
    """Admits, sends, awaits until the deadline; what is still open then goes on in tasks of its own.

    Args:
        effector_of: who changes the world as a request asks for.
        journal: where each step is durable.
        alerts: looked at once more before anything new leaves.
        clock: the time.
        request_timeout_seconds: what one request may take.
        told: called with every execution that moved.
        refused: called with the reason whenever an action that was planned is not admitted.
        leads: whether this daemon may act, asked right before each request.
        left_alone: the servers that failed so often that they are not asked for a while.
    """

    def __init__(
        self,
        *,
        effector_of: EffectorOf,
        journal: Journal,
        alerts: AlertSource,
        clock: Clock,
        request_timeout_seconds: float,
        told: Callable[[Execution], None] = lambda _: None,
        refused: Callable[[Reason], None] = lambda _: None,
        leads: Callable[[], bool] = lambda: True,
        left_alone: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._journal = journal
        self._alerts = alerts
        self._clock = clock
        self._timeout = request_timeout_seconds
        self._refused = refused
        self._gate = Gate(effector_of, clock, request_timeout_seconds, leads, left_alone)
        self._record = Record(journal, told)
        self._sending = Sending(self._gate, self._record, clock)
        self._undoing = Undoing(self._gate, self._record)
        self._reconciler = Reconciler(self._gate, self._record, clock)
        self._catalogue = Catalogue(packs={})
        self._running: dict[str, asyncio.Task[_Outcome]] = {}

    @property
    def is_fenced(self) -> bool:
        """Whether the other side follows another daemon."""
        return self._gate.is_fenced

    @property
    def fenced_by(self) -> int | None:
        """The epoch that the other side follows instead of ours; None where it follows ours, or did not say."""
        return self._gate.fenced_by

    def begin_epoch(self) -> None:
        """Act again: this daemon leads in an epoch of its own, which the other side has not refused yet."""
        self._gate.open_again()

    @property
    def hold(self) -> Reason | None:
        """Why nothing may be sent at the moment; None: it may."""
        return self._gate.hold

    @property
    def held(self) -> Mapping[str, Reason]:
        """By server: why nothing may be sent there at the moment."""
        return self._gate.held

    async def carry_out(
        self, plan: Plan, assessment: Assessment, catalogue: Catalogue, *, mode: Mode, budget_seconds: float
    ) -> tuple[str, ...]:
        """Take every step of a plan, follow-ups first, and wait for them at most ``budget_seconds``.

        Returns:
            The ids of the executions that were started or moved on in this cycle.
        """
        deadline = self._clock.monotonic() + budget_seconds
        started: _Started = {}
        self._start_follow_ups(started, plan.follow_ups, catalogue, mode)
        if new := self._new(plan, mode):
            alerts = await self._alerts_now()
            moment = Moment(assessment=assessment, catalogue=catalogue, alerts=alerts)
            for execution_id, work in new.items():
                self._start(started, execution_id, work(moment))
        return await self._wait(started, deadline - self._clock.monotonic())

    async def reconcile(
        self, executions: Iterable[Execution], catalogue: Catalogue, *, mode: Mode, budget_seconds: float
    ) -> tuple[str, ...]:
        """Ask the other side what really happened to everything that an earlier daemon left open.

        Call it after a start and after a take-over, before the first cycle decides anything. What does not end within
        ``budget_seconds`` goes on by itself, or is taken up in the next cycle.

        Returns:
            As :meth:`carry_out`.
        """
        started: _Started = {}
        newest_first = sorted(executions, key=lambda e: e.applied_at or e.admitted_at, reverse=True)
        half_done = [e for e in newest_first if e.state.owner is Owner.EXECUTOR]
        steps = [
            FollowUp(execution_id=e.execution_id, step=Step.RESUME, reason=e.reason or Reason.NO_ANSWER)
            for e in half_done
        ]
        self._start_follow_ups(started, steps, catalogue, mode)
        for execution in newest_first:
            if self._reconciler.can_ask(execution):
                self._start(started, execution.execution_id, self._reconciler.ask(execution))
        return await self._wait(started, budget_seconds)

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

    async def undo_again(self, execution_id: str) -> Execution | None:
        """Try once more to undo what is frozen or given up; return it as it then is, None when there is no such thing.

        Raises:
            TransientError: not reachable, held back, or still in force. UncertainError: no usable answer.
            PermanentError: refused. FencedError: another daemon is in charge. StoreError: not written.
        """
        execution = await self._journal.execution(execution_id)
        if execution is None or execution.state not in LEFT_ALONE:
            return execution
        if hold := self.hold or self._gate.hold_on(execution):
            raise TransientError(hold.sentence)
        return await self._undoing.undo_again(replace(execution, terms=_terms(execution, self._catalogue)))

    async def give_up(self, execution_id: str) -> Execution | None:
        """Leave the target of what is frozen alone until a person resumes it.

        Raises:
            FencedError: another daemon has taken it over. StoreError: not written.
        """
        step = FollowUp(execution_id=execution_id, step=Step.GIVE_UP, reason=Reason.ROLL_BACK_FAILED)
        moved = await self._journal.follow_up(step, now=self._clock.now())
        if moved is not None:
            self._record.tell(moved)
        return moved or await self._journal.execution(execution_id)

    # tasks

    def _start(self, started: _Started, execution_id: str, work: Coroutine[Any, Any, _Outcome]) -> None:
        """Run one step as a named task; a step of an execution that is still under way is not begun twice."""
        if self.hold in _STOPPED or execution_id in self._running:
            work.close()
            return
        task = asyncio.create_task(work, name=f"execution {execution_id}")
        self._running[execution_id] = started[execution_id] = task
        task.add_done_callback(lambda done: self._ended(execution_id, done))

    def _ended(self, execution_id: str, task: asyncio.Task[_Outcome]) -> None:
        self._running.pop(execution_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("execution_step_failed", execution_id=execution_id, error=str(error))

    async def _wait(self, started: _Started, budget_seconds: float) -> tuple[str, ...]:
        if started:
            await asyncio.wait(started.values(), timeout=max(0.0, budget_seconds))
        return tuple(name for name, task in started.items() if not task.done() or isinstance(task.result(), Execution))

    # what is new

    def _new(self, plan: Plan, mode: Mode) -> _New:
        """Return everything new of a plan that may be begun in this mode, by execution id."""
        if mode is Mode.SHADOW or self.hold is not None:
            return {}
        new: _New = {}
        for step in plan.follow_ups:
            if step.step is Step.BEGIN:
                new[step.execution_id] = partial(self._begin, step)
        for action in plan.actions if mode is Mode.ENFORCE else ():
            new[action.execution_id] = partial(self._act, action, plan)
        for action in plan.proposals:
            new[action.execution_id] = partial(self._propose, action, plan)
        return new

    async def _alerts_now(self) -> tuple[Alert, ...] | None:
        """Look at the alerts once more; None when they cannot be seen, and then nothing new leaves."""
        try:
            return await self._alerts.alerts(timeout_seconds=self._timeout)
        except MapeKError as error:
            log.warning("alerts_not_seen_before_acting", error=str(error))
            return None

    async def _act(self, action: Action, plan: Plan, moment: Moment) -> _Outcome:
        admitted = await self._admit(action, plan, moment, State.ADMITTED)
        return await self._apply(admitted) if isinstance(admitted, Execution) else admitted

    async def _propose(self, action: Action, plan: Plan, moment: Moment) -> _Outcome:
        proposed = await self._admit(action, plan, moment, State.AWAITING_APPROVAL)
        if isinstance(proposed, Execution):
            self._record.tell(proposed)
        return proposed

    async def _admit(self, action: Action, plan: Plan, moment: Moment, to: State) -> Execution | Reason:
        admitted = await self._journal.admit(
            action,
            check=lambda ledger: self._last_check(action, moment, ledger),
            explanation=_explanation(action, plan, moment.assessment),
            now=self._clock.now(),
            to=to,
            incident=_incident(action, moment.assessment),
        )
        return self._told_if_refused(admitted, action.execution_id)

    async def _begin(self, step: FollowUp, moment: Moment) -> _Outcome:
        """Begin what a person agreed to: as it was shown, except that it has time to be applied again."""
        execution = await self._journal.execution(step.execution_id)
        if execution is None:
            return None
        now = self._clock.now()
        pack = moment.catalogue.packs.get(execution.pack)
        lifetime = pack.limits.plan_lifetime_seconds if pack else 0.0
        execution = replace(execution, request=replace(execution.request, not_after=now + timedelta(seconds=lifetime)))
        admitted = await self._journal.begin(
            step, execution.request, check=lambda ledger: self._last_check(execution, moment, ledger), now=now
        )
        if isinstance(admitted, Execution):
            return await self._apply(admitted)
        return admitted and self._told_if_refused(admitted, step.execution_id)

    def _told_if_refused(self, admitted: Execution | Reason, execution_id: str) -> Execution | Reason:
        if isinstance(admitted, Reason):
            log.warning("action_not_admitted", execution_id=execution_id, reason=admitted.value)
            self._refused(admitted)
        return admitted

    def _last_check(self, what: Action | Execution, moment: Moment, ledger: Ledger) -> Reason | None:
        """Ask the guards once more, on the ledger as it is inside the admitting transaction."""
        if self.is_fenced:
            return Reason.FENCED
        if is_late(what.request, self._clock.now()):
            return Reason.EXPIRED
        if moment.alerts is None:
            return Reason.BLIND
        remediation = moment.catalogue.remediation(what.pack, what.remediation)
        behind = moment.reason_behind(what)
        if remediation is None or behind is None:
            return Reason.WITHDRAWN
        if moment.is_silenced(what):
            return Reason.SILENCED
        limits = moment.catalogue.packs[what.pack].limits
        seen = replace(moment.as_seen(ledger, but=what), held=self.held)
        return refusal(Proposal.of(remediation, *behind, limits), seen)

    async def _apply(self, admitted: Execution) -> Execution:
        """Send what is admitted; what turns out to be half of an action is undone at once."""
        return await self._settled(await self._sending.send(await self._record.move(admitted, State.APPLYING)))

    async def _settled(self, sent: Execution) -> Execution:
        return await self._undoing.roll_back(sent) if sent.state is State.ROLLING_BACK else sent

    # what is open

    def _start_follow_ups(self, started: _Started, steps: Iterable[FollowUp], catalogue: Catalogue, mode: Mode) -> None:
        self._catalogue = catalogue
        may_send = mode is not Mode.SHADOW and self.hold is None
        for step in steps:
            if step.step is not Step.BEGIN and (may_send or step.step not in _SENT):
                self._start(started, step.execution_id, self._follow_up(step, catalogue))

    async def _follow_up(self, step: FollowUp, catalogue: Catalogue) -> Execution | None:
        if step.step in _SENT and await self._is_held(step):
            return None
        execution = await self._journal.follow_up(step, now=self._clock.now())
        if execution is None:
            return None
        self._record.tell(execution)
        execution = replace(execution, terms=_terms(execution, catalogue))
        remediation = catalogue.remediation(execution.pack, execution.remediation)
        carry_on: Mapping[State, Callable[[], Awaitable[Execution]]] = {
            State.ADMITTED: lambda: self._record.move(execution, State.FAILED, reason=Reason.EXPIRED),
            State.APPLYING: lambda: self._sending.unanswered(
                execution, execution.updated_at, "its end was not written down"
            ),
            State.UNCERTAIN: lambda: self._resolve(execution),
            State.ROLLING_BACK: lambda: self._undoing.roll_back(execution),
            State.RENEWING: lambda: self._sending.renew(execution, remediation),
        }
        return await carry_on[execution.state]() if execution.state in carry_on else execution

    async def _is_held(self, step: FollowUp) -> bool:
        """Whether one of those who would be asked in this step is left alone; then it waits, and counts as no try."""
        execution = await self._journal.execution(step.execution_id) if self.held else None
        return execution is not None and self._gate.hold_on(execution) is not None

    async def _resolve(self, execution: Execution) -> Execution:
        return await self._settled(await self._sending.resolve(execution))


def _terms(execution: Execution, catalogue: Catalogue) -> Terms:
    """Return what an execution was admitted with; one of an earlier version goes by what its pack says today."""
    if execution.plan_hash:
        return execution.terms
    remediation = catalogue.remediation(execution.pack, execution.remediation)
    if remediation is None:
        return Terms(is_irreversible=True)
    return terms_of(remediation, execution.request, reach_seconds=catalogue.reach_seconds(remediation))


def _explanation(action: Action, plan: Plan, assessment: Assessment) -> Mapping[str, object]:
    """Return what ``explain`` shows: the incident as it was seen, and the decision with all it was made among."""
    decision: Decision = next(d for d in plan.decisions if d.action is action)
    return {"as_of": plan.as_of, "incident": _incident(action, assessment), "decision": decision}


def _incident(action: Action, assessment: Assessment) -> Incident:
    return next(i for i in assessment.incidents if i.incident_id == action.incident_id)
