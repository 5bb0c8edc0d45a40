"""The reads, and the stream of closed cycles."""

import asyncio
from http import HTTPStatus
from importlib import resources
from typing import Any

from aiohttp import web

from mape_k.api.answers import Problem, json_response
from mape_k.api.asked import read_asked
from mape_k.api.documents import pack_document, pack_summary, status_document
from mape_k.api.events import TooManyListenersError
from mape_k.api.services import SERVICES
from mape_k.ports import FILTERS, LONGEST_PAGE, Kind
from mape_k.text import printable

DEFAULT_LIMIT = 50
_MAX_TEXT = 500
_HEARTBEAT_SECONDS = 15.0
_WRITE_SECONDS = 30.0


async def healthz(_request: web.Request) -> web.Response:
    """Say that the process answers."""
    return json_response({"alive": True})


async def readyz(request: web.Request) -> web.Response:
    """Say whether the daemon sees its sources, its store and a recent cycle."""
    reasons = request.app[SERVICES].readiness()
    if reasons:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready.", reasons=reasons)
    return json_response({"ready": True, "reasons": []})


async def metrics(request: web.Request) -> web.Response:
    """Return the daemon's own metrics."""
    own, accept = request.app[SERVICES].metrics, request.headers.get("Accept", "")
    return web.Response(body=own.exposition(accept), headers={"Content-Type": own.content_type(accept)})


async def page(request: web.Request) -> web.Response:
    """Return the status page."""
    from mape_k.api.page import render  # noqa: PLC0415 (templates cost memory until somebody looks)

    return web.Response(text=await render(request.app[SERVICES]), content_type="text/html")


async def style(_request: web.Request) -> web.Response:
    """Return the status page's style sheet."""
    sheet = resources.files("mape_k.api").joinpath("static/status.css").read_text()
    return web.Response(text=sheet, content_type="text/css")


async def status(request: web.Request) -> web.Response:
    """Return the live facts; also while Knowledge cannot be read."""
    services = request.app[SERVICES]
    asked = await read_asked(services.archive)
    now, not_ready = services.clock.now(), services.readiness()
    return json_response(status_document(services.live(), asked, not_ready, catalogue=services.catalogue(), now=now))


async def list_cycles(request: web.Request) -> web.Response:
    """Return cycles, newest first."""
    return await _page(request, "cycles")


async def list_incidents(request: web.Request) -> web.Response:
    """Return incidents, newest first."""
    return await _page(request, "incidents")


async def list_actions(request: web.Request) -> web.Response:
    """Return actions, newest first."""
    return await _page(request, "actions")


async def one_cycle(request: web.Request) -> web.Response:
    """Return one cycle."""
    return json_response(await find(request, "cycles"))


async def one_incident(request: web.Request) -> web.Response:
    """Return one incident."""
    return json_response(await find(request, "incidents"))


async def one_action(request: web.Request) -> web.Response:
    """Return one action with its transitions."""
    return json_response(await find(request, "actions"))


async def explanation(request: web.Request) -> web.Response:
    """Return why an action was chosen, and among what."""
    action = await find(request, "actions")
    return json_response(action.get("explanation") or {})


async def knowledge(request: web.Request) -> web.Response:
    """Return what was learned and how much is kept."""
    return json_response(await request.app[SERVICES].archive.knowledge())


async def knowledge_of(request: web.Request) -> web.Response:
    """Return what was learned with one pack."""
    pack = request.match_info["id"]
    learned = await request.app[SERVICES].archive.knowledge()
    rates = [rate for rate in learned["success_rates"] if rate["pack"] == pack]
    if not rates and pack not in request.app[SERVICES].catalogue().packs:
        raise _no_pack(request)
    return json_response({"pack": pack, "success_rates": rates})


async def list_packs(request: web.Request) -> web.Response:
    """Return the packs in use."""
    catalogue = request.app[SERVICES].catalogue()
    packs = [pack_summary(pack, catalogue) for pack in catalogue.packs.values()]
    return json_response({"items": packs, "next_cursor": None})


async def one_pack(request: web.Request) -> web.Response:
    """Return one pack whole."""
    pack = request.app[SERVICES].catalogue().packs.get(request.match_info["id"])
    if pack is None:
        raise _no_pack(request)
    return json_response(pack_document(pack))


async def events(request: web.Request) -> web.StreamResponse:
    """Stream one event for each closed cycle until the caller or the daemon ends it."""
    try:
        with request.app[SERVICES].events.listen() as queue:
            return await _stream(request, queue)
    except TooManyListenersError:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "Too many listeners; try again later.", headers={"Retry-After": "30"}
        ) from None


async def close_events(app: web.Application) -> None:
    """End every stream, so that stopping does not wait for the listeners."""
    app[SERVICES].events.close()


async def find(request: web.Request, kind: Kind) -> Any:  # noqa: ANN401 (a document)
    """Return the document that the path names.

    Raises:
        Problem: 404, there is none of that name.
    """
    found = await request.app[SERVICES].archive.item(kind, request.match_info["id"][:_MAX_TEXT])
    if found is None:
        asked = printable(request.match_info["id"], 80)
        raise Problem(
            HTTPStatus.NOT_FOUND, f"There is no {kind.removesuffix('s')} {asked}; GET /api/v1/{kind} lists them."
        )
    return found


async def _stream(request: web.Request, queue: asyncio.Queue[bytes | None]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    chunk: bytes | None = b"retry: 3000\n\n"
    try:
        while chunk is not None:
            async with asyncio.timeout(_WRITE_SECONDS):
                await response.write(chunk)
            chunk = await _next(queue)
    except (ConnectionError, TimeoutError):
        pass  # the listener left, or stopped reading: either way there is nobody to tell
    return response


async def _next(queue: asyncio.Queue[bytes | None]) -> bytes | None:
    try:
        return await asyncio.wait_for(queue.get(), _HEARTBEAT_SECONDS)
    except TimeoutError:
        return b": still here\n\n"


async def _page(request: web.Request, kind: Kind) -> web.Response:
    cursor = request.query.get("cursor")
    where = {name: request.query[name] for name in FILTERS[kind] if name in request.query}
    check_query(request, ("limit", "cursor", *FILTERS[kind]))
    archive = request.app[SERVICES].archive
    try:
        found = await archive.page(kind, limit=limit_of(request), cursor=cursor, where=where or None)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "cursor is not one that this daemon gave.") from None
    return json_response({"items": found.items, "next_cursor": found.next_cursor})


def _no_pack(request: web.Request) -> Problem:
    packs = request.app[SERVICES].catalogue().packs
    return Problem(HTTPStatus.NOT_FOUND, f"The packs in use are {', '.join(packs) or 'none'}.")


def check_query(request: web.Request, known: tuple[str, ...]) -> None:
    """Refuse parameters that are not ``known``, come twice or are too long."""
    for name, value in request.query.items():
        if name not in known:
            raise Problem(HTTPStatus.BAD_REQUEST, f"{printable(name, 40)} is no parameter; use {', '.join(known)}.")
        if len(value) > _MAX_TEXT or len(request.query.getall(name)) > 1:
            raise Problem(HTTPStatus.BAD_REQUEST, f"{name} may be given once, with up to {_MAX_TEXT} characters.")


def limit_of(request: web.Request) -> int:
    """Return how many items are asked for."""
    text = request.query.get("limit", str(DEFAULT_LIMIT))
    if text.isascii() and text.isdigit() and 1 <= int(text) <= LONGEST_PAGE:
        return int(text)
    raise Problem(HTTPStatus.BAD_REQUEST, f"limit must be a whole number from 1 to {LONGEST_PAGE}.")
