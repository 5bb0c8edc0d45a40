"""The loop as a whole, in virtual time: from a look at the world to an action, a verdict, and what was learned."""

import asyncio
from dataclasses import replace

import pytest

from builders import (
    a_catalogue,
    a_remediation,
    a_signal,
    a_symptom,
    a_verification,
    an_alert,
    an_execution,
    at,
)
from fakes import HANGS, FakeAlertSource, FakeEffector, FakeMetricSource, FakeViolationSource, rows
from fakes_journal import FakeJournal
from mape_k.analyze import Analyst
from mape_k.errors import FencedError, StoreError, TransientError, UncertainError
from mape_k.execute import Executor
from mape_k.loop import Loop, Timing
from mape_k.model import (
    TERMINAL,
    Consent,
    CycleResult,
    Mode,
    Phase,
    Reason,
    State,
    SuccessRate,
    Verdict,
    WokenBy,
)
from mape_k.monitor import Monitor
from virtual_time import VirtualClock

QUERY = "query_of_rate"
INTERVAL, CYCLE_BUDGET, DEBOUNCE = 30.0, 15.0, 1.0
BUDGETS = {Phase.MONITOR: 1.0, Phase.ANALYZE: 2.0, Phase.PLAN: 3.0, Phase.EXECUTE: 5.0}
DOWN = TransientError("connection refused")
QUICK = a_verification(samples=2, hold_seconds=30, deadline_seconds=300)
CATALOGUE = a_catalogue(
    signals=(a_signal(window_seconds=60),),
    symptoms=(a_symptom(window_seconds=60),),
    remediations=(
        a_remediation("limit", cost=0.05, prior_success=0.7, verification=QUICK),
        a_remediation("block", cost=0.2, prior_success=0.8, verification=QUICK),
    ),
)


class Daemon:
    """The loop with its real phases, between peers and a journal of the tests.

    ``cure`` names the kind of policy that ends the fault; the world is asked anew at every query.
    """

    def __init__(self, *, cure: str = "limit_source", mode: Mode = Mode.ENFORCE, monitor_budget: float = 1.0) -> None:
        self.clock, self.effector, self.cure = VirtualClock(), FakeEffector(), cure
        self.metrics, self.alerts, self.violations = (
            FakeMetricSource(),
            FakeAlertSource(an_alert()),
            FakeViolationSource(),
        )
        self.metrics.answers[QUERY] = rows({"node-7": 31.0})
        self.effector.seen = lambda _: self.take_effect()
        self.journal, self.reports = FakeJournal(self.clock), []
        peers = {"metrics": self.metrics, "alerts": self.alerts, "violations": self.violations}
        self.loop = Loop(
            monitor=Monitor(**peers, clock=self.clock, budget_seconds=monitor_budget, stale_after_intervals=2),
            analyst=Analyst(close_after_seconds=60),
            executor=Executor(
                effector_of=lambda _: self.effector,
                journal=self.journal,
                alerts=self.alerts,
                clock=self.clock,
                request_timeout_seconds=1,
            ),
            journal=self.journal,
            catalogue=CATALOGUE,
            clock=self.clock,
            timing=Timing(interval=INTERVAL, cycle_budget=CYCLE_BUDGET, phase_budgets=BUDGETS, debounce=DEBOUNCE),
            mode=mode,
            closed=self.reports.append,
        )

    def take_effect(self) -> None:
        """Let the newest request change the world, unless it gets lost."""
        (_, request), is_lost = self.effector.sent[-1], any(self.effector.errors[:1])
        if getattr(request, "kind", None) == self.cure and not is_lost:
            self.metrics.answers[QUERY], self.alerts.answer = rows({"node-7": 0.5}), ()

    async def run(self, seconds: float, *events) -> None:
        """Run for a while; each event is a pair of seconds and what is then done."""
        running = asyncio.create_task(self.loop.run_forever())
        for moment, event in events:
            await asyncio.sleep(moment - self.clock.monotonic())
            event()
        await asyncio.sleep(seconds - self.clock.monotonic())
        self.loop.stop()
        await running

    @property
    def starts(self) -> list[float]:
        return [(report.as_of - at(0)).total_seconds() for report in self.reports]

    @property
    def executions(self):
        return sorted(self.journal.rows.values(), key=lambda e: e.admitted_at)

    @property
    def kinds(self) -> list[str]:
        return [getattr(request, "kind", request) for _, request in self.effector.sent]

    @property
    def reasons(self) -> list[Reason]:
        return [decision.reason for report in self.reports if report.plan for decision in report.plan.decisions]


# the whole way round


async def test_a_fault_is_seen_acted_upon_verified_and_learned_from():
    daemon = Daemon()
    await daemon.run(600)
    (execution,) = daemon.executions
    assert (execution.remediation, execution.state, execution.verdict) == ("limit", State.IN_FORCE, Verdict.IMPROVED)
    assert daemon.journal.rates == {("charter", "limit", "spike"): SuccessRate(successes=1)}
    assert daemon.kinds == ["limit_source"]
    assert daemon.journal.incidents == {}


async def test_a_wrong_first_choice_is_rolled_back_and_corrected_and_the_next_time_right_at_once():
    daemon = Daemon(cure="block_source")
    await daemon.run(1800)
    wrong, right = daemon.executions
    assert (wrong.remediation, wrong.state, wrong.verdict) == ("limit", State.ROLLED_BACK, Verdict.UNCHANGED)
    assert (right.remediation, right.state, right.verdict) == ("block", State.IN_FORCE, Verdict.IMPROVED)
    assert daemon.kinds == ["limit_source", "pol-1", "block_source"]

    later = Daemon(cure="block_source")
    later.journal.rates = daemon.journal.rates
    await later.run(60)
    assert later.executions[0].remediation == "block"


async def test_when_nothing_helps_everything_is_undone_and_a_person_is_asked():
    daemon = Daemon(cure="nothing")
    await daemon.run(3000)
    assert {execution.state for execution in daemon.executions} == {State.ROLLED_BACK}
    assert [execution.remediation for execution in daemon.executions] == ["limit", "block"]
    assert daemon.reasons[-1] is Reason.EXHAUSTED


async def test_a_policy_is_renewed_before_its_end_and_let_lapse_when_the_cause_is_gone():
    daemon = Daemon()

    def cause_gone() -> None:
        daemon.metrics.answers[QUERY] = rows({"node-7": 0.0})

    await daemon.run(7000, (4000, cause_gone))
    (execution,) = daemon.executions
    assert daemon.kinds == ["limit_source", "limit_source"]
    assert (execution.renewals, execution.state, execution.reason) == (1, State.SUCCEEDED, Reason.NO_LONGER_NEEDED)


WATCHING = a_catalogue(
    signals=(a_signal(window_seconds=60),),
    symptoms=(a_symptom(window_seconds=60),),
    remediations=(
        a_remediation("limit", prior_success=0.9, verification=QUICK, probation_seconds=300.0),
        a_remediation(),
    ),
)


async def test_a_success_that_lasts_through_its_probation_holds_and_is_counted_once():
    daemon = Daemon()
    daemon.loop.catalogue = WATCHING
    await daemon.run(700)
    (execution,) = daemon.executions
    assert (execution.state, execution.reason) == (State.IN_FORCE, Reason.LASTED)
    assert daemon.journal.rates == {("charter", "limit", "spike"): SuccessRate(successes=1)}


async def test_a_success_that_does_not_last_is_undone_and_counted_as_a_failure_too():
    daemon = Daemon()
    daemon.loop.catalogue = WATCHING

    def relapse() -> None:
        daemon.metrics.answers[QUERY] = rows({"node-7": 31.0})

    await daemon.run(400, (240, relapse))
    (execution,) = daemon.executions
    assert (execution.state, execution.verdict) == (State.ROLLED_BACK, Verdict.UNCHANGED)
    assert daemon.kinds == ["limit_source", "pol-1"]
    assert daemon.journal.rates == {("charter", "limit", "spike"): SuccessRate(successes=1, failures=1)}


async def test_a_policy_is_renewed_in_time_however_its_probation_went():
    daemon = Daemon()
    daemon.loop.catalogue = WATCHING

    def dark() -> None:
        daemon.metrics.answers[QUERY] = rows({})

    await daemon.run(3000, (240, dark))
    assert (daemon.executions[0].state, daemon.executions[0].renewals) == (State.IN_FORCE, 1)


async def test_no_key_is_ever_sent_with_two_bodies():
    daemon = Daemon(cure="block_source")
    daemon.effector.errors = [UncertainError("no answer"), None, UncertainError("no answer"), DOWN]
    await daemon.run(9000)
    bodies = {}
    for key, body in daemon.effector.sent:
        assert bodies.setdefault(key, body) == body
    assert len(daemon.effector.sent) > len(bodies)


async def test_in_shadow_all_is_decided_and_nothing_sent():
    daemon = Daemon(mode=Mode.SHADOW)
    await daemon.run(600)
    assert set(daemon.reasons) == {Reason.SHADOW}
    assert (daemon.effector.sent, daemon.executions) == ([], [])


# failures


@pytest.mark.parametrize("peer", ["alerts", "violations"])
async def test_while_a_peer_hangs_cycles_are_blind_and_nothing_is_done_and_then_it_goes_on(peer):
    daemon = Daemon()
    answer = getattr(daemon, peer).answer
    getattr(daemon, peer).answer = HANGS

    def back() -> None:
        getattr(daemon, peer).answer = answer

    await daemon.run(240, (100, back))
    blind = [report.result is CycleResult.BLIND for report in daemon.reports]
    assert blind == [True] * 4 + [False] * (len(blind) - 4)
    assert max(report.seconds for report in daemon.reports) == pytest.approx(1.0)
    assert Reason.SETTLING in daemon.reasons
    assert daemon.executions[0].admitted_at >= at(90 + 60)


async def test_a_monitor_that_never_ends_is_cut_at_the_cycles_deadline_and_the_loop_goes_on():
    daemon = Daemon(monitor_budget=HANGS)
    daemon.violations.answer = HANGS
    await daemon.run(100)
    assert daemon.starts == [0, 30, 60, 90]
    assert {report.failure for report in daemon.reports} == {"monitor: cut at the cycle's deadline"}
    assert {report.seconds for report in daemon.reports} == {CYCLE_BUDGET}
    assert daemon.effector.sent == []


async def test_a_store_that_cannot_be_read_fails_the_cycle_and_nothing_is_sent():
    daemon = Daemon()

    async def failing(_):
        raise StoreError("disk full")

    working, daemon.journal.open_cycle = daemon.journal.open_cycle, failing

    def mended() -> None:
        daemon.journal.open_cycle = working

    await daemon.run(100, (50, lambda: daemon.effector.sent and pytest.fail("something was sent")), (50, mended))
    assert [report.result for report in daemon.reports[:3]] == [
        CycleResult.FAILED,
        CycleResult.FAILED,
        CycleResult.COMPLETED,
    ]
    assert daemon.reports[0].failure == "analyze: StoreError: disk full"
    assert [report.is_store_up for report in daemon.reports[:3]] == [False, False, True]
    assert daemon.kinds == ["limit_source"]


async def test_a_store_that_takes_no_intent_fails_the_cycle_and_nothing_is_sent():
    daemon = Daemon()

    async def failing(*_, **__):
        raise StoreError("disk full")

    daemon.journal.admit = failing
    await daemon.run(50)
    assert [report.failure for report in daemon.reports] == ["execute: StoreError: disk full"] * 2
    assert daemon.effector.sent == []


async def test_a_mistake_in_a_phase_ends_its_cycle_and_not_the_loop():
    daemon = Daemon()
    daemon.metrics.answers[QUERY] = ZeroDivisionError("a mistake")
    await daemon.run(50)
    assert [report.failure for report in daemon.reports] == ["monitor: ZeroDivisionError('a mistake')"] * 2


async def test_whoever_is_told_of_a_cycle_and_fails_does_not_end_the_loop():
    daemon = Daemon()
    daemon.loop.closed = lambda report: daemon.reports.append(report) or 1 / 0
    await daemon.run(50)
    assert daemon.starts == [0, 30]


async def test_a_timeout_of_a_socket_is_not_taken_for_the_cycles_deadline():
    daemon = Daemon()
    daemon.alerts.answer = TimeoutError("a socket")
    await daemon.run(10)
    assert daemon.reports[0].failure == "monitor: TimeoutError('a socket')"


async def test_a_charter_that_cannot_be_reached_is_tried_again_on_fresh_evidence():
    daemon = Daemon()
    daemon.effector.errors = [DOWN, DOWN]
    await daemon.run(100)
    assert [execution.state for execution in daemon.executions] == [State.FAILED, State.FAILED, State.VERIFYING]
    assert len({key for key, _ in daemon.effector.sent}) == 3


async def test_a_charter_that_asks_to_be_left_alone_is_left_alone():
    daemon = Daemon()
    daemon.effector.errors = [TransientError("503", retry_after_seconds=75)]
    await daemon.run(100)
    assert daemon.reasons == [Reason.BEST_CANDIDATE, Reason.ASKED_TO_WAIT, Reason.ASKED_TO_WAIT, Reason.BEST_CANDIDATE]
    assert [execution.state for execution in daemon.executions] == [State.FAILED, State.VERIFYING]


async def test_an_uncertain_request_is_asked_after_in_the_next_cycle_with_its_key():
    daemon = Daemon()
    daemon.effector.errors = [UncertainError("no answer")]
    await daemon.run(50)
    assert [key for key, _ in daemon.effector.sent] == [daemon.executions[0].execution_id] * 2
    assert daemon.executions[0].state is State.VERIFYING


async def test_a_roll_back_that_does_not_get_through_is_repeated_until_it_does():
    daemon = Daemon(cure="nothing")
    daemon.effector.errors = [None, DOWN, DOWN, None]
    await daemon.run(500)
    key = f"{daemon.executions[0].execution_id}:rollback"
    assert [sent for sent, _ in daemon.effector.sent].count(key) == 3
    assert daemon.executions[0].state is State.ROLLED_BACK


async def test_once_fenced_the_loop_looks_on_and_acts_no_more():
    daemon = Daemon()
    daemon.effector.errors = [FencedError("412")]
    await daemon.run(300)
    assert len(daemon.effector.sent) == 1
    assert {report.result for report in daemon.reports} == {CycleResult.COMPLETED}
    assert set(daemon.reasons[1:]) == {Reason.FENCED}


async def test_a_slow_charter_does_not_blind_the_monitor():
    daemon = Daemon()
    daemon.effector.seconds = 70
    await daemon.run(100)
    assert daemon.starts[:3] == [0, 30, 60]
    assert daemon.reports[0].seconds == 5.0
    assert len(daemon.effector.sent) == 1


# when cycles begin


async def test_ticks_keep_their_pace():
    daemon = Daemon(mode=Mode.SHADOW)
    await daemon.run(100)
    assert daemon.starts == [0, 30, 60, 90]
    assert {report.woken_by for report in daemon.reports} == {WokenBy.TICK}


async def test_missed_ticks_are_skipped_and_never_queued():
    daemon = Daemon(mode=Mode.SHADOW)
    closing = daemon.journal.close_cycle

    async def once_slow(report):
        await asyncio.sleep(75 if not daemon.journal.reports else 0)
        return await closing(report)

    daemon.journal.close_cycle = once_slow
    await daemon.run(130)
    assert daemon.starts == [0, 90, 120]


async def test_a_webhook_wakes_the_loop_at_once_and_leaves_the_ticks_where_they_were():
    daemon = Daemon(mode=Mode.SHADOW)
    await daemon.run(70, (10, lambda: daemon.loop.wake(WokenBy.WEBHOOK)))
    assert daemon.starts == [0, 10, 30, 60]
    assert [report.woken_by for report in daemon.reports[:3]] == [WokenBy.TICK, WokenBy.WEBHOOK, WokenBy.TICK]


async def test_the_first_webhook_after_a_quiet_time_waits_for_nothing_and_the_next_one_is_gathered():
    daemon = Daemon(mode=Mode.SHADOW)
    await daemon.run(40, *((when, lambda: daemon.loop.wake(WokenBy.WEBHOOK)) for when in (30.2, 30.4)))
    assert daemon.starts == pytest.approx([0, 30, 30.2, 31.2])


async def test_a_storm_of_webhooks_wakes_it_once_in_the_debounce_time():
    daemon = Daemon(mode=Mode.SHADOW)
    storm = [(10 + number / 100, lambda: daemon.loop.wake(WokenBy.WEBHOOK)) for number in range(100)]
    await daemon.run(25, *storm)
    assert daemon.starts == [0, 10, 11]


async def test_a_webhook_during_a_cycle_is_not_lost():
    daemon = Daemon(mode=Mode.SHADOW)
    daemon.violations.answer = HANGS
    await daemon.run(25, (0.5, lambda: daemon.loop.wake(WokenBy.WEBHOOK)))
    assert daemon.starts == [0, 1.0]


async def test_a_webhook_only_wakes_and_what_is_true_is_looked_up():
    daemon = Daemon(mode=Mode.SHADOW)

    def resolved_and_told_to_fire() -> None:
        daemon.alerts.answer = ()
        daemon.loop.wake(WokenBy.WEBHOOK)

    await daemon.run(29, (10, resolved_and_told_to_fire))
    assert [len(report.assessment.incidents) for report in daemon.reports] == [1, 0]
    assert daemon.reports[1].snapshot.as_of == at(10)


async def test_the_loop_wakes_itself_when_an_action_can_be_judged():
    daemon = Daemon()
    await daemon.run(140)
    due = 60 + 15 + 60
    assert daemon.starts == [0, 30, 60, 90, 120, due]
    assert daemon.reports[-1].woken_by is WokenBy.DEADLINE


async def test_stopping_lets_the_running_cycle_end_and_begins_no_other():
    daemon = Daemon()
    daemon.effector.seconds = 3
    running = asyncio.create_task(daemon.loop.run_forever())
    await asyncio.sleep(1)
    daemon.loop.stop()
    await running
    assert daemon.clock.monotonic() == 3
    assert [report.result for report in daemon.reports] == [CycleResult.COMPLETED]
    assert await daemon.loop.executor.drain(10) == 0
    assert daemon.executions[0].state is State.VERIFYING


# what is told


async def test_every_cycle_tells_its_phases_with_their_budgets():
    daemon = Daemon()
    await daemon.run(10)
    (report,) = daemon.reports
    assert [(timing.phase, timing.budget_seconds) for timing in report.timings] == list(BUDGETS.items())
    assert not any(timing.is_over for timing in report.timings)
    assert daemon.loop.last_report is report
    assert report.executed == (daemon.executions[0].execution_id,)


async def test_a_periodic_cycle_tells_how_late_it_began_and_one_that_was_woken_does_not():
    daemon = Daemon(mode=Mode.SHADOW)

    def busy_for_three_seconds() -> None:
        asyncio.get_running_loop()._seconds += 3

    await daemon.run(65, (10, lambda: daemon.loop.wake(WokenBy.WEBHOOK)), (29, busy_for_three_seconds))
    assert [(report.woken_by, report.late_seconds) for report in daemon.reports] == [
        (WokenBy.TICK, 0),
        (WokenBy.WEBHOOK, None),
        (WokenBy.TICK, 2),
        (WokenBy.TICK, 0),
    ]


async def test_a_phase_over_its_budget_is_told():
    daemon = Daemon(monitor_budget=4)
    daemon.violations.answer = HANGS
    await daemon.run(10)
    assert [timing.phase for timing in daemon.reports[0].timings if timing.is_over] == [Phase.MONITOR]


async def test_every_cycle_has_a_name_of_its_own():
    daemon = Daemon(mode=Mode.SHADOW)
    await daemon.run(300)
    assert len({report.cycle_id for report in daemon.reports}) == len(daemon.reports) == 10


# blindness is no recovery


@pytest.mark.parametrize(
    "answer",
    [rows({}), rows({"node-7": float("nan")}), DOWN, rows({"node-7": 1.0}, warnings=("a store is missing",))],
    ids=["empty", "nan", "unreachable", "partial"],
)
async def test_an_action_whose_effect_cannot_be_seen_is_never_a_success(answer):
    daemon = Daemon(cure="nothing")

    def dark() -> None:
        daemon.metrics.answers[QUERY], daemon.alerts.answer = answer, ()

    await daemon.run(1500, (10, dark))
    assert daemon.executions[0].verdict in (None, Verdict.UNKNOWN)
    assert daemon.journal.rates == {}
    assert [e.state for e in daemon.executions] == [State.ROLLED_BACK]


async def test_a_restart_takes_up_what_it_finds_in_the_journal():
    daemon = Daemon()
    for state in State:
        target = f"node-{state}"
        daemon.journal.rows[target] = an_execution(
            state, execution_id=target, target=target, remediation="limit", verdict=Verdict.IMPROVED
        )
    daemon.alerts.answer = ()
    daemon.metrics.answers[QUERY] = rows({f"node-{state}": 0.5 for state in State})
    await daemon.run(900)
    left = {e.execution_id.removeprefix("node-"): e.state for e in daemon.executions}
    assert {State(before) for before, after in left.items() if after not in TERMINAL} == {
        State.APPLYING,
        State.UNCERTAIN,
        State.VERIFYING,
        State.PROBATION,
        State.IN_FORCE,
        State.RENEWING,
        State.UNDO_WANTED,
        State.FROZEN,
        State.DEAD,
    }
    waiting = (State.UNDO_WANTED, State.FROZEN, State.DEAD)
    assert all(left[state] is state for state in waiting)
    assert {left[before] for before in (State.APPLYING, State.UNCERTAIN, State.VERIFYING)} == {State.IN_FORCE}


# what a person is asked


def answer(daemon, *, is_given):
    """Return the event that a person answers the newest question."""

    def tell():
        asked = daemon.executions[-1]
        said = Consent(is_given=is_given, by="ada", at=daemon.clock.now(), plan_hash=asked.plan_hash)
        daemon.journal.rows[asked.execution_id] = replace(asked, consent=said)
        daemon.loop.wake(WokenBy.OPERATOR)

    return tell


async def test_what_a_person_agrees_to_is_done_at_once_and_verified():
    daemon = Daemon(mode=Mode.APPROVE)
    await daemon.run(600, (100, answer(daemon, is_given=True)))
    (execution,) = daemon.executions
    assert (execution.admitted_at, execution.applied_at) == (at(0), at(100))
    assert (execution.remediation, execution.verdict) == ("limit", Verdict.IMPROVED)
    assert daemon.kinds == ["limit_source"]


async def test_what_a_person_rejects_is_not_asked_again_before_its_cooldown_and_the_next_best_is():
    daemon = Daemon(mode=Mode.APPROVE)
    await daemon.run(760, (100, answer(daemon, is_given=False)), (200, answer(daemon, is_given=False)))
    asked = [(e.remediation, (e.admitted_at - at(0)).total_seconds()) for e in daemon.executions]
    assert asked == [("limit", 0), ("block", 120), ("limit", 720)]
    assert daemon.effector.sent == []


async def test_what_nobody_answers_expires_and_is_asked_again_after_its_cooldown():
    daemon = Daemon(mode=Mode.APPROVE)
    await daemon.run(1900)
    asked = [(e.remediation, (e.admitted_at - at(0)).total_seconds(), e.reason) for e in daemon.executions]
    assert asked == [
        ("limit", 0, Reason.APPROVAL_EXPIRED),
        ("block", 930, Reason.APPROVAL_EXPIRED),
        ("limit", 1860, Reason.APPROVAL_WANTED),
    ]
    assert daemon.effector.sent == []
