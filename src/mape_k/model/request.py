"""What is asked of those who can change the world."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote

from mape_k.model.call import CHARTER, SLOT_ID, HttpCall, Written


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRequest:
    """What is asked of the other side, for whom, why and until when.

    Without ``call`` it is the body of ``POST /api/v1/policies``, and the field names are those on the wire; with it,
    another system is asked by that call, which is filled from the other fields.
    """

    name: str
    kind: str
    scope: Mapping[str, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ttl_seconds: float | None = None
    reason: str = ""
    source: str = "mape-k"
    incident_id: str = ""
    not_after: datetime | None = None
    dry_run: bool = False
    call: HttpCall | None = None

    @property
    def server(self) -> str:
        """Who is asked: ``charter``, or the name of a server in the settings."""
        return self.call.server.name if self.call else CHARTER

    @property
    def title(self) -> str:
        """What it is to a person: ``POST oneiric /control/v1/…``, or ``block_source on node-7``."""
        if self.call is None:
            return f"{self.kind} on {', '.join(self.scope.values())}"
        return f"{self.call.method} {self.server} {self.shown.path}"

    @property
    def shown(self) -> Written:
        """The call as far as it is known before it is sent; slots that wait for an answer are still in it."""
        if self.call is None:
            raise ValueError(f"{self.name} is a policy, which only the Charter takes")
        try:
            written = self.written(f"{{{SLOT_ID}}}")
        except ValueError:  # it was never admitted so, and is shown all the same
            return Written(method=self.call.method, path=self.call.path, headers=self.call.headers, body=self.call.body)
        return replace(written, path=written.path.replace(quote(f"{{{SLOT_ID}}}"), f"{{{SLOT_ID}}}"))

    @property
    def lasting(self) -> Self:
        """The same without what changes from cycle to cycle while the plan stays as it is."""
        return replace(self, reason="", not_after=None, call=self.call and self.call.named(""))

    def written(self, answered_id: str | None = None) -> Written:
        """Return the call as it is sent.

        Args:
            answered_id: the server's own name for what is to be undone, where it gave one.

        Raises:
            ValueError: it cannot be written, or there is no call.
        """
        if self.call is None:
            raise ValueError(f"{self.name} is a policy, which only the Charter takes")
        return self.call.written(
            {
                "target": next(iter(self.scope.values()), None),
                "reason": self.reason,
                "incident_id": self.incident_id,
                "ttl_seconds": self.ttl_seconds,
                "not_after": self.not_after,
                SLOT_ID: answered_id,
            }
        )
