"""Dead letters: what failed and waits, and what a person says becomes of it."""

from http import HTTPStatus
from typing import Any

from aiohttp import web

from mape_k.api.answers import Problem, json_response
from mape_k.api.commands import By, read_order
from mape_k.api.handlers import check_query, limit_of
from mape_k.api.services import SERVICES
from mape_k.model import DeadLetter
from mape_k.recording import to_document
from mape_k.text import printable


async def list_letters(request: web.Request) -> web.Response:
    """Return the dead letters that wait or are parked, oldest first."""
    check_query(request, ("limit", "cursor"))
    letters = await request.app[SERVICES].dead_letters.listed()
    limit, start = limit_of(request), _start(request, letters)
    page = letters[start : start + limit]
    more = page[-1].letter_id if start + limit < len(letters) else None
    return json_response({"items": page, "next_cursor": more})


async def one_letter(request: web.Request) -> web.Response:
    """Return one dead letter."""
    return json_response(await _letter(request))


async def retry_letter(request: web.Request) -> web.Response:
    """Make a dead letter due now; the attempts made so far still count."""
    return await _ordered(request, await request.app[SERVICES].dead_letters.retry(_id(request), by=await _by(request)))


async def drop_letter(request: web.Request) -> web.Response:
    """Give a dead letter up; the target of a compensation stays frozen until a person resumes it."""
    return await _ordered(request, await request.app[SERVICES].dead_letters.drop(_id(request), by=await _by(request)))


def _start(request: web.Request, letters: tuple[DeadLetter, ...]) -> int:
    cursor = request.query.get("cursor")
    if cursor is None:
        return 0
    places = [place for place, letter in enumerate(letters, start=1) if letter.letter_id == cursor]
    if not places:
        raise Problem(HTTPStatus.BAD_REQUEST, "cursor is not one that this daemon gave, or its letter is gone.")
    return places[0]


async def _by(request: web.Request) -> str:
    return (await read_order(request, By, By())).by


async def _ordered(request: web.Request, letter: DeadLetter | None) -> web.Response:
    if letter is not None:
        return json_response(letter)
    standing = await _letter(request)
    detail = f"It is {standing['state']} at this moment, so nothing was changed; look again."
    raise Problem(HTTPStatus.CONFLICT, detail, state=standing["state"])


async def _letter(request: web.Request) -> Any:  # noqa: ANN401 (a document)
    letter = await request.app[SERVICES].dead_letters.letter(_id(request))
    if letter is None:
        asked = printable(_id(request), 80)
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no dead letter {asked}; GET /api/v1/dlq lists them.")
    return to_document(letter)


def _id(request: web.Request) -> str:
    return request.match_info["id"][:500]
