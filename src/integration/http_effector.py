"""Systems that are asked over HTTP as a pack says; each satisfies :class:`mape_k.ports.Effector`.

Where a server is, only the settings say; what it is asked comes whole from the journal, so that nothing in a pack can
lead a request elsewhere, and a pack that changes or goes leaves what was begun as it was.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeVar

import msgspec

from integration.answers import AbsentError, Answer, UnusableAnswerError
from integration.http import HttpSession, Peer, Request, Token, Understand
from mape_k.errors import ConflictError, FencedError, PermanentError
from mape_k.model import SLOT_ID, HttpServer, PolicyRequest, Written, write_path
from mape_k.ports import Applied, Effector
from mape_k.text import printable

T = TypeVar("T")
Remember = Callable[[str, bool], Awaitable[None]]
"""Keeps, beyond the life of this process, whether the server at an address echoes keys; never raises."""

BODY_CAP_BYTES = 1024 * 1024
LONGEST_NAME = 200


class HttpServers:
    """The servers of the settings, by name; nothing else can be reached.

    Args:
        http: the shared session.
        addresses: where each server is.
        tokens: of those that want one; sent as a bearer token.
        echoing: the addresses that were seen to echo keys before, by this process or an earlier one.
        remember: told whenever that changes, before anybody hears of the answer that shows it.
    """

    def __init__(
        self,
        http: HttpSession,
        addresses: Mapping[str, str],
        *,
        tokens: Mapping[str, Token] | None = None,
        echoing: Collection[str] = (),
        remember: Remember | None = None,
    ) -> None:
        tokens = tokens or {}
        self._addresses = addresses
        self._peers = {
            name: http.peer(name, url, body_cap_bytes=BODY_CAP_BYTES, token=tokens.get(name))
            for name, url in addresses.items()
        }
        self._echoes = {name: url in echoing for name, url in addresses.items()}
        self._remember = remember

    def effector_of(self, manners: HttpServer) -> Effector:
        """Return who takes requests to a server; one that is not configured (any more) refuses them all."""
        return _HttpEffector(self, manners)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all that can be reached."""
        return tuple(self._addresses)

    def echoes(self, name: str) -> bool:
        """Return whether the last answer of a server showed that it honours keys."""
        return self._echoes.get(name, False)

    async def note(self, name: str, *, echoes: bool) -> None:
        """Keep what an answer showed."""
        changed, self._echoes[name] = echoes is not self._echoes[name], echoes
        if changed and self._remember is not None:
            await self._remember(self._addresses[name], echoes)

    async def ask(self, name: str, request: Request, understand: Understand[T], timeout_seconds: float) -> T:
        """Ask a server; raises as :meth:`integration.http.Peer.ask`."""
        return await self._peer(name).ask(request, understand, timeout_seconds=timeout_seconds)

    async def greet(self, name: str, *, timeout_seconds: float) -> None:
        """Ask a server for what it takes, which changes nothing; that it takes nothing there is an answer too.

        Raises:
            TransientError: not reachable. PermanentError: it does not let us in, or is not configured.
        """
        try:
            await self.ask(name, Request(method="OPTIONS", path="", accept=""), lambda _: None, timeout_seconds)
        except AbsentError:
            return

    def _peer(self, name: str) -> Peer:
        peer = self._peers.get(name)
        if peer is None:
            raise PermanentError(f"{name}: no such server is configured; MAPE_K_HTTP_SERVERS names those that are")
        return peer


class _HttpEffector:
    """One server with its manners."""

    def __init__(self, servers: HttpServers, manners: HttpServer) -> None:
        self._servers = servers
        self._manners = manners

    @property
    def is_idempotent(self) -> bool:
        """Whether the same key sent twice is known to have one effect: the pack says so, and the server showed it."""
        return bool(self._manners.key_header) and self._servers.echoes(self._manners.name)

    async def apply(
        self, request: PolicyRequest, *, key: str, epoch: int, traceparent: str, timeout_seconds: float
    ) -> Applied:
        """Do what a request asks for; repeats by itself only what had no effect, or what the key makes safe.

        Raises:
            TransientError: nothing was sent, or the server said it did nothing. UncertainError: sent, no usable answer.
            ConflictError, PermanentError: refused, or it cannot be written. FencedError: the epoch is stale.
        """
        asked = self._effect(request, _headers(self._manners, key, epoch, traceparent))
        applied = await self._sent(asked, lambda answer: self._applied(answer, key), epoch, timeout_seconds)
        if self._manners.key_header:
            await self._servers.note(self._manners.name, echoes=applied.is_idempotent)
        return applied

    async def is_in_force(self, policy_id: str, *, timeout_seconds: float) -> bool | None:
        """Return whether the server says that what it named is in force; None where it has no way to tell.

        Raises:
            TransientError: not reachable, overloaded or too slow. PermanentError: an unusable answer.
        """
        status = self._manners.status
        if status is None:
            return None
        question = Request(path=_relative(_written(lambda: write_path(status.path, {SLOT_ID: policy_id}))))
        try:
            said = await self._servers.ask(
                self._manners.name, question, lambda answer: _object(answer).get(status.field), timeout_seconds
            )
        except AbsentError as absent:
            return False if absent.is_unknown else None
        return True if said in status.in_force else False if said in status.undone else None

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
        """Undo what a request did by sending ``compensation``; without one nothing is sent. Raises as :meth:`apply`.

        Any answer of success will do, since it names nothing new. What is to be deleted and is not there (any more) is
        undone already.

        Returns:
            Whether :meth:`is_in_force` may tell whether that took effect.
        """
        if compensation is None:
            return False
        asked = self._effect(compensation, _headers(self._manners, key, epoch, traceparent), policy_id or None)
        try:
            await self._sent(asked, lambda _: None, epoch, timeout_seconds)
        except AbsentError as absent:
            if not (asked.method == "DELETE" and absent.is_unknown):
                raise
        return True

    async def _sent(self, asked: Request, understand: Understand[T], epoch: int, timeout_seconds: float) -> T:
        try:
            return await self._servers.ask(self._manners.name, asked, understand, timeout_seconds)
        except FencedError as error:
            # Other systems say 412 of other preconditions, too: only a higher epoch means another daemon.
            if error.current_epoch is None or error.current_epoch <= epoch:
                raise ConflictError(str(error)) from None
            raise

    def _effect(self, request: PolicyRequest, headers: Mapping[str, str], answered_id: str | None = None) -> Request:
        written: Written = _written(lambda: request.written(answered_id))
        return Request(
            method=written.method,
            path=_relative(written.path),
            headers={**written.headers, **headers},
            body=None if written.body is None else _written(lambda: msgspec.json.encode(written.body)),
            accept="",
            changes_world=True,
            is_idempotent=self.is_idempotent,
        )

    def _applied(self, answer: Answer, key: str) -> Applied:
        """Read an answer of success: what of it counts, the server's manners say."""
        manners = self._manners
        told = _object(answer) if manners.key_header or manners.id_field else {}
        echo = told.get(manners.key_echo) if manners.key_header else None
        if echo is not None and echo != key:
            raise UnusableAnswerError("it echoes the idempotency key of another request")
        return Applied(
            policy_id=_name(told.get(manners.id_field)) if manners.id_field else key,
            was_known=echo is not None and answer.status == 200,  # noqa: PLR2004
            is_idempotent=echo is not None,
        )


def _headers(manners: HttpServer, key: str, epoch: int, traceparent: str) -> dict[str, str]:
    headers = {manners.key_header: key, "X-Fencing-Token": str(epoch), "traceparent": traceparent}
    return {name: value for name, value in headers.items() if name and value}


def _written(write: Callable[[], T]) -> T:
    try:
        return write()
    except (TypeError, ValueError) as error:
        raise PermanentError(f"it cannot be written: {printable(error)}") from error


def _relative(path: str) -> str:
    return path.removeprefix("/")


def _object(answer: Answer) -> dict[str, Any]:
    told = msgspec.json.decode(answer.body)
    if not isinstance(told, dict):
        raise UnusableAnswerError("it is not a JSON object")
    return told


def _name(name: object) -> str:
    """Return the server's name for what it did; it goes into an address, so it is short, and not empty."""
    if isinstance(name, bool) or not isinstance(name, str | int) or not 0 < len(str(name)) <= LONGEST_NAME:
        raise UnusableAnswerError("it does not name what was done")
    return str(name)
