"""The Charter; satisfies :class:`mape_k.ports.ViolationSource` and :class:`mape_k.ports.Effector`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

import msgspec

from integration.answers import AbsentError, Answer, StumbledError, UnusableAnswerError
from integration.http import HttpSession, Request, Token, Understand
from mape_k.errors import PermanentError, TransientError, UncertainError
from mape_k.model import PolicyRequest, Violation
from mape_k.ports import Applied, ViolationPage

T = TypeVar("T")
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
PolicyId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._~:-]{0,199}\Z")]
"""Goes into an address, so nothing may be in it that leads elsewhere."""

Remember = Callable[[bool], Awaitable[None]]
"""Keeps, beyond the life of this process, whether the Charter echoes keys; never raises."""

BODY_CAP_BYTES = 1024 * 1024
PAGE_VIOLATIONS = 500
PAGES_MAX = 10


class Capability(StrEnum):
    """What a Charter may have beyond the three required endpoints."""

    HEALTH = "health"
    POLICIES = "policies"
    POLICY = "policy"
    VALIDATE = "validate"
    ROLL_BACK = "rollback"
    COMMITTEE = "committee"


_OPTIONAL: Mapping[Capability, tuple[str, str]] = {
    Capability.HEALTH: ("GET", "health"),
    Capability.POLICIES: ("GET", "api/v1/policies"),
    Capability.POLICY: ("GET", "api/v1/policies/any"),
    Capability.VALIDATE: ("POST", "api/v1/policies/validate"),
    Capability.ROLL_BACK: ("POST", "api/v1/policies/any/rollback"),
    Capability.COMMITTEE: ("GET", "api/v1/committee/state"),
}
_STATUSES: Mapping[str, bool] = dict.fromkeys(("active", "applied", "in_force"), True) | dict.fromkeys(
    ("rolled_back", "lifted", "lapsed", "expired", "revoked", "inactive", "deleted"), False
)
"""Whether a policy of this status is in force; any other word says nothing."""
_NOWHERE = "api/v1/policies/any/no-such-endpoint"


class _Applied(msgspec.Struct):
    policy_id: PolicyId | int
    idempotency_key: str | None = None


class _Policy(msgspec.Struct):
    status: Text | None = None


class _Violation(msgspec.Struct):
    id: Text | int
    detected_at: Moment
    severity: Text
    violation_type: Text
    node_or_service: Text
    metric_name: Text | None = None
    status: Text = "open"


class _Violations(msgspec.Struct):
    violations: list[_Violation]
    next_cursor: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    violations: tuple[Violation, ...]
    next_cursor: str | None = None
    is_cut: bool = False


_applied = msgspec.json.Decoder(_Applied)
_policy = msgspec.json.Decoder(_Policy)
_violations: msgspec.json.Decoder[_Violations | list[_Violation]] = msgspec.json.Decoder(_Violations | list[_Violation])


class CharterClient:
    """Read violations, put policies in force and undo them.

    Args:
        http: the shared session.
        url: the Charter's address, with its path prefix where it has one.
        token: sent as a bearer token.
        idempotent: whether it honours ``Idempotency-Key``; ``auto``: once an answer has echoed the key.
        echoes: whether it was seen to echo keys before, by this process or an earlier one.
        remember: told whenever that changes, before anybody hears of the answer that shows it.
    """

    def __init__(
        self,
        http: HttpSession,
        url: str,
        *,
        token: Token | None = None,
        idempotent: Literal["auto", "yes", "no"] = "auto",
        echoes: bool = False,
        remember: Remember | None = None,
    ) -> None:
        self._peer = http.peer("charter", url, body_cap_bytes=BODY_CAP_BYTES, token=token)
        self._clock = http.clock
        self._idempotent = idempotent
        self._echoes = echoes
        self._remember = remember
        self._capabilities: frozenset[Capability] | None = None
        self._discovering = asyncio.Lock()

    @property
    def is_idempotent(self) -> bool:
        """Whether the same key sent twice is known to have one effect."""
        return self._idempotent == "yes" or (self._idempotent == "auto" and self._echoes)

    async def discover(self, *, timeout_seconds: float) -> frozenset[Capability]:
        """Ask which optional endpoints there are, without any effect; needed again after a lost connection.

        An endpoint is there when the ``Allow`` header of its address names the method that it needs. A peer that allows
        it on an address that cannot exist answers so to everything, and is taken to have none.

        Raises:
            TransientError: not reachable.
        """
        deadline = self._clock.monotonic() + timeout_seconds
        trusted = not await self._methods(_NOWHERE, deadline)
        found = {
            capability
            for capability, (method, path) in _OPTIONAL.items()
            if trusted and method in await self._methods(path, deadline)
        }
        self._capabilities = frozenset(found)
        return self._capabilities

    async def violations(self, *, since: datetime, timeout_seconds: float) -> ViolationPage:
        """Return what was detected at or after ``since``, oldest first, following at most 10 pages of 500.

        After half of the time no further page is asked for: in a flood, a part in time is worth more than no answer.

        Raises:
            TransientError: not reachable, overloaded or too slow. PermanentError: an unusable answer.
        """
        begun = self._clock.monotonic()
        deadline = begun + timeout_seconds
        found: dict[str, Violation] = {}
        is_partial, cursor = True, ""
        for _ in range(PAGES_MAX):
            page = await self._ask(_next_page(since, cursor), _read_page, deadline)
            found |= {seen.violation_id: seen for seen in page.violations if seen.detected_at >= since}
            if not page.next_cursor:
                is_partial = page.is_cut
                break
            if page.next_cursor == cursor or self._clock.monotonic() - begun > timeout_seconds / 2:
                break
            cursor = page.next_cursor
        in_order = sorted(found.values(), key=lambda seen: (seen.detected_at, seen.violation_id))
        return ViolationPage(violations=tuple(in_order), is_partial=is_partial)

    async def apply(
        self, request: PolicyRequest, *, key: str, epoch: int, traceparent: str, timeout_seconds: float
    ) -> Applied:
        """Put a policy in force; repeats by itself only what had no effect, or what the key makes safe.

        Raises:
            TransientError: nothing was sent, or the peer said it did nothing. UncertainError: sent, no usable answer.
            ConflictError, PermanentError: refused. FencedError: the epoch is stale.
        """
        headers = _headers(key, epoch, traceparent)
        post = self._effect("api/v1/policies", body=_policy_body(request), headers=headers)
        deadline = self._clock.monotonic() + timeout_seconds
        applied = await self._ask(post, lambda answer: _read_applied(answer, key), deadline)
        await self._note(echoes=applied.is_idempotent)
        return applied

    async def _note(self, *, echoes: bool) -> None:
        changed, self._echoes = echoes is not self._echoes, echoes
        if changed and self._remember is not None:
            await self._remember(echoes)

    async def is_in_force(self, policy_id: str, *, timeout_seconds: float) -> bool | None:
        """Return whether the Charter says that a policy is in force; None where it has no way to tell.

        Raises:
            TransientError: not reachable, overloaded or too slow. PermanentError: an unusable answer.
        """
        deadline = self._clock.monotonic() + timeout_seconds
        if Capability.POLICY not in await self._known_capabilities(deadline):
            return None
        try:
            seen = await self._ask(
                Request(path=f"api/v1/policies/{quote(policy_id, safe='')}"), lambda a: _policy.decode(a.body), deadline
            )
        except AbsentError as absent:
            return False if absent.is_unknown else None
        return _STATUSES.get((seen.status or "").lower())

    async def roll_back(
        self,
        policy_id: str | None,
        compensation: PolicyRequest | None,
        *,
        key: str,
        epoch: int,
        traceparent: str,
        timeout_seconds: float,
    ) -> bool:
        """Undo a policy: by its id where the peer can, else by putting ``compensation`` in force.

        A policy that the Charter does not know (any more) is undone already. With neither way possible there is
        nothing to undo and nothing is sent. Raises as :meth:`apply`.

        Returns:
            Whether it was undone by its id, so that :meth:`is_in_force` tells whether that took effect.
        """
        deadline = self._clock.monotonic() + timeout_seconds
        headers = _headers(key, epoch, traceparent)
        if policy_id is not None and await self._rolled_back_by_id(policy_id, headers, deadline):
            return True
        if compensation is not None:
            left = deadline - self._clock.monotonic()
            await self.apply(compensation, key=key, epoch=epoch, traceparent=traceparent, timeout_seconds=left)
        return False

    async def _rolled_back_by_id(self, policy_id: str, headers: Mapping[str, str], deadline: float) -> bool:
        if Capability.ROLL_BACK not in await self._known_capabilities(deadline):
            return False
        path = f"api/v1/policies/{quote(policy_id, safe='')}/rollback"
        try:
            await self._ask(self._effect(path, body=b"{}", headers=headers, accept=""), lambda _: None, deadline)
        except AbsentError as absent:
            return absent.is_unknown
        return True

    async def _known_capabilities(self, deadline: float) -> frozenset[Capability]:
        # One asks for all that wait: after a restart many roll-backs resume at once, each with little time.
        async with self._discovering:
            if self._capabilities is not None:
                return self._capabilities
            return await self.discover(timeout_seconds=deadline - self._clock.monotonic())

    async def _methods(self, path: str, deadline: float) -> frozenset[str]:
        try:
            return await self._ask(Request(method="OPTIONS", path=path, accept=""), lambda a: a.allowed, deadline)
        except AbsentError as absent:
            return absent.allowed
        except (PermanentError, StumbledError):
            return frozenset()

    def _effect(
        self, path: str, *, body: bytes, headers: Mapping[str, str], accept: str = "application/json"
    ) -> Request:
        return Request(
            method="POST",
            path=path,
            body=body,
            headers=headers,
            accept=accept,
            changes_world=True,
            is_idempotent=self.is_idempotent,
        )

    async def _ask(self, request: Request, understand: Understand[T], deadline: float) -> T:
        try:
            return await self._peer.ask(request, understand, timeout_seconds=deadline - self._clock.monotonic())
        except (TransientError, UncertainError):
            # What comes back after an interruption may be another version.
            self._capabilities = None
            raise


def _headers(key: str, epoch: int, traceparent: str) -> dict[str, str]:
    headers = {"Idempotency-Key": key, "X-Fencing-Token": str(epoch), "traceparent": traceparent}
    return {name: value for name, value in headers.items() if value}


def _policy_body(request: PolicyRequest) -> bytes:
    """Write the wire form; what is not set is left out."""
    written: dict[str, Any] = {
        "name": request.name,
        "kind": request.kind,
        "scope": dict(request.scope),
        "parameters": dict(request.parameters),
        "ttl_seconds": request.ttl_seconds,
        "reason": request.reason,
        "source": request.source,
        "incident_id": request.incident_id,
        "not_after": request.not_after,
        "dry_run": request.dry_run,
    }
    try:
        return msgspec.json.encode({name: value for name, value in written.items() if value is not None})
    except (TypeError, ValueError) as error:
        raise PermanentError(f"charter: policy {request.name!a} cannot be written as JSON: {error}") from error


def _read_applied(answer: Answer, key: str) -> Applied:
    applied = _applied.decode(answer.body)
    echoed = applied.idempotency_key == key
    if applied.idempotency_key and not echoed:
        raise UnusableAnswerError("it echoes the idempotency key of another request")
    return Applied(
        policy_id=str(applied.policy_id),
        was_known=echoed and answer.status == 200,  # noqa: PLR2004
        is_idempotent=echoed,
    )


def _next_page(since: datetime, cursor: str) -> Request:
    moment = since.astimezone(UTC).isoformat().replace("+00:00", "Z")
    params = [("since", moment), ("limit", str(PAGE_VIOLATIONS))]
    return Request(path="api/v1/violations", params=[*params, ("cursor", cursor)] if cursor else params)


def _read_page(answer: Answer) -> _Page:
    page = _violations.decode(answer.body)
    if isinstance(page, _Violations):
        return _Page(violations=tuple(map(_violation, page.violations)), next_cursor=page.next_cursor)
    return _Page(violations=tuple(map(_violation, page)), is_cut=len(page) >= PAGE_VIOLATIONS)


def _violation(seen: _Violation) -> Violation:
    return Violation(
        violation_id=str(seen.id),
        detected_at=seen.detected_at.astimezone(UTC),
        severity=seen.severity,
        violation_type=seen.violation_type,
        target=seen.node_or_service,
        metric_name=seen.metric_name,
        status=seen.status,
    )
