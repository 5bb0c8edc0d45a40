"""The errors, sorted by what the caller has to do about them.

::

    MapeKError
    ├── TransientError   try again: nothing happened, or twice is safe
    ├── UncertainError   it may have happened: look first (a retry loop must not catch it)
    ├── PermanentError   trying again changes nothing: give up and say so
    │   ├── RejectedError    the other side works, and refuses this request as such
    │   └── ConflictError    the other side refuses because of what is in force there
    ├── FencedError      someone else is in charge: stop acting at once
    ├── StoreError       Knowledge cannot be written or read: send nothing
    └── ConfigError      a person must mend the configuration; start-up only

Adapters translate whatever their library raises into one of these at the edge.
"""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known word that ``word`` resembles most, or an empty text."""
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


class MapeKError(Exception):
    """Root of everything this program raises on purpose."""


class TransientError(MapeKError):
    """Nothing happened, or doing it twice is safe: the caller may try again.

    Args:
        message: what failed, with the peer's name and never a secret.
        retry_after_seconds: what the peer asked for, already clamped; None where it asked for nothing.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UncertainError(MapeKError):
    """The request left and no answer came: it may have happened. Look before anything else."""


class PermanentError(MapeKError):
    """The other side understood and refused, or its answer is unusable: trying again changes nothing."""


class RejectedError(PermanentError):
    """The other side works and refuses this request as such: a bad query, an invalid policy."""


class ConflictError(PermanentError):
    """The request contradicts what is in force on the other side."""


class FencedError(MapeKError):
    """The other side has seen a higher epoch: another daemon is in charge.

    Args:
        message: what was refused.
        current_epoch: the highest epoch the other side has seen; None where it did not say.
    """

    def __init__(self, message: str, *, current_epoch: int | None = None) -> None:
        super().__init__(message)
        self.current_epoch = current_epoch


class StoreError(MapeKError):
    """Knowledge cannot be reached, is damaged, or is held by another daemon."""


class ConfigError(MapeKError):
    """The configuration cannot be used.

    Args:
        problems: one line each, naming the place (variable, or file and line), what is wrong and the remedy.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
