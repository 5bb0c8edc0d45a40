"""Dead letters over days of virtual time: 5 min, 30 min, 2 h, 12 h, 24 h, then parked."""

import asyncio
from contextlib import suppress

import pytest

from builders import an_execution
from fakes_outbox import FakeCompensator, FakeNotifier, Post
from mape_k.errors import PermanentError, TransientError
from mape_k.knowledge import dead_letters
from mape_k.model import LETTER_SCHEDULE, DeadLetter, LetterKind, LetterState, Message, State, Urgency
from mape_k.notify import Repeater
from virtual_time import VirtualClock

MESSAGE = Message(subject="Frozen", urgency=Urgency.CRITICAL, text="A roll-back failed.", about="action act-1")
MINUTES = (5, 35, 155, 875, 2315)
"""When each attempt is made, counted from the failure."""


class Office:
    """The worker with one channel and one compensation."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.post, self.slack = Post(self.clock), FakeNotifier("slack", self.clock)
        self.compensator = FakeCompensator(an_execution(State.FROZEN))
        self.leads = True
        self.repeater = Repeater(
            attempts=self.post.dead_letters,
            channels=[self.slack],
            compensator=self.compensator,
            clock=self.clock,
            may_work=lambda: self.leads,
        )

    async def failed_to_undo(self) -> DeadLetter:
        facts = {"kind": LetterKind.COMPENSATION, "about": "act-1", "error": "refused", "at": self.clock.now()}
        return await self.post.store.write(lambda connection: dead_letters.write(connection, **facts))

    async def works(self, minutes: float) -> None:
        task = asyncio.create_task(self.repeater.run())
        await asyncio.sleep(60 * minutes)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def passes(self, days: float) -> None:
        """Let time pass, with a look every five minutes."""
        for _ in range(int(days * 24 * 12)):
            await self.repeater.try_due()
            await asyncio.sleep(300)

    @property
    async def letters(self) -> tuple[DeadLetter, ...]:
        return await self.post.dead_letters.listed()


@pytest.fixture
async def office() -> Office:
    return Office()


async def test_a_notification_is_tried_again_after_5_30_120_720_and_1440_minutes_then_parked(office):
    office.slack.failure, began = TransientError("503"), office.clock.now()
    await office.post.outbox.failed("slack", MESSAGE, "503")
    await office.passes(days=3)
    (letter,) = await office.letters

    assert [(at - began).total_seconds() / 60 for at in office.slack.asked] == list(MINUTES)
    assert (letter.state, letter.attempts) == (LetterState.PARKED, len(LETTER_SCHEDULE))


async def test_nothing_is_tried_in_the_first_five_minutes(office):
    await office.post.outbox.failed("slack", MESSAGE, "503")
    await office.works(minutes=4.9)
    assert office.slack.asked == []
    await office.works(minutes=0.3)

    assert office.slack.subjects == ["Frozen"]
    assert await office.letters == ()


async def test_a_letter_is_sent_over_the_channel_that_failed_and_with_the_same_key(office):
    await office.post.outbox.failed("slack", MESSAGE, "503")
    await office.works(minutes=6)

    assert office.slack.sent == [MESSAGE]
    assert office.slack.keys == [MESSAGE.content_hash("slack")]
    assert await office.post.outbox.is_settled("slack", MESSAGE)


async def test_a_channel_that_is_not_there_any_more_uses_attempts_up_and_says_so(office):
    await office.post.outbox.failed("email", MESSAGE, "refused")
    await office.works(minutes=6)
    (letter,) = await office.letters

    assert (letter.attempts, letter.error) == (1, "email is not configured any more")
    assert office.slack.asked == []


async def test_a_compensation_is_undone_again_and_its_letter_goes_when_that_succeeds(office):
    await office.failed_to_undo()
    await office.works(minutes=6)
    office.compensator.outcome = State.ROLLED_BACK
    await office.works(minutes=31)

    assert office.compensator.undone == ["act-1"] * 2
    assert office.compensator.given_up == []
    assert await office.letters == ()


@pytest.mark.parametrize("outcome", [State.FROZEN, TransientError("no answer"), PermanentError("unknown policy")])
async def test_after_the_fifth_failure_the_target_is_given_up_and_the_letter_parked(office, outcome):
    await office.failed_to_undo()
    office.compensator.outcome = outcome
    await office.passes(days=3)
    (letter,) = await office.letters

    assert office.compensator.undone == ["act-1"] * len(LETTER_SCHEDULE)
    assert office.compensator.given_up == ["act-1"]
    assert letter.state is LetterState.PARKED


async def test_what_a_person_has_settled_meanwhile_is_no_failure(office):
    await office.failed_to_undo()
    office.compensator.outcome = State.ROLLED_BACK
    await office.works(minutes=6)

    assert await office.letters == ()


async def test_a_daemon_that_does_not_lead_or_is_stopping_tries_nothing(office):
    await office.failed_to_undo()
    office.leads = False
    await office.works(minutes=60)
    assert office.compensator.undone == []
    office.leads = True
    await office.works(minutes=1)

    assert office.compensator.undone == ["act-1"]


async def test_where_nothing_may_be_sent_compensations_wait_and_notifications_do_not(office):
    await office.failed_to_undo()
    await office.post.outbox.failed("slack", MESSAGE, "503")
    shadow = Repeater(
        attempts=office.post.dead_letters,
        channels=[office.slack],
        compensator=None,
        clock=office.clock,
        may_work=lambda: True,
    )
    await asyncio.sleep(301)
    await shadow.try_due()
    (left,) = await office.letters

    assert (left.kind, left.attempts) == (LetterKind.COMPENSATION, 0)
    assert office.slack.subjects == ["Frozen"]


async def test_two_daemons_make_one_attempt(office):
    await office.post.outbox.failed("slack", MESSAGE, "503")
    await asyncio.sleep(301)
    await asyncio.gather(office.repeater.try_due(), office.repeater.try_due())

    assert len(office.slack.sent) == 1


async def test_an_attempt_cut_by_the_end_of_the_daemon_counts_and_the_next_one_comes(office):
    await office.post.outbox.failed("slack", MESSAGE, "503")
    office.slack.failure, office.slack.hangs = TransientError("no answer"), True
    await office.works(minutes=5.1)
    (letter,) = await office.letters
    assert (letter.state, letter.attempts) == (LetterState.TRYING, 1)
    office.slack.failure = None
    await office.works(minutes=31)

    assert len(office.slack.sent) == 1


async def test_a_last_attempt_that_never_ended_is_given_up_and_not_made_again(office):
    letter = await office.failed_to_undo()
    for _ in LETTER_SCHEDULE:
        last = await office.post.dead_letters.claim(letter)
        letter = await office.post.dead_letters.failed(last, "no") if last.attempts < 5 else last
    await office.passes(days=1.1)
    (parked,) = await office.letters

    assert office.compensator.undone == []
    assert office.compensator.given_up == ["act-1"]
    assert (parked.state, parked.error) == (LetterState.PARKED, "its last attempt never ended")


async def test_a_channel_that_hangs_delays_no_compensation(office):
    office.slack.failure, office.slack.hangs = TransientError("no answer"), True
    for number in range(20):
        about = f"action act-{number}"
        await office.post.outbox.failed("slack", Message(subject="s", urgency=Urgency.INFO, text="", about=about), "")
    await office.failed_to_undo()
    await office.works(minutes=5.2)

    assert office.compensator.undone == ["act-1"]


async def test_while_knowledge_cannot_be_read_nothing_is_tried_and_then_it_goes_on(office):
    await office.failed_to_undo()
    office.post.store.is_down = True
    await office.works(minutes=10)
    assert office.compensator.undone == []
    office.post.store.is_down = False
    await office.works(minutes=1)

    assert office.compensator.undone == ["act-1"]


async def test_a_letter_that_a_person_wants_tried_is_due_at_once_and_its_attempts_count_on(office):
    letter = await office.failed_to_undo()
    await office.post.dead_letters.retry(letter.letter_id, by="ada")
    await office.works(minutes=0.2)
    (tried,) = await office.letters

    assert (tried.attempts, office.compensator.undone) == (1, ["act-1"])
