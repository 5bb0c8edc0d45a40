"""What is known at the moment of acting, for the last word before an intent is written down."""

from collections.abc import Iterable
from dataclasses import dataclass

from mape_k.model import Action, Alert, Assessment, Catalogue, Execution, Finding, Incident, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The evidence of this cycle, and the alerts as they were looked up just before acting.

    Args:
        alerts: None: they could not be seen.
    """

    assessment: Assessment
    catalogue: Catalogue
    alerts: tuple[Alert, ...] | None

    def reason_behind(self, what: Action | Execution) -> tuple[Incident, Finding] | None:
        """Return the incident and the finding that an action is about; None when they are gone."""
        about = (what.pack, what.symptom, what.target)
        return next(
            (
                (incident, finding)
                for incident in self.assessment.incidents
                if incident.incident_id == what.incident_id
                for finding in incident.findings
                if finding.key == about
            ),
            None,
        )

    def as_seen(self, ledger: Ledger, *, but: Action | Execution) -> Ledger:
        """Return the ledger with how this cycle saw the packs, and without what it is asked about."""
        seen = ledger.seeing(self.assessment.outlooks)
        return seen.without(but) if isinstance(but, Execution) else seen

    def is_silenced(self, what: Action | Execution) -> bool:
        """Whether a person has silenced every alert that an action is about."""
        about = list(self._alerts_about(what))
        return bool(about) and all(alert.silenced_by for alert in about)

    def _alerts_about(self, what: Action | Execution) -> Iterable[Alert]:
        symptom = self.catalogue.packs[what.pack].symptoms[what.symptom]
        label = symptom.target.label
        for alert in self.alerts or ():
            if alert.name == symptom.alert and (label is None or alert.labels.get(label) == what.target):
                yield alert
