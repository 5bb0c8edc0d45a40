"""Carrying a plan out: what is durable before what leaves, and what becomes of every answer."""

import asyncio
import itertools
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from builders import (
    BLOCK,
    LABEL,
    NOON,
    TERMS,
    a_call,
    a_catalogue,
    a_finding,
    a_lifetime,
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
from mape_k.model import (
    TERMINAL,
    TRANSITIONS,
    Decision,
    FollowUp,
    Mode,
    OnInhibited,
    Pause,
    Plan,
    Reason,
    State,
    Step,
    Terms,
    Verdict,
)
from virtual_time import VirtualClock

LOST = UncertainError("no answer")
AWAY = TransientError("connection refused")
REQUESTS = [AWAY, LOST, RejectedError("422"), ConflictError("409"), PermanentError("401"), FencedError("412")]


class Bench:
    """An executor between a Charter and a journal; ``told`` are the states that it told of, in order."""

    def __init__(self, *errors: Exception | None, is_idempotent: bool = True, remediation=BLOCK) -> None:
        self.effector, self.clock = FakeEffector(*errors, is_idempotent=is_idempotent), VirtualClock()
        self.journal, self.told, self.refused = FakeJournal(self.clock), [], []
        self.alerts = FakeAlertSource(an_alert())
        self.catalogue = a_catalogue(remediations=(a_remediation("limit"), remediation))
        self.executor = Executor(
            effector_of=lambda _: self.effector,
            journal=self.journal,
            alerts=self.alerts,
            clock=self.clock,
            request_timeout_seconds=1,
            told=lambda moved: self.told.append(moved.state),
            refused=self.refused.append,
        )

    async def act(self, *actions, mode=Mode.ENFORCE, budget=5.0):
        """Carry out new actions, by default one; return the first execution as it then stands."""
        actions = actions or (an_action(),)
        incidents = [an_incident(a_finding(a.target), incident_id=a.incident_id) for a in actions]
        await self.act_on(incidents, *actions, mode=mode, budget=budget)
        return self.execution

    async def act_on(self, incidents, *actions, mode=Mode.ENFORCE, budget=5.0):
        """Carry out new actions about these incidents."""
        decisions = [Decision(incident_id=a.incident_id, reason=Reason.BEST_CANDIDATE, action=a) for a in actions]
        plan = Plan(as_of=NOON, decisions=tuple(decisions))
        await self._carry_out(plan, an_assessment(*incidents), mode, budget)

    async def follow(self, step, reason=Reason.NOT_IMPROVED, *, verdict=None, mode=Mode.ENFORCE, execution=None):
        """Put an execution in the journal and take one step with it; return it as it then stands."""
        if execution is not None:
            self.journal.rows[execution.execution_id] = execution
        step = FollowUp(execution_id="act-1", step=step, reason=reason, verdict=verdict)
        await self._carry_out(Plan(as_of=NOON, follow_ups=(step,)), an_assessment(), mode, 5.0)
        return self.execution

    async def _carry_out(self, plan, assessment, mode, budget):
        self.started = await self.executor.carry_out(plan, assessment, self.catalogue, mode=mode, budget_seconds=budget)

    @property
    def execution(self):
        return self.journal.rows.get("act-1")

    @property
    def keys(self):
        return [key for key, _ in self.effector.sent]


# a new action


async def test_an_action_is_admitted_sent_and_then_under_verification():
    bench = Bench()
    done = await bench.act()
    assert (done.state, done.policy_id, done.applied_at) == (State.VERIFYING, "pol-1", NOON)
    assert done.expires_at == at(3600)
    assert bench.effector.sent == [("act-1", a_request())]
    assert bench.told == [State.APPLYING, State.VERIFYING]
    assert bench.started == ("act-1",)


async def test_every_step_of_an_action_is_one_line_of_the_log():
    with capture_logs() as lines:
        await Bench(RejectedError("422")).act()
    steps = [(line["state"], line["reason"], line["detail"]) for line in lines if line["event"] == "action_moved"]
    assert steps == [("applying", "best_candidate", ""), ("failed", "rejected", "422")]


async def test_the_intent_is_durable_before_the_request_leaves():
    bench, states = Bench(), []
    bench.effector.seen = lambda key: states.append(bench.journal.rows[key].state)
    await bench.act()
    assert states == [State.APPLYING]


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (AWAY, State.FAILED, Reason.UNREACHABLE),
        (RejectedError("422"), State.FAILED, Reason.REJECTED),
        (PermanentError("401"), State.FAILED, Reason.REJECTED),
        (ConflictError("409"), State.FAILED, Reason.CONFLICT),
        (FencedError("412"), State.FAILED, Reason.FENCED),
        (LOST, State.UNCERTAIN, Reason.NO_ANSWER),
    ],
)
async def test_every_answer_is_written_down_and_nothing_is_sent_twice(error, state, reason):
    bench = Bench(error)
    done = await bench.act()
    assert (done.state, done.reason, done.detail) == (state, reason, str(error))
    assert bench.keys == ["act-1"]


async def test_the_guards_are_asked_again_on_the_ledger_as_it_is_when_admitting():
    bench = Bench()
    bench.journal.rows["other"] = an_execution(execution_id="other", remediation="limit")
    assert await bench.act() is None
    assert bench.effector.sent == []


async def test_a_pause_between_plan_and_admission_keeps_the_request_here():
    bench = Bench()
    bench.journal.pause = Pause(since=NOON, by="dolores")
    assert await bench.act() is None
    assert bench.effector.sent == []


async def test_what_is_not_admitted_is_told_and_not_among_what_was_started():
    bench = Bench()
    bench.journal.pause = Pause(since=NOON, by="dolores")
    await bench.act()
    assert (bench.started, bench.refused) == ((), [Reason.PAUSED])


@pytest.mark.parametrize(("step", "state"), [(Step.ROLL_BACK, State.VERIFYING), (Step.RENEW, State.IN_FORCE)])
async def test_who_asked_to_be_left_alone_is_sent_no_follow_up_either_until_the_time_is_over(step, state):
    bench = Bench(TransientError("503", retry_after_seconds=30))
    await bench.act()
    later = an_execution(state, execution_id="act-1")
    assert (await bench.follow(step, verdict=Verdict.UNCHANGED, execution=later)).state is state
    await bench.clock.sleep(30)
    await bench.follow(step, verdict=Verdict.UNCHANGED)
    assert len(bench.keys) == 2


async def test_a_new_action_waits_for_who_asked_to_be_left_alone():
    bench = Bench(TransientError("503", retry_after_seconds=30))
    await bench.act()
    await bench.act(an_action("act-2", target="node-8", incident_id="inc-2"))
    assert (bench.keys, bench.refused) == (["act-1"], [Reason.ASKED_TO_WAIT])


async def test_whoever_asks_to_be_left_alone_others_are_asked_all_the_same():
    bench = Bench(TransientError("503", retry_after_seconds=30))
    await bench.act(an_action(request=a_request(call=a_call())))
    assert bench.executor.held == {"queue": Reason.ASKED_TO_WAIT}
    later = an_execution(State.VERIFYING, execution_id="act-1")
    done = await bench.follow(Step.ROLL_BACK, verdict=Verdict.UNCHANGED, execution=later)
    assert done.state is State.ROLLED_BACK


async def test_what_would_be_undone_by_somebody_who_is_left_alone_waits():
    bench = Bench(TransientError("503", retry_after_seconds=30))
    await bench.act(an_action(request=a_request(call=a_call())))
    elsewhere = replace(TERMS, undo=(a_request(call=a_call("/off")),))
    later = an_execution(State.VERIFYING, execution_id="act-1", terms=elsewhere)
    done = await bench.follow(Step.ROLL_BACK, verdict=Verdict.UNCHANGED, execution=later)
    assert done.state is State.VERIFYING


async def test_an_inhibited_finding_does_not_hold_back_what_is_done_about_its_neighbour():
    bench = Bench(remediation=a_remediation("block", on_inhibited=OnInhibited.WAIT))
    muted = a_finding(symptom="noise", is_inhibited=True)
    await bench.act_on([an_incident(a_finding(), muted)], an_action())
    assert bench.keys == ["act-1"]


async def test_an_inhibition_is_asked_for_again_when_admitting():
    bench = Bench(remediation=a_remediation("block", on_inhibited=OnInhibited.WAIT))
    await bench.act_on([an_incident(a_finding(is_inhibited=True))], an_action())
    assert (bench.keys, bench.refused) == ([], [Reason.INHIBITED])


async def test_two_actions_on_one_target_are_admitted_once():
    bench = Bench()
    await bench.act(an_action(), an_action("act-2", incident_id="inc-2", remediation="limit"))
    assert list(bench.journal.rows) == bench.keys == ["act-1"]


async def test_an_action_that_is_too_old_is_not_even_admitted():
    bench = Bench()
    await bench.clock.sleep(61)
    assert await bench.act() is None
    assert bench.effector.sent == []


async def test_an_action_that_grew_too_old_in_the_journal_is_not_sent():
    bench = Bench()

    async def slowly(*args, **fields):
        await bench.clock.sleep(61)
        return await FakeJournal.move(bench.journal, *args, **fields)

    bench.journal.move = slowly
    done = await bench.act(budget=999)
    assert (done.state, done.reason, bench.effector.sent) == (State.FAILED, Reason.EXPIRED, [])


async def test_in_shadow_nothing_is_sent_or_admitted():
    bench = Bench()
    assert await bench.act(mode=Mode.SHADOW) is None
    assert (bench.effector.sent, bench.journal.rows) == ([], {})


@pytest.mark.parametrize("step", [Step.ROLL_BACK, Step.RENEW, Step.RESUME])
@pytest.mark.parametrize("state", [State.VERIFYING, State.IN_FORCE, State.ROLLING_BACK])
async def test_in_shadow_no_step_is_taken_that_would_be_sent(step, state):
    bench = Bench()
    assert (await bench.follow(step, mode=Mode.SHADOW, execution=an_execution(state))).state is state
    assert bench.effector.sent == []


async def test_when_the_store_fails_nothing_is_sent():
    bench = Bench()

    async def failing(*_, **__):
        raise StoreError("disk full")

    bench.journal.admit = failing
    with pytest.raises(StoreError):
        await bench.act()
    assert bench.effector.sent == []


# time


async def test_a_slow_answer_is_awaited_within_the_budget_and_goes_on_after_it():
    bench = Bench()
    bench.effector.seconds = 20
    assert (await bench.act(budget=5)).state is State.APPLYING
    assert bench.clock.monotonic() == 5
    await bench.clock.sleep(16)
    assert bench.execution.state is State.VERIFYING


async def test_what_is_under_way_is_not_begun_again():
    bench = Bench()
    bench.effector.seconds = 20
    await bench.act()
    await bench.follow(Step.RESUME)
    await bench.clock.sleep(60)
    assert bench.keys == ["act-1"]
    assert bench.execution.state is State.VERIFYING


async def test_draining_waits_for_what_is_under_way():
    bench = Bench()
    bench.effector.seconds = 20
    await bench.act()
    assert await bench.executor.drain(30) == 0
    assert bench.execution.state is State.VERIFYING


async def test_what_does_not_end_while_draining_stays_open_in_the_journal():
    bench = Bench()
    bench.effector.seconds = 999
    await bench.act()
    assert await bench.executor.drain(30) == 1
    assert bench.execution.state is State.APPLYING
    assert await bench.executor.drain(30) == 0


# an uncertain outcome


async def test_an_uncertain_outcome_is_resolved_by_the_same_key():
    bench = Bench(LOST)
    await bench.act()
    await bench.clock.sleep(30)
    done = await bench.follow(Step.RESUME)
    assert bench.effector.sent == [("act-1", a_request())] * 2
    assert (done.state, done.policy_id, done.applied_at) == (State.VERIFYING, "pol-1", at(30))


async def test_a_policy_that_had_arrived_after_all_ends_as_long_after_its_sending():
    bench = Bench(LOST)
    await bench.act()
    await bench.clock.sleep(900)
    assert (await bench.follow(Step.RESUME)).expires_at == at(3600)


async def test_a_policy_that_arrives_only_now_lives_from_now_on():
    bench = Bench()
    await bench.clock.sleep(30)
    done = await bench.follow(Step.RESUME, execution=an_execution(State.UNCERTAIN))
    assert done.expires_at == at(3630)


@pytest.mark.parametrize(("seconds", "reason"), [(60, Reason.REJECTED), (61, Reason.EXPIRED)])
async def test_what_is_refused_for_coming_too_late_may_be_tried_again(seconds, reason):
    bench = Bench(RejectedError("422"))
    await bench.clock.sleep(seconds)
    done = await bench.follow(Step.RESUME, execution=an_execution(State.UNCERTAIN))
    assert (done.state, done.reason) == (State.FAILED, reason)


async def test_without_keys_an_uncertain_request_is_never_repeated_and_the_world_is_looked_at():
    bench = Bench(LOST, is_idempotent=False)
    await bench.act()
    await bench.clock.sleep(30)
    done = await bench.follow(Step.RESUME)
    assert bench.keys == ["act-1"]
    assert (done.state, done.policy_id, done.applied_at, done.expires_at) == (State.VERIFYING, None, NOON, at(3600))


@pytest.mark.parametrize(
    ("error", "state"),
    [
        pytest.param(AWAY, State.UNCERTAIN, id="not reachable"),
        pytest.param(LOST, State.UNCERTAIN, id="no answer again"),
        pytest.param(FencedError("412"), State.UNCERTAIN, id="the next leader asks"),
        pytest.param(RejectedError("422"), State.FAILED, id="it never arrived, and is refused"),
        pytest.param(ConflictError("409"), State.FAILED, id="it never arrived, and conflicts"),
        pytest.param(PermanentError("401"), State.VERIFYING, id="nobody tells: look at the world"),
    ],
)
async def test_asking_again_ends_the_doubt_only_where_the_answer_does(error, state):
    bench = Bench(error)
    assert (await bench.follow(Step.RESUME, execution=an_execution(State.UNCERTAIN))).state is state


@pytest.mark.parametrize(
    ("state", "expected", "reason"),
    [
        (State.ADMITTED, State.FAILED, Reason.EXPIRED),
        (State.APPLYING, State.UNCERTAIN, Reason.NO_ANSWER),
    ],
)
async def test_what_a_failing_store_cut_is_taken_up_where_it_stands(state, expected, reason):
    bench = Bench()
    done = await bench.follow(Step.RESUME, execution=an_execution(state, applied_at=None))
    assert (done.state, done.reason, bench.effector.sent) == (expected, reason, [])


async def test_an_answer_that_could_not_be_written_down_is_asked_for_later():
    bench = Bench()
    moves = [None, StoreError("disk full")]

    async def once_failing(*args, **fields):
        if moves and (error := moves.pop(0)):
            raise error
        return await FakeJournal.move(bench.journal, *args, **fields)

    bench.journal.move = once_failing
    with pytest.raises(StoreError):
        await bench.act()
    assert bench.execution.state is State.APPLYING
    for expected in (State.UNCERTAIN, State.VERIFYING):
        assert (await bench.follow(Step.RESUME)).state is expected
    assert set(bench.keys) == {"act-1"}


# fencing


@pytest.mark.parametrize("step", [None, Step.RESUME, Step.ROLL_BACK, Step.RENEW])
async def test_once_fenced_nothing_is_sent_any_more(step):
    states = {Step.RESUME: State.UNCERTAIN, Step.ROLL_BACK: State.VERIFYING, Step.RENEW: State.IN_FORCE}
    bench = Bench(FencedError("412"))
    await (bench.act() if step is None else bench.follow(step, execution=an_execution(states[step])))
    assert bench.executor.is_fenced
    await bench.act(an_action("act-2", incident_id="inc-2", target="node-8"))
    await bench.follow(Step.ROLL_BACK, execution=an_execution(State.IN_FORCE))
    assert len(bench.effector.sent) == 1
    assert "act-2" not in bench.journal.rows


# confirmed, lapsed, escalated: only Knowledge hears of it


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (Step.CONFIRM, State.VERIFYING, State.IN_FORCE),
        (Step.LET_LAPSE, State.IN_FORCE, State.SUCCEEDED),
        (Step.ESCALATE, State.IN_FORCE, State.SUCCEEDED),
    ],
)
async def test_steps_that_send_nothing_are_taken_in_every_mode(mode, step, before, after):
    bench = Bench()
    execution = an_execution(before)
    done = await bench.follow(step, Reason.VERIFIED, verdict=Verdict.IMPROVED, mode=mode, execution=execution)
    assert (done.state, done.verdict, bench.effector.sent) == (after, Verdict.IMPROVED, [])


async def test_a_step_that_came_too_late_changes_nothing():
    bench = Bench()
    done = await bench.follow(Step.ROLL_BACK, execution=an_execution(State.SUCCEEDED))
    assert (done.state, bench.effector.sent, bench.told) == (State.SUCCEEDED, [], [])


# roll-back


async def rolled_back(*errors, execution=None, **fields):
    bench = Bench(*errors, **fields)
    start = execution or an_execution()
    await bench.follow(Step.ROLL_BACK, verdict=Verdict.UNCHANGED, execution=start)
    return bench


async def test_what_did_not_help_is_undone_by_the_name_of_its_policy():
    bench = await rolled_back()
    assert bench.effector.sent == [("act-1:rollback", "pol-1")]
    assert (bench.execution.state, bench.execution.verdict) == (State.ROLLED_BACK, Verdict.UNCHANGED)


async def test_a_policy_without_a_name_is_undone_by_its_compensation():
    bench = await rolled_back(execution=an_execution(policy_id=None))
    ((key, compensation),) = bench.effector.sent
    assert (key, compensation.kind, compensation.scope) == ("act-1:rollback", "unblock_source", {LABEL: "node-7"})
    assert compensation.not_after is None


async def test_the_intent_to_roll_back_is_durable_before_it_leaves():
    bench, states = Bench(), []
    bench.effector.seen = lambda _: states.append(bench.execution.state)
    await bench.follow(Step.ROLL_BACK, verdict=Verdict.WORSE, execution=an_execution())
    assert states == [State.ROLLING_BACK]


async def test_what_leaves_nothing_behind_is_rolled_back_without_a_request():
    bench = await rolled_back(execution=an_execution(terms=Terms()))
    assert (bench.execution.state, bench.effector.sent) == (State.ROLLED_BACK, [])


@pytest.mark.parametrize(
    "execution",
    [
        pytest.param(an_execution(terms=Terms(is_irreversible=True)), id="irreversible"),
        pytest.param(
            an_execution(remediation="gone", plan_hash="", terms=Terms()), id="of an earlier version, unknown"
        ),
    ],
)
async def test_what_cannot_be_undone_freezes_its_target(execution):
    bench = await rolled_back(execution=execution)
    assert (bench.execution.state, bench.execution.reason) == (State.FROZEN, Reason.ROLL_BACK_FAILED)
    assert bench.effector.sent == []


@pytest.mark.parametrize(
    ("error", "is_idempotent", "state"),
    [
        pytest.param(RejectedError("422"), True, State.FROZEN, id="refused"),
        pytest.param(ConflictError("409"), True, State.FROZEN, id="in conflict"),
        pytest.param(LOST, False, State.FROZEN, id="no answer, and nothing to ask with"),
        pytest.param(LOST, True, State.ROLLING_BACK, id="no answer"),
        pytest.param(AWAY, False, State.ROLLING_BACK, id="not reachable"),
        pytest.param(FencedError("412"), True, State.ROLLING_BACK, id="the next leader does it"),
    ],
)
async def test_a_roll_back_that_fails_for_good_freezes_and_else_stays_to_be_done(error, is_idempotent, state):
    bench = await rolled_back(error, is_idempotent=is_idempotent)
    assert bench.execution.state is state
    assert len(bench.effector.sent) == 1


@pytest.mark.parametrize("policy_id", ["pol-1", None])
async def test_a_roll_back_that_did_not_get_through_is_repeated_alike_in_a_later_cycle(policy_id):
    bench = await rolled_back(LOST, execution=an_execution(policy_id=policy_id))
    await bench.clock.sleep(7200)
    done = await bench.follow(Step.RESUME)
    first, second = bench.effector.sent
    assert (first, done.state) == (second, State.ROLLED_BACK)


async def test_a_roll_back_teaches_a_failure_once_however_often_it_is_tried():
    bench = await rolled_back(AWAY, AWAY)
    await bench.follow(Step.RESUME)
    await bench.follow(Step.RESUME)
    (rate,) = bench.journal.rates.values()
    assert (rate.successes, rate.failures) == (0, 1)


# renewal

ENDING = {"seconds": 3000}


async def renewed(*errors, renewals=0, **fields):
    bench = Bench(*errors, **fields)
    await bench.clock.sleep(ENDING["seconds"])
    await bench.follow(Step.RENEW, Reason.STILL_NEEDED, execution=an_execution(State.IN_FORCE, renewals=renewals))
    return bench


async def test_a_renewal_has_a_key_of_its_own_and_a_new_lifetime():
    bench = await renewed(renewals=2)
    ((key, request),) = bench.effector.sent
    assert key == "act-1:renew:3"
    assert request == replace(a_request(), not_after=at(3600))
    assert (bench.execution.state, bench.execution.renewals) == (State.IN_FORCE, 3)
    assert bench.execution.expires_at == at(3000 + 3600)


async def test_a_renewal_lasts_as_long_as_the_pack_says_by_now():
    bench = await renewed(remediation=a_remediation(lifetime=a_lifetime(ttl_seconds=60)))
    assert bench.effector.sent[0][1].ttl_seconds == 60
    assert bench.execution.expires_at == at(3060)


@pytest.mark.parametrize("error", [AWAY, LOST])
async def test_a_renewal_that_did_not_get_through_is_repeated_alike(error):
    bench = await renewed(error)
    assert (bench.execution.state, bench.execution.reason) == (State.IN_FORCE, Reason.RENEWAL_FAILED)
    assert bench.execution.expires_at == at(3600)
    await bench.clock.sleep(30)
    await bench.follow(Step.RENEW, Reason.STILL_NEEDED)
    first, second = bench.effector.sent
    assert first == second
    assert bench.execution.renewals == 1


async def test_without_keys_an_uncertain_renewal_counts_so_that_it_cannot_go_on_for_ever():
    bench = await renewed(LOST, is_idempotent=False)
    assert (bench.execution.state, bench.execution.renewals) == (State.IN_FORCE, 1)


@pytest.mark.parametrize("error", [RejectedError("422"), ConflictError("409"), PermanentError("401")])
async def test_a_refused_renewal_is_told_and_the_policy_ends_when_it_ends(error):
    bench = await renewed(error)
    assert (bench.execution.state, bench.execution.reason) == (State.SUCCEEDED, Reason.RENEWAL_FAILED)


async def test_a_renewal_that_is_fenced_is_left_to_the_next_leader():
    bench = await renewed(FencedError("412"))
    assert bench.execution.state is State.RENEWING
    assert bench.executor.is_fenced


async def test_a_renewal_that_was_cut_is_taken_up_again_with_its_own_key():
    bench = Bench()
    await bench.follow(Step.RESUME, execution=an_execution(State.RENEWING))
    assert bench.keys == ["act-1:renew:1"]
    assert bench.execution.state is State.IN_FORCE


# the table of states

STEPS = [None, *Step]


@pytest.mark.parametrize("error", [None, *REQUESTS], ids=str)
@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("step", list(Step))
async def test_whatever_is_answered_to_whatever_step_no_move_leaves_the_table(error, state, step):
    bench = Bench(error)
    verdict = Verdict.IMPROVED if step is Step.CONFIRM else Verdict.UNCHANGED
    done = await bench.follow(step, verdict=verdict, execution=an_execution(state))
    path = [state, *bench.told]
    assert all(to is from_ or to in TRANSITIONS[from_] for from_, to in itertools.pairwise(path))
    assert done.state is path[-1]
    if state in TERMINAL:
        assert (path, bench.effector.sent) == ([state], [])


async def test_a_failing_step_is_logged_and_leaves_the_others_alone():
    bench = Bench()
    bench.effector.errors = [RuntimeError("a mistake"), None]
    bench.effector.seconds = 8
    await bench.act(an_action(), an_action("act-2", incident_id="inc-2", target="node-8"), budget=5)
    await asyncio.sleep(9)
    assert bench.journal.rows["act-1"].state is State.APPLYING
    assert bench.journal.rows["act-2"].state is State.VERIFYING
