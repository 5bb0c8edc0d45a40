"""The servers that packs may act through, as people write them: names with addresses, and names with tokens."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, SecretStr

from mape_k.settings.values import as_token, as_url

TAKEN = frozenset({"prometheus", "alertmanager", "charter", "slack", "pagerduty", "email", "webhook", "other", "none"})
"""Names that already mean somebody else, in metrics and messages."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_EXPECTED = "expected NAME=URL with , between, such as oneiric=http://localhost:9411"


def _servers(text: str) -> dict[str, str]:
    servers: dict[str, str] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        name, separator, url = entry.partition("=")
        if not separator or _NAME.fullmatch(name) is None:
            raise ValueError(f"{_EXPECTED}; a name has lower-case letters, digits and '-', a letter first")
        if name in TAKEN:
            raise ValueError(f"{name} already means another peer; expected another name, here and in the pack")
        if name in servers:
            raise ValueError(f"{name} is there twice; keep one of them")
        servers[name] = as_url(url)
    return servers


def read_tokens(secret: SecretStr) -> dict[str, SecretStr]:
    """Return the tokens by the name of their server.

    Raises:
        ValueError: they are not written so; the message holds no part of them.
    """
    tokens: dict[str, SecretStr] = {}
    for number, entry in enumerate(secret.get_secret_value().split(), start=1):
        name, separator, token = entry.partition("=")
        if not separator or _NAME.fullmatch(name) is None or not token:
            raise ValueError(f"expected NAME=TOKEN with white space between; entry {number} is not so")
        if name in tokens:
            raise ValueError(f"expected one token for each server; entry {number} is for one that has a token already")
        tokens[name] = as_token(token)
    return tokens


def _checked(secret: SecretStr) -> SecretStr:
    read_tokens(secret)
    return secret


HttpServers: TypeAlias = Annotated[dict[str, str], BeforeValidator(_servers)]
HttpTokens: TypeAlias = Annotated[SecretStr, AfterValidator(_checked)]
