"""What guards are asked about."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from mape_k.model import Finding, Incident, Limits, Remediation


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One remediation for one target, before it is decided.

    Args:
        incident_id, symptom: what it is for.
        since: when the incident was opened; what was tried before that may be tried again.
        limits: of the remediation's pack.
        is_inhibited: the alert behind it is inhibited.
    """

    incident_id: str
    remediation: Remediation
    symptom: str
    target: str
    since: datetime
    limits: Limits
    is_inhibited: bool = False

    @classmethod
    def of(cls, remediation: Remediation, incident: Incident, finding: Finding, limits: Limits) -> Self:
        """Return the proposal to do something about one finding of an incident."""
        return cls(
            incident_id=incident.incident_id,
            remediation=remediation,
            symptom=finding.symptom,
            target=finding.target,
            since=incident.opened_at,
            limits=limits,
            is_inhibited=finding.is_inhibited,
        )

    @property
    def pack(self) -> str:
        """Whose remediation it is."""
        return self.remediation.pack
