"""The player's HTTP interface: ``/metrics``, ``/scenario`` for trials, and the controls of the pack."""

from typing import Any

from aiohttp import web

from play.controls import Controls, Order
from play.exposition import CONTENT_TYPE, exposition
from play.world import UnknownFaultError, World

JOURNAL_PATH = "/control/v1/journal"
ACTION_PATH = "/control/v1/actions/{action_id}"
MAX_BODY = 64 * 1024


def make_app(world: World, controls: Controls) -> web.Application:
    """Return the application that plays ``world``."""
    app = web.Application(client_max_size=MAX_BODY)
    service = _Service(world, controls)
    app.add_routes(
        [
            web.get("/metrics", service.metrics),
            web.get("/metrics/{job}", service.metrics),
            web.get("/health", service.health),
            web.get("/scenario", service.scenario),
            web.post("/scenario", service.begin),
            web.delete("/scenario/{fault}", service.end),
            web.post("/restart", service.restart),
            web.get(JOURNAL_PATH, service.journal),
            web.get(ACTION_PATH, service.action),
            web.post("/{path:.*}", service.control),
        ]
    )
    return app


class _Service:
    def __init__(self, world: World, controls: Controls) -> None:
        self._world = world
        self._controls = controls

    async def metrics(self, request: web.Request) -> web.Response:
        job = request.match_info.get("job")
        if self._world.is_down(job):
            raise web.HTTPServiceUnavailable
        text = exposition(self._world, job=job)
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def scenario(self, _request: web.Request) -> web.Response:
        lasting = [{"fault": name, "cured": cured} for name, cured in self._world.faults.items()]
        return web.json_response({"faults": lasting, "known": list(self._world.part.scenarios.faults)})

    async def begin(self, request: web.Request) -> web.Response:
        try:
            document = await request.json()
            name = str(document["fault"])
        except (ValueError, LookupError, TypeError):
            return _problem(400, 'expected {"fault": NAME}')
        try:
            self._world.begin(name)
        except UnknownFaultError as error:
            return _problem(404, str(error))
        return web.json_response({"fault": name})

    async def end(self, request: web.Request) -> web.Response:
        name = request.match_info["fault"]
        if not self._world.end(name):
            return _problem(404, f"the fault {name} does not last")
        return web.json_response({"fault": name})

    async def restart(self, _request: web.Request) -> web.Response:
        self._world.restart()
        return web.json_response({"status": "ok"})

    async def journal(self, _request: web.Request) -> web.Response:
        return web.json_response({"entries": self._controls.journal})

    async def action(self, request: web.Request) -> web.Response:
        action = self._controls.actions.get(request.match_info["action_id"])
        if action is None:
            return _problem(404, "there is no such action")
        told = {"action_id": action.action_id, "control": action.control, "target": action.target}
        return web.json_response(told | {"status": action.status})

    async def control(self, request: web.Request) -> web.Response:
        token = request.headers.get("X-Fencing-Token")
        if token is not None and not token.isdecimal():
            return _problem(400, "X-Fencing-Token: expected a whole number")
        order = Order(
            path=request.rel_url.raw_path,
            body=await request.read(),
            key=request.headers.get("Idempotency-Key"),
            epoch=None if token is None else int(token),
        )
        status, said = self._controls.take(order)
        return web.json_response(said, status=status)


def _problem(status: int, sentence: str) -> web.Response:
    said: dict[str, Any] = {"error": sentence}
    return web.json_response(said, status=status)
