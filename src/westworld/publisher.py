"""Who publishes the policy document, and the loader that puts a version in force when it validates."""

from collections.abc import Callable, Mapping
from typing import Any

from westworld import policy_document
from westworld.policy_document import PolicyDocument
from westworld.problems import InvalidFile


class Publisher:
    """The newest published version, the version in force, and the last one that was good.

    Args:
        read: returns the text of the newest published document.
        now: Unix seconds.
        state: of an earlier run, which goes on with the last good version whatever is published now.

    Raises:
        InvalidFile: the first document does not validate: without one the Charter cannot start.
    """

    def __init__(self, read: Callable[[], str], now: float, state: Mapping[str, Any] | None = None) -> None:
        self._read = read
        self._good_text: str = state["good_text"] if state else read()
        self.document: PolicyDocument = policy_document.parse(self._good_text)
        self.defect: str | None = state["defect"] if state else None
        self.loaded_at: float = state["loaded_at"] if state else now
        self.tried_at: float = state["tried_at"] if state else now
        self.problem = ""

    def load(self, now: float) -> bool:
        """Load the newest version; return whether it validates. One that does not changes nothing."""
        self.tried_at = now
        try:
            text = self._read()
            document = policy_document.parse(text, without=self.defect)
        except (InvalidFile, OSError) as problem:
            self.problem = str(problem)
            return False
        self._put_in_force(document, text, now)
        return True

    def roll_back(self, now: float) -> None:
        """Publish the last good version again and load it."""
        self.defect = None
        self.tried_at = now
        self._put_in_force(policy_document.parse(self._good_text), self._good_text, now)

    def state(self) -> dict[str, Any]:
        """Return what a restart needs."""
        return {
            "defect": self.defect,
            "loaded_at": self.loaded_at,
            "tried_at": self.tried_at,
            "good_text": self._good_text,
        }

    def _put_in_force(self, document: PolicyDocument, text: str, now: float) -> None:
        self.document, self._good_text, self.loaded_at, self.problem = document, text, now, ""
