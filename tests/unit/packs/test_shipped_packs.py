"""What holds for every shipped pack as a whole."""

import re

import pytest

from mape_k.catalogue import load_catalogue
from mape_k.model import Remediation, Symptom
from mape_k.telemetry import TABLE
from shipped_packs import CONFIG, PACKS, Rule, rules, selectors, unit_tests

ALERTS = rules("alert")
RECORDINGS = rules("record")
CATALOGUE = load_catalogue([str(pack) for pack in PACKS])
SYMPTOMS = [symptom for symptom in CATALOGUE.symptoms if symptom.remediations]
BENEFITS = (0.4, 0.65, 0.9)
"""What an incident's risk makes of a remediation that surely helps."""

CHARTER_METRICS = {
    "violations_total": {"severity", "violation_type", "node_or_service"},
    "forbidden_metric_attempts_total": {"metric_name", "node_or_service", "status"},
    "data_revocation_events_total": {"reason", "node_or_service"},
    "audit_committee_notifications_total": {"severity", "recipient_count"},
    "investigation_initiated_total": {"violation_type", "initiated_by"},
    "emergency_override_total": {"reason", "who_triggered"},
    "metric_validation_latency_ns": {"le"},
    "policy_load_duration_ms": {"le"},
    "violation_report_latency_ms": {"le"},
    "committee_notification_latency_ms": {"le"},
    "data_revocation_latency_ms": {"le"},
    "violations_under_investigation": {"severity"},
    "audit_committee_size": set(),
    "policy_last_load_timestamp": set(),
    "emergency_override_active_count": set(),
}
SECTIONS = (
    "## What it means",
    "## Look at",
    "## What the daemon does by itself",
    "## What a person does",
    "## How to see that it is over",
)
QUERIES = [(rule.name, rule.body["expr"]) for rule in (*ALERTS, *RECORDINGS)] + [
    (signal.full_name, signal.query) for signal in CATALOGUE.signals
]

of_alerts = pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule.name)
of_queries = pytest.mark.parametrize("query", [query for _, query in QUERIES], ids=[name for name, _ in QUERIES])
of_symptoms = pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda symptom: symptom.name)


def test_the_eleven_alerts_of_the_charter_are_there() -> None:
    assert {
        "CriticalViolationDetected": "critical",
        "PolicyLoadFailure": "critical",
        "EmergencyOverrideStayingActive": "critical",
        "ForbiddenMetricSpike": "warning",
        "ValidationLatencySLAViolation": "warning",
        "CommitteeNotificationLatencySLA": "warning",
        "DataRevocationSLAViolation": "warning",
        "PolicyLoadFrequencyAnomaly": "warning",
        "CommitteeOverloaded": "warning",
        "UnusualDataRevocationActivity": "warning",
        "HighViolationInvestigationRate": "info",
    }.items() <= {alert.name: alert.body["labels"]["severity"] for alert in ALERTS}.items()


@of_alerts
def test_an_alert_says_what_is_wrong_and_what_to_do(alert: Rule) -> None:
    assert {"severity", "team", "component"} <= alert.body["labels"].keys()
    assert {"summary", "description", "action", "dashboard", "runbook_url"} == alert.body["annotations"].keys()


@of_alerts
def test_an_alert_has_a_runbook_that_helps(alert: Rule) -> None:
    url = alert.body["annotations"]["runbook_url"]
    assert url == f"config/packs/{alert.pack.name}/runbooks/{alert.name}.md"
    text = (CONFIG.parent / url).read_text(encoding="utf-8")
    assert text.startswith(f"# {alert.name}\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)


@of_alerts
def test_an_alert_is_a_symptom_of_its_severity_unless_it_is_no_trouble(alert: Rule) -> None:
    severity = alert.body["labels"]["severity"]
    found = [symptom for symptom in CATALOGUE.symptoms if symptom.alert == alert.name]
    assert [(s.severity, s.runbook) for s in found] == ([] if severity == "none" else [(severity, f"{alert.name}.md")])


def test_every_symptom_is_reported_by_an_alert_of_its_pack() -> None:
    names = {(alert.pack.name, alert.name) for alert in ALERTS}
    assert [s.name for s in CATALOGUE.symptoms if (s.pack, s.alert) not in names] == []


@of_alerts
def test_an_alert_is_seen_to_fire_and_to_stay_silent(alert: Rule) -> None:
    looks = [look for case in unit_tests(alert.pack) for look in case.get("alert_rule_test", [])]
    fired = [bool(look.get("exp_alerts")) for look in looks if look["alertname"] == alert.name]
    assert True in fired
    assert False in fired or alert.body["labels"]["severity"] == "none"


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda rule: rule.name)
def test_a_recording_rule_has_a_value_checked(recording: Rule) -> None:
    looks = [look for case in unit_tests(recording.pack) for look in case.get("promql_expr_test", [])]
    assert any(look["expr"] == recording.name and look["exp_samples"] for look in looks)


@of_queries
def test_a_query_names_the_job_of_every_metric_that_it_selects(query: str) -> None:
    assert [metric for metric, matchers in selectors(query) if "job=" not in matchers] == []


@of_queries
def test_a_query_selects_metrics_that_exist_by_labels_that_they_have(query: str) -> None:
    for metric, matchers in selectors(query):
        if metric == "up":
            continue
        known = _labels_of(metric)
        assert set(re.findall(r"(\w+)(?:=~|!=|!~|=)", matchers)) - {"job"} <= known, metric


@of_alerts
def test_a_runbook_names_metrics_that_exist(alert: Rule) -> None:
    text = (alert.pack / "runbooks" / f"{alert.name}.md").read_text(encoding="utf-8")
    recorded = {recording.name for recording in RECORDINGS}
    assert set(re.findall(r"\b(?:charter|mape_k):[\w:]+", text)) <= recorded
    for metric in re.findall(r"\b(?:westworld_charter|mape_k)_\w+", text.replace("mape_k_…", "")):
        assert _labels_of(metric) is not None


def _labels_of(metric: str) -> set[str]:
    """Return the labels of a metric of either job; a histogram's parts are known by its name."""
    daemon = {entry.full_name: {*entry.labels, "le"} for entry in TABLE}
    charter = {f"westworld_charter_{name}": labels for name, labels in CHARTER_METRICS.items()}
    known = daemon | charter
    return known[metric] if metric in known else known[re.sub(r"_(bucket|count|sum)$", "", metric)]


@of_queries
def test_a_bucket_is_matched_however_its_bound_is_spelled(query: str) -> None:
    for _, matchers in selectors(query):
        if "le=" in matchers:
            assert re.search(r'le=~"[0-9]+\(\\\\\.0\)\?"', matchers)


def test_only_ages_are_printed_as_durations() -> None:
    printed = {alert.name for alert in ALERTS if "humanizeDuration" in alert.body["annotations"]["description"]}
    assert printed == {"PolicyLoadFailure", "MapeKNoCompletedCycle", "MapeKDeadLettersAgeing"}


def _score(remediation: Remediation, benefit: float, *, successes: int = 0, failures: int = 0) -> float:
    weight = remediation.prior_weight
    probability = (remediation.prior_success * weight + successes) / (weight + successes + failures)
    return probability * benefit - remediation.cost


def _candidates(symptom: Symptom) -> list[Remediation]:
    return [CATALOGUE.packs[symptom.pack].remediations[name] for name in symptom.remediations]


@of_symptoms
@pytest.mark.parametrize("benefit", BENEFITS)
def test_what_a_symptom_names_first_is_tried_first_and_each_is_worth_trying(symptom: Symptom, benefit: float) -> None:
    scores = [_score(candidate, benefit) for candidate in _candidates(symptom)]
    assert scores[0] == max(scores)
    assert min(scores) > 0


@of_symptoms
@pytest.mark.parametrize("benefit", BENEFITS)
def test_one_failure_and_one_cure_are_enough_to_choose_the_cure_next_time(symptom: Symptom, benefit: float) -> None:
    first, *others = _candidates(symptom)
    for cure in others:
        assert _score(cure, benefit, successes=1) > _score(first, benefit, failures=1)


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_every_remediation_belongs_to_a_symptom_and_every_signal_is_used(pack: object) -> None:
    shipped = CATALOGUE.packs[getattr(pack, "name", "")]
    symptoms = shipped.symptoms.values()
    assert set(shipped.remediations) == {name for symptom in symptoms for name in symptom.remediations}
    used = {symptom.signal for symptom in symptoms} | {symptom.target.dominant for symptom in symptoms}
    for remediation in shipped.remediations.values():
        used |= {bound.signal for bound in remediation.verification.bounds}
        if remediation.lifetime and remediation.lifetime.needed:
            used.add(remediation.lifetime.needed.signal)
    assert {signal.full_name for signal in shipped.signals.values()} <= used


def test_nothing_shipped_is_irreversible_and_what_stays_in_force_can_be_undone() -> None:
    for remediation in CATALOGUE.packs["charter"].remediations.values():
        assert (remediation.lifetime is None) == remediation.leaves_nothing, remediation.name
        assert not remediation.is_irreversible, remediation.name


def test_the_daemon_remedies_nothing_about_itself() -> None:
    assert CATALOGUE.packs["mape-k"].remediations == {}
