"""After a start: what does the other side say of the policies that an earlier daemon left in force?"""

from mape_k.errors import MapeKError
from mape_k.execute.gate import Gate
from mape_k.execute.parts import parts_of
from mape_k.execute.record import Record
from mape_k.model import Execution, PolicyRequest, Reason, State
from mape_k.ports import Clock

_BECOMES = {
    State.VERIFYING: State.ROLLED_BACK,
    State.PROBATION: State.SUCCEEDED,
    State.IN_FORCE: State.SUCCEEDED,
}
"""What an execution becomes whose policy is in force no more; what was seen to help has helped."""


class Reconciler:
    """Asks after policies that should be in force.

    Args:
        gate: through which requests leave.
        record: where what is found is durable.
        clock: the time.
    """

    def __init__(self, gate: Gate, record: Record, clock: Clock) -> None:
        self._gate = gate
        self._record = record
        self._clock = clock

    def can_ask(self, execution: Execution) -> bool:
        """Whether an execution should have a policy in force, and the other side's name for it is known."""
        return execution.state in _BECOMES and execution.request.ttl_seconds is not None and any(_named(execution))

    async def ask(self, execution: Execution) -> Execution | None:
        """End an execution none of whose policies is in force any more; that teaches nothing about it."""
        try:
            answers = [await self._gate.is_in_force(request, name) for request, name in _named(execution)]
        except MapeKError:
            return None
        if any(answer is not False for answer in answers):
            return None
        has_lapsed = execution.expires_at is not None and self._clock.now() >= execution.expires_at
        reason = Reason.LAPSED_UNSEEN if has_lapsed else Reason.UNDONE_ELSEWHERE
        return await self._record.move(execution, _BECOMES[execution.state], reason=reason, expires_at=None)


def _named(execution: Execution) -> list[tuple[PolicyRequest, str]]:
    """Return the parts in force whose names are known, each with its name."""
    names = (execution.policy_id, *execution.further_ids)
    return [(part.request, name) for part, name in zip(parts_of(execution), names, strict=False) if name]
