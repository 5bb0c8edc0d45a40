"""The one bounded HTTP session that all adapters share.

Every call has a deadline that covers connecting, waiting, reading, understanding and repeating; a body is counted after
decompression and refused above a cap; redirects, proxies and cookies are ignored; only what is safe to repeat is
repeated, and not too often; a peer that is gone is left alone for a while; and whatever goes wrong leaves as one of
:mod:`mape_k.errors`.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace, TracebackType
from typing import Self, TypeVar
from urllib.parse import urlencode

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from yarl import URL

from integration.answers import UNREADABLE, Answer, UnusableAnswerError, is_good, refusal
from integration.breaker import LONGEST_PAUSE_SECONDS, Breaker, Circuit, CircuitOpenError, RetryBudget
from mape_k import __version__
from mape_k.errors import ConfigError, FencedError, MapeKError, PermanentError, TransientError, UncertainError
from mape_k.ports import Clock
from mape_k.text import printable

T = TypeVar("T")
Understand = Callable[[Answer], T]
"""A pure function that reads an answer; a ValueError means that it is unusable."""
Token = Callable[[], str]
"""Returns the secret at the moment of use, such as ``SecretStr.get_secret_value``."""
Observe = Callable[[str, float, str], None]
"""Told of every request: the peer's name, seconds, and ok, transient, uncertain, permanent, fenced or cancelled."""

CONNECT_SECONDS = 1.0
CONNECTIONS_PER_PEER = 16
BACKOFF_SECONDS = 0.1
COMPLAINT_BYTES = 8 * 1024
THREAD_FROM_BYTES = 1024 * 1024
HEADER_CHARACTERS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing to ask a peer.

    Args:
        path: below the peer's address, already percent-encoded, without a leading slash.
        accept: the content type that the answer must have; empty: any.
        changes_world: it may have an effect, so an answer that gets lost is uncertain, not merely missing.
        is_idempotent: asking twice has one effect, so it may be repeated even after it may have left.
    """

    path: str
    method: str = "GET"
    params: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    accept: str = "application/json"
    changes_world: bool = False
    is_idempotent: bool = True

    def __str__(self) -> str:
        return f"{self.method} /{printable(self.path)}"


@dataclass(slots=True)
class _Sending:
    """Whether a request may have reached the peer: from the moment that it had a connection."""

    may_have_left: bool = False


async def _mark(_client: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.may_have_left = True


def _outcome(error: MapeKError) -> str:
    for kind, name in ((TransientError, "transient"), (UncertainError, "uncertain"), (FencedError, "fenced")):
        if isinstance(error, kind):
            return name
    return "permanent"


class HttpSession:
    """Open connections to every peer; use it as an asynchronous context.

    Args:
        clock: for deadlines, back-off and dates in headers.
        jitter: returns numbers in [0, 1), such as ``random.Random(seed).random``.
        observe: told of every single request.
        longest_pause_seconds: for so long at most a peer that gives no answer is left alone.
        not_repeated: told the name of a peer whose question was not repeated because too many were.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        observe: Observe | None = None,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
        not_repeated: Callable[[str], None] = lambda _peer: None,
    ) -> None:
        self.clock = clock
        self.jitter = jitter
        self.not_repeated = not_repeated
        self._observe = observe
        self._longest_pause_seconds = longest_pause_seconds
        self._breakers: list[tuple[str, Breaker]] = []
        self._clients: dict[bool, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        self._clients = {changes_world: self._open(fresh=changes_world) for changes_world in (False, True)}
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            await client.close()
        self._clients = {}

    def _open(self, *, fresh: bool) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_mark)
        trace.on_connection_reuseconn.append(_mark)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit_per_host=CONNECTIONS_PER_PEER, force_close=fresh),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"mape-k/{__version__}"},
            trace_configs=[trace],
        )

    def client(self, *, changes_world: bool) -> aiohttp.ClientSession:
        """Return the client to use.

        Effects get a fresh connection each: one from the pool may have been closed by the peer meanwhile, which would
        make an effect uncertain for no other reason.
        """
        if not self._clients:
            raise RuntimeError("the HTTP session is not open: enter it before asking")
        return self._clients[changes_world]

    def observed(self, source: str, seconds: float, outcome: str) -> None:
        """Tell the observer, if there is one."""
        if self._observe:
            self._observe(source, seconds, outcome)

    def peer(
        self,
        name: str,
        url: str,
        *,
        body_cap_bytes: int,
        token: Token | None = None,
        attempts: int = 3,
        secret: Token | None = None,
    ) -> "Peer":
        """Return a peer to ask; ``secret`` is a text of the requests, beside the token, that is never shown.

        Raises:
            ConfigError: not an address that can be used.
        """
        address = _address(name, url, token)
        breaker = Breaker(clock=self.clock, jitter=self.jitter, longest_pause_seconds=self._longest_pause_seconds)
        self._breakers.append((name, breaker))
        return Peer(
            self,
            name,
            address,
            body_cap_bytes=body_cap_bytes,
            token=token,
            attempts=attempts,
            breaker=breaker,
            secret=secret,
        )

    def circuits(self) -> Mapping[str, Circuit]:
        """Return where the breaker of each peer stands; of a cluster under one name, that of its best member."""
        order = tuple(Circuit)
        ranked = sorted(((name, breaker.circuit) for name, breaker in self._breakers), key=lambda c: -order.index(c[1]))
        return dict(ranked)


def _address(name: str, url: str, token: Token | None) -> URL:
    try:
        address = URL(url)
    except ValueError as error:
        raise ConfigError([f"{name}: its address cannot be read: expected http://HOST[:PORT][/PATH]"]) from error
    shown = printable(address.with_user(None)) if address.host else "its address"
    if address.scheme not in ("http", "https") or not address.host or address.query_string or address.fragment:
        raise ConfigError([f"{name}: {shown}: expected http://HOST[:PORT][/PATH], or https"])
    if token and address.user:
        raise ConfigError([f"{name}: {shown}: has a user in the address and a token as well; keep one of them"])
    return address


class Peer:
    """One system that is asked; made by :meth:`HttpSession.peer`."""

    def __init__(
        self,
        session: HttpSession,
        name: str,
        address: URL,
        *,
        body_cap_bytes: int,
        token: Token | None,
        attempts: int,
        breaker: Breaker,
        secret: Token | None,
    ) -> None:
        self.name = name
        self._session = session
        self._clock = session.clock
        self._address = address
        self._body_cap_bytes = body_cap_bytes
        self._token = token
        self._attempts = attempts
        self._breaker = breaker
        self._hides = secret or (lambda: "")
        self._budget = RetryBudget(session.clock)

    def __str__(self) -> str:
        return f"{self.name} at {self._address.host}:{self._address.port}"

    async def ask(self, request: Request, understand: Understand[T], *, timeout_seconds: float) -> T:
        """Return what ``understand`` makes of the answer, asking again where that is safe and time is left.

        Args:
            request: what to ask.
            understand: reads it; run in a thread for large bodies.
            timeout_seconds: for everything together.

        Raises:
            TransientError: nothing was sent, the peer said it did nothing, or nothing could have happened.
            UncertainError: ``request`` changes the world, may have left, and no usable answer came.
            PermanentError, ConflictError, FencedError: refused, or (asking only) an unusable answer.
        """
        deadline = self._clock.monotonic() + timeout_seconds
        self._budget.asked()
        doubt: UncertainError | None = None

        async def attempt() -> T:
            nonlocal doubt
            try:
                return await self._attempt(request, understand, deadline)
            except UncertainError as error:
                doubt = error
                raise

        try:
            return await self._retrying(request, deadline)(attempt)
        except TransientError as error:
            # A later attempt that never left says nothing about an earlier one that may have.
            if doubt is None:
                raise
            raise doubt from error

    def _retrying(self, request: Request, deadline: float) -> AsyncRetrying:
        def may_repeat(error: BaseException) -> bool:
            if isinstance(error, CircuitOpenError):
                return False
            return isinstance(error, TransientError) or (isinstance(error, UncertainError) and request.is_idempotent)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after_seconds if isinstance(error, TransientError) else None
            doubled = 2.0 ** (state.attempt_number - 1)
            return (asked or 0.0) + BACKOFF_SECONDS * doubled * (0.5 + self._session.jitter())

        def stop(state: RetryCallState) -> bool:
            late = self._clock.monotonic() + state.upcoming_sleep >= deadline
            return late or state.attempt_number >= self._attempts or not self._may_ask_again()

        return AsyncRetrying(
            retry=retry_if_exception(may_repeat), wait=wait, stop=stop, sleep=self._clock.sleep, reraise=True
        )

    def _may_ask_again(self) -> bool:
        if self._budget.take():
            return True
        self._session.not_repeated(self.name)
        return False

    async def _attempt(self, request: Request, understand: Understand[T], deadline: float) -> T:
        sending = _Sending()
        left = self._left(deadline)
        # Causes are dropped: the library's errors hold the request's headers, and with them the token.
        with self._observed():
            try:
                async with self._breaker.asking(str(self), left), asyncio.timeout(self._left(deadline)):
                    answer = await self._exchange(request, sending)
                    self._breaker.answered()
                    return await self._understood(request, answer, understand)
            except (UnusableAnswerError, aiohttp.ClientResponseError, ValueError) as error:
                raise self._unusable(request, error, sending) from None
            except (aiohttp.ClientError, OSError) as error:
                self._breaker.unanswered()
                raise self._lost(request, error, sending) from None

    def _left(self, deadline: float) -> float:
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise TransientError(f"{self}: no time was left to ask")
        return left

    @contextmanager
    def _observed(self) -> Iterator[None]:
        began = self._clock.monotonic()
        outcome = "cancelled"
        try:
            yield
            outcome = "ok"
        except MapeKError as error:
            outcome = _outcome(error)
            raise
        finally:
            self._session.observed(self.name, self._clock.monotonic() - began, outcome)

    async def _exchange(self, request: Request, sending: _Sending) -> Answer:
        client = self._session.client(changes_world=request.changes_world)
        async with client.request(
            request.method,
            self._url(request),
            data=request.body,
            headers=self._headers(request),
            allow_redirects=False,
            trace_request_ctx=sending,
        ) as response:
            return Answer(
                status=response.status,
                content_type=response.content_type,
                body=await self._body(response),
                headers=response.headers,
            )

    def _url(self, request: Request) -> URL:
        # Encoded here: yarl would drop what it cannot encode without a word.
        query = f"?{urlencode(request.params)}" if request.params else ""
        address = self._address.joinpath(request.path, encoded=True) if request.path else self._address
        return URL(f"{address}{query}", encoded=True)

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Accept": request.accept or "*/*", **request.headers}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        if token := self._secret():
            headers["Authorization"] = f"Bearer {token}"
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable() and len(value) <= HEADER_CHARACTERS):
                raise PermanentError(f"{self}: {name} has line breaks or characters that no header may carry")
        return headers

    def _secret(self) -> str:
        return self._token() if self._token else ""

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        cap = self._body_cap_bytes if is_good(response.status) else COMPLAINT_BYTES
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > cap:
                response.close()
                if is_good(response.status):
                    raise UnusableAnswerError(f"the body is larger than {cap} bytes")
                break
        return bytes(body[:cap])

    async def _understood(self, request: Request, answer: Answer, understand: Understand[T]) -> T:
        if not is_good(answer.status):
            raise self._refusal(request, answer)
        if request.accept and answer.content_type != request.accept:
            raise UnusableAnswerError(f"it is {printable(answer.content_type)}, not {request.accept}")
        try:
            if len(answer.body) < THREAD_FROM_BYTES:
                return understand(answer)
            return await asyncio.to_thread(understand, answer)
        except UNREADABLE as error:
            raise UnusableAnswerError(printable(error)) from error

    def _refusal(self, request: Request, answer: Answer) -> MapeKError:
        body = self._hidden(answer.body.decode("utf-8", "replace")).encode()
        return refusal(
            replace(answer, body=body),
            peer=str(self),
            asked=str(request),
            changes_world=request.changes_world,
            now=self._clock.now(),
        )

    def _hidden(self, text: str) -> str:
        for secret in (self._secret(), self._address.password, self._hides()):
            text = text.replace(secret, "***") if secret else text
        return text

    def _unusable(self, request: Request, error: Exception, sending: _Sending) -> MapeKError:
        if not sending.may_have_left:
            return PermanentError(f"{self}: {request} cannot be asked: {self._told(error)}")
        message = f"{self}: the answer to {request} cannot be used: {self._told(error)}"
        return UncertainError(message) if request.changes_world else PermanentError(message)

    def _lost(self, request: Request, error: Exception, sending: _Sending) -> MapeKError:
        what = "no answer in time" if isinstance(error, TimeoutError) else self._told(error)
        if not sending.may_have_left:
            return TransientError(f"{self} cannot be reached: {what}")
        message = f"{self}: {request} may have been received, but: {what}"
        return UncertainError(message) if request.changes_world else TransientError(message)

    def _told(self, error: Exception) -> str:
        return printable(self._hidden(str(error))) or type(error).__name__
