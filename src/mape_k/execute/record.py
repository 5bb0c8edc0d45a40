"""Every move that Execute makes: durable first, then told."""

from collections.abc import Callable

import structlog

from mape_k.model import Execution, State
from mape_k.ports import Journal

log = structlog.get_logger(__name__)


class Record:
    """Moves executions in the journal, and tells of each move.

    Args:
        journal: where each move is durable.
        told: called with every execution that moved.
    """

    def __init__(self, journal: Journal, told: Callable[[Execution], None]) -> None:
        self._journal = journal
        self._told = told

    async def move(self, execution: Execution, to: State, **fields: object) -> Execution:
        """Move by compare-and-set; raises as :meth:`mape_k.ports.Journal.move`."""
        moved = await self._journal.move(execution, to, **fields)
        self.tell(moved)
        return moved

    def tell(self, moved: Execution) -> None:
        """Tell of a move."""
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
