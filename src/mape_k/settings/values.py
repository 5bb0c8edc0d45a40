"""The kinds of values that settings have: each reads the text of an environment variable or says what it expected."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_TOKEN = re.compile(r"[!-~]{1,4096}")
_REPLICA = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,62}")
_AUDIT_KEY = re.compile(r"[0-9a-fA-F]{64}\s*")
_LONGEST_KEY = 128
_SHORTEST_OWN_TOKEN = 16
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where the daemon listens; port 0: any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, and only this machine can reach it there."""
    return host == "localhost" or (_is_ip(host) and ip_address(host).is_loopback)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    is_host = _is_ip(bare) if ":" in bare else _HOST.fullmatch(host) is not None
    if not is_host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _HIGHEST_PORT:
        raise ValueError("expected HOST:PORT, such as 127.0.0.1:8001 or [::1]:8001")
    return Address(bare, int(port))


def _url(text: str) -> str:
    """Return an HTTP address without the slash at its end."""
    try:
        parts = urlsplit(text)
        has_address = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_address = False
    if not has_address or parts.scheme not in {"http", "https"} or not text.isprintable() or " " in text:
        raise ValueError("expected an address such as http://localhost:9090")
    if "@" in parts.netloc:
        raise ValueError("expected no user or password in the address; put a token into the variable …_TOKEN_FILE")
    if parts.query or parts.fragment:
        raise ValueError("expected an address without ? and #")
    return text.rstrip("/")


def _knowledge_url(text: str) -> str:
    scheme, _, path = text.partition("://")
    if scheme.startswith("postgres"):
        return _postgresql_url(text)
    if scheme != "sqlite" or "?" in path or path.endswith("/"):
        raise ValueError("expected sqlite:////absolute/path.db")
    if not path.startswith("//"):
        raise ValueError(
            "three slashes name a file relative to wherever the daemon happens to start; "
            f"expected four, as in sqlite:////{path.strip('/') or 'var/lib/mape-k/knowledge.db'}"
        )
    return text


def _postgresql_url(text: str) -> str:
    """Return a URL without a password: addresses end up in logs, in lists of processes and in error messages."""
    expected = "expected postgresql://user@host:port/database, with what libpq takes after ?"
    try:
        parts = urlsplit(text)
        has_address = bool(parts.hostname) and bool(parts.username) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_address = False
    if not has_address or parts.scheme != "postgresql" or not re.fullmatch(r"/[^/]+", parts.path):
        raise ValueError(expected)
    if parts.password is not None or {"password", "passfile"} & parse_qs(parts.query).keys():
        raise ValueError("expected no password in the address; put it into MAPE_K_KNOWLEDGE_PASSWORD_FILE")
    return text


def _audit_key_file(text: str) -> Path:
    path, expected = Path(text), "expected an absolute path of a file that `openssl rand -hex 32` wrote"
    try:
        is_key = path.is_absolute() and _AUDIT_KEY.fullmatch(path.read_text("ascii", "replace")[:_LONGEST_KEY])
    except OSError as error:
        raise ValueError(f"{error.strerror}; {expected}") from error
    if not is_key:
        raise ValueError(expected)
    return path


def _replica(text: str) -> str:
    if text and _REPLICA.fullmatch(text) is None:
        raise ValueError("expected 1 to 63 letters, digits and . : _ -")
    return text


def _token(secret: SecretStr) -> SecretStr:
    if _TOKEN.fullmatch(secret.get_secret_value()) is None:
        raise ValueError("expected 1 to 4096 ASCII characters without spaces")
    return secret


def _secret_url(secret: SecretStr) -> SecretStr:
    try:
        return SecretStr(_url(_token(secret).get_secret_value()))
    except ValueError:
        raise ValueError("expected an address such as https://hooks.slack.com/services/…") from None


def _own_token(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _SHORTEST_OWN_TOKEN:
        raise ValueError(f"expected at least {_SHORTEST_OWN_TOKEN} characters that nobody can guess")
    return _token(secret)


def as_own_token(text: str) -> SecretStr:
    """Return ``text`` as a token of the daemon's own.

    Raises:
        ValueError: too short, or not fit for a header; the message does not hold the text.
    """
    return _own_token(SecretStr(text))


def as_token(text: str) -> SecretStr:
    """Return ``text`` as a token for somebody else; raises as :func:`as_own_token`."""
    return _token(SecretStr(text))


def as_url(text: str) -> str:
    """Return ``text`` as an HTTP address without the slash at its end.

    Raises:
        ValueError: it is none.
    """
    return _url(text)


def _parts(separator: str) -> BeforeValidator:
    """Split a text into what stands between separators; what is empty there does not count."""
    return BeforeValidator(lambda text: tuple(part.strip() for part in text.split(separator) if part.strip()))


Seconds: TypeAlias = Annotated[float, Field(ge=0.001, le=86_400)]
Url: TypeAlias = Annotated[str, AfterValidator(_url)]
Urls: TypeAlias = Annotated[tuple[Url, ...], _parts(","), Field(min_length=1)]
Packs: TypeAlias = Annotated[tuple[str, ...], _parts(":"), Field(min_length=1)]
Listen: TypeAlias = Annotated[Address, BeforeValidator(_address)]
AuditKeyFile: TypeAlias = Annotated[Path, BeforeValidator(_audit_key_file)]
KnowledgeUrl: TypeAlias = Annotated[str, AfterValidator(_knowledge_url)]
Replica: TypeAlias = Annotated[str, AfterValidator(_replica)]
SecretUrl: TypeAlias = Annotated[SecretStr, AfterValidator(_secret_url)]
Token: TypeAlias = Annotated[SecretStr, AfterValidator(_token)]
OwnToken: TypeAlias = Annotated[SecretStr, AfterValidator(_own_token)]
