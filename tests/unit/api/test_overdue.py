"""What the status tells of actions that are past the deadline of their state."""

from datetime import timedelta

from builders import NOON, a_ledger, an_execution
from fakes_daemon import AS_OPERATOR
from mape_k.model import State
from sample_reports import a_report

LONG_AGO, FAR_AWAY = NOON - timedelta(days=9999), NOON + timedelta(days=9999)


async def test_what_is_overdue_is_told_with_whoever_should_move_it_on(api, daemon):
    late = an_execution(State.UNCERTAIN, execution_id="late", due_at=LONG_AGO)
    in_time = an_execution(State.UNCERTAIN, execution_id="in time", due_at=FAR_AWAY)
    ended = an_execution(State.FAILED, execution_id="ended", due_at=LONG_AGO)
    unlimited = an_execution(State.IN_FORCE, execution_id="unlimited")
    daemon.report = a_report(ledger=a_ledger(late, in_time, ended, unlimited))
    (told,) = (await (await api.get("/api/v1/status", headers=AS_OPERATOR)).json())["overdue"]
    assert told.pop("due_at").startswith("1998")
    assert told == {"execution_id": "late", "target": "node-7", "state": "uncertain", "owner": "executor"}


async def test_before_there_is_a_cycle_nothing_is_overdue(api, daemon):
    daemon.report = None
    assert (await (await api.get("/api/v1/status", headers=AS_OPERATOR)).json())["overdue"] == []
