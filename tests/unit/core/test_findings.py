"""From what was seen to findings, and what holds each of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    LABEL,
    SCRAPE,
    SETTLE,
    SIGNAL,
    WINDOW,
    a_catalogue,
    a_ledger,
    a_signal,
    a_snapshot,
    a_symptom,
    a_vector,
    a_violation,
    an_alert,
    an_execution,
    at,
)
from mape_k.analyze.findings import VIOLATIONS_SHOWN, Sighting, find
from mape_k.analyze.memory import Memory
from mape_k.model import Bound, Detector, Observation, OnMissing, Quality, Reason, Severity, State, TargetRule, Verdict

MISSING = sorted(set(Quality) - {Quality.VALUE})
REACH = WINDOW + 3 * SCRAPE + SETTLE


def found(snapshot=None, *executions, symptom=None, signals=None, memory=None):
    """Return what is found by one symptom."""
    symptoms = (symptom or a_symptom(),)
    catalogue = a_catalogue(symptoms=symptoms, signals=signals or (a_signal(),))
    ledger = a_ledger(*executions)
    return find(Sighting(snapshot or a_snapshot(), ledger, catalogue, memory or Memory()))


def the_only(findings):
    (finding,) = findings
    return finding


def detectors(finding):
    return [evidence.detector for evidence in finding.evidence]


# raised by an alert


def test_an_alert_and_its_signal_make_one_finding_that_may_be_acted_upon():
    finding = the_only(found())
    assert finding.key == ("charter", "spike", "node-7")
    assert (finding.hold, finding.severity, finding.since) == (None, Severity.WARNING, at(-600))
    assert detectors(finding) == [Detector.ALERT, Detector.THRESHOLD]
    assert finding.evidence[1].reading.number() == 31.0


def test_a_signal_beyond_its_threshold_raises_nothing_while_the_alert_is_silent():
    assert found(a_snapshot(alerts=())) == ()


@pytest.mark.parametrize("quality", [quality for quality in MISSING if quality is not Quality.PARTIAL])
def test_alerts_that_could_not_be_read_raise_nothing(quality):
    assert found(a_snapshot(alerts_quality=quality)) == ()


def test_an_alert_that_is_shown_in_part_of_the_list_is_raised_all_the_same():
    assert len(found(a_snapshot(alerts_quality=Quality.PARTIAL))) == 1


def test_an_alert_of_another_name_raises_nothing():
    assert found(a_snapshot(alerts=[an_alert(name="Another")])) == ()


def test_several_alerts_on_one_target_are_one_finding_since_the_first():
    alerts = [an_alert(starts_at=at(-60)), an_alert(starts_at=at(-900), fingerprint="b")]
    finding = the_only(found(a_snapshot(alerts=alerts)))
    assert finding.since == at(-900)
    assert detectors(finding).count(Detector.ALERT) == 2


def test_each_target_has_its_own_finding_in_the_order_of_names():
    rates = {"node-9": 40.0, "node-7": 31.0}
    findings = found(a_snapshot(rates, alerts=[an_alert("node-9"), an_alert("node-7")]))
    assert [finding.target for finding in findings] == ["node-7", "node-9"]


# which target is meant


def test_an_alert_without_the_label_of_its_target_is_held():
    finding = the_only(found(a_snapshot(alerts=[an_alert(labels={})])))
    assert (finding.target, finding.hold) == ("", Reason.TARGET_UNKNOWN)


def test_a_fixed_target_needs_no_label():
    symptom = a_symptom(target=TargetRule(fixed="policy"))
    finding = the_only(found(a_snapshot(31.0, alerts=[an_alert(labels={})]), symptom=symptom))
    assert (finding.target, finding.hold) == ("policy", None)


DOMINANT = a_symptom(target=TargetRule(dominant=SIGNAL), threshold=None)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        pytest.param({"a": 1.0, "b": 9.0}, "b", id="the greatest"),
        pytest.param({"b": 9.0, "a": 9.0}, "a", id="equals by name"),
        pytest.param({"a": float("nan"), "b": 1.0}, "b", id="no number is none"),
        pytest.param({"": 99.0, "b": 1.0}, "b", id="a row without a name is nobody"),
    ],
)
def test_the_dominant_target_has_the_greatest_value(rates, expected):
    assert the_only(found(a_snapshot(rates), symptom=DOMINANT)).target == expected


@pytest.mark.parametrize(
    "rates",
    [
        pytest.param(Quality.STALE, id="stale"),
        pytest.param({}, id="no rows"),
        pytest.param({"a": 0.0, "b": 0.0}, id="all at rest"),
        pytest.param({"a": float("inf")}, id="no number"),
    ],
)
def test_where_nothing_stands_out_no_target_is_guessed(rates):
    finding = the_only(found(a_snapshot(rates), symptom=DOMINANT))
    assert (finding.target, finding.hold) == ("", Reason.TARGET_UNKNOWN)


# holds


@pytest.mark.parametrize("quality", MISSING)
def test_an_alert_whose_own_signal_cannot_be_seen_is_held(quality):
    assert the_only(found(a_snapshot(quality))).hold is Reason.STALE_EVIDENCE


def test_an_alert_on_a_target_without_a_row_is_held():
    assert the_only(found(a_snapshot({"node-8": 31.0}))).hold is Reason.STALE_EVIDENCE


@pytest.mark.parametrize("on_missing", [OnMissing.IGNORE, OnMissing.BREACH])
def test_a_signal_may_say_that_its_absence_does_not_matter(on_missing):
    finding = the_only(found(a_snapshot(Quality.STALE), signals=(a_signal(on_missing=on_missing),)))
    assert finding.hold is None


@pytest.mark.parametrize(("rate", "expected"), [(10.0, Reason.NOT_CORROBORATED), (10.001, None)])
def test_an_alert_that_its_signal_contradicts_is_held(rate, expected):
    assert the_only(found(a_snapshot({"node-7": rate}))).hold is expected


def test_a_symptom_without_a_signal_rests_on_its_alert():
    assert the_only(found(a_snapshot({}), symptom=a_symptom(signal=None, threshold=None))).hold is None


def test_a_silence_holds_only_when_it_covers_every_alert():
    silenced, loud = an_alert(silenced_by=("s",)), an_alert(fingerprint="b")
    assert the_only(found(a_snapshot(alerts=[silenced]))).hold is Reason.SILENCED
    assert the_only(found(a_snapshot(alerts=[silenced, loud]))).hold is None


def test_an_inhibition_is_told_and_left_to_the_remediation():
    finding = the_only(found(a_snapshot(alerts=[an_alert(inhibited_by=("x",))])))
    assert (finding.is_inhibited, finding.hold) == (True, None)


# residual alerts


def helped(**fields):
    return an_execution(State.IN_FORCE, **({"verdict": Verdict.IMPROVED} | fields))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(REACH - 1, Reason.RESIDUAL), (REACH, None)],
)
def test_an_alert_whose_window_reaches_back_before_an_action_that_helped_is_residual(seconds, expected):
    assert the_only(found(a_snapshot(seconds=seconds), helped())).hold is expected


def test_the_window_reaches_back_from_the_first_good_look_where_there_is_one():
    execution = helped(observation=Observation(good=3, good_since=at(500)))
    holds = [the_only(found(a_snapshot(seconds=500 + s), execution)).hold for s in (REACH - 1, REACH)]
    assert holds == [Reason.RESIDUAL, None]


@pytest.mark.parametrize(("began", "expected"), [(-1, Reason.RESIDUAL), (1, None)])
def test_another_symptom_of_a_healed_target_is_residual_only_when_it_began_before(began, expected):
    snapshot = a_snapshot(seconds=60, alerts=[an_alert(starts_at=at(began))])
    assert the_only(found(snapshot, helped(symptom="another"))).hold is expected


@pytest.mark.parametrize(
    "execution",
    [
        pytest.param(helped(verdict=Verdict.UNCHANGED), id="it did not help"),
        pytest.param(an_execution(), id="not judged yet"),
        pytest.param(helped(target="node-8"), id="elsewhere"),
        pytest.param(helped(pack="other"), id="another pack"),
        pytest.param(helped(applied_at=None), id="never applied"),
    ],
)
def test_an_alert_that_no_helpful_action_explains_is_not_residual(execution):
    assert the_only(found(a_snapshot(seconds=60), execution)).hold is None


@pytest.mark.parametrize(
    ("execution", "expected"),
    [
        pytest.param(an_execution(target="node-1"), Reason.RESIDUAL, id="not judged yet"),
        pytest.param(helped(target="node-1"), Reason.RESIDUAL, id="it helped"),
        pytest.param(helped(target="node-1", symptom="another"), None, id="for another symptom"),
        pytest.param(
            an_execution(State.ROLLED_BACK, target="node-1", verdict=Verdict.UNCHANGED), None, id="it did not help"
        ),
    ],
)
def test_the_next_in_line_is_not_blamed_while_the_last_dominant_target_was_just_treated(execution, expected):
    assert the_only(found(a_snapshot(seconds=60), execution, symptom=DOMINANT)).hold is expected


# evidence


def test_violations_of_the_named_severities_are_evidence_on_their_target():
    symptom = a_symptom(violation_severities=("CRITICAL",))
    violations = (
        a_violation(),
        a_violation("node-8"),
        a_violation(severity="MINOR", seconds=-50),
        a_violation(seconds=-WINDOW - 1),
    )
    finding = the_only(found(a_snapshot(violations=violations), symptom=symptom))
    assert detectors(finding) == [Detector.ALERT, Detector.THRESHOLD, Detector.VIOLATION]


def remembering(*rates):
    memory = Memory()
    for rate in rates:
        memory.remember(a_snapshot({"node-7": float(rate)}), (SIGNAL,))
    return memory


@pytest.mark.parametrize(("sigmas", "expected"), [(6.0, True), (60.0, False), (None, False)])
def test_a_deviation_is_evidence_from_as_many_sigmas_as_the_pack_says(sigmas, expected):
    memory = remembering(*[10] * 30, 31)
    finding = the_only(found(symptom=a_symptom(deviation_sigmas=sigmas), memory=memory))
    assert (Detector.DEVIATION in detectors(finding)) is expected


def test_a_deviation_of_the_past_is_no_evidence_for_a_signal_that_is_not_seen_now():
    memory = remembering(*[10] * 30, 31)
    finding = the_only(found(a_snapshot(Quality.STALE), symptom=a_symptom(deviation_sigmas=6), memory=memory))
    assert Detector.DEVIATION not in detectors(finding)


# symptoms without an alert

OWN = {"alert": None, "threshold_for_seconds": 60.0}


def test_a_symptom_without_an_alert_is_raised_by_its_threshold_once_it_held_long_enough():
    memory, symptom = Memory(), a_symptom(**OWN)
    looks = [found(a_snapshot(seconds=s), symptom=symptom, memory=memory) for s in (0, 30, 60)]
    assert [len(look) for look in looks] == [0, 0, 1]
    assert the_only(looks[2]).since == at(0)


def test_a_look_below_the_threshold_starts_the_time_anew():
    memory, symptom = Memory(), a_symptom(**OWN)
    rates = {0: 31.0, 30: 9.0, 60: 31.0, 90: 31.0}
    looks = [
        found(a_snapshot({"node-7": rate}, seconds=s), symptom=symptom, memory=memory) for s, rate in rates.items()
    ]
    assert not any(looks)


@pytest.mark.parametrize(
    ("target", "between", "expected"),
    [
        pytest.param(TargetRule(label=LABEL), {}, 0, id="gone in between"),
        pytest.param(TargetRule(label=LABEL), {"node-8": 31.0}, 0, id="another one in its place"),
        pytest.param(TargetRule(label=LABEL), Quality.STALE, 1, id="not seen in between"),
        pytest.param(TargetRule(fixed="node-7"), Quality.EMPTY, 0, id="nothing there in between"),
        pytest.param(TargetRule(fixed="node-7"), Quality.UNREACHABLE, 1, id="nobody to ask in between"),
    ],
)
def test_what_was_gone_starts_anew_and_what_was_not_seen_goes_on(target, between, expected):
    memory, symptom = Memory(), a_symptom(target=target, **OWN)
    looks = {0: {"node-7": 31.0}, 30: between, 60: {"node-7": 31.0}}
    *_, last = [found(a_snapshot(rate, seconds=s), symptom=symptom, memory=memory) for s, rate in looks.items()]
    assert len(last) == expected


@pytest.mark.parametrize(
    ("on_missing", "expected"), [(OnMissing.HOLD, 0), (OnMissing.IGNORE, 0), (OnMissing.BREACH, 1)]
)
def test_only_a_signal_that_says_so_is_beyond_its_threshold_by_being_absent(on_missing, expected):
    symptom = a_symptom(target=TargetRule(fixed="policy"), **(OWN | {"threshold_for_seconds": 0.0}))
    signals = (a_signal(target_label=None, on_missing=on_missing),)
    assert len(found(a_snapshot(Quality.EMPTY), symptom=symptom, signals=signals)) == expected


def test_a_symptom_without_an_alert_is_raised_by_its_violations():
    symptom = a_symptom(alert=None, signal=None, threshold=None, violation_severities=("CRITICAL",))
    snapshot = a_snapshot(violations=(a_violation(), a_violation(seconds=-90)))
    finding = the_only(found(snapshot, symptom=symptom))
    assert (finding.target, finding.since, finding.hold) == ("node-7", at(-90), None)


def test_of_a_flood_of_violations_the_newest_are_the_evidence():
    symptom = a_symptom(alert=None, signal=None, threshold=None, violation_severities=("CRITICAL",))
    flood = tuple(a_violation(seconds=-seconds) for seconds in range(290, 0, -1))
    finding = the_only(found(a_snapshot(violations=flood), symptom=symptom))
    assert finding.since == at(-290)
    assert len(finding.evidence) == VIOLATIONS_SHOWN
    assert finding.evidence[-1].detail.endswith(at(-1).isoformat())


def test_a_catalogue_without_packs_finds_nothing():
    catalogue = a_catalogue(signals=(), symptoms=(), remediations=(), jobs=())
    assert find(Sighting(a_snapshot(), a_ledger(), catalogue, Memory())) == ()


# properties

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
RATES = st.sampled_from(MISSING) | NUMBERS | st.dictionaries(st.sampled_from(["", "node-7", "node-8"]), NUMBERS)


@given(
    rates=RATES,
    other=RATES,
    on_missing=st.sampled_from(OnMissing),
    rule=st.sampled_from([TargetRule(label=LABEL), TargetRule(fixed="node-7"), TargetRule(dominant=SIGNAL)]),
    has_alert=st.booleans(),
)
def test_no_mix_of_qualities_reaches_arithmetic(rates, other, on_missing, rule, has_alert):
    symptom = a_symptom(target=rule, deviation_sigmas=3, **({} if has_alert else OWN))
    signals = (a_signal(on_missing=on_missing), a_signal("other"))
    memory = Memory()
    for seconds in (0, 60):
        snapshot = a_snapshot(rates, seconds=seconds, others=[a_vector(other, "charter/other")])
        memory.remember(snapshot, (SIGNAL, "charter/other"))
        for finding in found(snapshot, symptom=symptom, signals=signals, memory=memory):
            reading = snapshot.reading(SIGNAL, finding.target)
            if on_missing is OnMissing.HOLD and not reading.is_known:
                assert finding.hold is not None


@given(rate=st.floats(allow_nan=False, allow_infinity=False))
def test_what_may_be_acted_upon_lies_beyond_its_threshold(rate):
    finding = the_only(found(a_snapshot({"node-7": rate})))
    assert (finding.hold is None) == Bound(signal=SIGNAL, above=10).holds(rate)
