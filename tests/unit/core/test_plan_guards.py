"""What the guards make of a whole plan: who is asked, who waits, what is held, and that nothing is promised twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    BLOCK,
    LIMIT,
    a_catalogue,
    a_ledger,
    a_remediation,
    a_symptom,
    an_assessment,
    an_execution,
    an_incident,
    at,
    incidents_on,
)
from mape_k.guards import budgets
from mape_k.model import Bounds, BudgetKind, Ledger, Limits, Mode, Outlook, Plan, Reason, State, Verdict
from mape_k.plan import make_plan

ALL_AT_ONCE = a_catalogue(limits=Limits(stage_share=1))
FINAL = a_catalogue(symptoms=(a_symptom(remediations=("block",)),), remediations=(a_remediation(compensation=None),))


def planned(*targets: str, ledger: Ledger | None = None, catalogue=None, **fields) -> Plan:
    incidents = incidents_on(*targets) if targets else (an_incident(),)
    return make_plan(an_assessment(*incidents, **fields), catalogue or a_catalogue(), ledger or a_ledger())


def reasons(plan: Plan) -> list[Reason]:
    return [decision.reason for decision in plan.decisions]


# who is asked


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.ENFORCE, Reason.BEST_CANDIDATE),
        (Mode.APPROVE, Reason.APPROVAL_WANTED),
        (Mode.SHADOW, Reason.SHADOW),
    ],
)
def test_the_mode_says_whether_an_action_is_carried_out_asked_about_or_only_told(mode, expected):
    plan = planned(ledger=a_ledger(mode=mode))
    assert reasons(plan) == [expected]
    assert len(plan.actions) == (mode is Mode.ENFORCE)
    assert len(plan.proposals) == (mode is Mode.APPROVE)


@pytest.mark.parametrize(
    ("ledger", "catalogue", "asks"),
    [
        pytest.param(a_ledger(), FINAL, Reason.IRREVERSIBLE, id="it can never be undone"),
        pytest.param(
            a_ledger(openings={("charter", "spike", "node-7"): (at(-40), at(-30), at(-20), at(-10))}),
            a_catalogue(),
            Reason.FLAPPING,
            id="it comes and goes",
        ),
    ],
)
def test_even_when_it_may_act_a_person_is_asked_about_what_a_guard_doubts(ledger, catalogue, asks):
    plan = planned(ledger=ledger, catalogue=catalogue)
    (decision,), (action,) = plan.decisions, plan.proposals
    assert (decision.reason, plan.actions) == (Reason.APPROVAL_WANTED, ())
    assert next(c.asks for c in decision.candidates if c.remediation == action.remediation) is asks


def test_while_a_person_thinks_nothing_else_is_done_there():
    waiting = an_execution(State.UNDO_WANTED, remediation="other", incident_id="inc-0", admitted_at=at(-60))
    assert reasons(planned(ledger=a_ledger(waiting))) == [Reason.AWAITING_APPROVAL]


# who waits


def test_the_same_on_several_targets_begins_with_the_gravest_one():
    plan = planned("a", "b", "c")
    assert reasons(plan) == [Reason.BEST_CANDIDATE, Reason.STAGED, Reason.STAGED]
    assert [action.target for action in plan.actions] == ["a"]


def test_different_remediations_do_not_wait_for_each_other():
    tried = an_execution(
        State.ROLLED_BACK,
        target="b",
        incident_id="inc-b",
        remediation="limit",
        verdict=Verdict.UNCHANGED,
        admitted_at=at(-500),
        updated_at=at(-700),
    )
    plan = planned("a", "b", ledger=a_ledger(tried))
    assert [(a.target, a.remediation) for a in plan.actions] == [("a", "limit"), ("b", "block")]


def test_what_failed_on_one_target_gives_way_to_the_next_best_on_the_others():
    failed = an_execution(
        State.ROLLED_BACK, target="a", incident_id="inc-a", remediation="limit", verdict=Verdict.UNCHANGED
    )
    (action,) = planned("b", ledger=a_ledger(failed)).actions
    assert action.remediation == "block"


def test_the_blast_radius_is_of_all_that_is_wished_not_of_the_first_stage():
    plan = planned("a", "b", "c", catalogue=a_catalogue(limits=Limits(max_targets=2)))
    assert (plan.refusal, plan.actions) == (Reason.BLAST_RADIUS, ())


# what is held


@pytest.mark.parametrize(
    ("seen", "kept", "expected"),
    [
        pytest.param(Outlook(storm_since=at(0)), Outlook(), Reason.STORM, id="begins in this cycle"),
        pytest.param(Outlook(), Outlook(storm_since=at(-60)), Reason.BEST_CANDIDATE, id="is over by now"),
    ],
)
def test_how_a_pack_looks_in_this_cycle_counts_not_how_it_looked_before(seen, kept, expected):
    plan = planned(ledger=a_ledger(outlooks={"charter": kept}), outlooks={"charter": seen})
    assert reasons(plan) == [expected]


def test_in_a_storm_every_incident_is_told_the_same_and_none_is_acted_upon():
    plan = planned("a", "b", "c", outlooks={"charter": Outlook(storm_since=at(0))})
    assert reasons(plan) == [Reason.STORM] * 3


# nothing is promised twice


def test_a_budget_is_shared_by_the_actions_of_one_plan():
    plan = planned("a", "b", "c", catalogue=ALL_AT_ONCE, ledger=a_ledger(bounds=Bounds(max_actions=2)))
    assert reasons(plan) == [Reason.BEST_CANDIDATE, Reason.BEST_CANDIDATE, Reason.GLOBAL_BUDGET]


@given(
    targets=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12),
    past=st.lists(
        st.tuples(
            st.sampled_from("abcdefgh"),
            st.sampled_from(("limit", "block")),
            st.sampled_from((State.VERIFYING, State.SUCCEEDED, State.ROLLED_BACK, State.AWAITING_APPROVAL)),
            st.integers(0, 3500),
        ),
        max_size=12,
    ),
    most=st.integers(1, 6),
)
def test_whatever_was_done_before_a_plan_keeps_to_every_budget_and_to_one_action_a_target(targets, past, most):
    limits = Limits(max_of_remediation=most, max_on_target=most, max_targets=most, stage_share=1)
    catalogue = a_catalogue(limits=limits, remediations=(LIMIT, BLOCK))
    before = [
        an_execution(state, target=target, remediation=name, admitted_at=at(-age), execution_id=f"act-{n}")
        for n, (target, name, state, age) in enumerate(past)
    ]
    ledger = a_ledger(*before, bounds=Bounds(max_actions=most))
    actions = planned(*targets, ledger=ledger, catalogue=catalogue).actions
    after = [an_execution(State.ADMITTED, target=a.target, remediation=a.remediation) for a in actions]
    together = {(b.budget, b.of): b for b in budgets(a_ledger(*before, *after, bounds=ledger.bounds), catalogue)}
    exceeded = {key for key, budget in together.items() if budget.used > budget.limit}
    already = {(b.budget, b.of) for b in budgets(ledger, catalogue) if b.used > b.limit}
    assert exceeded <= already
    assert len({a.target for a in actions}) == len(actions)
    assert not {a.target for a in actions} & {e.target for e in before if e.is_unsettled}
    assert not actions or together[BudgetKind.TARGETS, "charter"].used <= most
