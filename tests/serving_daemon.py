"""A daemon's interface that answers while the test itself blocks: it is served from a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fakes_daemon import FakeDaemon
from mape_k.api import serve


@contextmanager
def in_thread(daemon: FakeDaemon) -> Iterator[int]:
    """Serve ``daemon`` on a free port, and yield that."""
    loop = asyncio.new_event_loop()
    runner = loop.run_until_complete(serve(daemon.services(), "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield runner.addresses[0][1]
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
