"""Alertmanager's webhook: kept before it is answered, then it wakes the loop, which pulls what is true.

Nothing in it is believed. What cannot be kept is answered with 503, since Alertmanager repeats nothing else.
"""

import asyncio
from contextlib import nullcontext
from http import HTTPStatus
from typing import Annotated

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from mape_k.api.answers import Problem
from mape_k.api.services import SERVICES, Services
from mape_k.errors import StoreError
from mape_k.model import WokenBy
from mape_k.ports import Notice
from mape_k.text import printable

_log = structlog.get_logger(__name__)

VERSION = "4"
LARGE_BYTES = 64 * 1024
"""Of a body; larger ones are few at once, and are decoded beside the event loop."""

_PLACES = web.AppKey("webhook_places", asyncio.Semaphore)
_LARGE_PLACES = web.AppKey("webhook_large_places", asyncio.Semaphore)
_RETRY = {"Retry-After": "5"}


class _Envelope(msgspec.Struct):
    version: str = ""


class Webhook(msgspec.Struct, rename="camel"):
    """The payload of version 4."""

    version: str
    status: str
    alerts: list[Notice]
    group_key: str = ""
    receiver: str = ""
    truncated_alerts: Annotated[int, msgspec.Meta(ge=0)] = 0


class Accepted(msgspec.Struct, kw_only=True):
    """How many alerts were kept, of which so many are new or were known; one sent twice in a webhook is new once."""

    accepted: int
    new: int
    known: int


_ENVELOPES = msgspec.json.Decoder(_Envelope)
_WEBHOOKS = msgspec.json.Decoder(Webhook)


def prepare(app: web.Application) -> None:
    """Give ``app`` its places for webhooks."""
    app[_PLACES] = asyncio.Semaphore(app[SERVICES].webhooks_at_once)
    app[_LARGE_PLACES] = asyncio.Semaphore(app[SERVICES].large_webhooks_at_once)


async def take_alerts(request: web.Request) -> web.Response:
    """Keep what is announced and wake the loop; 202 says that both are done."""
    services = request.app[SERVICES]
    _check(request, services)
    is_large = request.content_length is None or request.content_length > LARGE_BYTES
    large_places = request.app[_LARGE_PLACES] if is_large else None
    if request.app[_PLACES].locked() or (large_places and large_places.locked()):
        raise _later("Too many webhooks at once; send it again.")
    async with request.app[_PLACES], large_places or nullcontext():
        webhook = await _received(request, services)
        new = await _kept(webhook, services)
    services.wake(WokenBy.WEBHOOK)
    answer = Accepted(accepted=len(webhook.alerts), new=new, known=len(webhook.alerts) - new)
    return web.Response(status=HTTPStatus.ACCEPTED, body=msgspec.json.encode(answer), content_type="application/json")


def counted(handler: Handler) -> Handler:
    """Return ``handler`` with its results counted, refused callers included."""

    async def count(request: web.Request) -> web.StreamResponse:
        metrics = request.app[SERVICES].metrics
        try:
            response = await handler(request)
        except Problem as problem:
            metrics.webhook(_result(problem.status))
            raise
        metrics.webhook("accepted")
        return response

    return count


def _result(status: HTTPStatus) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return "unauthorized"
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return "too_large"
        case HTTPStatus.UNPROCESSABLE_ENTITY:
            return "wrong_version"
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return "refused"
    return "malformed"


def _later(detail: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=_RETRY)


def _check(request: web.Request, services: Services) -> None:
    if services.live().is_draining:
        raise _later("The daemon is stopping; send it again.")
    if request.content_type != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json.")


async def _received(request: web.Request, services: Services) -> Webhook:
    body = await read_body(request, services.webhook_max_bytes, services.body_seconds)
    return await asyncio.to_thread(decode, body) if len(body) > LARGE_BYTES else decode(body)


async def _kept(webhook: Webhook, services: Services) -> int:
    """Make a webhook durable; return how many of its alerts were new."""
    if webhook.truncated_alerts:
        services.metrics.webhook_truncated(webhook.truncated_alerts)
        _log.warning("webhook_truncated", left_out=webhook.truncated_alerts, group_key=webhook.group_key)
    try:
        return await services.notices.take(webhook.alerts, group_key=webhook.group_key)
    except StoreError as error:
        raise _later(f"It cannot be kept; send it again. {error}") from error


async def read_body(request: web.Request, max_bytes: int, seconds: float) -> bytes:
    """Return the body.

    Raises:
        Problem: 413 when it is larger than ``max_bytes``, 408 when it is not there within ``seconds``, 415 when it
            is compressed: unpacking would be work for a caller who may have sent little.
    """
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body uncompressed.")
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    if request.content.is_eof() and request.content_length:  # it came with its head, as small ones do
        return request.content.read_nowait()
    try:
        async with asyncio.timeout(seconds):
            return await _whole(request, max_bytes)
    except TimeoutError:
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, f"The body must arrive within {seconds:g} s.") from None


async def _whole(request: web.Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have {max_bytes} bytes.")


def decode(body: bytes) -> Webhook:
    """Return the payload.

    Raises:
        Problem: 400 for what is no JSON or not of that form, 422 for another version.
    """
    try:
        webhook = _WEBHOOKS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _check_version(_version(body))
        detail = f"Not an Alertmanager webhook of version {VERSION}: {printable(error)}"
        raise Problem(HTTPStatus.BAD_REQUEST, detail) from error
    _check_version(webhook.version)
    return webhook


def _version(body: bytes) -> str:
    """Return the version that a body names, the right one where it cannot be told."""
    try:
        return _ENVELOPES.decode(body).version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return VERSION


def _check_version(version: str) -> None:
    if version != VERSION:
        expected = f'Expected "version": "{VERSION}", the payload of an Alertmanager webhook'
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{expected}; found {printable(version, 20)!r}.")
