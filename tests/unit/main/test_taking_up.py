"""After a start, and after a take-over: what an earlier daemon left open is asked about before anything is decided."""

from types import SimpleNamespace

from builders import a_catalogue
from fakes import FakeAlertSource, FakeEffector
from fakes_peers import StandingClock
from integration.systemd import Systemd
from knowledge_cases import NOON, SteppingClock, brought_to, opened
from mape_k.errors import StoreError
from mape_k.execute import Executor
from mape_k.main.daemon import Daemon
from mape_k.model import Reason, State
from mape_k.settings import load_settings
from mape_k.telemetry import Metrics


def a_daemon(knowledge, effector, folder, mode="enforce"):
    """Return a daemon that does nothing but take up what is open, with a Charter of the tests."""
    executor = Executor(
        effector_of=lambda _: effector,
        journal=knowledge.journal,
        alerts=FakeAlertSource(),
        clock=SteppingClock(),
        request_timeout_seconds=1,
    )
    clock = StandingClock()
    return Daemon(
        settings=load_settings({"STATE_DIRECTORY": str(folder), "MAPE_K_MODE": mode}),
        loop=SimpleNamespace(executor=executor, catalogue=a_catalogue(), wake=lambda _: None),
        knowledge=knowledge,
        metrics=Metrics(),
        systemd=Systemd(None, clock=clock),
        clock=clock,
    )


async def left_open(folder, state, **fields):
    async with opened(folder) as knowledge:
        await brought_to(knowledge.journal, state, **fields)


async def test_a_request_that_was_cut_by_the_end_of_a_daemon_is_asked_after_with_its_key(tmp_path):
    await left_open(tmp_path, State.APPLYING)
    effector = FakeEffector()
    async with opened(tmp_path) as knowledge:
        await a_daemon(knowledge, effector, tmp_path).take_up()
        found = await knowledge.journal.execution("x-1")
    assert [key for key, _ in effector.sent] == ["x-1"]
    assert (found.state, found.policy_id) == (State.VERIFYING, "pol-1")


async def test_a_policy_that_was_undone_while_no_daemon_ran_is_not_verified_any_more(tmp_path):
    await left_open(tmp_path, State.VERIFYING, policy_id="pol-9", applied_at=NOON)
    effector = FakeEffector()
    effector.in_force = {"pol-9": False}
    async with opened(tmp_path) as knowledge:
        await a_daemon(knowledge, effector, tmp_path).take_up()
        found = await knowledge.journal.execution("x-1")
    assert (found.state, found.reason) == (State.ROLLED_BACK, Reason.UNDONE_ELSEWHERE)


async def test_who_becomes_the_leader_takes_up_what_is_open(tmp_path):
    await left_open(tmp_path, State.APPLYING)
    async with opened(tmp_path) as knowledge:
        daemon = a_daemon(knowledge, FakeEffector(), tmp_path)
        daemon.lead_changed(leads=True)
        await daemon._taking_up
        assert (await knowledge.journal.execution("x-1")).state is State.VERIFYING


async def test_in_shadow_nothing_is_sent(tmp_path):
    await left_open(tmp_path, State.APPLYING)
    effector = FakeEffector()
    async with opened(tmp_path) as knowledge:
        await a_daemon(knowledge, effector, tmp_path, mode="shadow").take_up()
    assert effector.sent == []


async def test_a_store_that_cannot_be_read_keeps_no_daemon_from_running(tmp_path):
    async with opened(tmp_path) as knowledge:
        daemon = a_daemon(knowledge, FakeEffector(), tmp_path)

        async def failing():
            raise StoreError("disk full")

        knowledge.journal.ledger = failing
        await daemon.take_up()
        assert daemon.loop.executor.hold is None
