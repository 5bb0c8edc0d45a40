"""A journal in memory: what the loop and the executor see of Knowledge, without a file."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta

from mape_k.errors import FencedError
from mape_k.knowledge.moves import MOVABLE, entering
from mape_k.model import (
    STARTS_FROM,
    TRANSITIONS,
    Action,
    CycleReport,
    Execution,
    FollowUp,
    Incident,
    Ledger,
    Mode,
    OpenIncident,
    Pause,
    PolicyRequest,
    Reason,
    State,
    Step,
    SuccessRate,
    Verdict,
    due_at,
    next_state,
)
from mape_k.ports import Clock


class FakeJournal:
    """Keeps the promises of :class:`mape_k.ports.Journal`, except that nothing outlives it."""

    def __init__(self, clock: Clock, *, epoch: int = 1, mode: Mode = Mode.ENFORCE) -> None:
        self.clock, self.epoch, self.mode = clock, epoch, mode
        self.rows: dict[str, Execution] = {}
        self.incidents: dict[str, OpenIncident] = {}
        self.rates: dict[tuple[str, str, str], SuccessRate] = {}
        self.sight_lost_at: dict[str, datetime] = {}
        self.pause: Pause | None = None
        self.reports: list[CycleReport] = []

    async def open_cycle(self, report: CycleReport) -> Ledger:
        return self.ledger(report.as_of)

    def ledger(self, as_of: datetime) -> Ledger:
        kept = [e for e in self.rows.values() if e.is_open or e.admitted_at >= as_of - timedelta(hours=24)]
        return Ledger(
            as_of=as_of,
            epoch=self.epoch,
            mode=self.mode,
            pauses=(self.pause,) if self.pause else (),
            executions=tuple(sorted(kept, key=lambda e: (e.admitted_at, e.execution_id))),
            incidents=tuple(sorted(self.incidents.values(), key=lambda i: (i.opened_at, i.incident_id))),
            success_rates=dict(self.rates),
            sight_lost_at=dict(self.sight_lost_at),
        )

    async def close_cycle(self, report: CycleReport) -> CycleReport:
        self.reports.append(report)
        if report.snapshot:
            lost = {name: report.as_of for name, source in report.snapshot.sources.items() if not source.is_up}
            self.sight_lost_at |= lost
        if report.assessment:
            self.incidents |= {i.incident_id: _open(i, report.as_of) for i in report.assessment.incidents}
            self.incidents = {k: i for k, i in self.incidents.items() if k not in report.assessment.closed}
            for judgement in report.assessment.judgements:
                judged = self.rows[judgement.execution_id]
                self.rows[judged.execution_id] = replace(judged, observation=judgement.observation)
        return report

    async def admit(
        self,
        action: Action,
        *,
        check: Callable[[Ledger], Reason | None],
        explanation: Mapping[str, object],  # noqa: ARG002
        now: datetime,
        to: State = State.ADMITTED,
        incident: Incident | None = None,
    ) -> Execution | Reason:
        if known := self.rows.get(action.execution_id):
            return Reason.IN_FLIGHT if known.is_open else Reason.ALREADY_TRIED
        if refusal := check(self.ledger(now)):
            return refusal
        same = {f.name: getattr(action, f.name) for f in fields(Action) if f.name != "score"}
        new = {"state": to, "epoch": self.epoch, "admitted_at": now, "updated_at": now}
        reason = Reason.APPROVAL_WANTED if to is State.AWAITING_APPROVAL else Reason.BEST_CANDIDATE
        due = due_at(to, action.terms, None, now)
        self.rows[action.execution_id] = Execution(**same, **new, reason=reason, due_at=due)
        if incident is not None:
            self.incidents[incident.incident_id] = _open(incident, now)
        return self.rows[action.execution_id]

    async def move(self, execution: Execution, to: State, **named: object) -> Execution:
        if to is not execution.state and to not in TRANSITIONS[execution.state]:
            raise ValueError(f"no execution moves from {execution.state} to {to}")
        if named.keys() - MOVABLE:
            raise ValueError(f"a move cannot set {named.keys() - MOVABLE}")
        row = self.rows[execution.execution_id]
        if (row.state, row.epoch) != (execution.state, execution.epoch):
            raise FencedError(f"{execution.execution_id} is not {execution.state} any more")
        now = self.clock.now()
        if (row.state, to) == (State.ADMITTED, State.APPLYING) and self._is_paused(row, now):
            to, named = State.FAILED, {"reason": Reason.PAUSED}
        fields = entering(row, to, now, named) | named
        self.rows[row.execution_id] = replace(row, **fields, state=to, updated_at=now)
        return self.rows[row.execution_id]

    def _is_paused(self, row: Execution, now: datetime) -> bool:
        return self.pause is not None and self.pause.covers(row.pack, row.remediation, row.target, now)

    async def begin(
        self, step: FollowUp, request: PolicyRequest, *, check: Callable[[Ledger], Reason | None], now: datetime
    ) -> Execution | Reason | None:
        row = self.rows.get(step.execution_id)
        if row is None or row.state is not State.AWAITING_APPROVAL:
            return None
        if refusal := check(self.ledger(now)):
            return refusal
        return await self.move(row, State.ADMITTED, request=request, reason=step.reason)

    async def follow_up(self, step: FollowUp, *, now: datetime) -> Execution | None:  # noqa: ARG002
        row = self.rows.get(step.execution_id)
        if row is None or row.state not in STARTS_FROM[step.step]:
            return None
        if step.step is Step.RESUME:
            return row
        self._learn(row, step)
        to = next_state(row, step.step)
        return await self.move(row, to, verdict=step.verdict or row.verdict, reason=step.reason)

    def _learn(self, row: Execution, step: FollowUp) -> None:
        if step.step is Step.CONFIRM and step.verdict is not Verdict.IMPROVED:
            raise ValueError("a confirmation needs an improvement")
        if row.state is State.UNDO_WANTED:
            return
        did_not_help = step.step in (Step.ROLL_BACK, Step.ASK_TO_UNDO, Step.KEEP)
        is_failure = did_not_help and step.verdict not in (None, Verdict.UNKNOWN)
        key = row.pack, row.remediation, row.symptom
        old = self.rates.get(key, SuccessRate())
        new = SuccessRate(successes=old.successes + (step.step is Step.CONFIRM), failures=old.failures + is_failure)
        if new != old:
            self.rates[key] = new

    async def execution(self, execution_id: str) -> Execution | None:
        return self.rows.get(execution_id)


def _open(incident: Incident, as_of: datetime) -> OpenIncident:
    root = incident.root
    return OpenIncident(
        incident_id=incident.incident_id,
        pack=root.pack,
        symptom=root.symptom,
        target=root.target,
        opened_at=incident.opened_at,
        last_seen_at=as_of,
    )
