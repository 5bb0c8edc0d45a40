"""A system that does as it is told, as packs say of theirs: keys have one effect, actions have names and can be undone.

It is served from a thread of its own, so that it answers, or does not, while a test waits for a daemon.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

ECHO = {"idempotency": {"echo": "idempotency_key"}, "id": "action_id"}
STATUS = {"path": "/actions/{id}", "field": "status", "in_force": ["in_force"], "undone": ["undone"]}
SERVER = {**ECHO, "status": STATUS}
"""How a pack describes it."""


@dataclass
class ControlSystem:
    """What it was asked and what it did.

    ``is_silent``: it does what it is told, and never answers.
    """

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    effects: list[tuple[str, str]] = field(default_factory=list)
    status: dict[str, str] = field(default_factory=dict)
    is_silent: bool = False
    _known: dict[str, str] = field(default_factory=dict)
    _nodes: dict[str, list[str]] = field(default_factory=dict)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/nodes/{node}/{order:pin|unpin}", self._take)
        app.router.add_get("/actions/{id}", self._told)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        key, node, order = request.headers["Idempotency-Key"], request.match_info["node"], request.match_info["order"]
        self.asked.append((key, order))
        known = key in self._known
        if not known:
            self._known[key] = action_id = f"a-{len(self._known) + 1}"
            self.effects.append((key, order))
            self._change(node, order, action_id)
        if self.is_silent:
            await asyncio.Event().wait()
        answer = {"action_id": self._known[key], "idempotency_key": key}
        return web.json_response(answer, status=200 if known else 201)

    def _change(self, node: str, order: str, action_id: str) -> None:
        if order == "pin":
            self.status[action_id] = "in_force"
            self._nodes.setdefault(node, []).append(action_id)
        else:
            self.status |= dict.fromkeys(self._nodes.pop(node, []), "undone")

    async def _told(self, request: web.Request) -> web.Response:
        status = self.status.get(request.match_info["id"])
        return web.json_response({"status": status}, status=200 if status else 404)


@contextmanager
def control_system() -> Iterator[ControlSystem]:
    """Serve one on a free port."""
    system, loop = ControlSystem(), asyncio.new_event_loop()
    runner = web.AppRunner(system.app(), access_log=None, shutdown_timeout=0.1)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    system.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield system
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
