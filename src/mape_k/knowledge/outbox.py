"""Notifications and dead letters as the services use them; each method is one transaction."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from mape_k.knowledge import dead_letters, deliveries
from mape_k.knowledge.ledger import read_execution, read_meta, write_meta
from mape_k.knowledge.moves import move
from mape_k.knowledge.store import Store
from mape_k.model import DeadLetter, LetterKind, Message, Reason, Standing, State
from mape_k.ports import Clock
from mape_k.recording import to_document

STANDING = "standing"


class SqlOutbox:
    """What people are told, in a database; satisfies :class:`mape_k.ports.Outbox`, where its methods are described."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def standing(self) -> tuple[Standing, ...]:
        """Return what lasts, as it was kept."""
        kept = await self._store.read(lambda connection: read_meta(connection, STANDING))
        return msgspec.convert(kept or [], tuple[Standing, ...])

    async def keep_standing(self, standing: tuple[Standing, ...]) -> None:
        """Keep what lasts."""
        document = to_document(standing) or None
        await self._store.write(lambda connection: write_meta(connection, STANDING, document))

    async def is_settled(self, channel: str, message: Message) -> bool:
        """Return whether nothing is to be sent: it was delivered lately, or a dead letter holds it."""
        at = self._clock.now()

        def run(connection: Connection) -> bool:
            name = dead_letters.letter_name(LetterKind.NOTIFICATION, message.about, channel, message)
            if dead_letters.read_letter(connection, name):
                return True
            return deliveries.was_delivered(connection, channel, message, at)

        return await self._store.read(run)

    async def delivered(self, channel: str, message: Message) -> None:
        """Keep that a message was delivered."""
        at = self._clock.now()
        await self._store.write(lambda connection: deliveries.record(connection, channel, message, at))

    async def failed(self, channel: str, message: Message, error: str) -> None:
        """Keep a message that could not be delivered as a dead letter."""
        at = self._clock.now()
        await self._store.write(
            lambda connection: dead_letters.write(
                connection,
                kind=LetterKind.NOTIFICATION,
                about=message.about,
                channel=channel,
                document=message,
                error=error,
                at=at,
            )
        )


class SqlDeadLetters:
    """Dead letters in a database; satisfies :class:`mape_k.ports.DeadLetters` and :class:`mape_k.ports.Attempts`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def listed(self) -> tuple[DeadLetter, ...]:
        """Return all letters that wait or are parked, oldest first."""
        return tuple(await self._store.read(dead_letters.read_letters))

    async def letter(self, letter_id: str) -> DeadLetter | None:
        """Return one letter as it stands."""
        return await self._store.read(lambda connection: dead_letters.read_letter(connection, letter_id))

    async def retry(self, letter_id: str, *, by: str) -> DeadLetter | None:
        """Make a letter due now; None when there is no such letter."""
        at = self._clock.now()

        def run(connection: Connection) -> DeadLetter | None:
            letter = dead_letters.read_letter(connection, letter_id)
            return dead_letters.retry_now(connection, letter, by=by, at=at) if letter else None

        return await self._store.write(run)

    async def drop(self, letter_id: str, *, by: str) -> DeadLetter | None:
        """Give a letter up; the target of a compensation stays frozen until a person resumes it."""
        at = self._clock.now()

        def run(connection: Connection) -> DeadLetter | None:
            letter = dead_letters.read_letter(connection, letter_id)
            dropped = dead_letters.drop(connection, letter, by=by, at=at) if letter else None
            if dropped and dropped.kind is LetterKind.COMPENSATION:
                self._give_up(connection, dropped.about, by)
            return dropped

        return await self._store.write(run)

    def _give_up(self, connection: Connection, execution_id: str, by: str) -> None:
        execution = read_execution(connection, execution_id)
        if execution and execution.state is State.FROZEN:
            fields: Mapping[str, Any] = {"reason": Reason.ROLL_BACK_FAILED, "detail": f"given up by {by}"}
            move(connection, execution, State.DEAD, at=self._clock.now(), **fields)

    async def due(self) -> tuple[DeadLetter, ...]:
        """Return the letters whose next attempt is due, oldest first."""
        at = self._clock.now()
        return tuple(await self._store.read(lambda connection: dead_letters.read_due(connection, at)))

    async def claim(self, letter: DeadLetter) -> DeadLetter | None:
        """Begin an attempt; None when somebody else did."""
        at = self._clock.now()
        return await self._store.write(lambda connection: dead_letters.claim(connection, letter, at))

    async def settled(self, letter: DeadLetter) -> None:
        """End an attempt that succeeded."""
        at = self._clock.now()

        def run(connection: Connection) -> None:
            dead_letters.settle(connection, letter, at)
            if letter.kind is LetterKind.NOTIFICATION:
                deliveries.record(connection, letter.channel, msgspec.convert(letter.document, Message), at)

        await self._store.write(run)

    async def failed(self, letter: DeadLetter, error: str) -> DeadLetter | None:
        """End an attempt that failed; after the last one the letter is parked."""
        at = self._clock.now()
        return await self._store.write(lambda connection: dead_letters.fail(connection, letter, error, at))
