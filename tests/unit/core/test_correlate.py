"""From findings to incidents: what belongs together, what caused it, how much is at stake, and which name it keeps."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    SIGNAL,
    a_catalogue,
    a_finding,
    a_ledger,
    a_pack,
    a_signal,
    a_snapshot,
    a_symptom,
    a_vector,
    an_alert,
    an_execution,
    an_open_incident,
    at,
    sources,
)
from mape_k.analyze import Analyst
from mape_k.analyze.correlate import correlate, rank_causes
from mape_k.analyze.memory import Memory
from mape_k.model import Bound, Detector, Evidence, Quality, Severity, State, TargetRule

SLOW = a_symptom("slow", alert="Slow", target=TargetRule(fixed="committee"), signal=None, threshold=None)
CATALOGUE = a_catalogue(symptoms=(a_symptom(explains=("slow", "twin")), a_symptom("twin"), SLOW))
ON_COMMITTEE = a_finding("committee", symptom="slow", evidence=())


def correlated(*findings, known=(), catalogue=CATALOGUE, now=0.0):
    return correlate(findings, known, catalogue=catalogue, memory=Memory(), now=at(now))


def the_only(incidents):
    (incident,) = incidents
    return incident


def risk_of(*findings, catalogue=CATALOGUE, now=0.0):
    return the_only(correlated(*findings, catalogue=catalogue, now=now)).risk


# what belongs together


def test_no_findings_are_no_incident():
    assert correlated() == ()


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        pytest.param(a_finding(), a_finding(symptom="slow"), True, id="same target"),
        pytest.param(a_finding(), a_finding("node-8"), False, id="same symptom elsewhere"),
        pytest.param(a_finding(), ON_COMMITTEE, True, id="one explains the other"),
        pytest.param(a_finding("node-8", symptom="twin"), ON_COMMITTEE, False, id="nothing explains it"),
        pytest.param(a_finding(), a_finding("node-8", symptom="twin"), False, id="explains its own targets only"),
        pytest.param(a_finding(""), a_finding("", symptom="twin"), True, id="explains what has no target, too"),
        pytest.param(a_finding("", symptom="twin"), a_finding("", symptom="slow"), False, id="no target is no link"),
    ],
)
def test_findings_on_one_target_and_causes_with_their_effects_make_one_incident(one, other, together):
    assert len(correlated(one, other)) == (1 if together else 2)
    assert len(correlated(other, one)) == (1 if together else 2)


def test_findings_of_two_packs_are_never_linked():
    catalogue = a_catalogue(a_pack(), a_pack(name="other"))
    elsewhere = a_finding()
    other = type(elsewhere)(**{f: getattr(elsewhere, f) for f in elsewhere.__slots__} | {"pack": "other"})
    assert len(correlated(elsewhere, other, catalogue=catalogue)) == 2


def test_each_finding_stays_itself():
    incident = the_only(correlated(a_finding(), a_finding("node-8"), ON_COMMITTEE))
    assert {finding.target for finding in incident.findings} == {"node-7", "node-8", "committee"}


# the likely cause


def test_what_explains_the_others_is_their_likely_cause():
    incident = the_only(correlated(ON_COMMITTEE, a_finding()))
    assert incident.root.symptom == "spike"


def test_of_two_alike_the_first_to_begin_is_the_likelier():
    first, later = a_finding(symptom="twin", since=at(-900)), a_finding(symptom="slow", since=at(-60))
    assert the_only(correlated(later, first)).root.symptom == "twin"


def test_the_confidence_is_made_of_named_terms():
    cause = rank_causes((a_finding(),), CATALOGUE)[0]
    assert cause.confidence == 1.0
    assert cause.terms == pytest.approx(
        {"explains": 0.4, "came_first": 0.25, "severity": 0.2 * 50 / 65, "agreement": 0.15 * 2 / 4}
    )


# risk


def test_the_graver_the_severity_the_higher_the_risk():
    scores = [risk_of(a_finding(severity=severity)).score for severity in Severity]
    assert scores == sorted(scores)
    assert len(set(scores)) == 3


def test_the_risk_grows_with_time():
    assert risk_of(a_finding(), now=3600).score > risk_of(a_finding(), now=0).score


def test_a_beginning_in_the_future_is_no_negative_age():
    assert risk_of(a_finding(since=at(600))).terms["duration"] == 0


@pytest.mark.parametrize(
    ("limits", "rate", "expected"),
    [
        pytest.param({"above": 10}, 100.0, 10.0, id="ten times the limit"),
        pytest.param({"above": 10}, 1e9, 10.0, id="no more than the whole"),
        pytest.param({"above": 10}, math.sqrt(1000), 5.0, id="half way"),
        pytest.param({"above": 10}, 9.0, 0.0, id="not beyond"),
        pytest.param({"above": 10}, 0.0, 0.0, id="at rest"),
        pytest.param({"above": 0}, 5.0, 0.0, id="a limit of nothing has no multiples"),
        pytest.param({"below": 10}, 1.0, 10.0, id="a tenth of a lower limit"),
        pytest.param({"below": 10}, 0.0, 10.0, id="nothing left"),
        pytest.param({"below": 10}, 50.0, 0.0, id="above a lower limit"),
    ],
)
def test_the_excess_is_what_lies_beyond_the_threshold(limits, rate, expected):
    symptom = a_symptom(threshold=Bound(signal=SIGNAL, **limits))
    risk = risk_of(a_finding(rate=rate), catalogue=a_catalogue(symptoms=(symptom,)))
    assert risk.terms["excess"] == pytest.approx(expected)


def test_a_rising_signal_raises_the_risk():
    memory = Memory()
    for rate in range(10):
        memory.remember(a_snapshot({"node-7": float(rate)}), (SIGNAL,))
    incident = the_only(correlate((a_finding(),), (), catalogue=CATALOGUE, memory=memory, now=at(0)))
    assert incident.risk.terms["trend"] == 8
    assert risk_of(a_finding()).terms["trend"] == 0


def test_the_greatest_risk_comes_first():
    grave = a_finding("node-8", severity=Severity.CRITICAL)
    assert [i.root.target for i in correlated(a_finding(), grave)] == ["node-8", "node-7"]


# identity


def test_a_new_incident_is_opened_now_and_named_alike_by_every_replica():
    one, other = the_only(correlated(a_finding())), the_only(correlated(a_finding()))
    assert (one.incident_id, one.opened_at) == (other.incident_id, at(0))
    assert the_only(correlated(a_finding(), now=1)).incident_id != one.incident_id


def test_an_incident_keeps_its_name_while_its_finding_lasts():
    incident = the_only(correlated(a_finding(), known=(an_open_incident("old"),), now=99))
    assert (incident.incident_id, incident.opened_at) == ("old", at(-600))


def test_of_two_that_turn_out_to_be_one_the_older_name_stays():
    known = (an_open_incident("young", opened_at=at(-5)), an_open_incident("old", symptom="slow", target="committee"))
    assert the_only(correlated(a_finding(), ON_COMMITTEE, known=known)).incident_id == "old"


@pytest.mark.parametrize("fields", [{"target": "node-8"}, {"symptom": "slow"}, {"pack": "other"}])
def test_an_incident_about_something_else_lends_no_name(fields):
    assert the_only(correlated(a_finding(), known=(an_open_incident("old", **fields),))).incident_id != "old"


# the end of an incident


def assessed(snapshot, *, known=None, executions=(), catalogue=None):
    analyst = Analyst(close_after_seconds=60)
    ledger = a_ledger(*executions, incidents=(known or an_open_incident(last_seen_at=at(-60)),))
    return analyst.assess(snapshot, ledger, catalogue or a_catalogue())


QUIET = {"alerts": ()}


def test_an_incident_that_nothing_reports_any_more_is_closed():
    assert assessed(a_snapshot(**QUIET)).closed == ("inc-1",)


@pytest.mark.parametrize(
    ("snapshot", "fields"),
    [
        pytest.param(a_snapshot(), {}, id="still reported"),
        pytest.param(a_snapshot(alerts=[an_alert(silenced_by=("s",))]), {}, id="reported and silenced"),
        pytest.param(a_snapshot(**QUIET), {"known": an_open_incident(last_seen_at=at(-59))}, id="gone only now"),
        pytest.param(a_snapshot(**QUIET), {"executions": (an_execution(),)}, id="an action is under way"),
        pytest.param(a_snapshot(sources=sources(alertmanager=Quality.UNREACHABLE), **QUIET), {}, id="blind"),
        pytest.param(a_snapshot(alerts_quality=Quality.PARTIAL, **QUIET), {}, id="alertmanager was started again"),
        pytest.param(a_snapshot(Quality.STALE, **QUIET), {}, id="its signal is stale"),
        pytest.param(a_snapshot(Quality.PARTIAL, **QUIET), {}, id="its signal is partial"),
    ],
)
def test_silence_that_may_mean_nothing_closes_nothing(snapshot, fields):
    assert assessed(snapshot, **fields).closed == ()


@pytest.mark.parametrize(("alert", "closed"), [(None, ()), ("Spike", ("inc-1",))])
def test_violations_that_are_cut_keep_open_what_they_alone_would_report(alert, closed):
    catalogue = a_catalogue(symptoms=(a_symptom(alert=alert, violation_severities=("CRITICAL",)),))
    snapshot = a_snapshot({"node-7": 1.0}, violations_quality=Quality.PARTIAL, **QUIET)
    assert assessed(snapshot, catalogue=catalogue).closed == closed


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"executions": (an_execution(State.IN_FORCE),)}, id="a policy that holds"),
        pytest.param({"known": an_open_incident(pack="gone", last_seen_at=at(-60))}, id="a pack that is gone"),
        pytest.param({"known": an_open_incident(symptom="gone", last_seen_at=at(-60))}, id="a symptom that is gone"),
    ],
)
def test_what_needs_nothing_more_does_not_keep_an_incident_open(fields):
    assert assessed(a_snapshot(**QUIET), **fields).closed == ("inc-1",)


# the whole assessment


def test_an_empty_catalogue_is_assessed_to_nothing():
    assessment = assessed(a_snapshot(), catalogue=a_catalogue(jobs=(), signals=(), symptoms=(), remediations=()))
    assert (assessment.incidents, assessment.judgements, assessment.population) == ((), (), {"charter": 0})


def test_the_sources_that_were_not_seen_are_told():
    down = sources(prometheus=Quality.UNREACHABLE, charter=Quality.UNREACHABLE)
    assert assessed(a_snapshot(sources=down)).blind == ("prometheus", "charter")


def test_the_population_counts_each_target_once_and_no_system_wide_row():
    signals = (a_signal(), a_signal("other"), a_signal("whole", target_label=None))
    others = [a_vector({"node-8": 1.0, "node-9": 1.0}, "charter/other"), a_vector(5.0, "charter/whole")]
    snapshot = a_snapshot({"node-7": 31.0, "node-8": 0.0}, others=others)
    assert assessed(snapshot, catalogue=a_catalogue(signals=signals)).population == {"charter": 3}


def test_the_next_look_is_when_the_first_action_can_be_judged():
    executions = (an_execution(), an_execution(execution_id="act-2", applied_at=at(-30)))
    assert assessed(a_snapshot(), executions=executions).next_look_at == at(345)
    assert assessed(a_snapshot(seconds=999), executions=executions).next_look_at is None


# properties

FINDINGS = st.lists(
    st.builds(
        a_finding,
        st.sampled_from(["", "node-7", "node-8", "committee"]),
        symptom=st.sampled_from(["spike", "twin", "slow"]),
        rate=st.floats(allow_nan=True, allow_infinity=True),
        severity=st.sampled_from(Severity),
        since=st.integers(-9000, 9000).map(at),
    ),
    max_size=7,
    unique_by=lambda finding: finding.key,
)


@given(FINDINGS)
def test_confidences_are_shares_and_risk_terms_add_up_to_at_most_a_hundred(findings):
    for incident in correlated(*findings):
        assert all(0 <= cause.confidence <= 1 for cause in incident.causes)
        assert math.fsum(cause.confidence for cause in incident.causes) == pytest.approx(1)
        assert math.fsum(incident.risk.terms.values()) == pytest.approx(incident.risk.score)
        assert all(term >= 0 for term in incident.risk.terms.values())
        assert 0 < incident.risk.score <= 100


@given(FINDINGS)
def test_every_finding_is_in_exactly_one_incident_whatever_the_order(findings):
    incidents = correlated(*findings)
    inside = [finding.key for incident in incidents for finding in incident.findings]
    assert sorted(inside) == sorted(finding.key for finding in findings)
    for shuffled in itertools.islice(itertools.permutations(findings), 0, 24, 7):
        assert [i.incident_id for i in correlated(*shuffled)] == [i.incident_id for i in incidents]


@given(FINDINGS)
def test_an_incident_is_all_that_hangs_together_two_by_two(findings):
    for incident in correlated(*findings):
        reached, rest = [incident.root], [f for f in findings if f is not incident.root]
        for finding in reached:
            linked = [other for other in rest if len(correlated(finding, other)) == 1]
            reached += linked
            rest = [other for other in rest if other not in linked]
        assert sorted(f.key for f in reached) == sorted(f.key for f in incident.findings)


def test_the_gravest_there_can_be_is_a_hundred_at_most():
    evidence = tuple(Evidence(detector=detector, what=SIGNAL) for detector in Detector)
    findings = [a_finding(f"n{n}", severity=Severity.CRITICAL, rate=1e9) for n in range(50)]
    root = a_finding("committee", symptom="slow", evidence=evidence, since=at(-1e8))
    assert 90 < risk_of(*findings, root).score <= 100
