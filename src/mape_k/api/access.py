"""Who may ask what: two bearer tokens, and reads that are open on this machine alone."""

import hashlib
import hmac
import ipaddress
from enum import Enum
from functools import lru_cache
from http import HTTPStatus

from aiohttp import web

from mape_k.api.answers import Problem
from mape_k.api.services import SERVICES, Services


class Access(Enum):
    """What a route asks of its caller."""

    OPEN = "open to all"
    READ = "open on this machine, else the operator token"
    OPERATOR = "the operator token"
    INGEST = "the ingest token"


def check_access(request: web.Request, access: Access) -> None:
    """Let a request pass or not; nothing of its body is read for that.

    Raises:
        Problem: 401 without a token that is known, 403 with the other one or with a foreign ``Host``.
    """
    if access is Access.OPEN:
        return
    services = request.app[SERVICES]
    if access is Access.READ and "Authorization" not in request.headers and _is_local(request):
        _check_host(request, services)
        return
    wanted = Access.INGEST if access is Access.INGEST else Access.OPERATOR
    role = _role(request, services)
    if role is None:
        detail = f"{request.path} asks for {wanted.value}: Authorization: Bearer …"
        raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})
    if role is not wanted:
        raise Problem(HTTPStatus.FORBIDDEN, f"{request.path} asks for {wanted.value}; this is {role.value}.")


def _role(request: web.Request, services: Services) -> Access | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    given = _digest(token.strip())
    operator = _same(given, services.operator_token)
    ingest = _same(given, services.ingest_token)
    return Access.OPERATOR if operator else Access.INGEST if ingest else None


def _same(given: bytes, token: str) -> bool:
    """Compare in a time that tells nothing; an empty token is nobody's."""
    return hmac.compare_digest(given, _own_digest(token)) and bool(token)


@lru_cache(maxsize=2)
def _own_digest(token: str) -> bytes:
    return _digest(token)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _is_local(request: web.Request) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if not isinstance(peer, tuple):
        return False
    address = ipaddress.ip_address(peer[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _check_host(request: web.Request, services: Services) -> None:
    """Refuse names that a foreign page may have had pointed at this machine (DNS rebinding)."""
    host = request.headers.get("Host", "")
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() not in services.hosts:
        known = ", ".join(sorted(services.hosts))
        raise Problem(HTTPStatus.FORBIDDEN, f"The Host header must name this machine ({known}), or send the token.")
