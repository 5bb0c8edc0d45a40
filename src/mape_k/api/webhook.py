"""Alertmanager's webhook: it wakes the loop, and nothing in it is believed; the loop pulls what is true."""

import asyncio
from http import HTTPStatus

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from mape_k.api.answers import Problem, json_response
from mape_k.api.services import SERVICES, Services
from mape_k.model import WokenBy
from mape_k.text import printable

_log = structlog.get_logger(__name__)

VERSION = "4"
_PLACES = web.AppKey("webhook_places", asyncio.Semaphore)
_RETRY = {"Retry-After": "5"}


class _Envelope(msgspec.Struct):
    version: str = ""


class WebhookAlert(msgspec.Struct, rename="camel"):
    """One alert of the payload, as far as its form is checked."""

    status: str
    labels: dict[str, str]
    starts_at: str = ""
    fingerprint: str = ""


class Webhook(msgspec.Struct, rename="camel"):
    """The payload of version 4."""

    version: str
    status: str
    alerts: list[WebhookAlert]
    group_key: str = ""
    receiver: str = ""
    truncated_alerts: int = 0


_ENVELOPES = msgspec.json.Decoder(_Envelope)
_WEBHOOKS = msgspec.json.Decoder(Webhook)


def prepare(app: web.Application) -> None:
    """Give ``app`` its places for webhooks."""
    app[_PLACES] = asyncio.Semaphore(app[SERVICES].webhooks_at_once)


async def take_alerts(request: web.Request) -> web.Response:
    """Wake the loop; 202 says only that."""
    services = request.app[SERVICES]
    webhook = await _received(request, services)
    services.wake(WokenBy.WEBHOOK)
    if webhook.truncated_alerts:
        _log.warning("webhook_truncated", left_out=webhook.truncated_alerts, group_key=webhook.group_key)
    return json_response({"accepted": len(webhook.alerts)}, HTTPStatus.ACCEPTED)


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


async def _received(request: web.Request, services: Services) -> Webhook:
    if services.live().is_draining:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "The daemon is stopping; send it again.", headers=_RETRY)
    if request.content_type != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json.")
    places = request.app[_PLACES]
    if places.locked():
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Too many webhooks at once; send it again.", headers=_RETRY)
    async with places:
        return decode(await read_body(request, services.webhook_max_bytes, services.body_seconds))


async def read_body(request: web.Request, max_bytes: int, seconds: float) -> bytes:
    """Return the body.

    Raises:
        Problem: 413 when it is larger than ``max_bytes``, 408 when it is not there within ``seconds``, 415 when it
            is compressed: unpacking would be work for a caller who may have sent little.
    """
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body uncompressed.")
    too_large = Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have {max_bytes} bytes.")
    if (request.content_length or 0) > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large
    except TimeoutError:
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, f"The body must arrive within {seconds:g} s.") from None
    return bytes(body)


def decode(body: bytes) -> Webhook:
    """Return the payload.

    Raises:
        Problem: 400 for what is no JSON or not of that form, 422 for another version.
    """
    try:
        version = _ENVELOPES.decode(body).version
        if version != VERSION:
            expected = f'Expected "version": "{VERSION}", the payload of an Alertmanager webhook'
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{expected}; found {printable(version, 20)!r}.")
        return _WEBHOOKS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = f"Not an Alertmanager webhook of version {VERSION}: {printable(error)}"
        raise Problem(HTTPStatus.BAD_REQUEST, detail) from error
