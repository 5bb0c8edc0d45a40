"""What is decided, for incidents and for executions that are already open; and that nothing else decides it."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    BLOCK,
    LABEL,
    LIMIT,
    NOON,
    SIGNAL,
    a_catalogue,
    a_finding,
    a_ledger,
    a_lifetime,
    a_remediation,
    a_snapshot,
    a_symptom,
    an_alert,
    an_assessment,
    an_execution,
    an_incident,
    at,
    incidents_on,
    sources,
)
from mape_k.analyze import Analyst
from mape_k.model import (
    Expiring,
    Judgement,
    Limits,
    Mode,
    Observation,
    OnExpiry,
    OnInhibited,
    Owner,
    Pause,
    Quality,
    Reason,
    State,
    Step,
    SuccessRate,
    Verdict,
)
from mape_k.plan import make_plan, success_probability

FAILED_LIMIT = an_execution(
    State.ROLLED_BACK, remediation="limit", verdict=Verdict.UNCHANGED, admitted_at=at(-300), execution_id="act-0"
)


def planned(*incidents, ledger=None, catalogue=None, **fields):
    assessment = an_assessment(*(incidents or (an_incident(),)), **fields)
    return make_plan(assessment, catalogue or a_catalogue(), ledger or a_ledger())


def decided(*incidents, **fields):
    """Return the only decision of a plan."""
    (decision,) = planned(*incidents, **fields).decisions
    return decision


def chosen(**fields):
    action = decided(**fields).action
    return action and action.remediation


# what is chosen


def test_the_cheap_remediation_is_tried_first():
    decision = decided()
    assert decision.reason is Reason.BEST_CANDIDATE
    assert decision.action.remediation == "limit"
    assert decision.action.score == pytest.approx(0.7 * 0.7 - 0.05)


def test_doing_nothing_is_always_among_the_candidates_and_scores_nothing():
    nothing = decided().candidates[-1]
    assert (nothing.remediation, nothing.score, nothing.refusal) == (None, 0.0, None)


def test_every_score_is_the_sum_of_its_terms():
    for candidate in decided().candidates:
        assert candidate.score == pytest.approx(sum(candidate.terms.values()))


def test_after_one_failure_the_thorough_remediation_is_chosen():
    decision = decided(ledger=a_ledger(FAILED_LIMIT))
    assert decision.action.remediation == "block"
    assert decision.candidates[0].refusal is Reason.ALREADY_TRIED


def test_what_was_learned_beats_the_order_of_the_pack():
    rates = {("charter", "limit", "spike"): SuccessRate(failures=2)}
    assert chosen(ledger=a_ledger(success_rates=rates)) == "block"


def test_what_was_learned_for_another_symptom_does_not_count():
    rates = {("charter", "limit", "another"): SuccessRate(failures=9)}
    assert chosen(ledger=a_ledger(success_rates=rates)) == "limit"


def test_when_nothing_is_worth_its_cost_nothing_is_done():
    dear = a_remediation("limit", cost=0.9)
    decision = decided(
        catalogue=a_catalogue(remediations=(dear, BLOCK), symptoms=(a_symptom(remediations=("limit",)),))
    )
    assert (decision.action, decision.reason) == (None, Reason.NOT_WORTH_IT)


def test_each_further_target_takes_a_little_off_the_score():
    wide = a_remediation("limit", cost=0.05, prior_success=0.7, blast_radius=3)
    candidate = decided(catalogue=a_catalogue(remediations=(wide, BLOCK))).candidates[0]
    assert candidate.terms["blast_radius"] == pytest.approx(-0.1)


def test_the_prior_is_worth_as_many_outcomes_as_the_pack_says():
    remediation = a_remediation(prior_success=0.8, prior_weight=2)
    assert success_probability(remediation, SuccessRate()) == pytest.approx(0.8)
    assert success_probability(remediation, SuccessRate(successes=1, failures=1)) == pytest.approx(2.6 / 4)


@given(
    prior=st.floats(0, 1), weight=st.floats(0.001, 1e6), successes=st.integers(0, 10**9), failures=st.integers(0, 10**9)
)
def test_a_success_probability_is_a_probability(prior, weight, successes, failures):
    remediation = a_remediation(prior_success=prior, prior_weight=weight)
    probability = success_probability(remediation, SuccessRate(successes=successes, failures=failures))
    assert -1e-9 <= probability <= 1 + 1e-9


# what the action says


def test_the_action_carries_everything_that_is_sent():
    request = decided().action.request
    assert (request.name, request.kind, request.scope) == ("limit-source-node-7", "limit_source", {LABEL: "node-7"})
    assert (request.ttl_seconds, request.not_after, request.incident_id) == (3600, at(60), "inc-1")
    assert request.reason == "spike on node-7: charter/rate is 31 attempts/s, limit 10"
    assert decided().action.baseline == 31.0


def test_a_one_time_act_has_no_lifetime():
    once = a_remediation("limit", prior_success=0.9, lifetime=None)
    assert decided(catalogue=a_catalogue(remediations=(once, BLOCK))).action.request.ttl_seconds is None


def test_without_a_number_in_the_evidence_there_is_no_baseline():
    action = decided(an_incident(a_finding(evidence=()))).action
    assert (action.baseline, action.request.reason) == (None, "spike on node-7")


def test_the_idempotency_key_is_the_same_for_one_attempt_and_new_for_the_next():
    first, again = decided().action.execution_id, decided(as_of=at(30)).action.execution_id
    unsent = an_execution(State.FAILED, remediation="limit", reason=Reason.UNREACHABLE)
    assert first == again
    assert decided(ledger=a_ledger(unsent)).action.execution_id != first


# what is held


@pytest.mark.parametrize(
    "hold", [Reason.STALE_EVIDENCE, Reason.NOT_CORROBORATED, Reason.RESIDUAL, Reason.SILENCED, Reason.TARGET_UNKNOWN]
)
def test_a_held_finding_is_never_acted_upon(hold):
    decision = decided(an_incident(a_finding(hold=hold)))
    assert (decision.action, decision.reason) == (None, hold)


@pytest.mark.parametrize("hold", [Reason.SILENCED, Reason.STALE_EVIDENCE, Reason.RESIDUAL])
def test_a_second_cause_does_not_wait_for_the_first_one(hold):
    decision = decided(an_incident(a_finding(hold=hold), a_finding("node-8")))
    assert decision.action is not None
    assert decision.action.target == "node-8"


@pytest.mark.parametrize(("hold", "expected"), [(Reason.SILENCED, "node-8"), (Reason.STALE_EVIDENCE, None)])
def test_a_consequence_is_left_alone_while_anything_is_hoped_of_its_cause(hold, expected):
    decision = decided(an_incident(a_finding(hold=hold), a_finding("node-8"), explained=("node-8",)))
    assert (decision.action.target if decision.action else None) == expected


def test_a_consequence_is_acted_upon_once_its_cause_is_given_up():
    given_up = [
        an_execution(State.ROLLED_BACK, execution_id=name, remediation=name, verdict=Verdict.UNCHANGED)
        for name in ("limit", "block")
    ]
    incident = an_incident(a_finding(), a_finding("node-8"), explained=("node-8",))
    decision = decided(incident, ledger=a_ledger(*given_up))
    assert decision.action is not None
    assert decision.action.target == "node-8"


def test_while_a_source_is_not_seen_nothing_new_is_done():
    assert decided(blind=("charter",)).reason is Reason.BLIND


@pytest.mark.parametrize(("seconds", "expected"), [(-59, Reason.SETTLING), (-60, Reason.BEST_CANDIDATE)])
def test_after_blindness_the_first_looks_are_not_trusted(seconds, expected):
    ledger = a_ledger(sight_lost_at={"prometheus": at(seconds)})
    assert decided(ledger=ledger).reason is expected


def test_while_paused_nothing_new_is_done():
    decision = decided(ledger=a_ledger(pauses=(Pause(since=NOON, by="dolores"),)))
    assert (decision.action, decision.reason) == (None, Reason.PAUSED)


def test_a_symptom_without_a_remediation_is_told_and_left():
    assert decided(catalogue=a_catalogue(symptoms=(a_symptom(remediations=()),))).reason is Reason.NO_REMEDIATION


def test_when_all_was_tried_a_person_must_look():
    ledger = a_ledger(FAILED_LIMIT, replace(FAILED_LIMIT, remediation="block", execution_id="act-2"))
    assert decided(ledger=ledger).reason is Reason.EXHAUSTED


def test_what_only_has_to_wait_is_not_called_exhausted():
    waiting = a_remediation("block", on_inhibited=OnInhibited.WAIT)
    catalogue = a_catalogue(remediations=(LIMIT, waiting))
    decision = decided(an_incident(a_finding(is_inhibited=True)), catalogue=catalogue, ledger=a_ledger(FAILED_LIMIT))
    assert decision.reason is Reason.INHIBITED


def test_two_incidents_never_act_on_one_target_in_one_plan():
    one, other = an_incident(incident_id="inc-1"), an_incident(incident_id="inc-2")
    first, second = planned(one, other).decisions
    assert (first.action is not None, second.action, second.reason) == (True, None, Reason.IN_FLIGHT)


def test_in_shadow_it_is_decided_and_not_carried_out():
    plan = planned(ledger=a_ledger(mode=Mode.SHADOW))
    assert plan.decisions[0].action is not None
    assert plan.decisions[0].reason is Reason.SHADOW
    assert plan.actions == ()


# blast radius

NARROW = a_catalogue(limits=Limits(max_targets=2, stage_share=1))


def test_a_plan_over_the_blast_radius_is_refused_whole():
    plan = planned(*incidents_on("a", "b", "c"), catalogue=NARROW)
    assert plan.refusal is Reason.BLAST_RADIUS
    assert {(d.action, d.reason) for d in plan.decisions} == {(None, Reason.BLAST_RADIUS)}


def test_a_plan_within_it_is_not():
    plan = planned(*incidents_on("a", "b"), catalogue=NARROW)
    assert (plan.refusal, len(plan.actions)) == (None, 2)


def test_the_share_is_of_the_known_targets():
    catalogue = a_catalogue(limits=Limits(max_share=0.25, stage_share=1))
    assert planned(*incidents_on("a", "b"), catalogue=catalogue, population={"charter": 7}).actions == ()
    assert len(planned(*incidents_on("a", "b"), catalogue=catalogue, population={"charter": 8}).actions) == 2


# what becomes of open executions


def followed(*, ledger=None, catalogue=None, **fields):
    """Return the only follow-up of a plan without incidents."""
    (step,) = make_plan(an_assessment(**fields), catalogue or a_catalogue(), ledger or a_ledger()).follow_ups
    return step


def judged(verdict, reason=Reason.VERIFIED):
    return Judgement(execution_id="act-1", observation=Observation(), reason=reason, verdict=verdict)


@pytest.mark.parametrize(
    ("verdict", "step"),
    [
        (Verdict.IMPROVED, Step.CONFIRM),
        (Verdict.UNCHANGED, Step.ROLL_BACK),
        (Verdict.WORSE, Step.ROLL_BACK),
        (Verdict.UNKNOWN, Step.ROLL_BACK),
    ],
)
def test_only_an_improvement_is_confirmed_and_all_else_is_rolled_back(verdict, step):
    followed_up = followed(judgements=(judged(verdict),), ledger=a_ledger(an_execution()))
    assert (followed_up.step, followed_up.verdict) == (step, verdict)


def test_without_a_verdict_nothing_happens():
    plan = make_plan(an_assessment(judgements=(judged(None),)), a_catalogue(), a_ledger(an_execution()))
    assert plan.follow_ups == ()


@pytest.mark.parametrize("state", [State.ADMITTED, State.APPLYING, State.UNCERTAIN, State.ROLLING_BACK, State.RENEWING])
def test_what_was_left_half_done_is_taken_up_again(state):
    assert followed(ledger=a_ledger(an_execution(state))).step is Step.RESUME


@pytest.mark.parametrize("state", sorted(s for s in State if s.owner is not Owner.EXECUTOR))
def test_what_nobody_left_half_done_is_left_alone(state):
    plan = make_plan(an_assessment(), a_catalogue(), a_ledger(an_execution(state)))
    assert {step.step for step in plan.follow_ups} <= {Step.WITHDRAW}


def at_expiry(*, is_needed, seconds=3000, lifetime=None, **fields):
    catalogue = a_catalogue(remediations=(LIMIT, a_remediation(lifetime=lifetime or a_lifetime())))
    ledger = a_ledger(an_execution(State.IN_FORCE, **fields))
    ending = (Expiring(execution_id="act-1", is_needed=is_needed),)
    step = followed(as_of=at(seconds), expiring=ending, ledger=ledger, catalogue=catalogue)
    return step.step, step.reason


@pytest.mark.parametrize(
    ("is_needed", "expected"),
    [
        (True, (Step.RENEW, Reason.STILL_NEEDED)),
        (None, (Step.RENEW, Reason.NEED_UNKNOWN)),
        (False, (Step.LET_LAPSE, Reason.NO_LONGER_NEEDED)),
    ],
)
def test_a_policy_is_renewed_unless_it_is_seen_that_the_cause_is_gone(is_needed, expected):
    assert at_expiry(is_needed=is_needed) == expected


@pytest.mark.parametrize("is_needed", [True, False, None])
def test_a_policy_that_ended_while_nobody_looked_is_told_as_such(is_needed):
    assert at_expiry(is_needed=is_needed, seconds=3600) == (Step.LET_LAPSE, Reason.LAPSED_UNSEEN)


def test_a_policy_that_a_person_decides_about_is_escalated():
    lifetime = a_lifetime(on_expiry=OnExpiry.ESCALATE)
    assert at_expiry(is_needed=False, lifetime=lifetime) == (Step.ESCALATE, Reason.PERSON_DECIDES)


@pytest.mark.parametrize(("renewals", "expected"), [(23, Step.RENEW), (24, Step.ESCALATE), (99, Step.ESCALATE)])
def test_a_policy_is_renewed_only_as_often_as_allowed(renewals, expected):
    assert at_expiry(is_needed=True, renewals=renewals)[0] is expected


def test_a_policy_that_no_pack_knows_any_more_is_let_lapse():
    assert at_expiry(is_needed=False, remediation="gone") == (Step.LET_LAPSE, Reason.NO_LONGER_NEEDED)


OLDER = an_execution(State.IN_FORCE, verdict=Verdict.IMPROVED)


@pytest.mark.parametrize("state", [State.VERIFYING, State.IN_FORCE, State.ROLLING_BACK, State.ROLLED_BACK])
def test_the_same_done_again_takes_the_older_record_over(state):
    newer = an_execution(state, execution_id="act-2", applied_at=at(60))
    ledger = a_ledger(OLDER, newer)
    ending = (Expiring(execution_id="act-1", is_needed=True),)
    steps = make_plan(an_assessment(expiring=ending), a_catalogue(), ledger).follow_ups
    assert [(s.step, s.reason) for s in steps if s.execution_id == "act-1"] == [(Step.LET_LAPSE, Reason.SUPERSEDED)]


@pytest.mark.parametrize(
    "newer",
    [
        pytest.param(an_execution(State.UNCERTAIN, applied_at=at(60)), id="in doubt"),
        pytest.param(an_execution(State.FAILED, applied_at=at(60)), id="never arrived"),
        pytest.param(an_execution(State.VERIFYING, applied_at=at(60), target="node-8"), id="elsewhere"),
        pytest.param(an_execution(State.VERIFYING, applied_at=at(60), remediation="limit"), id="another remediation"),
        pytest.param(an_execution(State.VERIFYING, applied_at=at(-60)), id="before"),
    ],
)
def test_a_policy_that_nothing_took_over_is_still_looked_after(newer):
    ledger = a_ledger(OLDER, replace(newer, execution_id="act-2"))
    ending = (Expiring(execution_id="act-1", is_needed=True),)
    steps = make_plan(an_assessment(expiring=ending), a_catalogue(), ledger).follow_ups
    assert [s.step for s in steps if s.execution_id == "act-1"] == [Step.RENEW]


def test_an_attempt_is_named_after_the_one_before_and_alike_by_everyone():
    first, second = (an_execution(State.FAILED, execution_id=name, reason=Reason.UNREACHABLE) for name in "ab")
    ledgers = [a_ledger(), a_ledger(first), a_ledger(first, second), a_ledger(second)]
    names = [decided(ledger=a_ledger(FAILED_LIMIT, *ledger.executions)).action.execution_id for ledger in ledgers]
    assert names[2] == names[3]
    assert len(set(names)) == 3


# properties

TARGETS = st.sampled_from(["a", "b", "c", "d", "e", "*", ""])
HOLDS = st.sampled_from([None, None, Reason.STALE_EVIDENCE, Reason.SILENCED, Reason.RESIDUAL])
FINDINGS = st.builds(a_finding, TARGETS, hold=HOLDS, is_inhibited=st.booleans())
INCIDENTS = st.lists(
    st.builds(
        an_incident, FINDINGS, incident_id=st.uuids().map(str), risk=st.floats(0, 100), opened=st.integers(-9000, 0)
    ),
    max_size=8,
)
EXECUTIONS = st.lists(
    st.builds(
        an_execution,
        st.sampled_from(State),
        execution_id=st.uuids().map(str),
        target=TARGETS,
        remediation=st.sampled_from(["limit", "block", "gone"]),
        verdict=st.sampled_from([None, *Verdict]),
        admitted_at=st.integers(-9000, 60).map(at),
    ),
    max_size=6,
)
LIMITS = st.builds(Limits, max_targets=st.integers(0, 6), max_share=st.floats(0, 1))


@given(incidents=INCIDENTS, executions=EXECUTIONS, limits=LIMITS, population=st.integers(0, 12))
def test_no_plan_exceeds_the_blast_radius_or_touches_a_target_twice(incidents, executions, limits, population):
    catalogue, ledger = a_catalogue(limits=limits), a_ledger(*executions)
    plan = make_plan(an_assessment(*incidents, population={"charter": population}), catalogue, ledger)
    touched = Counter(action.target for action in plan.actions)
    busy = {e.target for e in executions if e.is_unsettled}
    assert all(count == 1 for count in touched.values())
    assert touched.keys().isdisjoint(busy | {"", "*"})
    if touched:
        assert len(touched) + len(busy) <= limits.max_targets
        assert population < limits.share_from or len(touched) + len(busy) <= limits.max_share * population


@given(incidents=INCIDENTS, executions=EXECUTIONS)
def test_nothing_held_is_acted_upon_and_every_incident_has_its_reason(incidents, executions):
    plan = make_plan(an_assessment(*incidents), a_catalogue(), a_ledger(*executions))
    assert [d.incident_id for d in plan.decisions] == [i.incident_id for i in incidents]
    for incident, decision in zip(incidents, plan.decisions, strict=True):
        assert (decision.action is not None) == (decision.reason is Reason.BEST_CANDIDATE)
        assert decision.action is None or incident.root.hold is None


@given(incidents=INCIDENTS, executions=EXECUTIONS, limits=LIMITS)
def test_the_same_inputs_make_the_same_plan_in_whatever_order_mappings_are(incidents, executions, limits):
    rates = {("charter", name, "spike"): SuccessRate(successes=n) for n, name in enumerate(("limit", "block"))}
    plans = []
    for order in (list, lambda items: list(reversed(list(items)))):
        catalogue = a_catalogue(limits=limits, remediations=order((LIMIT, BLOCK)))
        ledger = a_ledger(*executions, success_rates=dict(order(rates.items())))
        plans.append(make_plan(an_assessment(*incidents, population={"charter": 9}), catalogue, ledger))
    assert plans[0] == plans[1]


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
LOOKS = st.sampled_from(list(Quality)) | NUMBERS | st.dictionaries(st.sampled_from(["node-7", "node-8"]), NUMBERS)
QUALITIES = st.sampled_from(list(Quality))


@given(looks=st.lists(LOOKS, min_size=1, max_size=4), executions=EXECUTIONS, alerts=QUALITIES, source=QUALITIES)
def test_from_sight_to_plan_nothing_unseen_becomes_a_number_or_an_action(looks, executions, alerts, source):
    analyst = Analyst(close_after_seconds=60)
    catalogue, ledger = a_catalogue(symptoms=(a_symptom(deviation_sigmas=3),)), a_ledger(*executions)
    for seconds, look in enumerate(looks):
        rows = None if look is Quality.VALUE else look
        snapshot = a_snapshot(
            {} if rows is None else rows,
            seconds=float(seconds),
            alerts=[an_alert(), an_alert("node-8")],
            alerts_quality=alerts,
            sources=sources(prometheus=source),
        )
        plan = make_plan(analyst.assess(snapshot, ledger, catalogue), catalogue, ledger)
        for action in plan.actions:
            assert snapshot.reading(SIGNAL, action.target).number() > 10
            assert alerts is source is Quality.VALUE
