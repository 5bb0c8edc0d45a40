"""The Charter: the world, the policies in force and the store, kept in step. What it answers is durable."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from westworld import store as keep
from westworld.clock import Clock, from_wire
from westworld.enforcement import Decision, Policy, Register, Sender
from westworld.escalation import Repetition
from westworld.faults import Faults
from westworld.happenings import Happenings, Violation
from westworld.influence import Influence, influence
from westworld.metrics import Metrics
from westworld.problems import Refusal, overloaded
from westworld.publisher import Publisher
from westworld.requests import Observation, PolicyRequest, ReportedViolation
from westworld.store import Answer, Remembered, Store
from westworld.turns import Turns
from westworld.validator import MetricValidator, Ruling
from westworld.world import World
from westworld.worldfile import WorldFile

_STEP_SECONDS = 0.05
_SAVE_EVERY_SECONDS = 1.0
_PRUNE_EVERY_SECONDS = 3600.0
_MOST_UNNOTIFIED = 50_000
_LOG = logging.getLogger("westworld")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one service runs.

    Args:
        time_scale: divides every duration of the world; rates and latencies stay.
        minimal: keys and epochs are ignored, and written to the journal alone.
    """

    time_scale: float = 1.0
    minimal: bool = False


class Charter:
    """One Charter service, without HTTP.

    Args:
        file: the world, in true durations.
        store: where everything is kept.
        remembered: what an earlier run left there.
        clock: the time.
        read_document: returns the text of the newest published policy document.

    Raises:
        InvalidFile: the policy document does not validate.
    """

    def __init__(
        self,
        file: WorldFile,
        *,
        store: Store,
        remembered: Remembered,
        clock: Clock,
        read_document: Callable[[], str],
        options: Options,
    ) -> None:
        self._file = file.scaled(options.time_scale)
        self._options = options
        self._store = store
        self._clock = clock
        now = clock.now()
        self.world = World(
            self._file,
            publisher=Publisher(read_document, now, remembered.world and remembered.world["publisher"]),
            now=now,
            new_id=_new_id,
            repetition=Repetition(remembered.past_violations),
            time_scale=options.time_scale,
        )
        self.metrics = Metrics(tuple(file.sources))
        self._validator = MetricValidator(self.world.publisher.document, self.metrics.observe_validation_ns)
        self._register = Register(remembered.policies, self._file.policies)
        self.faults = Faults(
            self._file.faults,
            remembered.faults,
            world=self.world,
            store=store,
            clock=clock,
            time_scale=options.time_scale,
        )
        self._epoch = remembered.epoch
        self._turns = Turns()
        self._unsaved: set[asyncio.Task[Any]] = set()
        self._saved = ""
        self._saved_at = self._pruned_at = now
        self._lapsing = False
        self.store_problem = ""
        self._continue(remembered, now)

    async def run(self) -> None:
        """Let the time pass until cancelled."""
        while True:
            self.tick()
            await asyncio.sleep(_STEP_SECONDS)

    def tick(self) -> None:
        """Let the world live until now; what has to be kept is on its way to the store."""
        now = self._clock.now()
        happened = self.world.step(now)
        self.metrics.record(happened)
        self._validator.put_in_force(self.world.publisher.document)
        self._keep(happened, now)
        if self._register.lapsed(now) and not self._lapsing:
            self._lapsing = True
            self._in_background(self._lapse_in_turn())

    def exposition(self) -> bytes:
        """Return the metrics as they are now."""
        self.metrics.show(self.world)
        return self.metrics.exposition()

    async def close(self) -> None:
        """Save the world and let go of the store."""
        await asyncio.gather(*self._unsaved)
        state = json.dumps(self.world.state())
        await self._or_tell(self._store.write(lambda c: keep.save_fact(c, "world", state)))
        self._store.close()

    async def report(self, reported: Sequence[ReportedViolation]) -> tuple[int, int]:
        """Take violations that were detected outside; durable when it returns.

        Returns:
            How many are new, and how many were known by their id.

        Raises:
            Refusal: 503, the committee's notifications are too far behind.
        """
        if self.world.committee.notifier.waiting >= _MOST_UNNOTIFIED:
            raise overloaded("the notifications are too far behind")
        came_at = self._clock.now()
        violations = [self._assess(violation, came_at) for violation in reported]
        new = await self._store.write(lambda c: keep.add_violations(c, violations))
        now = self._clock.now()
        for violation in new:
            self.world.take(violation, now=came_at, report_ms=(now - came_at) * 1000.0)
        return len(new), len(violations) - len(new)

    def observe(self, observations: Sequence[Observation]) -> dict[str, Any]:
        """Validate metrics that nodes want to collect; a forbidden one is an attempt."""
        counts = {str(ruling): 0 for ruling in Ruling}
        forbidden = []
        for index, observation in enumerate(observations):
            ruling = self._validator.check(observation.metric_name)
            counts[ruling] += 1
            if ruling is Ruling.FORBIDDEN:
                self.world.attempt(observation.metric_name, observation.node_or_service)
                forbidden.append({"index": index, "metric_name": observation.metric_name})
        return {**counts, "refused": forbidden}

    async def put_policy(self, request: PolicyRequest, fingerprint: str, sender: Sender) -> tuple[int, dict[str, Any]]:
        """Put a policy in force.

        Returns:
            The status and the body of the answer.

        Raises:
            Refusal: as the contract of ``POST /api/v1/policies`` says.
        """

        async def decide() -> Decision:
            now = self._clock.now()
            self._register.check(request, now)
            return self._register.decide(request, sender, now=now, new_id=_new_id())

        if request.dry_run:
            self.check(request)
            return 200, {"status": "valid", "dry_run": True}
        return await self._command(decide, fingerprint, sender, created=201)

    def check(self, request: PolicyRequest) -> None:
        """Say whether a policy could be put in force now; changes nothing. Raises as :meth:`put_policy`."""
        now = self._clock.now()
        self._register.check(request, now)
        self._register.decide(request, Sender(), now=now, new_id="")

    async def roll_back(self, policy_id: str, sender: Sender) -> tuple[int, dict[str, Any]]:
        """Take a policy out of force. Returns and raises as :meth:`put_policy`; 404 for an unknown one."""

        async def decide() -> Decision:
            policy = await self._store.policy(policy_id)
            if policy is None:
                raise Refusal(404, f"there is no policy {policy_id}")
            return self._register.roll_back(policy, sender, self._clock.now())

        return await self._command(decide, f"rollback {policy_id}", sender, created=200)

    def _continue(self, remembered: Remembered, now: float) -> None:
        if remembered.world is not None:
            self.world.restore(remembered.world)
        for policy in remembered.policies:
            self._enforce(policy)
        for severity, violation_id in remembered.to_notify:
            self.world.notify_again(severity, violation_id, now)

    def _enforce(self, policy: Policy) -> None:
        if policy.status != "active":
            self.world.remove(policy.policy_id)
        elif policy.kind in self._file.policies:
            self.world.add(self._influence(policy))

    def _influence(self, policy: Policy) -> Influence:
        return influence(
            policy.policy_id,
            self._file.policies[policy.kind],
            began_at=policy.applied_at,
            target=policy.target,
            parameters=policy.parameters,
        )

    async def _command(
        self, decide: Callable[[], Coroutine[Any, Any, Decision]], fingerprint: str, sender: Sender, *, created: int
    ) -> tuple[int, dict[str, Any]]:
        key = None if self._options.minimal else sender.idempotency_key
        async with self._turns.turn(key):
            if not self._options.minimal:
                await self._fence(sender.epoch)
            known = await self._store.answer(key) if key is not None else None
            if known is not None:
                return 200, _same_answer(known, fingerprint)
            await self._lapse()
            decision = await decide()
            body = _answer_body(decision.policy, key)
            await self._commit(decision, key, Answer(fingerprint=fingerprint, body=body))
            return created, body

    async def _fence(self, epoch: int | None) -> None:
        if epoch is None or epoch == self._epoch:
            return
        if epoch < self._epoch:
            raise Refusal(
                412,
                f"the fencing token {epoch} is stale: somebody with {self._epoch} is in charge",
                extra={"current_epoch": self._epoch},
            )
        await self._store.write(lambda c: keep.save_fact(c, "epoch", str(epoch)))
        self._epoch = epoch

    async def _commit(self, decision: Decision, key: str | None, answer: Answer) -> None:
        now = self._clock.now()

        def work(connection: keep.Connection) -> None:
            keep.save_entries(connection, decision.entries)
            if key is not None:
                keep.save_answer(connection, key, answer, now)

        await self._store.write(work)
        self._put_in_effect(decision.changed)

    def _assess(self, reported: ReportedViolation, now: float) -> Violation:
        return self.world.assess(
            reported.violation_type,
            reported.node_or_service,
            at=from_wire(reported.detected_at) if reported.detected_at else now,
            metric=reported.metric_name,
            severity=reported.severity,
            violation_id=reported.id,
        )

    def _keep(self, happened: Happenings, now: float) -> None:
        completed = [policy for name in happened.acted if (policy := self._register.complete(name)) is not None]
        state = self._state_to_save(now, must=bool(happened.acted))
        if happened.violations or happened.notified or completed or state:
            self._in_background(self._write(happened, completed, state))
        self._put_in_effect(completed)
        if now - self._pruned_at > _PRUNE_EVERY_SECONDS:
            self._pruned_at = now
            self._in_background(self._store.write(lambda c: keep.prune(c, now)))

    def _state_to_save(self, now: float, *, must: bool) -> str | None:
        if not must and now - self._saved_at < _SAVE_EVERY_SECONDS:
            return None
        self._saved_at = now
        state = json.dumps(self.world.state())
        if state == self._saved:
            return None
        self._saved = state
        return state

    async def _write(self, happened: Happenings, completed: Sequence[Policy], state: str | None) -> None:
        await self._store.write(lambda c: _write_happenings(c, happened, completed, state))
        if state is not None:
            self.store_problem = ""

    async def _lapse_in_turn(self) -> None:
        try:
            async with self._turns.turn(None):
                await self._lapse()
        finally:
            self._lapsing = False

    async def _lapse(self) -> None:
        entries = self._register.lapsed(self._clock.now())
        if entries:
            await self._store.write(lambda c: keep.save_entries(c, entries))
            self._put_in_effect(tuple(entry.policy for entry in entries))

    def _put_in_effect(self, policies: Iterable[Policy]) -> None:
        self._register.record(policies)
        for policy in policies:
            self._enforce(policy)

    def _in_background(self, saving: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(self._or_tell(saving))
        self._unsaved.add(task)
        task.add_done_callback(self._unsaved.discard)

    async def _or_tell(self, saving: Coroutine[Any, Any, None]) -> None:
        try:
            await saving
        except (OSError, Refusal, keep.DatabaseError) as error:
            self.store_problem = str(error)
            self._saved = ""
            _LOG.exception("the store does not take what happened")


def _write_happenings(
    connection: keep.Connection, happened: Happenings, completed: Sequence[Policy], state: str | None
) -> None:
    keep.add_violations(connection, happened.violations)
    keep.note_notified(connection, happened.notified)
    for policy in completed:
        keep.save_policy(connection, policy)
    if state is not None:
        keep.save_fact(connection, "world", state)


def _same_answer(known: Answer, fingerprint: str) -> dict[str, Any]:
    if known.fingerprint != fingerprint:
        raise Refusal(
            422, "this Idempotency-Key came with another body before", fields={"Idempotency-Key": "use a new one"}
        )
    return dict(known.body)


def _answer_body(policy: Policy, key: str | None) -> dict[str, Any]:
    body = {"policy_id": policy.policy_id, "version": policy.version, "status": policy.status}
    return body if key is None else {**body, "idempotency_key": key}


def _new_id() -> str:
    return uuid4().hex
