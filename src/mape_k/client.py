"""A small client of the running daemon, for the commands; it starts quickly and asks one thing at a time."""

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from mape_k.errors import ConfigError, MapeKError, PermanentError, TransientError
from mape_k.settings import Settings, known_operator_token, token_file
from mape_k.text import printable

TIMEOUT_SECONDS = 10.0
MAX_BYTES = 64 * 1024 * 1024
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (what is listened on, not listening)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Talks to one daemon.

    Args:
        host, port: where it listens.
        token: returns the operator token; asked only where one is needed.
        is_local: reads need no token.
    """

    host: str
    port: int
    token: Callable[[], str]
    is_local: bool = True

    def get(self, *path: str, **query: str | int | None) -> Any:  # noqa: ANN401 (a document)
        """Return the document at ``/api/v1/<path…>``.

        Raises:
            TransientError: the daemon cannot be reached, or is not ready for that.
            PermanentError: it has no such thing, or what answers is no daemon.
            ConfigError: it does not take the token, or what was asked makes no sense to it.
        """
        given = urlencode({name: value for name, value in query.items() if value is not None})
        return self._ask("GET", f"{_path(path)}{'?' if given else ''}{given}")

    def post(self, *path: str, document: Mapping[str, Any]) -> Any:  # noqa: ANN401 (a document)
        """Send ``document`` there and return the answer; raises as :meth:`get`."""
        return self._ask("POST", _path(path), json.dumps(document).encode())

    def _ask(self, method: str, target: str, body: bytes | None = None) -> Any:  # noqa: ANN401 (a document)
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if body is not None or not self.is_local:
            headers["Authorization"] = f"Bearer {self.token()}"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            return self._read(response.status, response.read(MAX_BYTES))
        except OSError as error:
            why = error.strerror or str(error)
            remedy = "start it with `mape-k run`, or say in MAPE_K_LISTEN where it listens"
            raise TransientError(f"no daemon answers at {self._place} ({why}); {remedy}") from error
        except http.client.HTTPException as error:
            raise PermanentError(f"what answers at {self._place} does not speak HTTP: {printable(error)}") from error
        finally:
            connection.close()

    def _read(self, status: int, body: bytes) -> Any:  # noqa: ANN401 (a document)
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise PermanentError(f"what answers at {self._place} is no mape-k daemon (status {status})") from error
        if status in range(200, 300):
            return document
        raise self._refused(status, document if isinstance(document, dict) else {})

    def _refused(self, status: int, problem: Mapping[str, Any]) -> MapeKError:
        detail = printable(problem.get("detail") or f"status {status}", 500)
        match status:
            case http.client.UNAUTHORIZED | http.client.FORBIDDEN:
                remedy = "MAPE_K_OPERATOR_TOKEN: must be the one that the daemon was started with"
                return ConfigError([f"{remedy} ({self._place} says: {detail})"])
            case http.client.UNPROCESSABLE_ENTITY:
                return ConfigError([detail])
            case http.client.SERVICE_UNAVAILABLE:
                return TransientError(f"the daemon cannot do that now: {detail}")
        return PermanentError(detail)

    @property
    def _place(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


def connect(settings: Settings) -> Client:
    """Return a client of the daemon that these settings start; nothing is asked yet."""
    listen = settings.listen
    return Client(
        host=_ANYWHERE.get(listen.host, listen.host),
        port=listen.port,
        token=lambda: _token(settings),
        is_local=listen.is_loopback or listen.host in _ANYWHERE,
    )


def _token(settings: Settings) -> str:
    token = known_operator_token(settings)
    if token is None:
        path = token_file(settings, "operator")
        raise ConfigError([f"MAPE_K_OPERATOR_TOKEN: not set, and {path} is not there; has the daemon run once?"])
    return token.get_secret_value()


def _path(parts: tuple[str, ...]) -> str:
    return "/api/v1/" + "/".join(quote(part, safe="") for part in parts)
