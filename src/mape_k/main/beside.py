"""What must run for as long as something else does."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.get_logger(__name__)


@asynccontextmanager
async def beside(**endless: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run what never ends by itself beside the block, under its name, and cancel it with the end of the block.

    Raises:
        ExceptionGroup: one of them ended all the same; the block is cancelled.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_guarded(name, work), name=name) for name, work in endless.items()]
        yield
        for task in tasks:
            task.cancel()


async def _guarded(name: str, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.critical("ended_unexpectedly", what=name, exc_info=True)
        raise
    log.critical("ended_unexpectedly", what=name)
    raise RuntimeError(f"{name} ended by itself")
