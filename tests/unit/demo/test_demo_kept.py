from knowledge_cases import SteppingClock, brought_to, opened
from mape_k.demo.kept import let_lapse
from mape_k.model import State


async def test_one_demo_after_another_goes_on_from_the_same_knowledge(tmp_path):
    for number in range(3):
        async with opened(tmp_path) as knowledge:
            await brought_to(knowledge.journal, State.IN_FORCE, f"x-{number}")
        await let_lapse(tmp_path / "knowledge.sqlite", SteppingClock())

    async with opened(tmp_path) as knowledge:
        ledger = await knowledge.journal.ledger()
    assert ledger.open_executions == ()
    assert {execution.state for execution in ledger.executions} == {State.SUCCEEDED}
