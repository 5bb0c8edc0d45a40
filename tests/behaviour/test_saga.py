"""Actions of several parts, undone in reverse, looked at afterwards; what is asked after a start and before acting."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from builders import (
    BLOCK,
    NOON,
    READY,
    a_catalogue,
    a_remediation,
    a_request,
    an_action,
    an_alert,
    an_assessment,
    an_execution,
    an_incident,
    at,
)
from fakes import FakeAlertSource, FakeEffector
from fakes_journal import FakeJournal
from mape_k.errors import (
    ConflictError,
    FencedError,
    PermanentError,
    RejectedError,
    StoreError,
    TransientError,
    UncertainError,
)
from mape_k.execute import Executor
from mape_k.execute.undoing import MOST_TRIES
from mape_k.model import (
    LEFT_ALONE,
    TRANSITIONS,
    Compensation,
    Decision,
    FollowUp,
    Mode,
    Part,
    Pause,
    Plan,
    Reason,
    State,
    Step,
    Terms,
    Verdict,
    terms_of,
)
from virtual_time import VirtualClock

LOST, AWAY, REFUSED = UncertainError("no answer"), TransientError("connection refused"), RejectedError("422")
PARTS = tuple(Part(kind=kind, compensation=Compensation(kind=f"un{kind}")) for kind in ("drain", "restart"))
THREE = a_remediation("block", further=PARTS)
TERMS = terms_of(THREE, a_request(), reach_seconds=READY)
KEYS = ["act-1", "act-1:2", "act-1:3"]
IDS = {"policy_id": "pol-1", "further_ids": ("pol-2", "pol-3")}
INCIDENT = an_incident()


class Stage:
    """An executor between a Charter and a journal, with one open execution where a test gives one."""

    def __init__(self, *errors, execution=None, is_idempotent=True, remediation=BLOCK):
        self.effector, self.clock = FakeEffector(*errors, is_idempotent=is_idempotent), VirtualClock()
        self.journal, self.alerts = FakeJournal(self.clock), FakeAlertSource(an_alert())
        self.told, self.refused = [], []
        self.catalogue = a_catalogue(remediations=(a_remediation("limit"), remediation))
        if execution is not None:
            self.journal.rows[execution.execution_id] = execution
        self.executor = Executor(
            effector_of=lambda _: self.effector,
            journal=self.journal,
            alerts=self.alerts,
            clock=self.clock,
            request_timeout_seconds=1,
            told=lambda moved: self.told.append(moved.state),
            refused=self.refused.append,
        )

    async def carry_out(self, *steps, decisions=(), mode=Mode.ENFORCE, incidents=(INCIDENT,)):
        plan = Plan(as_of=NOON, decisions=decisions, follow_ups=steps)
        assessment = an_assessment(*incidents)
        self.started = await self.executor.carry_out(plan, assessment, self.catalogue, mode=mode, budget_seconds=5.0)
        return self.execution

    async def act(self, *, reason=Reason.BEST_CANDIDATE, mode=Mode.ENFORCE, **fields):
        decision = Decision(incident_id="inc-1", reason=reason, action=an_action(**fields))
        return await self.carry_out(decisions=(decision,), mode=mode)

    async def follow(self, step, *, verdict=Verdict.UNCHANGED, reason=Reason.NOT_IMPROVED, **told):
        return await self.carry_out(FollowUp(execution_id="act-1", step=step, reason=reason, verdict=verdict), **told)

    async def reconcile(self, *, mode=Mode.ENFORCE, budget=5.0):
        open_ones = self.journal.ledger(NOON).open_executions
        self.started = await self.executor.reconcile(open_ones, self.catalogue, mode=mode, budget_seconds=budget)
        return self.execution

    @property
    def execution(self):
        return self.journal.rows.get("act-1")

    @property
    def keys(self):
        return [key for key, _ in self.effector.sent]


# several parts


async def test_the_parts_of_an_action_are_sent_in_order_each_with_a_key_of_its_own():
    stage = Stage()
    done = await stage.act(terms=TERMS)
    assert stage.keys == KEYS
    assert [request.kind for _, request in stage.effector.sent] == ["block_source", "drain", "restart"]
    assert (done.state, done.policy_id, done.further_ids) == (State.VERIFYING, "pol-1", ("pol-2", "pol-3"))


async def test_no_part_may_come_later_than_the_first_one_may():
    stage = Stage()
    await stage.act(terms=TERMS)
    assert {request.not_after for _, request in stage.effector.sent} == {at(60)}


async def test_each_answer_is_durable_before_the_next_part_leaves():
    stage, known = Stage(), []
    stage.effector.seen = lambda _: known.append((stage.execution.policy_id, *stage.execution.further_ids))
    await stage.act(terms=TERMS)
    assert known == [(None,), ("pol-1",), ("pol-1", "pol-2")]


async def test_an_uncertain_part_is_asked_after_with_its_own_key_and_the_rest_follows():
    stage = Stage(None, LOST)
    await stage.act(terms=TERMS)
    assert (stage.execution.state, stage.execution.policy_id) == (State.UNCERTAIN, "pol-1")
    done = await stage.follow(Step.RESUME)
    assert stage.keys == ["act-1", "act-1:2", "act-1:2", "act-1:3"]
    assert done.state is State.VERIFYING


@pytest.mark.parametrize(
    ("error", "reason"),
    [(REFUSED, Reason.REJECTED), (ConflictError("409"), Reason.CONFLICT), (AWAY, Reason.UNREACHABLE)],
)
async def test_when_a_later_part_is_refused_those_done_are_undone_in_reverse_order(error, reason):
    stage, reasons = Stage(None, None, error), []
    stage.effector.seen = lambda _: reasons.append(stage.execution.reason)
    done = await stage.act(terms=TERMS)
    assert stage.effector.sent[3:] == [("act-1:2:rollback", "pol-2"), ("act-1:rollback", "pol-1")]
    assert (done.state, reasons[3]) == (State.ROLLED_BACK, reason)


async def test_half_of_an_action_that_came_too_late_is_undone():
    stage = Stage()
    stage.effector.seen = lambda key: key == "act-1" and setattr(stage.effector, "seconds", 70)
    done = await stage.act(terms=TERMS)
    await asyncio.sleep(300)
    done = stage.execution
    assert stage.keys == ["act-1", "act-1:rollback"]
    assert (done.state, done.reason) == (State.ROLLED_BACK, Reason.EXPIRED)


async def test_without_keys_half_of_an_action_is_undone_with_the_part_in_doubt():
    stage = Stage(None, LOST, is_idempotent=False)
    await stage.act(terms=TERMS)
    done = await stage.follow(Step.RESUME)
    undone = [getattr(what, "kind", what) for key, what in stage.effector.sent if key.endswith("rollback")]
    assert (undone, done.state) == (["undrain", "pol-1"], State.ROLLED_BACK)


async def test_when_fenced_between_two_parts_the_next_leader_goes_on():
    stage = Stage(None, FencedError("412"))
    done = await stage.act(terms=TERMS)
    assert (done.state, done.policy_id, stage.executor.is_fenced) == (State.APPLYING, "pol-1", True)


async def test_every_part_is_renewed():
    stage = Stage(execution=an_execution(State.IN_FORCE, terms=TERMS, **IDS))
    done = await stage.follow(Step.RENEW, verdict=None, reason=Reason.STILL_NEEDED)
    assert stage.keys == ["act-1:renew:1", "act-1:2:renew:1", "act-1:3:renew:1"]
    assert (done.state, done.renewals, len(done.further_ids)) == (State.IN_FORCE, 1, 2)


# undoing


async def test_the_parts_are_undone_last_first_and_durably_one_by_one():
    stage, left = Stage(execution=an_execution(terms=TERMS, **IDS)), []
    stage.effector.seen = lambda _: left.append(stage.execution.further_ids)
    done = await stage.follow(Step.ROLL_BACK)
    assert stage.keys == ["act-1:3:rollback", "act-1:2:rollback", "act-1:rollback"]
    assert left == [("pol-2", "pol-3"), ("pol-2",), ()]
    assert done.state is State.ROLLED_BACK


async def test_an_interrupted_roll_back_goes_on_with_what_is_left():
    stage = Stage(None, AWAY, execution=an_execution(terms=TERMS, **IDS))
    await stage.follow(Step.ROLL_BACK)
    await stage.follow(Step.RESUME)
    assert stage.keys == ["act-1:3:rollback", "act-1:2:rollback", "act-1:2:rollback", "act-1:rollback"]
    assert stage.execution.state is State.ROLLED_BACK


async def test_what_undoes_an_action_is_what_it_was_admitted_with_whatever_the_pack_says_today():
    changed = a_remediation("block", compensation=Compensation(kind="something_else"))
    stage = Stage(execution=an_execution(policy_id=None), remediation=changed)
    await stage.follow(Step.ROLL_BACK)
    assert [request.kind for _, request in stage.effector.sent] == ["unblock_source"]


async def test_an_action_of_an_earlier_version_is_undone_as_its_pack_says():
    old = an_execution(policy_id=None, terms=Terms(), plan_hash="")
    stage = Stage(execution=old)
    assert (await stage.follow(Step.ROLL_BACK)).state is State.ROLLED_BACK
    assert [request.kind for _, request in stage.effector.sent] == ["unblock_source"]


async def test_a_roll_back_that_changed_nothing_is_made_again_under_another_key():
    stage = Stage(execution=an_execution())
    stage.effector.in_force = {"pol-1": [True, False]}
    first = await stage.follow(Step.ROLL_BACK)
    assert (first.state, first.reason, first.tries) == (State.ROLLING_BACK, Reason.STILL_IN_FORCE, 1)
    assert (await stage.follow(Step.RESUME)).state is State.ROLLED_BACK
    assert stage.keys == ["act-1:rollback", "act-1:rollback:1"]


async def test_a_repeated_roll_back_keeps_its_second_key_while_nobody_answers():
    stage = Stage(None, LOST, execution=an_execution())
    stage.effector.in_force = {"pol-1": [True, False]}
    for step in (Step.ROLL_BACK, Step.RESUME, Step.RESUME):
        await stage.follow(step)
    assert stage.keys == ["act-1:rollback", "act-1:rollback:1", "act-1:rollback:1"]


@pytest.mark.parametrize("answer", [None, PermanentError("an unusable answer")])
async def test_where_nobody_can_tell_whether_it_is_in_force_the_answer_to_the_roll_back_counts(answer):
    stage = Stage(execution=an_execution())
    stage.effector.in_force = {"pol-1": answer}
    assert (await stage.follow(Step.ROLL_BACK)).state is State.ROLLED_BACK


async def test_what_was_undone_by_a_compensation_is_not_held_against_the_old_policys_name():
    stage = Stage(execution=an_execution())
    stage.effector.undoes_by_id, stage.effector.in_force = False, {"pol-1": True}
    assert (await stage.follow(Step.ROLL_BACK)).state is State.ROLLED_BACK
    assert stage.effector.asked == []


@pytest.mark.parametrize("errors", [[AWAY] * 9, [LOST] * 9, [None] * 9], ids=["unreachable", "unanswered", "in vain"])
async def test_after_so_many_attempts_in_vain_the_target_is_frozen(errors):
    stage = Stage(*errors, execution=an_execution())
    stage.effector.in_force = {"pol-1": True}
    for step in [Step.ROLL_BACK, *[Step.RESUME] * (MOST_TRIES - 2)]:
        assert (await stage.follow(step)).state is State.ROLLING_BACK
    frozen = await stage.follow(Step.RESUME)
    assert (frozen.state, frozen.reason) == (State.FROZEN, Reason.ROLL_BACK_FAILED)
    assert len(stage.effector.sent) == MOST_TRIES


@pytest.mark.parametrize("start", [State.VERIFYING, State.PROBATION, State.IN_FORCE])
async def test_a_person_is_asked_before_it_is_undone_where_the_pack_says_so(start):
    stage = Stage(execution=an_execution(start))
    asked = await stage.follow(Step.ASK_TO_UNDO)
    assert (asked.state, stage.effector.sent) == (State.UNDO_WANTED, [])
    assert asked.due_at == at(asked.terms.approval_seconds)
    assert (await stage.follow(Step.ROLL_BACK)).state is State.ROLLED_BACK


async def test_what_failed_is_learned_once_when_it_is_seen_and_not_again_when_a_person_answered():
    stage = Stage(execution=an_execution())
    await stage.follow(Step.ASK_TO_UNDO)
    await stage.follow(Step.KEEP)
    (rate,) = stage.journal.rates.values()
    assert (rate.successes, rate.failures, stage.execution.state) == (0, 1, State.INCONCLUSIVE)


# what is frozen


async def test_a_frozen_target_is_thawed_by_an_attempt_that_succeeds():
    stage = Stage(execution=an_execution(State.FROZEN, terms=TERMS, **IDS))
    assert (await stage.executor.undo_again("act-1")).state is State.ROLLED_BACK
    assert stage.keys[-1] == "act-1:rollback"


@pytest.mark.parametrize("error", [AWAY, LOST, REFUSED, FencedError("412")], ids=str)
async def test_an_attempt_that_fails_says_so_and_leaves_the_target_frozen(error):
    stage = Stage(error, execution=an_execution(State.FROZEN))
    with pytest.raises(type(error)):
        await stage.executor.undo_again("act-1")
    assert stage.execution.state is State.FROZEN


async def test_an_attempt_in_vain_has_another_key_the_next_time():
    stage = Stage(execution=an_execution(State.FROZEN))
    stage.effector.in_force = {"pol-1": [True, False]}
    with pytest.raises(TransientError, match="still in force"):
        await stage.executor.undo_again("act-1")
    await stage.executor.undo_again("act-1")
    assert stage.keys == ["act-1:rollback", "act-1:rollback:1"]


@pytest.mark.parametrize("state", sorted(set(State) - LEFT_ALONE))
async def test_only_what_is_left_alone_is_tried_again_from_outside_the_loop(state):
    stage = Stage(execution=an_execution(state))
    assert (await stage.executor.undo_again("act-1")).state is state
    assert stage.effector.sent == []


async def test_nothing_is_tried_again_while_nothing_may_be_sent():
    stage = Stage(TransientError("503", retry_after_seconds=60), execution=an_execution(State.FROZEN))
    for _ in range(2):
        with pytest.raises(TransientError):
            await stage.executor.undo_again("act-1")
    assert len(stage.effector.sent) == 1


async def test_what_an_earlier_version_froze_is_never_taken_for_undone_without_a_request():
    stage = Stage(execution=an_execution(State.FROZEN, terms=Terms(), plan_hash="", policy_id=None))
    with pytest.raises(PermanentError, match="nothing is known"):
        await stage.executor.undo_again("act-1")
    await stage.carry_out()
    assert (await stage.executor.undo_again("act-1")).state is State.ROLLED_BACK
    assert stage.keys == ["act-1:rollback"]


async def test_giving_up_leaves_the_target_to_a_person():
    stage = Stage(execution=an_execution(State.FROZEN))
    assert (await stage.executor.give_up("act-1")).state is State.DEAD
    assert await stage.executor.give_up("never") is None


# after a start


@pytest.mark.parametrize(
    ("state", "to"),
    [
        (State.VERIFYING, State.ROLLED_BACK),
        (State.PROBATION, State.SUCCEEDED),
        (State.IN_FORCE, State.SUCCEEDED),
    ],
)
async def test_what_was_undone_elsewhere_is_found_out_and_teaches_nothing(state, to):
    stage = Stage(execution=an_execution(state))
    stage.effector.in_force = {"pol-1": False}
    done = await stage.reconcile()
    assert (done.state, done.reason, done.expires_at) == (to, Reason.UNDONE_ELSEWHERE, None)
    assert (stage.journal.rates, stage.effector.sent) == ({}, [])


async def test_what_ended_by_itself_while_nobody_looked_is_told_as_such():
    stage = Stage(execution=an_execution(State.IN_FORCE, expires_at=NOON))
    stage.effector.in_force = {"pol-1": False}
    assert (await stage.reconcile()).reason is Reason.LAPSED_UNSEEN


@pytest.mark.parametrize("answer", [True, None, AWAY, PermanentError("an unusable answer")], ids=str)
async def test_what_is_in_force_or_cannot_be_asked_after_stays_as_it_is(answer):
    stage = Stage(execution=an_execution())
    stage.effector.in_force = {"pol-1": answer}
    assert await stage.reconcile() == an_execution()


async def test_as_long_as_any_part_is_in_force_the_action_is():
    stage = Stage(execution=an_execution(terms=TERMS, **IDS))
    stage.effector.in_force = {"pol-1": False, "pol-2": True, "pol-3": False}
    assert (await stage.reconcile()).state is State.VERIFYING


async def test_an_act_that_is_done_once_leaves_nothing_to_ask_after():
    stage = Stage(execution=an_execution(request=a_request(ttl_seconds=None)))
    stage.effector.in_force = {"pol-1": False}
    assert (await stage.reconcile()).state is State.VERIFYING
    assert stage.effector.asked == []


async def test_what_is_in_doubt_is_asked_after_and_what_was_being_undone_is_undone():
    stage = Stage(execution=an_execution(State.UNCERTAIN, policy_id=None))
    stage.journal.rows["act-2"] = an_execution(State.ROLLING_BACK, execution_id="act-2", target="node-8")
    await stage.reconcile()
    assert stage.execution.state is State.VERIFYING
    assert stage.journal.rows["act-2"].state is State.ROLLED_BACK
    assert sorted(stage.keys) == ["act-1", "act-2:rollback"]


async def test_in_shadow_nothing_is_sent_after_a_start_either():
    stage = Stage(execution=an_execution(State.UNCERTAIN, policy_id=None))
    assert (await stage.reconcile(mode=Mode.SHADOW)).state is State.UNCERTAIN
    assert stage.effector.sent == []


async def test_a_start_does_not_wait_for_a_charter_that_hangs():
    stage = Stage(execution=an_execution(State.UNCERTAIN, policy_id=None))
    stage.effector.seconds = 60
    await stage.reconcile(budget=5.0)
    assert stage.clock.monotonic() == 5
    await asyncio.sleep(60)
    assert stage.execution.state is State.VERIFYING


# what a person agreed to


async def test_what_needs_a_person_is_written_down_and_not_sent():
    stage = Stage()
    asked = await stage.act(reason=Reason.APPROVAL_WANTED, mode=Mode.APPROVE)
    assert (asked.state, asked.reason, stage.effector.sent) == (State.AWAITING_APPROVAL, Reason.APPROVAL_WANTED, [])
    assert asked.due_at == at(asked.terms.approval_seconds)


async def test_in_the_mode_approve_nothing_is_sent_that_no_person_agreed_to():
    stage = Stage()
    assert await stage.act(mode=Mode.APPROVE) is None
    assert stage.effector.sent == []


async def begun(stage, seconds=600, **told):
    stage.journal.rows["act-1"] = an_execution(State.AWAITING_APPROVAL, policy_id=None, applied_at=None)
    await stage.clock.sleep(seconds)
    return await stage.follow(Step.BEGIN, verdict=None, reason=Reason.APPROVED, **told)


async def test_what_a_person_agreed_to_is_sent_with_fresh_time_to_be_applied():
    stage = Stage()
    done = await begun(stage, mode=Mode.APPROVE)
    assert stage.effector.sent == [("act-1", replace(a_request(), not_after=at(660)))]
    assert (done.state, done.reason) == (State.VERIFYING, Reason.APPROVED)


async def test_the_guards_are_asked_once_more_when_it_begins():
    stage = Stage()
    stage.journal.rows["other"] = an_execution(execution_id="other", remediation="limit")
    assert (await begun(stage)).state is State.AWAITING_APPROVAL
    assert (stage.effector.sent, stage.refused) == ([], [Reason.IN_FLIGHT])


async def test_without_the_incident_it_was_for_it_does_not_begin():
    stage = Stage()
    assert (await begun(stage, incidents=())).state is State.AWAITING_APPROVAL
    assert stage.refused == [Reason.WITHDRAWN]


# the last moment


async def test_a_pause_between_admission_and_sending_keeps_the_request_here():
    stage = Stage()
    admit = stage.journal.admit

    async def then_pause(*told, **fields):
        admitted = await admit(*told, **fields)
        stage.journal.pause = Pause(since=NOON, by="dolores", scope="remediation:charter/block")
        return admitted

    stage.journal.admit = then_pause
    done = await stage.act()
    assert (done.state, done.reason, stage.effector.sent) == (State.FAILED, Reason.PAUSED, [])


@pytest.mark.parametrize(
    ("alerts", "refused"),
    [
        pytest.param([an_alert(silenced_by=("s",))], [Reason.SILENCED], id="silenced meanwhile"),
        pytest.param([an_alert(), an_alert(silenced_by=("s",))], [], id="one of two is not"),
        pytest.param([an_alert("node-8", silenced_by=("s",)), an_alert()], [], id="another target is"),
        pytest.param([an_alert(name="Other", silenced_by=("s",))], [], id="another alert is"),
        pytest.param([], [], id="resolved meanwhile"),
        pytest.param(AWAY, [Reason.BLIND], id="cannot be seen"),
    ],
)
async def test_the_alerts_are_looked_at_once_more_before_anything_new_leaves(alerts, refused):
    stage = Stage()
    stage.alerts.answer = tuple(alerts) if isinstance(alerts, list) else alerts
    await stage.act()
    assert stage.refused == refused
    assert stage.keys == ([] if refused else ["act-1"])


async def test_what_is_open_goes_on_without_a_look_at_the_alerts():
    stage = Stage(execution=an_execution())
    stage.alerts.answer = AWAY
    assert (await stage.follow(Step.ROLL_BACK)).state is State.ROLLED_BACK


async def test_a_journal_that_fails_when_it_is_asked_to_begin_sends_nothing():
    stage = Stage()

    async def failing(*_, **__):
        raise StoreError("disk full")

    stage.journal.begin = failing
    with pytest.raises(StoreError):
        await begun(stage)
    assert stage.effector.sent == []


# the table of states, for several parts

ANSWERS = [AWAY, LOST, REFUSED, ConflictError("409"), PermanentError("401"), FencedError("412")]


@pytest.mark.parametrize("is_idempotent", [True, False], ids=["keys", "no keys"])
@pytest.mark.parametrize("error", ANSWERS, ids=str)
@pytest.mark.parametrize("number", range(5))
async def test_whatever_is_answered_to_whichever_part_no_move_leaves_the_table_and_no_key_has_two_bodies(
    number, error, is_idempotent
):
    stage = Stage(*[None] * number, error, is_idempotent=is_idempotent)
    stage.effector.in_force = {"pol-2": [True, *[None] * 9]}
    await stage.act(terms=TERMS)
    for step in (Step.RESUME, Step.ROLL_BACK, Step.RESUME, Step.RESUME):
        await stage.follow(step)
    path = [State.ADMITTED, *stage.told]
    assert all(to is before or to in TRANSITIONS[before] for before, to in itertools.pairwise(path))
    bodies = {}
    for key, body in stage.effector.sent:
        assert bodies.setdefault(key, body) == body
