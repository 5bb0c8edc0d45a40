"""The Knowledge of an earlier demo, from which another one goes on."""

from pathlib import Path

from mape_k.knowledge import open_knowledge
from mape_k.model import FollowUp, Mode, Reason, Step
from mape_k.ports import Clock


async def let_lapse(database: Path, clock: Clock) -> None:
    """Write down that the policies of the earlier demo ended with its Charter; what was learned stays.

    Raises:
        StoreError: it cannot be opened or written.
    """
    knowledge = await open_knowledge(f"sqlite:///{database}", clock=clock, mode=Mode.ENFORCE)
    try:
        for execution in (await knowledge.journal.ledger()).open_executions:
            ended = FollowUp(execution_id=execution.execution_id, step=Step.LET_LAPSE, reason=Reason.LAPSED_UNSEEN)
            await knowledge.journal.follow_up(ended, now=clock.now())
    finally:
        await knowledge.close()
