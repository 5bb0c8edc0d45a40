"""What happened, from when to when, as tracing systems take it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self


@dataclass(frozen=True, slots=True)
class SpanRef:
    """Where a span is found, as W3C Trace Context writes it.

    Args:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
    """

    trace_id: str
    span_id: str

    @classmethod
    def of(cls, identity: str) -> Self:
        """Return the same place for the same thing, over restarts and replicas, without keeping it anywhere."""
        digest = hashlib.sha256(identity.encode()).hexdigest()
        return cls(digest[:32], digest[32:48])

    @property
    def traceparent(self) -> str:
        """The header under which the receiver of a request continues this trace."""
        return f"00-{self.trace_id}-{self.span_id}-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One thing that took time.

    Args:
        ref: its own place.
        parent: what it was a part of, in the same trace.
        attributes: what is known of it; texts and numbers.
        links: what it has to do with, in other traces.
        error: what went wrong; empty: nothing.
    """

    name: str
    ref: SpanRef
    begun: datetime
    ended: datetime
    parent: SpanRef | None = None
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    links: tuple[SpanRef, ...] = ()
    error: str = ""
