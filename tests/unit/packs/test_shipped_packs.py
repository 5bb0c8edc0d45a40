"""What holds for every shipped pack as a whole."""

import re

import pytest

from mape_k.catalogue import load_catalogue
from mape_k.model import Remediation, Symptom
from shipped_packs import CONFIG, LABELS, PACKS, Rule, looks, rules, selectors

ALERTS = rules("alert")
RECORDINGS = rules("record")
WRITTEN_RECORDINGS = [recording for recording in RECORDINGS if not recording.is_generated]
CATALOGUE = load_catalogue([str(pack) for pack in PACKS])
SYMPTOMS = [symptom for symptom in CATALOGUE.symptoms if symptom.remediations]
BENEFITS = (0.4, 0.65, 0.9)
"""What an incident's risk makes of a remediation that surely helps."""

SPECIFIED = {
    "charter": {
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
    },
    "dawsos": {
        "APILatencyP99Breach": "warning",
        "APILatencyP95Breach": "warning",
        "PackBuildDurationExceeded": "warning",
        "HighErrorRate": "warning",
        "CriticalErrorRate": "critical",
        "PackNotFresh": "warning",
        "PackInErrorState": "critical",
        "CircuitBreakerOpen": "warning",
        "CircuitBreakerFailuresSpike": "warning",
        "BackendServiceDown": "critical",
        "LowRequestVolume": "info",
    },
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


@pytest.mark.parametrize("pack", SPECIFIED)
def test_the_alerts_that_were_specified_are_there(pack: str) -> None:
    alerts = {alert.name: alert.body["labels"]["severity"] for alert in ALERTS if alert.pack.name == pack}
    assert SPECIFIED[pack].items() <= alerts.items()


@of_alerts
def test_an_alert_says_what_is_wrong_and_what_to_do(alert: Rule) -> None:
    assert {"severity", "team", "component", "system"} <= alert.body["labels"].keys()
    assert alert.body["labels"]["system"] == alert.pack.name
    assert {"summary", "description", "action", "dashboard", "runbook_url"} == alert.body["annotations"].keys()


@of_alerts
def test_an_alert_has_a_runbook_that_helps(alert: Rule) -> None:
    url = alert.body["annotations"]["runbook_url"]
    assert url == f"config/packs/{alert.pack.name}/runbooks/{alert.name}.md"
    text = (CONFIG.parent / url).read_text(encoding="utf-8")
    assert text.startswith(f"# {alert.name}\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)


@of_alerts
def test_an_alert_is_a_symptom_of_its_severity_unless_it_is_for_people_alone(alert: Rule) -> None:
    """A budget that burns may be told to people alone: what the loop acts upon is what burns it."""
    severity = alert.body["labels"]["severity"]
    found = [(each.severity, each.runbook) for each in CATALOGUE.symptoms if each.alert == alert.name]
    assert found == [(severity, f"{alert.name}.md")] or (found == [] and (severity == "none" or alert.is_generated))


def test_every_symptom_is_reported_by_an_alert_of_its_pack() -> None:
    names = {(alert.pack.name, alert.name) for alert in ALERTS}
    assert [s.name for s in CATALOGUE.symptoms if (s.pack, s.alert) not in names] == []


@of_alerts
def test_an_alert_is_seen_to_fire_and_to_stay_silent(alert: Rule) -> None:
    mine = [look for look in looks(alert.pack, "alert_rule_test") if look["alertname"] == alert.name]
    fired = {bool(look.get("exp_alerts")) for look in mine}
    assert True in fired
    assert False in fired or alert.body["labels"]["severity"] == "none"


@pytest.mark.parametrize("recording", WRITTEN_RECORDINGS, ids=lambda rule: rule.name)
def test_a_recording_rule_has_a_value_checked(recording: Rule) -> None:
    exprs = looks(recording.pack, "promql_expr_test")
    assert any(look["expr"] == recording.name and look["exp_samples"] for look in exprs)


@of_queries
def test_a_query_names_the_job_of_every_metric_that_it_selects(query: str) -> None:
    assert [metric for metric, matchers in selectors(query) if "job=" not in matchers] == []


@of_queries
def test_a_query_selects_metrics_that_exist_by_labels_that_they_have(query: str) -> None:
    for metric, matchers in selectors(query):
        if metric == "up":
            continue
        assert metric in LABELS
        assert set(re.findall(r"(\w+)(?:=~|!=|!~|=)", matchers)) - {"job"} <= LABELS[metric], metric


@of_alerts
def test_a_runbook_names_metrics_that_exist(alert: Rule) -> None:
    text = (alert.pack / "runbooks" / f"{alert.name}.md").read_text(encoding="utf-8")
    recorded = {recording.name for recording in RECORDINGS}
    packs = "|".join(["slo", *(re.escape(pack.name.replace("-", "_")) for pack in PACKS)])
    assert set(re.findall(rf"\b(?:{packs}):[a-z][\w:]*", text)) <= recorded
    for query in re.findall(r"`([^`]+)`", text):
        named = {metric for metric, _ in selectors(query) if not metric.endswith("_")}  # as in: mape_k_…
        assert named <= {*LABELS, "up"}


@of_queries
def test_a_bucket_is_matched_however_its_bound_is_spelled(query: str) -> None:
    """A client writes 1000 as 1000.0; a bound with a fraction has one spelling."""
    for _, matchers in selectors(query):
        for bound in re.findall(r'\ble=~?"([^"]+)"', matchers):
            assert re.fullmatch(r"[0-9]+\(\\\\\.0\)\?|[0-9]*\.[0-9]*[1-9]|\+Inf", bound), bound


@of_alerts
def test_only_ages_are_printed_as_durations(alert: Rule) -> None:
    if "humanizeDuration" in alert.body["annotations"]["description"]:
        assert re.search(r"\b[0-9]+ # age\b", alert.body["expr"])


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
    for remediation in (each for pack in CATALOGUE.packs.values() for each in pack.remediations.values()):
        assert (remediation.lifetime is None) == remediation.leaves_nothing, remediation.name
        assert not remediation.is_irreversible, remediation.name


def test_the_daemon_remedies_nothing_about_itself() -> None:
    assert CATALOGUE.packs["mape-k"].remediations == {}
