"""Tells people what they should know, over every channel, once for each content; what fails becomes a dead letter.

The newest cycle is what counts: while a channel hangs, cycles go on, and what they said meanwhile is not queued.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from mape_k.errors import MapeKError, StoreError
from mape_k.model import CycleReport, DeadLetter, Message, Reason, Standing
from mape_k.notify.conditions import conditions, follow, over
from mape_k.ports import Clock, DeadLetters, Notifier, Outbox

log = structlog.get_logger(__name__)

SEND_SECONDS = 10.0
"""What sending one message over one channel may take."""

_REMEMBERED = timedelta(hours=24)


class Notifications:
    """Looks at every cycle for what people should know, and tells it.

    Args:
        channels: the ways to people; none: nobody is told.
        outbox: what was told, durably.
        dead_letters: what waits and is parked.
        clock: the time.
        interval_seconds: between two cycles.
        public_url: where people reach the status page; empty: it is not mentioned.
        counted: called with channel and result (``delivered``, ``failed``) of every message sent.
        letters_read: called with the dead letters there are, once a cycle.
    """

    def __init__(
        self,
        *,
        channels: Sequence[Notifier],
        outbox: Outbox,
        dead_letters: DeadLetters,
        clock: Clock,
        interval_seconds: float,
        public_url: str = "",
        counted: Callable[[str, str], None] = lambda _channel, _result: None,
        letters_read: Callable[[Sequence[DeadLetter]], None] = lambda _letters: None,
    ) -> None:
        self._channels = channels
        self._outbox = outbox
        self._dead_letters = dead_letters
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._public_url = public_url
        self._counted = counted
        self._letters_read = letters_read
        self._standing: tuple[Standing, ...] = ()
        self._is_kept = True
        self._letters: tuple[DeadLetter, ...] = ()
        self._sent: dict[str, datetime] = {}
        self._newest: CycleReport | None = None
        self._wake = asyncio.Event()

    def observe(self, report: CycleReport) -> None:
        """Take a cycle that ended; never waits."""
        self._newest = report
        self._wake.set()

    async def run(self) -> None:
        """Tell until cancelled; whatever goes wrong, the next cycle is looked at."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if self._newest:
                    await self.tell(self._newest)
            except Exception:
                log.exception("people_not_told")

    async def tell(self, report: CycleReport) -> None:
        """Tell what is news in one cycle. A standby leaves that to the leader."""
        await self._read()
        if not self._channels or (report.ledger and report.ledger.hold is Reason.STANDBY):
            return
        lasting, ended = follow(
            conditions(report, self._letters),
            self._standing,
            at=report.as_of,
            interval_seconds=self._interval_seconds,
            has_ledger=report.ledger is not None,
            page=self._public_url,
        )
        await self._keep((*lasting, *ended))  # before anything is sent: the same must be the same after a restart
        await self._send_all([each.message for each in lasting if each.is_told])
        untold = await self._send_all([over(each) for each in ended if each.is_told])
        await self._keep((*lasting, *(each for each in ended if over(each) in untold)))

    async def _read(self) -> None:
        """Read what was kept; while Knowledge cannot be read, what was read last is what is known."""
        try:
            self._letters = await self._dead_letters.listed()
            self._standing = await self._outbox.standing() if self._is_kept else self._standing
        except StoreError as error:
            log.warning("outbox_not_read", error=str(error))
        self._letters_read(self._letters)

    async def _keep(self, standing: tuple[Standing, ...]) -> None:
        if standing == self._standing and self._is_kept:
            return
        self._standing, self._is_kept = standing, await self._kept(self._outbox.keep_standing(standing))

    async def _send_all(self, messages: Iterable[Message]) -> list[Message]:
        """Send each message over each channel; return those that some channel was not asked to take yet."""
        wanted = list(messages)
        left = await asyncio.gather(*(self._send_each(channel, wanted) for channel in self._channels))
        return [message for message in wanted if any(message in untold for untold in left)]

    async def _send_each(self, channel: Notifier, messages: Sequence[Message]) -> Sequence[Message]:
        """Send in order, up to the first failure: a channel that fails is not asked again before the next cycle."""
        for number, message in enumerate(messages, start=1):
            if not await self._deliver(channel, message):
                return messages[number:]
        return ()

    async def _deliver(self, channel: Notifier, message: Message) -> bool:
        """Return whether the channel works, as far as this message shows; nothing is told of a channel over itself."""
        key = message.content_hash(channel.name)
        if message.about == f"channel {channel.name}" or await self._is_settled(channel, message, key):
            return True
        try:
            await channel.send(message, key=key, timeout_seconds=SEND_SECONDS)
        except MapeKError as error:
            await self._failed(channel, message, str(error))
            return False
        self._remember(key)
        self._counted(channel.name, "delivered")
        log.info("notified", channel=channel.name, subject=message.subject, about=message.about)
        await self._kept(self._outbox.delivered(channel.name, message))
        return True

    async def _is_settled(self, channel: Notifier, message: Message, key: str) -> bool:
        """Ask Knowledge; what it cannot say or could not keep is remembered here, so that nobody is told each cycle."""
        if key in self._sent and self._clock.now() - self._sent[key] < _REMEMBERED:
            return True
        try:
            return await self._outbox.is_settled(channel.name, message)
        except StoreError:
            return False

    async def _failed(self, channel: Notifier, message: Message, error: str) -> None:
        self._counted(channel.name, "failed")
        log.warning("not_notified", channel=channel.name, subject=message.subject, error=error)
        await self._kept(self._outbox.failed(channel.name, message, error))

    async def _kept(self, write: Awaitable[None]) -> bool:
        try:
            await write
        except StoreError as error:
            log.warning("outbox_not_written", error=str(error))
            return False
        return True

    def _remember(self, key: str) -> None:
        now = self._clock.now()
        self._sent = {known: at for known, at in self._sent.items() if now - at < _REMEMBERED} | {key: now}
