"""The closed lists of the Charter: severities, violation types, statuses, and what follows from them."""

SEVERITIES = ("WARNING", "SUSPENSION", "BAN_1YEAR", "PERMANENT_BAN", "CRIMINAL_REFERRAL")
"""Mildest first."""

SEVERITY_OF_TYPE = {
    "silent_collection": "BAN_1YEAR",
    "behavioral_prediction": "PERMANENT_BAN",
    "data_extraction": "SUSPENSION",
    "unauthorized_override": "CRIMINAL_REFERRAL",
    "algorithm_manipulation": "PERMANENT_BAN",
    "exploitation": "SUSPENSION",
}
OTHER = "other"
"""The label value that stands for every name beyond the known ones."""

VIOLATION_TYPES = (*SEVERITY_OF_TYPE, OTHER)
TRIAGED = frozenset({"WARNING", "SUSPENSION"})
"""Severities that are closed by triage; the others wait for a member of the committee."""

RECIPIENTS = {"WARNING": 1, "SUSPENSION": 2, "BAN_1YEAR": 3, "PERMANENT_BAN": 5, "CRIMINAL_REFERRAL": 5}
FORBIDDEN_METRICS = (
    "user_location",
    "user_identity",
    "browsing_history",
    "device_hardware_id",
    "user_communication_metadata",
    "system_logs_with_user_data",
)
ATTEMPT_STATUSES = ("blocked", "reported", "escalated")
INITIATORS = ("system", "committee", "external")
REVOCATION_REASONS = ("account_closure", "policy_violation", "security_incident")
OVERRIDE_REASONS = ("security_incident", "network_breach")
OVERRIDE_PEOPLE = ("cto_admin", "security_team")


def severity_of(violation_type: str) -> str:
    """Return how severe a violation of this type is; a type nobody listed is a warning."""
    return SEVERITY_OF_TYPE.get(violation_type, "WARNING")
