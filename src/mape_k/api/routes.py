"""Every route in one table: what it takes, who may ask, what it answers. The OpenAPI document is drawn from it."""

import errno
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from mape_k.api import commands, handlers, letters, openapi, webhook
from mape_k.api.access import Access, check_access
from mape_k.api.answers import add_security_headers, problems
from mape_k.api.route import Route
from mape_k.api.services import SERVICES, Services
from mape_k.errors import ConfigError
from mape_k.ports import FILTERS, Kind


def _get(
    path: str, handler: Handler, answer: str, *, access: Access = Access.READ, query: tuple[str, ...] = ()
) -> Route:
    return Route(method="GET", path=path, access=access, handler=handler, answer=answer, query=query)


def _list(kind: Kind, handler: Handler) -> Route:
    return _get(f"/api/v1/{kind}", handler, "Page", query=("limit", "cursor", *FILTERS[kind]))


def _order(path: str, handler: Handler, body: str, answer: str) -> Route:
    return Route(method="POST", path=path, access=Access.OPERATOR, handler=handler, body=body, answer=answer)


async def describe(_request: web.Request) -> web.Response:
    """Return this description in the form of OpenAPI 3.1."""
    return openapi.response(ROUTES)


ROUTES: tuple[Route, ...] = (
    _get("/", handlers.page, "text/html"),
    _get("/static/status.css", handlers.style, "text/css"),
    _get("/metrics", handlers.metrics, "text/plain", access=Access.OPEN),
    _get("/healthz", handlers.healthz, "Alive", access=Access.OPEN),
    _get("/readyz", handlers.readyz, "Ready"),
    _get("/api/v1/status", handlers.status, "Status"),
    _list("cycles", handlers.list_cycles),
    _get("/api/v1/cycles/{id}", handlers.one_cycle, "Document"),
    _list("incidents", handlers.list_incidents),
    _get("/api/v1/incidents/{id}", handlers.one_incident, "Document"),
    _list("actions", handlers.list_actions),
    _get("/api/v1/actions/{id}", handlers.one_action, "Document"),
    _get("/api/v1/actions/{id}/explanation", handlers.explanation, "Document"),
    _get("/api/v1/knowledge", handlers.knowledge, "Document"),
    _get("/api/v1/knowledge/{id}", handlers.knowledge_of, "Document"),
    _get("/api/v1/packs", handlers.list_packs, "Page"),
    _get("/api/v1/packs/{id}", handlers.one_pack, "Document"),
    _get("/api/v1/dlq", letters.list_letters, "Letters", query=("limit", "cursor")),
    _get("/api/v1/dlq/{id}", letters.one_letter, "Letter"),
    _get("/api/v1/events", handlers.events, "text/event-stream"),
    _get("/api/v1/openapi.json", describe, "Document"),
    _order("/api/v1/pause", commands.pause, "PauseOrder", "Paused"),
    _order("/api/v1/resume", commands.resume, "ResumeOrder", "Resumed"),
    _order("/api/v1/actions/{id}/approve", commands.approve, "Answer", "Document"),
    _order("/api/v1/actions/{id}/reject", commands.reject, "Answer", "Document"),
    _order("/api/v1/epoch", commands.raise_epoch, "EpochOrder", "Epoch"),
    _order("/api/v1/dlq/{id}/retry", letters.retry_letter, "LetterOrder", "Letter"),
    _order("/api/v1/dlq/{id}/drop", letters.drop_letter, "LetterOrder", "Letter"),
    _order("/api/v1/actions/{id}/feedback", commands.feedback, "Feedback", "Document"),
    Route(
        method="POST",
        path="/api/v1/alerts",
        access=Access.INGEST,
        handler=webhook.take_alerts,
        body="Webhook",
        answer="Accepted",
        status=HTTPStatus.ACCEPTED,
    ),
)


def make_app(services: Services) -> web.Application:
    """Return the interface as an application, not yet listening."""
    paths = tuple(route.path for route in ROUTES)
    app = web.Application(middlewares=[problems(paths)])
    app[SERVICES] = services
    webhook.prepare(app)
    app.on_response_prepare.append(add_security_headers)
    app.on_shutdown.append(handlers.close_events)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _guarded(route))
    return app


def _guarded(route: Route) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        check_access(request, route.access)
        return await route.handler(request)

    return webhook.counted(guarded) if route.access is Access.INGEST else guarded


async def serve(services: Services, host: str, port: int) -> web.AppRunner:
    """Listen; ``runner.addresses`` says where, ``await runner.cleanup()`` ends it.

    Args:
        services: what requests may reach.
        host: name or address to listen on.
        port: 0 takes a free one.

    Raises:
        ConfigError: the address cannot be had.
    """
    runner = web.AppRunner(
        make_app(services),
        access_log=None,
        keepalive_timeout=30,
        lingering_time=2,
        auto_decompress=False,
        shutdown_timeout=2,
        max_line_size=8190,
        max_field_size=8190,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigError([_unavailable(host, port, error)]) from error
    return runner


def _unavailable(host: str, port: int, error: OSError) -> str:
    taken = error.errno == errno.EADDRINUSE
    why = "is taken by another program" if taken else f"cannot be listened on ({error.strerror or error})"
    return f"MAPE_K_LISTEN: {host}:{port} {why}; choose another address, for example 127.0.0.1:{(port + 1) % 65536}"
