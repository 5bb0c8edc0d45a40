"""A Charter service without HTTP, on a real store and a clock that the test moves."""

import asyncio
from contextlib import asynccontextmanager

from westworld.requests import PolicyRequest, fingerprint
from westworld.service import Charter, Options
from westworld.store import Store
from westworld_watch import BEGIN, DOCUMENT, shipped_world


class HandClock:
    def __init__(self, now=BEGIN):
        self.time = now

    def now(self):
        return self.time


@asynccontextmanager
async def charter_on(folder, *, clock=None, world="default", scale=60.0, minimal=False, journal=None):
    """A service that continues on whatever is in ``folder``."""
    store = Store(folder / "charter.sqlite", journal)
    charter = Charter(
        shipped_world(world),
        store=store,
        remembered=await store.remembered(),
        clock=clock or HandClock(),
        read_document=lambda: DOCUMENT,
        options=Options(time_scale=scale, minimal=minimal),
    )
    charter.kept = store
    try:
        yield charter
    finally:
        await charter.close()


async def live(charter, seconds, step=0.1):
    """Let the time pass, and wait until what happened is kept and has its effect."""
    clock = charter._clock
    until = clock.time + seconds
    while clock.time < until:
        clock.time += step
        charter.tick()
        await asyncio.sleep(0)
    while charter._unsaved:
        await asyncio.gather(*charter._unsaved)
        charter.tick()


def policy(kind="block_source", target="node-7", **fields):
    """A request and its fingerprint."""
    values = {"name": "p", "kind": kind, "scope": {"node_or_service": target}, "ttl_seconds": 60.0, "source": "mape-k"}
    request = PolicyRequest(**values | fields)
    return request, fingerprint(request.model_dump_json().encode())
