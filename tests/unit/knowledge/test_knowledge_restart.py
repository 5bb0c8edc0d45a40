"""What a new daemon makes of what the one before it left, however that one ended."""

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from knowledge_cases import NOON, SteppingClock, a_cycle, admitted, an_action, brought_to, opened
from mape_k.errors import FencedError, StoreError
from mape_k.knowledge import Knowledge, SqlJournal
from mape_k.knowledge.cycles import INTERRUPTED
from mape_k.knowledge.lease import Lease
from mape_k.knowledge.retention import Retention
from mape_k.model import Assessment, FollowUp, Judgement, Mode, Observation, Reason, State, Step, Verdict

CHILD = """if True:
    import asyncio, sys
    from pathlib import Path
    from knowledge_cases import admitted, opened
    from mape_k.model import State

    async def one(journal, name):
        await journal.move(await admitted(journal, name), State.APPLYING)
        print(name, flush=True)

    async def main():
        async with opened(Path(sys.argv[1])) as knowledge:
            print("open", flush=True)
            for n in range(100_000):
                names = [f"{knowledge.epoch}-{n}-{m}" for m in range(5)]
                await asyncio.gather(*(one(knowledge.journal, name) for name in names))

    asyncio.run(main())
"""

FULL = """if True:
    import asyncio, resource, sys
    from pathlib import Path
    from knowledge_cases import a_cycle, admitted, opened
    from mape_k.errors import StoreError

    async def main():
        async with opened(Path(sys.argv[1])) as knowledge:
            await admitted(knowledge.journal, "before")
            unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, unlimited[1]))
            acknowledged = 0
            try:
                while acknowledged < 1000:
                    await admitted(knowledge.journal, f"x-{acknowledged}")
                    acknowledged += 1
            except StoreError as error:
                print(error)
            report = await knowledge.journal.close_cycle(a_cycle(failure="x" * 50_000))
            print(report.result.value, "not kept" in report.failure)
            print((await knowledge.journal.execution("before")).state.value)
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            await admitted(knowledge.journal, "after")
            print(acknowledged, len((await knowledge.journal.open_cycle(a_cycle())).executions))

    asyncio.run(main())
"""


async def started(script: str, folder: Path) -> asyncio.subprocess.Process:
    environment = os.environ | {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(folder), stdout=asyncio.subprocess.PIPE, env=environment
    )


def as_the_daemon_before(knowledge: Knowledge) -> SqlJournal:
    """Return the journal of a daemon that does not know yet that another has taken over."""
    retention = Retention(keep=NOON - NOON, ring_bytes=1)
    lease = Lease(knowledge.store, clock=SteppingClock(), holder="before", seconds=None, mode=Mode.ENFORCE)
    lease.epoch = knowledge.epoch - 1
    return SqlJournal(
        knowledge.store,
        clock=SteppingClock(),
        lease=lease,
        mode=Mode.ENFORCE,
        retention=retention,
        anchor=knowledge.anchor,
        recent_notices=NOON - NOON,
    )


async def test_each_start_begins_a_new_epoch(tmp_path):
    epochs = []
    for _ in range(3):
        async with opened(tmp_path) as knowledge:
            epochs.append(knowledge.epoch)
    assert epochs == [1, 2, 3]


async def test_an_intent_that_was_never_sent_is_over(tmp_path):
    async with opened(tmp_path) as before:
        await admitted(before.journal)
    async with opened(tmp_path) as after:
        execution = await after.journal.execution("x-1")
        assert (execution.state, execution.reason) == (State.FAILED, Reason.EXPIRED)
        assert execution.detail == "the daemon stopped before anything was sent"


async def test_a_request_whose_answer_was_never_read_is_uncertain_from_when_it_left(tmp_path):
    async with opened(tmp_path) as before:
        sent = await brought_to(before.journal, State.APPLYING)
    async with opened(tmp_path) as after:
        execution = await after.journal.execution("x-1")
        assert (execution.state, execution.reason) == (State.UNCERTAIN, Reason.NO_ANSWER)
        assert execution.applied_at == sent.updated_at


@pytest.mark.parametrize("state", [State.VERIFYING, State.IN_FORCE])
async def test_what_is_in_force_stays_and_can_be_moved_by_the_new_daemon(tmp_path, state):
    async with opened(tmp_path) as before:
        left = await brought_to(before.journal, state, policy_id="p-1")
    async with opened(tmp_path) as after:
        execution = await after.journal.execution("x-1")
        assert (execution.state, execution.policy_id, execution.epoch) == (state, "p-1", 2)
        assert execution.reason == left.reason
        moved = await after.journal.move(execution, State.ROLLING_BACK)
        assert moved.epoch == 2


async def test_what_has_ended_keeps_the_epoch_in_which_it_did(tmp_path):
    async with opened(tmp_path) as before:
        ended = await before.journal.move(await admitted(before.journal), State.FAILED)
    async with opened(tmp_path) as after:
        assert await after.journal.execution("x-1") == ended


async def test_the_taking_over_is_in_the_history(tmp_path):
    async with opened(tmp_path) as before:
        await brought_to(before.journal, State.APPLYING)
    async with opened(tmp_path) as after:
        *_, last = (await after.archive.item("actions", "x-1"))["transitions"]
        assert (last["from_state"], last["to_state"], last["epoch"]) == ("applying", "uncertain", 2)
        assert last["detail"] == "the daemon stopped before the answer came"


async def test_a_cycle_that_never_ended_is_told_as_failed(tmp_path):
    async with opened(tmp_path) as before:
        await before.journal.open_cycle(a_cycle("cut"))
        assert (await before.archive.page("cycles", limit=5)).items == ()
    async with opened(tmp_path) as after:
        (cycle,) = (await after.archive.page("cycles", limit=5)).items
        assert (cycle["cycle_id"], cycle["result"], cycle["failure"]) == ("cut", "failed", INTERRUPTED)


async def test_what_earlier_daemons_left_is_known_before_the_first_cycle(tmp_path):
    async with opened(tmp_path) as before:
        await brought_to(before.journal, State.IN_FORCE)
    async with opened(tmp_path) as after:
        ledger = await after.journal.ledger()
        assert [(e.execution_id, e.state, e.epoch) for e in ledger.executions] == [("x-1", State.IN_FORCE, 2)]
        assert (await after.archive.page("cycles", limit=5)).items == ()


async def test_whether_a_peer_echoes_keys_outlives_the_daemon_until_an_answer_says_otherwise(tmp_path):
    async with opened(tmp_path) as before:
        assert not await before.keys_echoed("http://charter")
        await before.note_keys_echoed("http://charter", echoed=True)
    async with opened(tmp_path) as after:
        assert await after.keys_echoed("http://charter")
        assert not await after.keys_echoed("http://another")
        await after.note_keys_echoed("http://charter", echoed=False)
        assert not await after.keys_echoed("http://charter")


async def test_what_each_of_several_peers_does_is_remembered(tmp_path):
    async with opened(tmp_path) as before:
        for peer in ("http://charter", "http://oneiric", "http://charter"):
            await before.note_keys_echoed(peer, echoed=True)
    async with opened(tmp_path) as after:
        await after.note_keys_echoed("http://oneiric", echoed=False)
        assert await after.keys_echoed("http://charter")
        assert not await after.keys_echoed("http://oneiric")
        for number in range(200):
            await after.note_keys_echoed(f"http://{number}", echoed=True)
        assert [await after.keys_echoed(peer) for peer in ("http://199", "http://0")] == [True, False]


async def test_a_fact_about_a_peer_that_cannot_be_kept_troubles_nobody(tmp_path):
    async with opened(tmp_path) as knowledge:
        pass
    await knowledge.note_keys_echoed("http://charter", echoed=True)
    async with opened(tmp_path) as after:
        assert not await after.keys_echoed("http://charter")


async def test_what_was_learned_outlives_the_daemon(tmp_path):
    async with opened(tmp_path) as before:
        await brought_to(before.journal, State.VERIFYING)
        confirm = FollowUp(execution_id="x-1", step=Step.CONFIRM, reason=Reason.VERIFIED, verdict=Verdict.IMPROVED)
        await before.journal.follow_up(confirm, now=NOON)
    async with opened(tmp_path) as after:
        ledger = await after.journal.open_cycle(a_cycle())
        assert [rate.successes for rate in ledger.success_rates.values()] == [1]
        again = await after.journal.admit(an_action(), check=lambda _: None, explanation={}, now=NOON)
        assert again is Reason.ALREADY_TRIED


async def test_a_daemon_that_was_replaced_can_neither_admit_nor_move(tmp_path):
    async with opened(tmp_path) as before:
        stale = await brought_to(before.journal, State.VERIFYING)
    async with opened(tmp_path) as after:
        replaced = as_the_daemon_before(after)
        refused = await replaced.admit(an_action("x-2"), check=lambda _: None, explanation={}, now=NOON)
        assert refused is Reason.FENCED
        with pytest.raises(FencedError):
            await replaced.move(stale, State.ROLLING_BACK)
        roll_back = FollowUp(execution_id="x-1", step=Step.ROLL_BACK, reason=Reason.MADE_WORSE, verdict=Verdict.WORSE)
        with pytest.raises(FencedError) as fenced:
            await replaced.follow_up(roll_back, now=NOON)
        assert fenced.value.current_epoch == 2
        late = Judgement(execution_id="x-1", observation=Observation(good=9), reason=Reason.UNDER_VERIFICATION)
        await replaced.close_cycle(a_cycle(assessment=Assessment(as_of=NOON, judgements=(late,))))
        untouched = await after.journal.execution("x-1")
        assert (untouched.state, untouched.observation) == (State.VERIFYING, Observation())


async def test_a_start_that_fails_does_not_keep_the_file(tmp_path):
    async with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "knowledge.sqlite") as plain:
        plain.execute("ALTER TABLE meta RENAME TO moved_away")
    plain.close()
    for _ in range(2):
        with pytest.raises(StoreError, match="no such table: meta"):
            async with opened(tmp_path):
                pass


async def test_nothing_acknowledged_is_lost_when_the_daemon_is_killed(tmp_path):
    acknowledged: set[str] = set()
    for kill in range(4):
        daemon = await started(CHILD, tmp_path)
        assert await daemon.stdout.readline() == b"open\n"
        for _ in range(3 + 17 * kill):
            acknowledged.add((await daemon.stdout.readline()).decode().strip())
        daemon.send_signal(signal.SIGKILL)
        acknowledged |= {line.decode() for line in (await daemon.stdout.read()).split(b"\n")[:-1]}
        await daemon.wait()
    async with opened(tmp_path) as knowledge:
        executions = {e.execution_id: e for e in (await knowledge.journal.open_cycle(a_cycle())).executions}
        assert acknowledged <= executions.keys()
        assert len(acknowledged) > 100
        assert {executions[name].state for name in acknowledged} == {State.UNCERTAIN}
        assert {e.state for e in executions.values()} <= {State.UNCERTAIN, State.FAILED}


async def test_a_file_that_may_not_grow_refuses_writes_and_recovers_by_itself(tmp_path):
    daemon = await started(FULL, tmp_path)
    output, _ = await daemon.communicate()
    refusal, blind, before, counts = output.decode().splitlines()
    assert "knowledge.sqlite: the disk" in refusal
    assert (blind, before) == ("blind True", "admitted")
    acknowledged, kept = map(int, counts.split())
    assert kept == acknowledged + 2
    assert daemon.returncode == 0
