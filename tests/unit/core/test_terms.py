"""What an action is admitted with: until when, what undoes it, and what a person agrees to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import (
    NOON,
    READY,
    TERMS,
    a_catalogue,
    a_finding,
    a_ledger,
    a_remediation,
    a_request,
    an_assessment,
    an_incident,
    at,
)
from mape_k.model import (
    DEADLINES,
    PATIENCE,
    TERMINAL,
    Compensation,
    Owner,
    Part,
    RollbackRule,
    State,
    Terms,
    due_at,
    terms_of,
)
from mape_k.plan import make_plan

PARTS = (
    Part(kind="drain_node", parameters={"grace": 3}, compensation=Compensation(kind="undrain_node")),
    Part(kind="restart_node", compensation=Compensation(kind="stop_node", parameters={"now": True})),
)


def test_every_state_that_is_no_end_has_a_deadline_and_an_owner():
    assert set(DEADLINES) == set(State) - TERMINAL
    assert {state for state in State if state.owner is Owner.NOBODY} == TERMINAL


@pytest.mark.parametrize("state", sorted(set(DEADLINES) - {State.IN_FORCE}))
def test_a_deadline_counts_from_the_moment_a_state_began(state):
    terms = replace(TERMS, probation_seconds=300)
    first, later = (due_at(state, terms, None, at(seconds)) for seconds in (0, 60))
    assert later - first == timedelta(seconds=60)
    assert first > NOON


def test_a_policy_in_force_is_overdue_when_it_has_ended_and_nobody_saw_it():
    assert due_at(State.IN_FORCE, TERMS, at(3600), NOON) == at(3600 + 300)
    assert due_at(State.IN_FORCE, TERMS, None, NOON) is None


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_an_end_has_no_deadline(state):
    assert due_at(state, TERMS, at(60), NOON) is None


def test_an_action_may_be_verified_as_long_as_the_loop_is_patient():
    remediation = a_remediation()
    terms = terms_of(remediation, a_request(), reach_seconds=READY)
    assert terms.verify_seconds == PATIENCE * remediation.verification.deadline_seconds + READY
    assert due_at(State.VERIFYING, terms, None, NOON) == at(terms.verify_seconds)


def test_the_further_parts_are_for_the_same_target_lifetime_and_incident():
    request = a_request(incident_id="inc-1")
    terms = terms_of(a_remediation(further=PARTS), request, reach_seconds=READY)
    assert [part.kind for part in terms.further] == ["drain_node", "restart_node"]
    assert terms.further[0] == replace(request, name="drain-node-node-7", kind="drain_node", parameters={"grace": 3})


def test_every_part_is_undone_by_its_own_compensation_at_whatever_time():
    terms = terms_of(a_remediation(further=PARTS), a_request(), reach_seconds=READY)
    undone = [(undo.name, undo.parameters, undo.scope, undo.not_after, undo.ttl_seconds) for undo in terms.undo]
    scope = a_request().scope
    assert undone == [
        ("unblock-source-node-7", {}, scope, None, None),
        ("undrain-node-node-7", {}, scope, None, None),
        ("stop-node-node-7", {"now": True}, scope, None, None),
    ]


def test_what_leaves_nothing_behind_has_nothing_to_undo_and_what_is_irreversible_says_so():
    nothing = terms_of(a_remediation(compensation=None, leaves_nothing=True), a_request(), reach_seconds=0)
    never = terms_of(a_remediation(compensation=None), a_request(), reach_seconds=0)
    assert (nothing.undo, nothing.is_irreversible) == ((), False)
    assert (never.undo, never.is_irreversible) == ((), True)


# what a person agrees to


def planned(*, rate=31.0, as_of=NOON, **fields):
    catalogue = a_catalogue(remediations=(a_remediation("limit", **fields), a_remediation()))
    assessment = an_assessment(an_incident(a_finding(rate=rate)), as_of=as_of)
    (action,) = make_plan(assessment, catalogue, a_ledger(as_of=as_of)).actions
    return action


def test_a_planned_action_carries_its_terms():
    action = planned(rollback=RollbackRule.APPROVE, probation_seconds=120.0)
    assert (action.terms.rollback, action.terms.probation_seconds) == (RollbackRule.APPROVE, 120.0)
    assert [undo.kind for undo in action.terms.undo] == ["unlimit_source"]
    assert action.terms != Terms()


def test_the_same_plan_has_the_same_hash_from_cycle_to_cycle_whatever_is_measured():
    first, later = planned(), planned(rate=44.0, as_of=at(30))
    assert first.request.reason != later.request.reason
    assert first.request.not_after != later.request.not_after
    assert first.plan_hash == later.plan_hash


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": {"rate": 5}},
        {"kind": "another"},
        {"compensation": Compensation(kind="another")},
        {"further": PARTS},
        {"rollback": RollbackRule.NEVER},
        {"probation_seconds": 1.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_an_action_would_do_otherwise_makes_another_hash(change):
    assert planned(**change).plan_hash != planned().plan_hash
