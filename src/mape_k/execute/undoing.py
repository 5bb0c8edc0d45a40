"""Undoing what did not help: the last part first, looked at afterwards, and not for ever."""

from mape_k.errors import FencedError, MapeKError, PermanentError, TransientError, UncertainError
from mape_k.execute.gate import Gate
from mape_k.execute.parts import part_key, parts_of
from mape_k.execute.record import Record
from mape_k.model import Execution, Reason, State

MOST_TRIES = 5
"""After so many attempts that did not undo it, a target is frozen and the schedule of dead letters goes on."""


class StillInForceError(TransientError):
    """A roll-back was accepted, and the policy is in force all the same."""


class Undoing:
    """Rolls executions back.

    Args:
        gate: through which requests leave.
        record: where each step is durable.
    """

    def __init__(self, gate: Gate, record: Record) -> None:
        self._gate = gate
        self._record = record

    async def roll_back(self, execution: Execution) -> Execution:
        """Undo an execution that is rolling back; what cannot be undone freezes its target until a person looked."""
        try:
            return await self._undo(execution)
        except FencedError:
            return execution
        except UncertainError as error:
            is_lost = not self._gate.is_idempotent(*execution.terms.undo)
            return await (self._freeze(execution, error) if is_lost else self._not_undone(execution, error))
        except TransientError as error:
            return await self._not_undone(execution, error)
        except MapeKError as error:
            return await self._freeze(execution, error)

    async def undo_again(self, execution: Execution) -> Execution:
        """Try once more to undo a frozen execution; raises as an effector when that failed, too."""
        try:
            return await self._undo(execution)
        except StillInForceError:
            await self._record.move(execution, execution.state, undone=execution.undone + 1)
            raise

    async def _undo(self, execution: Execution) -> Execution:
        """Undo what is left of an execution, each part durably before the one that was sent before it."""
        if execution.terms.is_irreversible:
            raise PermanentError("nothing is known that undoes it")
        while execution.terms.undo:
            await self._undo_part(execution, len(execution.further_ids))
            if not execution.further_ids:
                break
            execution = await self._record.move(execution, execution.state, further_ids=execution.further_ids[:-1])
        return await self._record.move(execution, State.ROLLED_BACK, expires_at=None)

    async def _undo_part(self, execution: Execution, number: int) -> None:
        policy_id = (execution.policy_id, *execution.further_ids)[number] or None
        suffix = f":{execution.undone}" if execution.undone else ""
        by_id = await self._gate.roll_back(
            execution,
            policy_id,
            execution.terms.undo[number],
            key=f"{part_key(execution, number)}:rollback{suffix}",
        )
        if by_id and policy_id is not None and await self._is_still_in_force(execution, number, policy_id):
            raise StillInForceError(f"{policy_id} is still in force after its roll-back")

    async def _is_still_in_force(self, execution: Execution, number: int, policy_id: str) -> bool:
        """Look whether a roll-back took effect; where nobody can say, the answer to it counts."""
        requests = [part.request for part in parts_of(execution)]
        try:
            return bool(await self._gate.is_in_force(requests[number], policy_id))
        except PermanentError:
            return False

    async def _not_undone(self, execution: Execution, error: MapeKError) -> Execution:
        """Count an attempt; it is repeated in a later cycle, with the same key unless it was accepted in vain."""
        if execution.tries + 1 >= MOST_TRIES:
            return await self._freeze(execution, error)
        fields: dict[str, object] = {"tries": execution.tries + 1, "detail": str(error)}
        if isinstance(error, StillInForceError):
            fields |= {"undone": execution.undone + 1, "reason": Reason.STILL_IN_FORCE}
        return await self._record.move(execution, State.ROLLING_BACK, **fields)

    async def _freeze(self, execution: Execution, error: MapeKError) -> Execution:
        undone = execution.undone + int(isinstance(error, StillInForceError))
        return await self._record.move(
            execution, State.FROZEN, reason=Reason.ROLL_BACK_FAILED, detail=str(error), undone=undone
        )
