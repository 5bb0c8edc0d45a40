"""The guards on a plan or a pack as a whole: blast radius, stages, storms, vanished targets, bad outcomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import BLOCK, NOON, a_catalogue, a_ledger, an_execution, at
from mape_k.guards import Proposal, held_packs, may_start, pack_hold, plan_refusal, refusal
from mape_k.model import Limits, Outlook, Peak, Reason, State, Verdict


def blast(touched: dict[str, int], ledger=None, *, population: int = 0, **limits) -> Reason | None:
    return plan_refusal(touched, ledger or a_ledger(), pack="charter", limits=Limits(**limits), population=population)


@pytest.mark.parametrize(
    ("touched", "expected"),
    [
        pytest.param({"a": 1, "b": 1}, None, id="as many as allowed"),
        pytest.param({"a": 1, "b": 1, "c": 1}, Reason.BLAST_RADIUS, id="one more"),
        pytest.param({"a": 3}, Reason.BLAST_RADIUS, id="one with a wide radius"),
        pytest.param({}, None, id="nothing to be done"),
    ],
)
def test_a_plan_touches_at_most_so_many_targets(touched, expected):
    assert blast(touched, max_targets=2) is expected


def test_unsettled_actions_count_into_the_radius_once_and_settled_ones_do_not():
    ledger = a_ledger(an_execution(State.VERIFYING, target="b"), an_execution(State.IN_FORCE, target="c"))
    assert blast({"a": 1}, ledger, max_targets=1) is Reason.BLAST_RADIUS
    assert blast({"b": 1}, ledger, max_targets=1) is None
    assert blast({}, ledger, max_targets=0) is None


@pytest.mark.parametrize(("population", "expected"), [(4, None), (5, Reason.BLAST_RADIUS), (6, None)])
def test_a_share_counts_only_from_five_targets_up(population, expected):
    assert blast({"a": 1, "b": 1, "c": 1}, max_targets=9, population=population) is expected


@given(
    touched=st.dictionaries(st.text(max_size=3), st.integers(1, 4), max_size=8),
    busy=st.lists(st.text(max_size=3), max_size=8),
    population=st.integers(0, 20),
    limits=st.builds(Limits, max_targets=st.integers(0, 8), max_share=st.floats(0, 1), share_from=st.integers(0, 9)),
)
def test_what_passes_is_within_both_radii(touched, busy, population, limits):
    ledger = a_ledger(*(an_execution(State.VERIFYING, target=target) for target in busy))
    passed = plan_refusal(touched, ledger, pack="charter", limits=limits, population=population) is None
    if passed and touched:
        assert sum(touched.values()) <= limits.max_targets
        assert population < limits.share_from or sum(touched.values()) <= limits.max_share * population


# stages


def started(wanted: str, *past, **limits) -> str:
    """Return which of the targets, a letter each, may start."""
    return "".join(may_start(tuple(wanted), ("charter", "block"), a_ledger(*past), Limits(**limits)))


def on(targets: str, state: State, verdict=None, **fields):
    return [an_execution(state, target=t, execution_id=f"act-{t}", verdict=verdict, **fields) for t in targets]


def helped(targets: str, **fields):
    return on(targets, State.SUCCEEDED, Verdict.IMPROVED, **fields)


@pytest.mark.parametrize(
    ("wanted", "past", "expected"),
    [
        pytest.param("a", [], "a", id="one alone starts at once"),
        pytest.param("abcdefgh", [], "a", id="first one"),
        pytest.param("bcdefgh", on("a", State.VERIFYING), "", id="the others wait for it"),
        pytest.param("bcdefgh", helped("a"), "bc", id="then a quarter of all"),
        pytest.param("cdefgh", [*helped("a"), *on("b", State.VERIFYING)], "c", id="never more than that"),
        pytest.param("defgh", [*helped("ab"), *on("c", State.VERIFYING)], "", id="until each of it is seen to help"),
        pytest.param("defgh", helped("abc"), "defgh", id="then the rest"),
        pytest.param("bc", on("a", State.VERIFYING, remediation="limit"), "b", id="another remediation says nothing"),
        pytest.param("bc", on("a", State.VERIFYING, pack="other"), "b", id="nor does another pack"),
        pytest.param("bc", helped("a", admitted_at=at(-3600)), "b", id="nor does what is long past"),
        pytest.param("bc", on("a", State.VERIFYING, admitted_at=at(-7200)), "", id="what is not judged is never past"),
    ],
)
def test_one_remediation_comes_to_several_targets_in_stages(wanted, past, expected):
    assert started(wanted, *past) == expected


def test_with_a_share_of_one_there_are_no_stages():
    assert started("abc", stage_share=1.0) == "abc"


@given(count=st.integers(1, 30), share=st.floats(0.01, 0.99))
def test_a_roll_out_that_helps_comes_to_every_target_in_three_stages(count, share):
    waiting, done, sizes = [f"n{n}" for n in range(count)], [], []
    while waiting:
        past = [e for target in done for e in on([target], State.SUCCEEDED, Verdict.IMPROVED)]
        now = may_start(waiting, ("charter", "block"), a_ledger(*past), Limits(stage_share=share))
        assert now
        sizes.append(len(now))
        waiting, done = waiting[len(now) :], [*done, *now]
    assert sizes[0] == 1
    assert len(sizes) <= 3
    assert len(sizes) < 2 or sizes[1] <= share * count + 1


def proposal(**fields) -> Proposal:
    facts = {"incident_id": "inc-b", "remediation": BLOCK, "symptom": "spike", "target": "b", "since": at(-600)}
    return Proposal(**(facts | {"limits": Limits()} | fields))


def failed_on_a(**fields):
    facts = {"incident_id": "inc-a", "admitted_at": at(-900), "updated_at": at(-300)}
    (failure,) = on("a", State.ROLLED_BACK, Verdict.UNCHANGED, **(facts | fields))
    return failure


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, Reason.STAGED, id="in a stage before"),
        pytest.param({"updated_at": at(-601)}, None, id="before this incident"),
        pytest.param({"symptom": "another"}, None, id="against something else"),
        pytest.param({"remediation": "limit"}, None, id="another remediation"),
        pytest.param({"incident_id": "inc-b"}, None, id="within this incident"),
        pytest.param({"admitted_at": at(-3600)}, None, id="long past"),
    ],
)
def test_what_did_not_help_on_one_target_is_held_back_from_the_next(fields, expected):
    assert refusal(proposal(), a_ledger(failed_on_a(**fields))) is expected


def test_once_a_person_has_looked_the_next_stage_may_start():
    assert refusal(proposal(), a_ledger(failed_on_a(), looked_at=at(-200))) is None
    assert refusal(proposal(), a_ledger(failed_on_a(), looked_at=at(-400))) is Reason.STAGED


# whole packs


def hold(ledger, **limits) -> Reason | None:
    return pack_hold("charter", Limits(**limits), ledger)


def test_in_a_storm_a_pack_is_held_and_no_other():
    ledger = a_ledger(outlooks={"charter": Outlook(storm_since=NOON)})
    assert (hold(ledger), pack_hold("other", Limits(), ledger)) == (Reason.STORM, None)
    assert refusal(proposal(), ledger) is Reason.STORM
    assert held_packs(ledger, a_catalogue()) == {"charter": Reason.STORM}


@pytest.mark.parametrize(
    ("known", "peak", "expected"),
    [
        pytest.param(7, 10, None, id="as few as allowed"),
        pytest.param(6, 10, Reason.INVENTORY_DROP, id="one less"),
        pytest.param(0, 4, None, id="too few to tell"),
        pytest.param(0, 5, Reason.INVENTORY_DROP, id="all of five"),
    ],
)
def test_when_many_targets_vanish_at_once_what_is_seen_is_not_trusted(known, peak, expected):
    outlook = Outlook(known=known, peaks=(Peak(at=at(-60), known=peak), Peak(at=NOON, known=known)))
    assert hold(a_ledger(outlooks={"charter": outlook})) is expected


def test_once_a_person_has_looked_the_targets_that_are_left_count_as_all():
    outlook = Outlook(known=2, peaks=(Peak(at=at(-60), known=10), Peak(at=NOON, known=2)))
    assert hold(a_ledger(outlooks={"charter": outlook}, looked_at=at(-30))) is None


def judged(bad: int, good: int, **fields):
    bads = on([f"b{n}" for n in range(bad)], State.ROLLED_BACK, Verdict.UNCHANGED, **fields)
    return [*bads, *helped([f"g{n}" for n in range(good)], **fields)]


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        pytest.param(judged(7, 3), Reason.BAD_OUTCOMES, id="seven of ten"),
        pytest.param(judged(6, 4), None, id="six of ten"),
        pytest.param(judged(9, 0), None, id="too few to tell"),
        pytest.param(judged(7, 3, pack="other"), None, id="another pack"),
        pytest.param(judged(7, 3, admitted_at=at(-3600)), None, id="long past"),
        pytest.param([*judged(7, 2), *on("x", State.VERIFYING)], None, id="what is not judged says nothing"),
    ],
)
def test_when_too_little_helps_nothing_more_is_begun(past, expected):
    assert hold(a_ledger(*past)) is expected


def test_only_outcomes_after_a_persons_last_look_count():
    assert hold(a_ledger(*judged(7, 3), looked_at=at(-1))) is Reason.BAD_OUTCOMES
    assert hold(a_ledger(*judged(7, 3), looked_at=NOON)) is None
