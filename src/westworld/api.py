"""The HTTP shell: reads requests, asks the Charter, answers. Errors are ``application/problem+json``."""

import re
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from westworld import metrics
from westworld.clock import from_wire, to_wire
from westworld.enforcement import Sender
from westworld.openapi import document
from westworld.problems import Refusal
from westworld.requests import fingerprint, read_fault, read_observations, read_policy, read_violations
from westworld.service import Charter
from westworld.store import Store

CHARTER = web.AppKey("charter", Charter)
STORE = web.AppKey("store", Store)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_MOST_BYTES = 1_000_000
_MOST_ITEMS = 1000
_CRITICAL_CASES = 10
_MANY_CASES = 5
_EPOCH = re.compile(r"[0-9]{1,18}")
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


def make_app(charter: Charter, store: Store, *, minimal: bool, faults: bool) -> web.Application:
    """Return the application.

    Args:
        charter: which the caller runs beside the application.
        store: that the lists are read from.
        minimal: only what every Charter must have.
        faults: whether faults can be injected.
    """
    app = web.Application(client_max_size=_MOST_BYTES, middlewares=[_problems])
    app[CHARTER] = charter
    app[STORE] = store
    app.add_routes(routes(minimal=minimal, faults=faults))
    return app


def routes(*, minimal: bool, faults: bool) -> list[web.RouteDef]:
    """Return the routes of one kind of service."""
    required = [
        web.get("/metrics", _metrics),
        web.get("/api/v1/violations", _list_violations),
        web.post("/api/v1/policies", _put_policy),
    ]
    optional = [
        web.get("/health", _health),
        web.get("/api/v1/openapi.json", _openapi),
        web.post("/api/v1/violations", _report_violations),
        web.post("/api/v1/observations", _observe),
        web.get("/api/v1/policies", _list_policies),
        web.post("/api/v1/policies/validate", _validate_policy),
        web.get("/api/v1/policies/{id}", _get_policy),
        web.post("/api/v1/policies/{id}/rollback", _roll_back),
        web.get("/api/v1/committee/state", _committee),
        web.get("/api/v1/journal", _journal),
    ]
    for_trials = [
        web.get("/api/v1/faults", _list_faults),
        web.post("/api/v1/faults", _inject),
        web.delete("/api/v1/faults/{name}", _take_back),
    ]
    return required + ([] if minimal else optional) + (for_trials if faults else [])


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        return _problem(refusal)
    except web.HTTPException as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return _problem(Refusal(error.status, error.reason, headers=allow))
    except sqlite3.Error as error:
        return _problem(Refusal(503, f"the store fails: {error}", headers={"Retry-After": "5"}))


def _problem(refusal: Refusal) -> web.Response:
    return web.json_response(
        refusal.document(HTTPStatus(refusal.status).phrase),
        status=refusal.status,
        headers=refusal.headers,
        content_type="application/problem+json",
    )


async def _body(request: web.Request) -> bytes:
    if request.content_type != "application/json":
        raise Refusal(415, "send application/json")
    return await request.read()


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=request.app[CHARTER].exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})


async def _health(request: web.Request) -> web.Response:
    problem = request.app[CHARTER].store_problem
    document_problem = request.app[CHARTER].world.publisher.problem
    state = {"status": "failing" if problem else "ok", "store": problem or "ok", "policy": document_problem or "ok"}
    return web.json_response(state, status=503 if problem else 200)


async def _openapi(_request: web.Request) -> web.Response:
    return web.json_response(document())


async def _list_violations(request: web.Request) -> web.Response:
    limit = _number(request, "limit", default=100, most=_MOST_ITEMS)
    rows = await request.app[STORE].violations(after=_violations_after(request), limit=limit + 1)
    page = rows[:limit]
    cursor = f"{page[-1]['detected_at']}~{page[-1]['id']}" if len(rows) > limit else None
    return web.json_response({"violations": page, "next_cursor": cursor})


def _violations_after(request: web.Request) -> tuple[str, str]:
    """Return the place behind which a page begins; ``since`` itself belongs to it."""
    try:
        if cursor := request.query.get("cursor"):
            at, _, violation_id = cursor.partition("~")
            return to_wire(from_wire(at)), violation_id
        return to_wire(from_wire(request.query.get("since", "1970-01-01T00:00:00Z"))), ""
    except (ValueError, OverflowError) as error:
        raise Refusal(400, f"since or cursor: {error}") from error


async def _report_violations(request: web.Request) -> web.Response:
    new, known = await request.app[CHARTER].report(read_violations(await _body(request)))
    return web.json_response({"accepted": new, "known": known}, status=202)


async def _observe(request: web.Request) -> web.Response:
    return web.json_response(request.app[CHARTER].observe(read_observations(await _body(request))))


async def _list_policies(request: web.Request) -> web.Response:
    limit = _number(request, "limit", default=100, most=_MOST_ITEMS)
    after = _number(request, "cursor", default=0)
    rows = await request.app[STORE].policies(after=after, limit=limit + 1, status=request.query.get("status"))
    cursor = str(rows[limit - 1][0]) if len(rows) > limit else None
    policies = [policy.document for _, policy in rows[:limit]]
    return web.json_response({"policies": policies, "next_cursor": cursor})


async def _get_policy(request: web.Request) -> web.Response:
    policy = await request.app[STORE].policy(request.match_info["id"])
    if policy is None:
        raise Refusal(404, f"there is no policy {request.match_info['id']}")
    return web.json_response(policy.document)


async def _put_policy(request: web.Request) -> web.Response:
    body = await _body(request)
    policy = read_policy(body)
    status, answer = await request.app[CHARTER].put_policy(policy, fingerprint(body), _sender(request))
    return web.json_response(answer, status=status)


async def _validate_policy(request: web.Request) -> web.Response:
    request.app[CHARTER].check(read_policy(await _body(request)))
    return web.json_response({"status": "valid"})


async def _roll_back(request: web.Request) -> web.Response:
    status, answer = await request.app[CHARTER].roll_back(request.match_info["id"], _sender(request))
    return web.json_response(answer, status=status)


async def _committee(request: web.Request) -> web.Response:
    world = request.app[CHARTER].world
    cases = world.committee.open_cases()
    count = sum(cases.values())
    status = "critical" if count > _CRITICAL_CASES else "degraded" if count > _MANY_CASES else "normal"
    return web.json_response(
        {
            "status": status,
            "members": round(world.quantities["committee.members"]),
            "open_investigations": cases,
            "waiting_notifications": world.committee.notifier.waiting,
        }
    )


async def _journal(request: web.Request) -> web.Response:
    limit = _number(request, "limit", default=100, most=_MOST_ITEMS)
    rows = await request.app[STORE].journal(after=_number(request, "after", default=0), limit=limit + 1)
    page = rows[:limit]
    return web.json_response({"entries": page, "next_after": page[-1]["sequence"] if len(rows) > limit else None})


async def _list_faults(request: web.Request) -> web.Response:
    return web.json_response({"faults": request.app[CHARTER].faults.all()})


async def _inject(request: web.Request) -> web.Response:
    return web.json_response(await request.app[CHARTER].faults.inject(read_fault(await _body(request))), status=201)


async def _take_back(request: web.Request) -> web.Response:
    await request.app[CHARTER].faults.take_back(request.match_info["name"])
    return web.Response(status=204)


def _sender(request: web.Request) -> Sender:
    return Sender(
        idempotency_key=_header(request.headers, "Idempotency-Key", _KEY),
        epoch=int(epoch) if (epoch := _header(request.headers, "X-Fencing-Token", _EPOCH)) is not None else None,
        traceparent=_header(request.headers, "traceparent", _KEY),
    )


def _header(headers: Mapping[str, str], name: str, form: re.Pattern[str]) -> str | None:
    value = headers.get(name)
    if value is not None and not form.fullmatch(value):
        raise Refusal(422, f"a malformed {name}", fields={name: f"must match {form.pattern}"})
    return value


def _number(request: web.Request, name: str, *, default: int, most: int = 2**62) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not _EPOCH.fullmatch(text) or not (1 if name == "limit" else 0) <= int(text) <= most:
        raise Refusal(400, f"{name}: give a whole number of at most {most}")
    return int(text)
