"""What a person is told, whatever way it takes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
        is_over: it tells that what was told before about this has ended.
    """

    subject: str
    urgency: Urgency
    text: str
    about: str
    facts: Mapping[str, str] = field(default_factory=dict)
    is_over: bool = False

    def content_hash(self, channel: str) -> str:
        """Return what is the same for the same content on the same channel: SHA-256 over all that is sent."""
        content = [channel, self.subject, self.urgency, self.text, self.about, dict(self.facts), self.is_over]
        return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Something that people should know for as long as it lasts.

    Args:
        message: as it was first composed, so that it stays the same while it lasts.
        since: when it was first seen.
        is_told: people were told, or are about to be.
        is_over: it has ended, and some channel does not know that yet.
    """

    message: Message
    since: datetime
    is_told: bool = False
    is_over: bool = False
