import pytest

from knowledge_cases import SteppingClock, admitted, brought_to, opened
from mape_k.demo.kept import let_lapse
from mape_k.model import TRANSITIONS, State

ENDINGS = {
    State.AWAITING_APPROVAL: State.FAILED,
    State.ADMITTED: State.FAILED,
    State.APPLYING: State.FAILED,
    State.UNCERTAIN: State.FAILED,
    State.VERIFYING: State.SUCCEEDED,
    State.PROBATION: State.SUCCEEDED,
    State.IN_FORCE: State.SUCCEEDED,
    State.RENEWING: State.SUCCEEDED,
    State.UNDO_WANTED: State.INCONCLUSIVE,
    State.ROLLING_BACK: State.ROLLED_BACK,
    State.FROZEN: State.ROLLED_BACK,
    State.DEAD: State.ROLLED_BACK,
}
BEFORE = {
    State.APPLYING: State.ADMITTED,
    State.UNCERTAIN: State.APPLYING,
    State.VERIFYING: State.APPLYING,
    State.PROBATION: State.VERIFYING,
    State.IN_FORCE: State.VERIFYING,
    State.RENEWING: State.IN_FORCE,
    State.UNDO_WANTED: State.VERIFYING,
    State.ROLLING_BACK: State.IN_FORCE,
    State.FROZEN: State.ROLLING_BACK,
    State.DEAD: State.FROZEN,
}


def ways_to(state: State) -> list[State]:
    """Return the states on the way from the beginning to ``state``."""
    return [*ways_to(BEFORE[state]), state] if state in BEFORE else []


def test_every_state_that_is_no_end_has_an_ending_here():
    assert set(ENDINGS) == {state for state, following in TRANSITIONS.items() if following}


@pytest.mark.parametrize("state", list(ENDINGS))
async def test_whatever_a_demo_left_open_ended_with_its_charter(tmp_path, state):
    async with opened(tmp_path) as knowledge:
        asked = state is State.AWAITING_APPROVAL
        execution = await admitted(knowledge.journal, to=state if asked else State.ADMITTED)
        for step in ways_to(state):
            execution = await knowledge.journal.move(execution, step)
    await let_lapse(tmp_path / "knowledge.sqlite", SteppingClock())

    async with opened(tmp_path) as knowledge:
        (left,) = (await knowledge.journal.ledger()).executions
    assert (left.state, left.expires_at) == (ENDINGS[state], None)


async def test_one_demo_after_another_goes_on_from_the_same_knowledge(tmp_path):
    for number in range(3):
        async with opened(tmp_path) as knowledge:
            await brought_to(knowledge.journal, State.IN_FORCE, f"x-{number}")
        await let_lapse(tmp_path / "knowledge.sqlite", SteppingClock())

    async with opened(tmp_path) as knowledge:
        assert (await knowledge.journal.ledger()).open_executions == ()
