"""Slack, through an incoming webhook; its address is the secret."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from integration.http import HttpSession, Request
from mape_k.model import Message, Urgency

BODY_CAP_BYTES = 16 * 1024
LONGEST_TEXT = 2900
_SIGNS: Mapping[Urgency, str] = {
    Urgency.INFO: ":information_source:",
    Urgency.WARNING: ":warning:",
    Urgency.CRITICAL: ":rotating_light:",
}


class SlackNotifier:
    """Posts messages to one channel. Slack cannot tell a repetition, so a message whose answer got lost may come twice.

    Args:
        http: the shared session.
        url: of the incoming webhook; never shown.
    """

    name = "slack"

    def __init__(self, http: HttpSession, url: str) -> None:
        self._peer = http.peer(self.name, url, body_cap_bytes=BODY_CAP_BYTES, secret=lambda: urlsplit(url).path)

    async def send(self, message: Message, *, key: str, timeout_seconds: float) -> None:  # noqa: ARG002 (no use there)
        """Post a message."""
        request = Request(
            path="",
            method="POST",
            body=msgspec.json.encode(_document(message)),
            accept="",
            changes_world=True,
            is_idempotent=False,
        )
        await self._peer.ask(request, lambda _: None, timeout_seconds=timeout_seconds)


def _document(message: Message) -> Mapping[str, Any]:
    sign = ":white_check_mark:" if message.is_over else _SIGNS[message.urgency]
    facts = "\n".join(f"{name}: {fact}" for name, fact in message.facts.items())
    text = "\n".join(filter(None, (message.text, facts)))
    return {
        "text": f"{sign} {_escaped(message.subject)}",
        "blocks": [
            _section(f"{sign} *{_escaped(message.subject)}*"),
            _section(_escaped(text)[:LONGEST_TEXT]),
        ],
    }


def _section(text: str) -> Mapping[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _escaped(text: str) -> str:
    """Take from a text its power to mention people or to pass as a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
