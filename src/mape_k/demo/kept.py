"""The Knowledge of an earlier demo, from which another one goes on."""

from collections.abc import Mapping
from pathlib import Path

from mape_k.knowledge import open_knowledge
from mape_k.model import Mode, Reason, State
from mape_k.ports import Clock

_ENDS: Mapping[State, State] = {
    State.AWAITING_APPROVAL: State.FAILED,
    State.UNCERTAIN: State.FAILED,
    State.VERIFYING: State.SUCCEEDED,
    State.PROBATION: State.SUCCEEDED,
    State.IN_FORCE: State.SUCCEEDED,
    State.RENEWING: State.SUCCEEDED,
    State.UNDO_WANTED: State.INCONCLUSIVE,
    State.ROLLING_BACK: State.ROLLED_BACK,
    State.FROZEN: State.ROLLED_BACK,
    State.DEAD: State.ROLLED_BACK,
}
"""How what was open ends; opening Knowledge has already dealt with what was never sent."""


async def let_lapse(database: Path, clock: Clock) -> None:
    """Write down that all that was open ended with the earlier demo's Charter; what was learned stays.

    Raises:
        StoreError: it cannot be opened or written.
    """
    knowledge = await open_knowledge(f"sqlite:///{database}", clock=clock, mode=Mode.ENFORCE)
    try:
        for execution in (await knowledge.journal.ledger()).open_executions:
            end = _ENDS[execution.state]
            await knowledge.journal.move(execution, end, reason=Reason.LAPSED_UNSEEN, expires_at=None)
    finally:
        await knowledge.close()
