"""Server-sent events: one for each closed cycle, to few listeners, none of which can slow the loop."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mape_k.api.answers import encode

_Queue = asyncio.Queue[bytes | None]


class TooManyListenersError(Exception):
    """As many as allowed listen already."""


class Events:
    """Hands every event to every listener; a slow listener loses the oldest ones.

    Args:
        max_listeners: at the same time.
        backlog: events kept for a listener that does not keep up.
    """

    def __init__(self, max_listeners: int = 32, backlog: int = 16) -> None:
        self._max_listeners = max_listeners
        self._backlog = backlog
        self._queues: list[_Queue] = []

    def publish(self, event: str, document: Mapping[str, Any], event_id: str = "") -> None:
        """Tell all listeners; never waits. The document is JSON-ready."""
        if not self._queues:
            return
        lines = [f"id: {event_id}"] if event_id.isprintable() and event_id else []
        lines += [f"event: {event}", f"data: {encode(document).decode()}"]
        self._put_all("\n".join([*lines, "", ""]).encode())

    def close(self) -> None:
        """Send every listener away."""
        self._put_all(None)

    @contextmanager
    def listen(self) -> Iterator[_Queue]:
        """Yield a queue of encoded events; None in it is the end.

        Raises:
            TooManyListenersError: no place is free.
        """
        if len(self._queues) >= self._max_listeners:
            raise TooManyListenersError
        queue: _Queue = asyncio.Queue(self._backlog)
        self._queues.append(queue)
        try:
            yield queue
        finally:
            self._queues.remove(queue)

    def _put_all(self, chunk: bytes | None) -> None:
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(chunk)
