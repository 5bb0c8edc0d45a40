"""Any receiver that takes a JSON document by POST."""

from typing import Any

import msgspec

from integration.http import HttpSession, Request, Token
from mape_k.model import Message

BODY_CAP_BYTES = 16 * 1024


class WebhookNotifier:
    """Posts messages; any status of 2xx means that it was taken. ``Idempotency-Key`` is the same for each attempt.

    Args:
        http: the shared session.
        url: where to.
        token: sent as bearer token.
    """

    name = "webhook"

    def __init__(self, http: HttpSession, url: str, *, token: Token | None = None) -> None:
        self._peer = http.peer(self.name, url, body_cap_bytes=BODY_CAP_BYTES, token=token)

    async def send(self, message: Message, *, key: str, timeout_seconds: float) -> None:
        """Post a message."""
        request = Request(
            path="",
            method="POST",
            body=msgspec.json.encode(_document(message, key)),
            headers={"Idempotency-Key": key},
            accept="",
            changes_world=True,
        )
        await self._peer.ask(request, lambda _: None, timeout_seconds=timeout_seconds)


def _document(message: Message, key: str) -> dict[str, Any]:
    return {
        "version": "1",
        "key": key,
        "status": "over" if message.is_over else "begun",
        "about": message.about,
        "urgency": message.urgency.value,
        "subject": message.subject,
        "text": message.text,
        "facts": dict(message.facts),
    }
