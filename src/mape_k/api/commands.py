"""What people tell the daemon: pause and resume, yes and no to what it asks, and what became of an action."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal, TypeVar

import msgspec
from aiohttp import web

from mape_k.api.answers import Problem, json_response
from mape_k.api.handlers import find
from mape_k.api.services import SERVICES, Services
from mape_k.api.webhook import read_body
from mape_k.errors import ConflictError, FencedError, did_you_mean
from mape_k.model import Catalogue, Consent, Execution, Feedback, Pause, WokenBy
from mape_k.recording import to_document
from mape_k.text import printable

LONGEST_TEXT = 500
LONGEST_PAUSE_SECONDS = 366 * 86_400.0
_MAX_BODY_BYTES = 16 * 1024
_SCOPES = "nothing for everything, remediation:PACK/NAME or target:PACK/NAME"

Text = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]
_Body = TypeVar("_Body", bound=msgspec.Struct)


class PauseOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a pause: about what, and until when at the latest."""

    by: Text = "operator"
    comment: Text = ""
    scope: Text = ""
    seconds: Annotated[float, msgspec.Meta(gt=0, le=LONGEST_PAUSE_SECONDS)] | None = None
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class ResumeOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a resume."""

    by: Text = "operator"
    comment: Text = ""
    scope: Text = ""


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a yes or no: the hash says to what."""

    plan_hash: Text
    by: Text = "operator"
    comment: Text = ""


class Word(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a feedback."""

    verdict: Literal["good", "bad"]
    by: Text = "operator"
    comment: Text = ""


async def pause(request: web.Request) -> web.Response:
    """Begin nothing new, durably; looking goes on, and what was begun is finished."""
    services = request.app[SERVICES]
    order = await read_order(request, PauseOrder, PauseOrder())
    _check_scope(order.scope, services.catalogue())
    now = services.clock.now()
    pause = Pause(since=now, by=order.by, comment=order.comment, scope=order.scope, until=_end(order, now))
    await services.orders.pause(pause)
    await _heeded(services)
    return json_response({"paused": True, **to_document(pause)})


class By(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an order that says no more than who gives it, and why."""

    by: Text = "operator"
    comment: Text = ""


async def raise_epoch(request: web.Request) -> web.Response:
    """Go on in an epoch above the one that the Charter follows, after Knowledge was put back from an old copy."""
    services = request.app[SERVICES]
    order = await read_order(request, By, By())
    try:
        epoch = await services.raise_epoch(order.by)
    except (ConflictError, FencedError) as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    await _heeded(services)
    return json_response({"epoch": epoch})


async def resume(request: web.Request) -> web.Response:
    """Act again."""
    services = request.app[SERVICES]
    order = await read_order(request, ResumeOrder, ResumeOrder())
    if order.scope not in [pause.scope for pause in await services.archive.pauses()]:
        _check_scope(order.scope, services.catalogue())
    await services.orders.resume(order.scope, by=order.by)
    await _heeded(services)
    return json_response({"paused": False, "scope": order.scope})


async def approve(request: web.Request) -> web.Response:
    """Agree to exactly the plan whose hash is named; it is done if nothing speaks against it then."""
    return await _answered(request, is_given=True)


async def reject(request: web.Request) -> web.Response:
    """Say no to exactly the plan whose hash is named; the same is not asked again before the cooldown has passed."""
    return await _answered(request, is_given=False)


async def feedback(request: web.Request) -> web.Response:
    """Say what became of an action; it counts instead of the verdict."""
    services, word = request.app[SERVICES], await read_order(request, Word)
    said = Feedback(is_good=word.verdict == "good", by=word.by, at=services.clock.now(), comment=word.comment)
    return await _told(request, lambda execution_id: services.orders.feedback(execution_id, said))


async def _answered(request: web.Request, *, is_given: bool) -> web.Response:
    services, answer = request.app[SERVICES], await read_order(request, Answer)
    consent = Consent(
        is_given=is_given,
        by=answer.by,
        at=services.clock.now(),
        plan_hash=answer.plan_hash,
        comment=answer.comment,
    )
    return await _told(request, lambda execution_id: services.orders.consent(execution_id, consent))


async def _told(request: web.Request, tell: Callable[[str], Awaitable[Execution | None]]) -> web.Response:
    """Pass an order about an action on, and return the action as it then stands."""
    action = await find(request, "actions")
    try:
        await tell(action["execution_id"])
    except ConflictError as error:
        standing = await find(request, "actions")
        facts = {"state": standing["state"], "plan_hash": (standing["asked"] or {}).get("plan_hash", "")}
        raise Problem(HTTPStatus.CONFLICT, f"{str(error).removesuffix('.')}.", **facts) from error
    request.app[SERVICES].wake(WokenBy.OPERATOR)
    return json_response(await find(request, "actions"))


async def _heeded(services: Services) -> None:
    services.metrics.paused(any(not pause.scope for pause in await services.archive.pauses()))
    services.wake(WokenBy.OPERATOR)


def _end(order: PauseOrder, now: datetime) -> datetime | None:
    if order.seconds is not None and order.until is not None:
        raise _unusable("Say seconds or until, not both.")
    if order.seconds is not None:
        return now + timedelta(seconds=order.seconds)
    if order.until is not None and not now < order.until <= now + timedelta(seconds=LONGEST_PAUSE_SECONDS):
        raise _unusable("until must be within the next 366 days.")
    return order.until


def _check_scope(scope: str, catalogue: Catalogue) -> None:
    """Refuse what would silently pause nothing: a target cannot be checked, its pack can."""
    if not scope:
        return
    kind, _, about = scope.partition(":")
    owner, _, name = about.partition("/")
    if kind not in ("remediation", "target") or not name:
        raise _unusable(f"{printable(scope, 80)} is no scope: expected {_SCOPES}.")
    pack = catalogue.packs.get(owner)
    if pack is None:
        known = ", ".join(catalogue.packs) or "none"
        raise _unusable(f"{printable(owner, 80)} is no pack in use: expected one of {known}.")
    if kind == "remediation" and name not in pack.remediations:
        hint = did_you_mean(name, pack.remediations) or "."
        raise _unusable(f"The pack {owner} has no remediation {printable(name, 80)}{hint}")


def _unusable(detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


async def read_order(request: web.Request, kind: type[_Body], default: _Body | None = None) -> _Body:
    """Return the body of a request; ``default`` in the place of an empty one.

    Raises:
        Problem: too long, no JSON, or not of this kind.
    """
    body = await read_body(request, _MAX_BODY_BYTES, request.app[SERVICES].body_seconds)
    if not body.strip() and default is not None:
        return default
    if request.content_type != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json.")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        fields = ", ".join(kind.__struct_fields__)
        raise _unusable(f"Expected an object with the fields {fields}: {printable(error)}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"The body is no JSON: {printable(error)}.") from error
