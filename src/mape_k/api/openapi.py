"""The OpenAPI 3.1 document: paths from the table of routes, schemas kept by hand."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from mape_k import __version__
from mape_k.api.access import Access
from mape_k.api.answers import json_response
from mape_k.api.headline import Tone
from mape_k.api.route import Route
from mape_k.model import (
    PACK_HOLDS,
    BudgetKind,
    CycleResult,
    LetterKind,
    LetterState,
    Mode,
    Owner,
    Quality,
    Reason,
    Severity,
    State,
)

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_INSTANT: Schema = {"type": "string", "format": "date-time"}
_ANY: Schema = {"type": "object"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}


def _one_of(members: Any) -> Schema:  # noqa: ANN401 (any of our closed enumerations)
    return {"type": "string", "enum": [member.value for member in members]}


def _object(*, required: Sequence[str] | None = None, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
        "additionalProperties": True,
    }


def _list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_SHORT: Schema = {**_TEXT, "maxLength": 500}
_SCOPE: Schema = {**_SHORT, "pattern": "^((remediation|target):[^/]+/.+)?$"}
_SECONDS: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 366 * 86_400}
_MAYBE_INSTANT: Schema = _or_null(_INSTANT)

SCHEMAS: Mapping[str, Schema] = {
    "Alive": _object(alive=_FLAG),
    "Ready": _object(ready=_FLAG, reasons=_list_of(_TEXT)),
    "Document": _ANY,
    "Page": _object(items=_list_of(_ANY), next_cursor=_MAYBE_TEXT),
    "Problem": _object(type=_TEXT, title=_TEXT, status=_COUNT, detail=_TEXT),
    "Pause": _object(since=_INSTANT, by=_TEXT, comment=_TEXT, scope=_TEXT, until=_MAYBE_INSTANT),
    "Paused": _object(paused=_FLAG, since=_INSTANT, by=_TEXT, comment=_TEXT, scope=_TEXT, until=_MAYBE_INSTANT),
    "Resumed": _object(paused=_FLAG, scope=_TEXT),
    "PauseOrder": _object(required=[], by=_SHORT, comment=_SHORT, scope=_SCOPE, seconds=_SECONDS, until=_INSTANT),
    "ResumeOrder": _object(required=[], by=_SHORT, comment=_SHORT, scope=_SCOPE),
    "EpochOrder": _object(required=[], by=_SHORT, comment=_SHORT),
    "Epoch": _object(epoch=_COUNT),
    "LetterOrder": _object(required=[], by=_SHORT, comment=_SHORT),
    "Letters": _object(items=_list_of(_ref("Letter")), next_cursor=_MAYBE_TEXT),
    "Letter": _object(
        letter_id=_TEXT,
        kind=_one_of(LetterKind),
        state=_one_of(LetterState),
        about=_TEXT,
        channel=_TEXT,
        document=_or_null(_ANY),
        error=_TEXT,
        attempts=_COUNT,
        written_at=_INSTANT,
        due_at=_MAYBE_INSTANT,
        tried_at=_MAYBE_INSTANT,
    ),
    "Answer": _object(required=["plan_hash"], by=_SHORT, comment=_SHORT, plan_hash=_TEXT),
    "Feedback": _object(required=["verdict"], by=_SHORT, comment=_SHORT, verdict={"enum": ["good", "bad"]}),
    "Approval": _object(
        execution_id=_TEXT,
        incident_id=_TEXT,
        pack=_TEXT,
        remediation=_TEXT,
        symptom=_TEXT,
        target=_TEXT,
        question={"enum": ["do", "undo"]},
        plan_hash=_TEXT,
        requests=_list_of(_ANY),
        asked_at=_INSTANT,
        due_at=_MAYBE_INSTANT,
        answer=_or_null(_ANY),
    ),
    "Accepted": _object(accepted=_COUNT, new=_COUNT, known=_COUNT),
    "Webhook": _object(
        required=["version", "status", "alerts"],
        version={"const": "4"},
        status=_TEXT,
        groupKey=_TEXT,
        receiver=_TEXT,
        truncatedAlerts=_COUNT,
        alerts=_list_of(
            _object(
                required=["status", "labels"],
                status={"enum": ["firing", "resolved"]},
                labels={"type": "object", "additionalProperties": _TEXT},
                startsAt={**_TEXT, "maxLength": 64},
                fingerprint={**_TEXT, "maxLength": 128},
            )
        ),
    ),
    "Source": _object(name=_TEXT, quality=_one_of(Quality), is_up=_FLAG, detail=_TEXT, seconds=_NUMBER),
    "Decision": _object(reason=_one_of(Reason), sentence=_TEXT, remediation=_MAYBE_TEXT, candidates=_list_of(_ANY)),
    "Incident": _object(
        incident_id=_TEXT,
        opened_at=_INSTANT,
        pack=_TEXT,
        symptom=_TEXT,
        target=_TEXT,
        severity=_one_of(Severity),
        risk=_object(score={"type": "number", "minimum": 0, "maximum": 100}, terms=_ANY),
        causes=_list_of(_ANY),
        decision=_or_null(_ref("Decision")),
    ),
    "Held": _object(
        incident_id=_TEXT,
        pack=_TEXT,
        symptom=_TEXT,
        target=_TEXT,
        reason=_one_of(Reason),
        sentence=_TEXT,
        remediation=_MAYBE_TEXT,
    ),
    "CycleLine": _object(
        required=["cycle_id", "as_of", "result", "woken_by", "seconds", "phases"],
        cycle_id=_TEXT,
        as_of=_INSTANT,
        result=_one_of(CycleResult),
        woken_by=_TEXT,
        seconds=_NUMBER,
        phases=_ANY,
    ),
    "Headline": _object(tone=_one_of(Tone), text=_TEXT, detail=_TEXT),
    "Status": _object(
        headline=_ref("Headline"),
        version=_TEXT,
        mode=_one_of(Mode),
        epoch=_COUNT,
        is_leader=_FLAG,
        is_standby=_FLAG,
        started_at=_INSTANT,
        interval_seconds=_NUMBER,
        ready=_FLAG,
        not_ready=_list_of(_TEXT),
        pause=_or_null(_ref("Pause")),
        pauses=_list_of(_ref("Pause")),
        approvals=_list_of(_ref("Approval")),
        last_cycle=_or_null(_ref("CycleLine")),
        sources=_list_of(_ref("Source")),
        incidents=_list_of(_ref("Incident")),
        held=_list_of(_ref("Held")),
        held_packs=_list_of(_ref("HeldPack")),
        budgets=_list_of(_ref("Budget")),
        overdue=_list_of(_ref("Overdue")),
        unsettled=_COUNT,
        notices=_or_null(_ref("Notices")),
    ),
    "Overdue": _object(execution_id=_TEXT, target=_TEXT, state=_one_of(State), owner=_one_of(Owner), due_at=_INSTANT),
    "HeldPack": _object(
        pack=_TEXT,
        reason={"enum": [reason.value for reason in PACK_HOLDS]},
        sentence=_TEXT,
        known_lately=_COUNT,
        known=_COUNT,
        ill=_COUNT,
    ),
    "Budget": _object(
        budget=_one_of(BudgetKind),
        of=_TEXT,
        limit=_COUNT,
        used=_COUNT,
        left=_COUNT,
        window_seconds=_or_null(_NUMBER),
    ),
    "Notices": _object(confirmed=_COUNT, unconfirmed=_COUNT, unannounced=_COUNT),
}

_SECURITY: Mapping[Access, list[dict[str, list[str]]]] = {
    Access.OPEN: [],
    Access.READ: [{}, {"operator": []}],
    Access.OPERATOR: [{"operator": []}],
    Access.INGEST: [{"ingest": []}],
}


def response(routes: Sequence[Route]) -> web.Response:
    """Answer with the document."""
    return json_response(document(routes))


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the document for ``routes``."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    schemes = {name: {"type": "http", "scheme": "bearer"} for name in ("operator", "ingest")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "mape-k", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": SCHEMAS, "securitySchemes": schemes},
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.handler.__name__,
        "security": _SECURITY[route.access],
        "parameters": _parameters(route),
        "responses": {
            str(route.status.value): {"description": route.status.phrase, "content": _content(route.answer)},
            "default": {
                "description": "A problem (RFC 9457)",
                "content": {"application/problem+json": {"schema": _ref("Problem")}},
            },
        },
    }
    if route.body:
        is_needed = bool(SCHEMAS[route.body]["required"])
        operation["requestBody"] = {"required": is_needed, "content": _content(route.body)}
    return operation


def _content(answer: str) -> dict[str, Any]:
    return {answer: {"schema": _TEXT}} if "/" in answer else {"application/json": {"schema": _ref(answer)}}


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": _TEXT} for name in re.findall(r"{(\w+)}", route.path)
    ]
    limit: Schema = {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
    return in_path + [
        {"name": name, "in": "query", "schema": limit if name == "limit" else _TEXT} for name in route.query
    ]
