"""Putting policies in force: part by part, each answer durable before the next part leaves; asking after lost ones."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from mape_k.errors import (
    ConflictError,
    FencedError,
    MapeKError,
    PermanentError,
    RejectedError,
    TransientError,
    UncertainError,
)
from mape_k.execute.gate import Gate
from mape_k.execute.parts import UNNAMED, Part, named, next_part, parts_of
from mape_k.execute.record import Record
from mape_k.model import Execution, PolicyRequest, Reason, Remediation, State
from mape_k.ports import Applied, Clock

_REASONS: Mapping[type[MapeKError], Reason] = {
    FencedError: Reason.FENCED,
    ConflictError: Reason.CONFLICT,
    PermanentError: Reason.REJECTED,
}


class Sending:
    """Sends what an execution consists of.

    Args:
        gate: through which requests leave.
        record: where each answer is durable.
        clock: the time.
    """

    def __init__(self, gate: Gate, record: Record, clock: Clock) -> None:
        self._gate = gate
        self._record = record
        self._clock = clock

    async def send(self, execution: Execution) -> Execution:
        """Send the parts that are not in force yet, one after the other; their intent is durable."""
        while execution.state is State.APPLYING:
            moved = await self._send(execution, next_part(execution))
            if moved is None:
                break
            execution = moved
        return execution

    async def _send(self, execution: Execution, part: Part) -> Execution | None:
        """Send one part; None when this daemon was fenced between two parts, and the next leader has to go on."""
        sent_at = self._clock.now()
        if is_late(part.request, sent_at):
            return await self._refused(execution, part, Reason.EXPIRED)
        try:
            applied = await self._gate.apply(execution, key=part.key, request=part.request)
        except UncertainError as error:
            return await self.unanswered(execution, sent_at, str(error))
        except MapeKError as error:
            if isinstance(error, FencedError) and part.number:
                return None
            return await self._refused(execution, part, self._reason(part, error), str(error))
        return await self._answered(execution, part, applied)

    async def resolve(self, execution: Execution) -> Execution:
        """Find out what became of a request without an answer: ask with the same key, else look at the world."""
        part = next_part(execution)
        if not self._gate.is_idempotent(part.request):
            return await self._observe(execution, part)
        try:
            applied = await self._gate.apply(execution, key=part.key, request=part.request)
        except (TransientError, UncertainError, FencedError):
            return execution
        except (RejectedError, ConflictError) as error:
            return await self._refused(execution, part, self._reason(part, error), str(error))
        except PermanentError:
            return await self._observe(execution, part)
        return await self.send(await self._answered(execution, part, applied))

    async def unanswered(self, execution: Execution, sent_at: datetime, detail: str) -> Execution:
        """Write down that a request left at ``sent_at`` and that nobody knows what came of it."""
        return await self._record.move(
            execution, State.UNCERTAIN, applied_at=sent_at, reason=Reason.NO_ANSWER, detail=detail
        )

    async def renew(self, execution: Execution, remediation: Remediation | None) -> Execution:
        """Extend every part that is still needed; a refusal is told, and the policy ends when its lifetime does."""
        ttl_seconds = remediation.lifetime.ttl_seconds if remediation and remediation.lifetime else None
        try:
            first, *further = [
                await self._renew(execution, part, ttl_seconds or part.request.ttl_seconds)
                for part in parts_of(execution)
            ]
        except (TransientError, UncertainError) as error:
            return await self._not_renewed(execution, error)
        except FencedError:
            return execution
        except MapeKError as error:
            reason = Reason.RENEWAL_FAILED
            return await self._record.move(execution, State.SUCCEEDED, reason=reason, detail=str(error))
        lifetime = timedelta(seconds=ttl_seconds or execution.request.ttl_seconds or 0.0)
        return await self._record.move(
            execution,
            State.IN_FORCE,
            policy_id=first,
            further_ids=tuple(further),
            renewals=execution.renewals + 1,
            expires_at=self._clock.now() + lifetime,
        )

    async def _renew(self, execution: Execution, part: Part, ttl_seconds: float | None) -> str:
        """Extend one part, and return its name; of durable facts alone, since a repeated key carries the same body."""
        request = replace(part.request, ttl_seconds=ttl_seconds, not_after=execution.expires_at)
        key = f"{part.key}:renew:{execution.renewals + 1}"
        return (await self._gate.apply(execution, key=key, request=request)).policy_id

    async def _not_renewed(self, execution: Execution, error: MapeKError) -> Execution:
        requests = (execution.request, *execution.terms.further)
        counted = isinstance(error, UncertainError) and not self._gate.is_idempotent(*requests)
        return await self._record.move(
            execution,
            State.IN_FORCE,
            renewals=execution.renewals + int(counted),
            reason=Reason.RENEWAL_FAILED,
            detail=str(error),
        )

    async def _answered(self, execution: Execution, part: Part, applied: Applied) -> Execution:
        """Write down that the other side has a part; one that it had before ends as long after its sending."""
        fields = named(execution, part.number, applied.policy_id)
        if not part.is_last:
            return await self._record.move(execution, State.APPLYING, **fields)
        now = self._clock.now()
        began_at = execution.applied_at if applied.was_known and execution.applied_at else now
        times = _times(execution, began_at) | {"applied_at": now}
        return await self._record.move(execution, State.VERIFYING, **fields, **times)

    async def _observe(self, execution: Execution, part: Part) -> Execution:
        """Take it that a part arrived, and let the world say what came of it; half of an action is undone instead."""
        sent_at = execution.applied_at or execution.updated_at
        fields = named(execution, part.number, UNNAMED) if part.number else {}
        if part.is_last:
            return await self._record.move(execution, State.VERIFYING, **fields, **_times(execution, sent_at))
        return await self._record.move(execution, State.ROLLING_BACK, **fields, reason=Reason.NO_ANSWER)

    async def _refused(self, execution: Execution, part: Part, reason: Reason, detail: str = "") -> Execution:
        """Write down that a part is not in force: the world was not touched, or what was done of it is undone."""
        to = State.ROLLING_BACK if part.number else State.FAILED
        return await self._record.move(execution, to, reason=reason, detail=detail)

    def _reason(self, part: Part, error: MapeKError) -> Reason:
        if isinstance(error, RejectedError) and is_late(part.request, self._clock.now()):
            return Reason.EXPIRED  # it came too late: that says nothing against another try on fresh evidence
        return next((r for kind, r in _REASONS.items() if isinstance(error, kind)), Reason.UNREACHABLE)


def is_late(request: PolicyRequest, now: datetime) -> bool:
    """Whether a request must not be applied any more."""
    return request.not_after is not None and now > request.not_after


def _times(execution: Execution, applied_at: datetime) -> dict[str, object]:
    """Return the times that count from the moment a policy came into force."""
    ttl = execution.request.ttl_seconds
    expires_at = applied_at + timedelta(seconds=ttl) if ttl is not None else None
    return {"applied_at": applied_at, "expires_at": expires_at}
