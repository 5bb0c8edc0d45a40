"""The hot path: may this metric be collected? A look-up and two readings of the clock."""

from collections.abc import Callable
from enum import StrEnum
from time import perf_counter_ns

from westworld.policy_document import PolicyDocument


class Ruling(StrEnum):
    """What the document says of a metric's name. An unknown name is allowed with a warning."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    UNKNOWN = "unknown"


class MetricValidator:
    """Checks names against the document in force, and records how long each check took.

    Args:
        document: in force.
        observe_ns: takes the latency of one check in nanoseconds.
    """

    def __init__(self, document: PolicyDocument, observe_ns: Callable[[float], None]) -> None:
        self._observe_ns = observe_ns
        self._document: PolicyDocument | None = None
        self.put_in_force(document)

    def put_in_force(self, document: PolicyDocument) -> None:
        """Check against this document from now on."""
        if document is self._document:
            return
        self._document = document
        rulings = dict.fromkeys(document.allowed, Ruling.ALLOWED) | dict.fromkeys(document.forbidden, Ruling.FORBIDDEN)
        self._ruling = rulings.get

    def check(self, metric_name: str) -> Ruling:
        """Return the ruling on one name."""
        started = perf_counter_ns()
        ruling = self._ruling(metric_name, Ruling.UNKNOWN)
        self._observe_ns(perf_counter_ns() - started)
        return ruling
