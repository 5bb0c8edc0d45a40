"""What a person is told, whatever way it takes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec


class Urgency(StrEnum):
    """How soon a person should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing that a person should know.

    Args:
        subject: one line.
        text: the rest, in plain text.
        about: what it is about (``action act-…``, ``target charter/node-7``), so that a receiver tells them apart.
        facts: names and values for receivers that show fields.
    """

    subject: str
    urgency: Urgency
    text: str
    about: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def content_hash(self, channel: str) -> str:
        """Return what is the same for the same content on the same channel: SHA-256 over all that is sent."""
        content = [channel, self.subject, self.urgency, self.text, self.about, dict(self.facts)]
        return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
