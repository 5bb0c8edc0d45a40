"""Does it last? Actions that helped, on probation and as long as their policy holds."""

from dataclasses import replace

import pytest

from builders import READY, a_catalogue, a_remediation, a_snapshot, a_verification, an_execution, at
from mape_k.analyze.watch import watch
from mape_k.model import PATIENCE, Observation, Quality, Reason, State, Verdict

GOOD, BAD, WORSE = 2.0, 30.0, 50.0
PROBATION = 300
UNTIL = READY + PROBATION
CATALOGUE = a_catalogue(remediations=(a_remediation(verification=a_verification(worse_ratio=1.5)),))
SEEN = Observation(good=3, good_since=at(READY - 60), last_sample_at=at(READY - 1), last_value=GOOD)
ON_PROBATION = an_execution(
    State.PROBATION,
    observation=SEEN,
    probation_until=at(UNTIL),
    verdict=Verdict.IMPROVED,
    expires_at=None,
)
ON_PROBATION = replace(ON_PROBATION, terms=replace(ON_PROBATION.terms, probation_seconds=PROBATION))
IN_FORCE = replace(ON_PROBATION, state=State.IN_FORCE, expires_at=at(36000))


def watched(*looks, execution=ON_PROBATION, catalogue=CATALOGUE):
    """Watch an execution at each (seconds, rate of node-7 or quality) in turn; return the last judgement."""
    judgement = None
    for seconds, rate in looks:
        rows = rate if isinstance(rate, Quality) else {"node-7": rate}
        judgement = watch(execution, a_snapshot(rows, seconds=seconds), catalogue)
        execution = replace(execution, observation=judgement.observation) if judgement else execution
    return judgement


def told(*looks, **fields):
    judgement = watched(*looks, **fields)
    return judgement.verdict, judgement.reason


def row_of(rate, *, count=3, start=READY, step=30):
    return [(start + number * step, rate) for number in range(count)]


NOTHING_YET = (None, Reason.UNDER_VERIFICATION)


# on probation


@pytest.mark.parametrize(
    ("seconds", "expected"), [(UNTIL - 1, NOTHING_YET), (UNTIL, (Verdict.IMPROVED, Reason.LASTED))]
)
def test_a_success_has_lasted_when_it_is_still_seen_at_the_end_of_the_probation(seconds, expected):
    assert told((seconds, GOOD)) == expected


@pytest.mark.parametrize(("count", "expected"), [(2, NOTHING_YET), (3, (Verdict.UNCHANGED, Reason.RELAPSED))])
def test_as_many_bad_looks_in_a_row_as_the_success_took_are_a_relapse(count, expected):
    assert told(*row_of(BAD, count=count)) == expected


def test_bad_looks_that_are_not_in_a_row_are_no_relapse():
    rates = [BAD, BAD, GOOD, BAD, BAD]
    assert told(*[(READY + 30 * number, rate) for number, rate in enumerate(rates)]) == NOTHING_YET


def test_the_same_sample_seen_again_and_again_is_one_bad_look():
    first = watched((READY, BAD))
    again = replace(ON_PROBATION, observation=first.observation)
    stuck = a_snapshot({"node-7": BAD}, seconds=READY + 300, scrapes=a_snapshot(seconds=READY).scrapes)
    assert watch(again, stuck, CATALOGUE).observation.bad == 1


def test_when_it_helped_is_remembered_through_bad_looks():
    assert watched(*row_of(BAD, count=2)).observation.good_since == SEEN.good_since


def test_a_bad_look_at_the_end_of_the_probation_is_waited_out():
    assert told((UNTIL, BAD)) == NOTHING_YET
    assert told((UNTIL, BAD), (UNTIL + 30, GOOD)) == (Verdict.IMPROVED, Reason.LASTED)


@pytest.mark.parametrize("unseen", sorted(set(Quality) - {Quality.VALUE}))
def test_without_sight_a_probation_goes_on_and_ends_at_last_with_what_helped_kept(unseen):
    latest = UNTIL + (PATIENCE - 1) * PROBATION
    assert told((UNTIL, unseen), (latest - 1, unseen)) == NOTHING_YET
    assert told((latest, unseen)) == (Verdict.IMPROVED, Reason.NEED_UNKNOWN)


@pytest.mark.parametrize(
    ("seen", "reason"), [(GOOD, Reason.LASTED), (Quality.STALE, Reason.NEED_UNKNOWN)], ids=["seen", "unseen"]
)
def test_a_probation_ends_before_it_has_to_be_decided_about_the_end_of_the_policy(seen, reason):
    ending = replace(ON_PROBATION, expires_at=at(READY + 60 + 900))
    assert told((READY + 30, seen), execution=ending) == NOTHING_YET
    assert told((READY + 60, seen), execution=ending) == (Verdict.IMPROVED, reason)


def test_a_probation_that_no_pack_knows_any_more_ends_at_once():
    assert told((READY, BAD), execution=replace(ON_PROBATION, remediation="gone")) == (
        Verdict.IMPROVED,
        Reason.NEED_UNKNOWN,
    )


# in force


def test_a_policy_that_does_harm_while_it_is_in_force_is_found_out():
    assert told(*row_of(WORSE, count=2), execution=IN_FORCE) == NOTHING_YET
    assert told(*row_of(WORSE), execution=IN_FORCE) == (Verdict.WORSE, Reason.MADE_WORSE)


@pytest.mark.parametrize("rate", [GOOD, BAD, Quality.STALE])
def test_a_symptom_that_comes_back_says_nothing_against_the_policy_in_force(rate):
    assert told(*row_of(rate, count=9), execution=IN_FORCE) == NOTHING_YET


@pytest.mark.parametrize("execution", [IN_FORCE, replace(IN_FORCE, remediation="gone")])
def test_where_no_harm_is_looked_for_nothing_is_judged(execution):
    assert watched(*row_of(WORSE), execution=execution, catalogue=a_catalogue(remediations=(a_remediation(),))) is None
