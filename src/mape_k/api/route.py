"""One route, as the table of routes and the OpenAPI document see it."""

from dataclasses import dataclass
from http import HTTPStatus

from aiohttp.typedefs import Handler

from mape_k.api.access import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route.

    Args:
        body: name of the schema that the request's body has; empty: none is taken.
        answer: name of the schema of the answer; a media type where it is no JSON.
        status: of the answer.
        query: names of the parameters in the query.
    """

    method: str
    path: str
    access: Access
    handler: Handler
    answer: str
    body: str = ""
    status: HTTPStatus = HTTPStatus.OK
    query: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The first line of the handler's description."""
        return (self.handler.__doc__ or "").splitlines()[0]
