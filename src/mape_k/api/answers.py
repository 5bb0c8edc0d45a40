"""How requests are answered: JSON, and problems in the form of RFC 9457."""

import difflib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from mape_k.errors import StoreError
from mape_k.recording import to_document
from mape_k.text import printable

_log = structlog.get_logger(__name__)

MAX_PATH = 100
"""Characters of an unknown path that are compared with the known ones."""

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "mape-k",
}


async def add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer the headers that keep browsers from being used against the daemon."""
    response.headers.update(SECURITY_HEADERS)


class Problem(Exception):  # noqa: N818 (the RFC's own word)
    """A request that is not answered as asked.

    Args:
        status: the HTTP status.
        detail: what is wrong and what is right, one sentence each.
        headers: of the answer.
        facts: further members of the problem document.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None, **facts: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.facts = facts

    def response(self) -> web.Response:
        """Return it as an answer."""
        document = {"type": "about:blank", "title": self.status.phrase, "status": self.status.value}
        return web.Response(
            status=self.status,
            body=encode({**document, "detail": self.detail, **self.facts}),
            content_type="application/problem+json",
            headers=self.headers,
        )


def encode(document: object) -> bytes:
    """Return a document as JSON, whatever text of foreign origin is in it."""
    return msgspec.json.encode(to_document(document))


def json_response(document: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Return a JSON-ready document as an answer."""
    return web.Response(status=status, body=encode(document), content_type="application/json")


def problems(paths: tuple[str, ...]) -> Any:  # noqa: ANN401 (aiohttp's own type of a middleware)
    """Return the middleware that turns whatever goes wrong into a problem document.

    Args:
        paths: all there are, to name the nearest one to a caller who missed.
    """

    @web.middleware
    async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as problem:
            return problem.response()
        except web.HTTPNotFound:
            return _no_such_path(request, paths).response()
        except web.HTTPMethodNotAllowed as refusal:
            return _no_such_method(request, refusal).response()
        except StoreError as error:
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"Knowledge cannot be reached: {error}").response()
        except Exception:  # noqa: BLE001 (the last resort: the caller gets a problem, the log the rest)
            _log.exception("request_failed", method=request.method, path=request.path)
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "A mistake in this program; the log has it.").response()

    return answer_problems


def _no_such_path(request: web.Request, paths: tuple[str, ...]) -> Problem:
    near = difflib.get_close_matches(request.path[:MAX_PATH], paths, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else "GET /api/v1/openapi.json lists what is there."
    return Problem(HTTPStatus.NOT_FOUND, f"Nothing is at {printable(request.path)}. {hint}")


def _no_such_method(request: web.Request, refusal: web.HTTPMethodNotAllowed) -> Problem:
    allowed = ", ".join(sorted(refusal.allowed_methods))
    detail = f"{printable(request.path)} takes {allowed}, not {printable(request.method)}."
    return Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed})
