"""Mail servers and addresses, as a person writes them."""

import re
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator

from mape_k.settings.values import is_loopback

_MAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_SERVER = re.compile(
    r"(?P<scheme>smtp|smtps|smtp\+starttls)://(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)
_SECURITY = {"smtp": ("none", 25), "smtp+starttls": ("starttls", 587), "smtps": ("tls", 465)}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed in; ``security`` is ``none``, ``starttls`` or ``tls``."""

    host: str
    port: int
    security: str

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read what is said to it."""
        return self.security != "none" or is_loopback(self.host)


def _mail_server(text: str) -> MailServer:
    found = _SERVER.fullmatch(text)
    if found is None or int(found["port"] or 1) not in range(1, 65536):
        raise ValueError("expected smtp+starttls://HOST[:PORT], smtps://HOST[:PORT] or smtp://HOST[:PORT]")
    security, usual = _SECURITY[found["scheme"]]
    return MailServer(found["host"].strip("[]"), int(found["port"] or usual), security)


def _mail_address(text: str) -> str:
    if _MAIL.fullmatch(text) is None:
        raise ValueError("expected an address such as sre@example.org")
    return text


def _mail_addresses(text: str) -> tuple[str, ...]:
    return tuple(_mail_address(part.strip()) for part in text.split(",") if part.strip())


MailAddress: TypeAlias = Annotated[str, BeforeValidator(_mail_address)]
MailAddresses: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_mail_addresses)]
Mail: TypeAlias = Annotated[MailServer, BeforeValidator(_mail_server)]
