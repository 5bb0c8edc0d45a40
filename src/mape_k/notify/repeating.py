"""Tries dead letters again when they are due: notifications by sending, compensations by undoing."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

import msgspec
import structlog

from mape_k.errors import MapeKError, PermanentError, StoreError, TransientError
from mape_k.model import LEFT_ALONE, DeadLetter, LetterKind, LetterState, Message
from mape_k.notify.telling import SEND_SECONDS
from mape_k.ports import Attempts, Clock, Compensator, Notifier

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
"""How often it is looked for letters that are due."""


class Repeater:
    """Tries what is due, each letter by one daemon at a time; after the last attempt it is parked.

    Args:
        attempts: the letters.
        channels: the ways to people.
        compensator: who undoes; None: nothing may be sent, and compensations wait.
        clock: the time.
        may_work: whether this daemon leads and is not stopping.
        counted: called with channel and result of every notification that was tried again.
    """

    def __init__(
        self,
        *,
        attempts: Attempts,
        channels: Sequence[Notifier],
        compensator: Compensator | None,
        clock: Clock,
        may_work: Callable[[], bool],
        counted: Callable[[str, str], None] = lambda _channel, _result: None,
    ) -> None:
        self._attempts = attempts
        self._channels: Mapping[str, Notifier] = {channel.name: channel for channel in channels}
        self._compensator = compensator
        self._clock = clock
        self._may_work = may_work
        self._counted = counted

    async def run(self) -> None:
        """Try what is due until cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            try:
                await self.try_due()
            except StoreError as error:
                log.warning("dead_letters_not_read", error=str(error))
            except Exception:
                log.exception("dead_letters_not_tried")

    async def try_due(self) -> None:
        """Try every letter that is due; a channel that hangs delays no other, and no compensation.

        Raises:
            StoreError: Knowledge cannot be read or written.
        """
        if not self._may_work():
            return
        due = sorted(filter(self._can_try, await self._attempts.due()), key=_way)
        await asyncio.gather(*(self._try_each(list(letters)) for _, letters in groupby(due, key=_way)))

    def _can_try(self, letter: DeadLetter) -> bool:
        return letter.kind is LetterKind.NOTIFICATION or self._compensator is not None

    async def _try_each(self, letters: Iterable[DeadLetter]) -> None:
        for letter in letters:
            if not self._may_work():
                return
            if letter.state is LetterState.TRYING and letter.is_used_up:
                await self._failed(letter, "its last attempt never ended")
            elif claimed := await self._attempts.claim(letter):
                await self._try(claimed)

    async def _try(self, letter: DeadLetter) -> None:
        try:
            await (self._undo(letter) if letter.kind is LetterKind.COMPENSATION else self._send(letter))
        except StoreError:
            raise
        except MapeKError as error:
            await self._failed(letter, str(error))
        else:
            await self._attempts.settled(letter)
            self._count(letter, "delivered")
            log.info("dead_letter_settled", letter_id=letter.letter_id, kind=letter.kind, about=letter.about)

    async def _send(self, letter: DeadLetter) -> None:
        channel = self._channels.get(letter.channel)
        if channel is None:
            raise PermanentError(f"{letter.channel} is not configured any more")
        message = msgspec.convert(letter.document, Message)
        await channel.send(message, key=message.content_hash(channel.name), timeout_seconds=SEND_SECONDS)

    async def _undo(self, letter: DeadLetter) -> None:
        execution = await self._compensator.undo_again(letter.about) if self._compensator else None
        if execution and execution.state in LEFT_ALONE:
            raise TransientError(execution.detail or execution.state.sentence)

    async def _failed(self, letter: DeadLetter, error: str) -> None:
        """Give the target up before the letter: should this be cut in between, it is done again."""
        if letter.is_used_up and letter.kind is LetterKind.COMPENSATION and self._compensator:
            await self._compensator.give_up(letter.about)
        failed = await self._attempts.failed(letter, error)
        self._count(letter, "failed")
        if failed:
            told = {"kind": letter.kind, "about": letter.about, "attempts": letter.attempts, "state": failed.state}
            log.warning("dead_letter_failed", letter_id=letter.letter_id, error=error, **told)

    def _count(self, letter: DeadLetter, result: str) -> None:
        if letter.kind is LetterKind.NOTIFICATION:
            self._counted(letter.channel, result)


def _way(letter: DeadLetter) -> tuple[str, str]:
    return letter.kind.value, letter.channel
