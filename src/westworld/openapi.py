"""What the HTTP interface is, as OpenAPI 3.1."""

from collections.abc import Mapping
from typing import Any

import msgspec

from westworld import __version__
from westworld.requests import FaultRequest, ObservationBatch, PolicyRequest, ViolationBatch

_SCHEMAS = "#/components/schemas/"
_LIMIT = ("limit", "integer", "at most so many items, 1 to 1000")
_CURSOR = ("cursor", "string", "next_cursor of the page before")
_Told = tuple[str, str | None, tuple[tuple[str, str, str], ...], tuple[int, ...]]
"""Summary, schema of the body, query parameters (name, type, text), codes of the answers."""
_PATHS: Mapping[str, Mapping[str, _Told]] = {
    "/metrics": {"get": ("The fifteen metrics", None, (), (200,))},
    "/health": {"get": ("Whether the service keeps what it takes", None, (), (200, 503))},
    "/api/v1/openapi.json": {"get": ("This document", None, (), (200,))},
    "/api/v1/violations": {
        "get": (
            "Violations, oldest first",
            None,
            (("since", "string", "detected at or after, RFC 3339"), _LIMIT, _CURSOR),
            (200, 400),
        ),
        "post": ("Report 1 to 100 violations; 202 once durable", "ViolationBatch", (), (202, 413, 415, 422, 503)),
    },
    "/api/v1/observations": {
        "post": ("Validate 1 to 1000 metrics", "ObservationBatch", (), (200, 413, 415, 422)),
    },
    "/api/v1/policies": {
        "get": ("Policies, oldest first", None, (("status", "string", "only these"), _LIMIT, _CURSOR), (200, 400)),
        "post": ("Put a policy in force, or renew it", "PolicyRequest", (), (200, 201, 409, 412, 413, 415, 422, 503)),
    },
    "/api/v1/policies/validate": {
        "post": ("Say whether a policy could be put in force", "PolicyRequest", (), (200, 409, 413, 415, 422)),
    },
    "/api/v1/policies/{id}": {"get": ("One policy", None, (), (200, 404))},
    "/api/v1/policies/{id}/rollback": {"post": ("Take a policy out of force", None, (), (200, 404, 409, 412, 503))},
    "/api/v1/committee/state": {"get": ("The audit committee", None, (), (200,))},
    "/api/v1/journal": {
        "get": (
            "Every effect on the policies in force",
            None,
            (("after", "integer", "beyond this sequence"), _LIMIT),
            (200, 400),
        ),
    },
    "/api/v1/faults": {
        "get": ("The faults that this world knows", None, (), (200,)),
        "post": ("Inject a fault", "FaultRequest", (), (201, 404, 415, 422)),
    },
    "/api/v1/faults/{name}": {"delete": ("Take a fault back", None, (), (204, 404))},
}
_HEADERS = (
    ("Idempotency-Key", "string", "stable across retries; kept for at least 7 days"),
    ("X-Fencing-Token", "integer", "the epoch of the sender; a lower one than seen before is refused"),
    ("traceparent", "string", "W3C trace context"),
)
_CHANGING = ("/api/v1/policies", "/api/v1/policies/{id}/rollback")
_MEANING = {
    200: "As asked, or the same answer again for a known key",
    201: "Done",
    202: "Durable",
    204: "Gone",
    400: "A query parameter is unusable",
    404: "There is none",
    409: "It contradicts what is in force, or its key is in flight",
    412: "A stale fencing token; current_epoch tells the one in charge",
    413: "More than 1 MB",
    415: "Not application/json",
    422: "Not valid; fields tells which",
    503: "No room now; Retry-After tells when",
}


def document() -> dict[str, Any]:
    """Return the whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Westworld Charter", "version": __version__},
        "paths": {
            path: {method: _operation(path, method, told) for method, told in methods.items()}
            for path, methods in _PATHS.items()
        },
        "components": {"schemas": _schemas()},
    }


def _operation(path: str, method: str, told: _Told) -> dict[str, Any]:
    summary, body, query, codes = told
    headers = _HEADERS if method == "post" and path in _CHANGING else ()
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = [
        *(_parameter(name, "string", "path", "which one") for name in names),
        *(_parameter(name, kind, "query", text) for name, kind, text in query),
        *(_parameter(name, kind, "header", text) for name, kind, text in headers),
    ]
    operation: dict[str, Any] = {"summary": summary, "responses": {str(c): {"description": _MEANING[c]} for c in codes}}
    if parameters:
        operation["parameters"] = parameters
    if body:
        content = {"application/json": {"schema": {"$ref": _SCHEMAS + body}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameter(name: str, kind: str, where: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": kind}, "description": text}


def _schemas() -> dict[str, Any]:
    _, machines = msgspec.json.schema_components([ViolationBatch, ObservationBatch], ref_template=_SCHEMAS + "{name}")
    people = {model.__name__: model.model_json_schema() for model in (PolicyRequest, FaultRequest)}
    return machines | people
