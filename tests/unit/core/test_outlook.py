"""How a pack looks as a whole: storms with hysteresis, targets that vanish, findings that are not steady."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_catalogue, a_finding, a_ledger, a_snapshot, at, sources
from mape_k.analyze import Analyst
from mape_k.analyze.outlook import look_around
from mape_k.model import Limits, Outlook, Peak, Quality, Reason

TEN = [f"n{n}" for n in range(10)]
LIMITS = Limits(storm_enter=0.6, storm_leave=0.3, storm_calm_seconds=300, inventory_window_seconds=600)


def looked(
    ill: int, *, known: int = 10, seconds: float = 0, before: Outlook | None = None, hold=None, **seen
) -> Outlook:
    """Return the outlook after a look at so many targets, of which so many have a finding."""
    findings = [a_finding(target, hold=hold) for target in TEN[:ill]]
    snapshot = a_snapshot(dict.fromkeys(TEN[:known], 1.0), seconds=seconds, **seen)
    carried = {"charter": before} if before else {}
    return look_around(carried, findings, snapshot, a_catalogue(limits=LIMITS))["charter"]


@pytest.mark.parametrize(("ill", "known", "expected"), [(6, 10, True), (5, 10, False), (3, 5, True), (4, 4, False)])
def test_a_storm_begins_when_most_of_at_least_five_targets_look_ill(ill, known, expected):
    assert (looked(ill, known=known).storm_since is not None) is expected


@pytest.mark.parametrize(("hold", "expected"), [(Reason.SILENCED, 0), (Reason.RESIDUAL, 0), (Reason.STALE_EVIDENCE, 9)])
def test_what_is_silenced_or_over_is_no_illness(hold, expected):
    assert looked(9, hold=hold).ill == expected


def test_a_storm_ends_only_after_a_quiet_time_below_the_lower_share():
    storm = looked(6)
    still = looked(4, seconds=60, before=storm)
    calming = looked(3, seconds=120, before=still)
    almost = looked(3, seconds=419, before=calming)
    over = looked(3, seconds=420, before=almost)
    assert [look.storm_since for look in (still, calming, almost, over)] == [at(0), at(0), at(0), None]
    assert looked(4, seconds=180, before=calming).calm_since is None


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 10)), max_size=30))
def test_a_storm_never_begins_below_the_upper_nor_ends_above_the_lower_share(looks):
    outlook, seconds = Outlook(), 0
    for wait, ill in looks:
        seconds += wait
        before, outlook = outlook, looked(ill, seconds=seconds, before=outlook)
        if before.storm_since is None and outlook.storm_since is not None:
            assert ill >= 6
        if before.storm_since is not None and outlook.storm_since is None:
            assert ill <= 3
            assert before.calm_since is not None
            assert at(seconds) - before.calm_since >= at(300) - at(0)


@pytest.mark.parametrize(
    "unseen",
    [
        pytest.param({"alerts_quality": Quality.UNREACHABLE}, id="alerts"),
        pytest.param({"vectors": {}}, id="targets"),
    ],
)
def test_what_cannot_be_seen_changes_no_outlook(unseen):
    before = Outlook(known=10, ill=8, storm_since=at(-60), peaks=(Peak(at=at(-60), known=10),))
    assert looked(0, known=0, before=before, **unseen) == before


def test_the_peaks_are_the_greatest_numbers_of_known_targets_until_they_leave_the_window():
    first = looked(0, known=10)
    fewer = looked(0, known=6, seconds=300, before=first)
    more = looked(0, known=8, seconds=400, before=fewer)
    later = looked(0, known=7, seconds=600, before=more)
    assert [peak.known for peak in fewer.peaks] == [10, 6]
    assert [peak.known for peak in more.peaks] == [10, 8]
    assert [peak.known for peak in later.peaks] == [8, 7]


def test_an_assessment_carries_the_outlook_on_from_the_ledger():
    before = Outlook(storm_since=at(-60))
    analyst = Analyst(close_after_seconds=60)
    seen = analyst.assess(a_snapshot(), a_ledger(outlooks={"charter": before}), a_catalogue(limits=LIMITS))
    assert seen.outlooks["charter"].storm_since == at(-60)


# steadiness


def holds(looks: str, **limits) -> list[Reason | None]:
    """Return the hold of the finding in each look in which there is one (``x``); in the others the alert is off."""
    analyst, catalogue, told = Analyst(close_after_seconds=60), a_catalogue(limits=Limits(**limits)), []
    for place, look in enumerate(looks):
        seen = a_snapshot(seconds=30 * place) if look == "x" else a_snapshot(seconds=30 * place, alerts=())
        assessment = analyst.assess(seen, a_ledger(), catalogue)
        told += [finding.hold for incident in assessment.incidents for finding in incident.findings]
    return told


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param("x", [Reason.DAMPED], id="once is not enough"),
        pytest.param("xx", [Reason.DAMPED, None], id="two of three"),
        pytest.param("x.x", [Reason.DAMPED, None], id="with a gap"),
        pytest.param("x..x", [Reason.DAMPED, Reason.DAMPED], id="too far apart"),
        pytest.param("xx.x", [Reason.DAMPED, None, None], id="three of four, two of the last three"),
    ],
)
def test_a_finding_must_have_been_there_in_enough_of_the_last_cycles(looks, expected):
    assert holds(looks, damping_hits=2, damping_looks=3) == expected


def test_without_damping_the_first_look_counts():
    assert holds("x") == [None]


def test_a_finding_that_is_held_anyway_keeps_its_own_reason_and_does_not_count():
    analyst, catalogue = Analyst(close_after_seconds=60), a_catalogue(limits=Limits(damping_hits=2, damping_looks=3))
    stale = a_snapshot(Quality.STALE, sources=sources())
    (first,) = analyst.assess(stale, a_ledger(), catalogue).incidents
    (second,) = analyst.assess(a_snapshot(seconds=30), a_ledger(), catalogue).incidents
    assert (first.root.hold, second.root.hold) == (Reason.STALE_EVIDENCE, Reason.DAMPED)
