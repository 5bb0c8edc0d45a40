"""PagerDuty, through its Events API v2: what begins triggers an incident, what is over resolves it."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from integration.answers import Answer
from integration.http import HttpSession, Request
from mape_k.model import Message, Urgency

PAGERDUTY_URL = "https://events.pagerduty.com"
BODY_CAP_BYTES = 16 * 1024
LONGEST_SUMMARY = 1024
_SEVERITIES: Mapping[Urgency, str] = {
    Urgency.INFO: "info",
    Urgency.WARNING: "warning",
    Urgency.CRITICAL: "critical",
}


class _Accepted(msgspec.Struct):
    status: str


class PagerDutyNotifier:
    """Sends events; all about one thing carry one deduplication key, so a repetition changes nothing there.

    Args:
        http: the shared session.
        routing_key: returns the integration's key, at the moment of use.
        url: of the Events API, without its path.
        source: what the events come from: the daemon's address.
    """

    name = "pagerduty"

    def __init__(self, http: HttpSession, routing_key: Callable[[], str], *, url: str, source: str) -> None:
        self._peer = http.peer(self.name, url, body_cap_bytes=BODY_CAP_BYTES, secret=routing_key)
        self._routing_key = routing_key
        self._source = source

    async def send(self, message: Message, *, key: str, timeout_seconds: float) -> None:  # noqa: ARG002 (see the class)
        """Send an event."""
        request = Request(
            path="v2/enqueue", method="POST", body=msgspec.json.encode(self._event(message)), changes_world=True
        )
        await self._peer.ask(request, _understand, timeout_seconds=timeout_seconds)

    def _event(self, message: Message) -> Mapping[str, Any]:
        about = hashlib.sha256(message.about.encode()).hexdigest()
        event = {
            "routing_key": self._routing_key(),
            "event_action": "resolve" if message.is_over else "trigger",
            "dedup_key": f"mape-k-{about[:40]}",
        }
        return event if message.is_over else event | {"client": "mape-k", "payload": self._payload(message)}

    def _payload(self, message: Message) -> Mapping[str, Any]:
        return {
            "summary": message.subject[:LONGEST_SUMMARY],
            "source": self._source,
            "severity": _SEVERITIES[message.urgency],
            "component": message.about,
            "custom_details": {"text": message.text, **message.facts},
        }


def _understand(answer: Answer) -> None:
    status = msgspec.json.decode(answer.body, type=_Accepted).status
    if status != "success":
        raise ValueError(f"its status is {status!r}, not 'success'")
