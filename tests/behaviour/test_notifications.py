"""What people are told, over hours and days of virtual time."""

import asyncio
from contextlib import suppress

import pytest

from builders import a_ledger, an_execution
from fakes_outbox import FakeNotifier, Post
from mape_k.errors import TransientError
from mape_k.model import (
    CycleReport,
    CycleResult,
    DeadLetter,
    Execution,
    LetterState,
    Message,
    Plan,
    Reason,
    State,
    Urgency,
    WokenBy,
)
from mape_k.notify import Notifications, Repeater
from virtual_time import VirtualClock

INTERVAL = 30.0
FROZEN = an_execution(State.FROZEN, execution_id="act-7")
WAITING = an_execution(State.AWAITING_APPROVAL, execution_id="act-8")


class Desk:
    """A daemon as its notifications see it, with two channels."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.slack, self.pager = FakeNotifier("slack", self.clock), FakeNotifier("pagerduty", self.clock)
        self.post = Post(self.clock)
        self.counted: list[tuple[str, str]] = []
        self.letters: tuple[DeadLetter, ...] = ()
        self.start()

    def start(self) -> None:
        """Begin as a process begins: with nothing but what was kept."""
        facts = {"channels": (self.slack, self.pager), "clock": self.clock}
        counted = lambda channel, result: self.counted.append((channel, result))  # noqa: E731
        self.notifications = Notifications(
            outbox=self.post.outbox,
            dead_letters=self.post.dead_letters,
            interval_seconds=INTERVAL,
            public_url="https://mape-k.example",
            counted=counted,
            letters_read=lambda letters: setattr(self, "letters", tuple(letters)),
            **facts,
        )
        self.repeater = Repeater(
            attempts=self.post.dead_letters, compensator=None, may_work=lambda: True, counted=counted, **facts
        )

    async def cycle(self, *executions: Execution, every: float = INTERVAL, **fields: object) -> None:
        """Close one cycle, and pass the time to the next."""
        await self.notifications.tell(self.report(*executions, **fields))
        await asyncio.sleep(every)

    def report(self, *executions: Execution, hold: Reason | None = None, **fields: object) -> CycleReport:
        facts = {"ledger": a_ledger(*executions, hold=hold), "cycle_id": "c-1", "woken_by": WokenBy.TICK}
        return CycleReport(**(facts | {"as_of": self.clock.now()} | fields))


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_what_lasts_is_told_once_over_each_channel_and_once_more_when_it_is_over(desk):
    for _ in range(20):
        await desk.cycle(FROZEN)
    for _ in range(5):
        await desk.cycle()

    for channel in (desk.slack, desk.pager):
        assert channel.subjects == [
            "Roll-back failed: block on charter/node-7",
            "Over: Roll-back failed: block on charter/node-7",
        ]
        began, ended = channel.sent
        assert (began.urgency, ended.urgency, ended.is_over) == (Urgency.CRITICAL, Urgency.INFO, True)
        assert "Since 2026-03-01 12:00:00 UTC.\nhttps://mape-k.example" in began.text
        assert "`mape-k resume --target charter/node-7` gives it back" in began.text
        assert began.facts["execution_id"] == "act-7"


async def test_what_lasts_for_days_is_told_once_a_day(desk):
    for _hour in range(60):
        await desk.cycle(FROZEN, every=3600)

    assert len(desk.slack.sent) == 3
    assert len(set(desk.slack.keys)) == 1


async def test_what_comes_back_after_it_was_over_is_told_again_the_same_day(desk):
    for hold in (Reason.STORM, None, Reason.STORM, None):
        await desk.cycle(hold=hold)

    assert desk.slack.subjects == ["Nothing is begun: storm", "Over: Nothing is begun: storm"] * 2


async def test_after_a_restart_nothing_is_told_twice_and_an_end_is_still_told(desk):
    await desk.cycle(FROZEN)
    desk.start()
    await desk.cycle(FROZEN)
    desk.start()
    await desk.cycle()

    assert desk.slack.subjects == [
        "Roll-back failed: block on charter/node-7",
        "Over: Roll-back failed: block on charter/node-7",
    ]


async def test_what_gets_worse_is_told_anew_without_saying_that_it_is_over(desk):
    await desk.cycle(FROZEN)
    await desk.cycle(an_execution(State.DEAD, execution_id="act-7"))
    await desk.cycle()

    assert desk.slack.subjects == [
        "Roll-back failed: block on charter/node-7",
        "Roll-back given up: block on charter/node-7",
        "Over: Roll-back given up: block on charter/node-7",
    ]
    assert {message.about for message in desk.slack.sent} == {"action act-7"}


async def test_people_are_asked_with_the_words_that_answer(desk):
    await desk.cycle(WAITING, an_execution(State.UNDO_WANTED, execution_id="act-9"))

    wanted, undo = desk.slack.sent
    assert wanted.subject == "Approval wanted: block on charter/node-7"
    assert "`mape-k approve act-8`" in wanted.text
    assert undo.subject == "Roll-back wanted: block on charter/node-7"
    assert "`mape-k approve act-9`" in undo.text


async def test_blindness_is_told_once_it_has_lasted_and_when_it_is_over(desk):
    for _ in range(3):
        await desk.cycle(result=CycleResult.BLIND)
    assert desk.slack.sent == []
    for _ in range(3):
        await desk.cycle(result=CycleResult.BLIND)
    await desk.cycle()

    assert desk.slack.subjects == ["Blind", "Over: Blind"]


async def test_a_moment_of_blindness_is_nobodys_business(desk):
    await desk.cycle(result=CycleResult.BLIND)
    await desk.cycle()

    assert desk.slack.sent == []


async def test_a_cycle_that_did_not_read_the_ledger_ends_nothing_that_only_the_ledger_knows(desk):
    await desk.cycle(FROZEN)
    await desk.cycle(result=CycleResult.FAILED, ledger=None, failure="monitor: cut")
    await desk.cycle(FROZEN)

    assert desk.slack.subjects == ["Roll-back failed: block on charter/node-7"]


@pytest.mark.parametrize(
    "reason", [Reason.FENCED, Reason.STORE_DAMAGED, Reason.BAD_OUTCOMES, Reason.STORM, Reason.INVENTORY_DROP]
)
async def test_a_hold_that_needs_a_person_is_told_at_once(desk, reason):
    await desk.cycle(hold=reason)

    assert desk.slack.subjects == [f"Nothing is begun: {reason.value}"]


async def test_a_plan_that_is_refused_as_a_whole_is_told(desk):
    plan = Plan(as_of=desk.clock.now(), refusal=Reason.BLAST_RADIUS)
    await desk.cycle(plan=plan)

    assert desk.slack.subjects == ["Nothing is begun: blast_radius"]


@pytest.mark.parametrize("hold", [None, Reason.PAUSED, Reason.ASKED_TO_WAIT, Reason.STANDBY])
async def test_what_is_normal_is_not_told(desk, hold):
    await desk.cycle(hold=hold)

    assert desk.slack.sent == []


async def test_somebody_who_is_asked_and_gives_no_answer_is_told_once_that_lasts(desk):
    held = {"oneiric": Reason.CIRCUIT_OPEN, "dawsos": Reason.ASKED_TO_WAIT}
    for _ in range(5):
        await desk.cycle(ledger=a_ledger(held=held))
    await desk.cycle()

    assert desk.slack.subjects == ["oneiric gives no answer", "Over: oneiric gives no answer"]


async def test_a_standby_leaves_telling_to_the_leader(desk):
    await desk.cycle(FROZEN, hold=Reason.STANDBY)

    assert desk.slack.sent == []


async def test_a_channel_that_fails_costs_the_other_nothing_and_its_message_waits_five_minutes(desk):
    desk.slack.failure = TransientError("503")
    await desk.cycle(FROZEN)
    (letter,) = await desk.post.dead_letters.listed()

    assert desk.pager.subjects == ["Roll-back failed: block on charter/node-7"]
    assert (letter.channel, letter.error, letter.about) == ("slack", "503", "action act-7")
    assert (letter.due_at - letter.written_at).total_seconds() == 300
    assert sorted(desk.counted, reverse=True) == [("slack", "failed"), ("pagerduty", "delivered")]


async def test_what_waits_as_a_dead_letter_is_not_sent_beside_it_and_then_delivered_once(desk):
    desk.slack.failure = TransientError("503")
    for _ in range(5):
        await desk.cycle(FROZEN)
    assert len(desk.slack.asked) == 1
    desk.slack.failure = None
    for _ in range(20):
        await desk.cycle(FROZEN)
        await desk.repeater.try_due()

    assert desk.slack.subjects == ["Roll-back failed: block on charter/node-7"]
    assert desk.pager.subjects == ["Roll-back failed: block on charter/node-7"]
    assert len(set(desk.slack.keys)) == 1, "a receiver can tell that it is the same"
    assert await desk.post.dead_letters.listed() == ()


async def test_a_channel_that_failed_is_asked_once_a_cycle_and_what_it_was_not_asked_follows(desk):
    many = [an_execution(State.FROZEN, execution_id=f"act-{n}", target=f"node-{n}") for n in range(4)]
    desk.slack.failure = TransientError("503")
    await desk.cycle(*many)
    assert len(desk.slack.asked) == 1
    desk.slack.failure = None
    await desk.cycle(*many)

    assert len(desk.slack.sent) == 3
    assert len(desk.pager.sent) == 4


async def test_an_end_that_a_failing_channel_was_not_asked_to_tell_is_told_later(desk):
    many = [an_execution(State.FROZEN, execution_id=f"act-{n}", target=f"node-{n}") for n in range(3)]
    await desk.cycle(*many)
    desk.slack.failure = TransientError("503")
    await desk.cycle()
    desk.slack.failure = None
    await desk.cycle()

    assert len([message for message in desk.slack.sent if message.is_over]) == 2
    assert [letter.document["is_over"] for letter in await desk.post.dead_letters.listed()] == [True]
    assert len([message for message in desk.pager.sent if message.is_over]) == 3


async def test_what_comes_back_while_a_channel_does_not_know_yet_that_it_was_over_is_told_anew(desk):
    await desk.cycle(FROZEN, hold=Reason.STORM)
    desk.slack.failure = TransientError("503")
    await desk.cycle()
    desk.slack.failure = None
    await desk.cycle(hold=Reason.STORM)

    storm = "Nothing is begun: storm"
    assert [subject for subject in desk.pager.subjects if storm in subject] == [storm, f"Over: {storm}", storm]
    assert [subject for subject in desk.slack.subjects if storm in subject] == [storm, storm]


async def test_a_channel_given_up_is_told_over_the_others(desk):
    desk.slack.failure = TransientError("503")
    for _ten_minutes in range(2 * 24 * 6):
        await desk.cycle(FROZEN, every=600)
        await desk.repeater.try_due()

    assert [letter.state for letter in desk.letters] == [LetterState.PARKED]
    assert "Notifications over slack fail" in desk.pager.subjects
    assert len(desk.slack.asked) == 1 + 5, "nothing about the channel itself was sent over it"


async def test_while_knowledge_cannot_be_written_people_are_told_all_the_same_and_once(desk):
    desk.post.store.is_down = True
    for _ in range(10):
        await desk.cycle(is_store_up=False, failure="the disk is full", result=CycleResult.BLIND)
    desk.post.store.is_down = False
    await desk.cycle()

    assert desk.slack.subjects == ["Knowledge cannot be read or written", "Over: Knowledge cannot be read or written"]


async def test_a_cycle_never_waits_for_a_channel_and_the_newest_one_counts(desk):
    desk.slack.failure, desk.slack.hangs = TransientError("no answer in time"), True
    task = asyncio.create_task(desk.notifications.run())
    began = desk.clock.monotonic()
    desk.notifications.observe(desk.report(FROZEN))
    await asyncio.sleep(1)
    for _ in range(100):
        desk.notifications.observe(desk.report(FROZEN, WAITING))
    assert desk.clock.monotonic() - began == 1
    await asyncio.sleep(60)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert len(desk.slack.asked) == 2
    assert len(desk.pager.sent) == 2


async def test_a_mistake_in_telling_does_not_end_it(desk):
    task = asyncio.create_task(desk.notifications.run())
    desk.notifications.observe(None)
    desk.slack.failure = ZeroDivisionError("a mistake")
    desk.notifications.observe(desk.report(FROZEN))
    await asyncio.sleep(1)
    desk.slack.failure = None
    desk.notifications.observe(desk.report(FROZEN))
    await asyncio.sleep(1)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert len(desk.slack.sent) == 1


@pytest.mark.parametrize("field", ["subject", "text", "about", "urgency", "facts", "is_over"])
def test_every_part_of_a_message_makes_its_content_another(field):
    facts = {"subject": "a", "text": "b", "about": "c", "urgency": Urgency.INFO, "facts": {}, "is_over": False}
    other = {"subject": "x", "text": "x", "about": "x", "urgency": Urgency.WARNING, "facts": {"x": "y"}}
    changed = facts | {field: (other | {"is_over": True})[field]}

    assert Message(**facts).content_hash("slack") != Message(**changed).content_hash("slack")
    assert Message(**facts).content_hash("slack") != Message(**facts).content_hash("email")
