"""Actions past the deadline of their state, as a metric."""

import pytest

from builders import a_ledger, an_execution, at
from mape_k.model import DEADLINES, State
from mape_k.telemetry import Metrics


def overdue(metrics: Metrics) -> dict[str, float]:
    """Return the states that have any, with how many."""
    told = {s.value: metrics.registry.get_sample_value("mape_k_overdue_executions", {"state": s}) for s in DEADLINES}
    return {state: number for state, number in told.items() if number != 0}


@pytest.mark.parametrize(("seconds", "expected"), [(60, {}), (61, {"uncertain": 1})])
def test_an_execution_is_overdue_once_its_deadline_has_passed(seconds, expected):
    metrics = Metrics()
    metrics.ledger_opened(a_ledger(an_execution(State.UNCERTAIN, due_at=at(60)), as_of=at(seconds)))
    assert overdue(metrics) == expected


def test_overdue_executions_are_counted_by_state_and_gone_when_they_moved_on():
    metrics, late = Metrics(), {"due_at": at(-1)}
    frozen = (an_execution(State.FROZEN, execution_id=name, **late) for name in "ab")
    metrics.ledger_opened(a_ledger(*frozen, an_execution(State.VERIFYING, **late)))
    assert overdue(metrics) == {"frozen": 2, "verifying": 1}
    metrics.ledger_opened(a_ledger(an_execution(State.ROLLED_BACK, **late)))
    assert overdue(metrics) == {}
