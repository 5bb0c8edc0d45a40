"""How repetition makes a response sharper: attempts at one metric, violations of one node."""

from collections import OrderedDict, deque
from collections.abc import Iterable

from westworld.policy_document import Attempts

_MOST_NAMES = 10_000


class AttemptWatch:
    """Attempts at forbidden metrics, by metric and not by source, as the policy document counts them.

    Args:
        time_scale: divides the document's durations.
    """

    def __init__(self, time_scale: float = 1.0) -> None:
        self._scale = time_scale
        self._recent: dict[str, deque[float]] = {}
        self._event_at: dict[str, float] = {}

    def attempt(self, metric: str, now: float, rule: Attempts) -> tuple[str, str | None]:
        """Count one attempt.

        Returns:
            Its status (``reported`` or ``escalated``), and the response of the event that it raises, if it raises one.
        """
        recent = self._recent.setdefault(metric, deque(maxlen=rule.shutdown_from))
        recent.append(now)
        count = sum(at > now - rule.window_seconds / self._scale for at in recent)
        if count < rule.escalate_from:
            return "reported", None
        if now - self._event_at.get(metric, -float("inf")) < rule.event_interval_seconds / self._scale:
            return "escalated", None
        self._event_at[metric] = now
        return "escalated", "immediate_shutdown" if count >= rule.shutdown_from else "escalate_to_dao"


class Repetition:
    """The level of a violation: how often the same node violated within the window, 1 to 4.

    Args:
        past: node and time (Unix seconds) of earlier violations, oldest first.
    """

    def __init__(self, past: Iterable[tuple[str, float]] = ()) -> None:
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        for node, at in past:
            self._remember(node, at)

    def level(self, node: str, at: float, window_seconds: float) -> int:
        """Count one violation and return its level."""
        times = self._remember(node, at)
        return max(1, sum(time > at - window_seconds for time in times))

    def _remember(self, node: str, at: float) -> deque[float]:
        times = self._times.setdefault(node, deque(maxlen=4))
        times.append(at)
        self._times.move_to_end(node)
        if len(self._times) > _MOST_NAMES:
            self._times.popitem(last=False)
        return times
