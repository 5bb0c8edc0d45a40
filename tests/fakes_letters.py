"""Dead letters as people see them, kept in a dictionary."""

from dataclasses import replace
from datetime import timedelta

from mape_k.errors import StoreError
from mape_k.model import DeadLetter, LetterKind, LetterState
from sample_reports import NOON


def a_letter(letter_id: str = "dl-1", **fields: object) -> DeadLetter:
    facts = {
        "kind": LetterKind.NOTIFICATION,
        "about": "action act-1",
        "channel": "slack",
        "error": "503",
        "attempts": 1,
    }
    facts |= {"written_at": NOON, "due_at": NOON + timedelta(minutes=30), "document": {"subject": "Frozen"}}
    return DeadLetter(letter_id=letter_id, **(facts | fields))


class FakeDeadLetters:
    """Takes orders about the letters it is given; ``is_down`` makes it fail."""

    def __init__(self, *letters: DeadLetter) -> None:
        self.letters, self.is_down = {letter.letter_id: letter for letter in letters or (a_letter(),)}, False
        self.ordered_by: list[str] = []

    async def listed(self) -> tuple[DeadLetter, ...]:
        if self.is_down:
            raise StoreError("the disk is full")
        return tuple(letter for letter in self.letters.values() if letter.state is not LetterState.DROPPED)

    async def letter(self, letter_id: str) -> DeadLetter | None:
        return self.letters.get(letter_id)

    async def retry(self, letter_id: str, *, by: str) -> DeadLetter | None:
        return self._ordered(letter_id, by, state=LetterState.PENDING, due_at=NOON)

    async def drop(self, letter_id: str, *, by: str) -> DeadLetter | None:
        return self._ordered(letter_id, by, state=LetterState.DROPPED, due_at=None)

    def _ordered(self, letter_id: str, by: str, **changes: object) -> DeadLetter | None:
        letter = self.letters.get(letter_id)
        if letter is None or letter.state is LetterState.TRYING:
            return None
        self.ordered_by.append(by)
        self.letters[letter_id] = replace(letter, **changes)
        return self.letters[letter_id]
