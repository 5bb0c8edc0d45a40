"""What the audit after a crash run sees: Knowledge, the Charter's journal and what was acknowledged, held together."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from crash.audit import Audit, audit
from crash.store import Store
from knowledge_cases import NOON, brought_to, opened
from mape_k.model import State

NAME = "act-" + "0" * 24


def effect(**fields: object) -> dict[str, object]:
    at = (NOON + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    known = {"at": at, "effect": "applied", "kind": "block_source", "source": "mape-k", "epoch": 1, "policy_id": "p"}
    return known | {"idempotency_key": NAME} | fields


def durable(state: State, **fields: object) -> dict[str, object]:
    return {"what": "durable", "execution_id": NAME, "state": state, "epoch": 1} | fields


async def audited(folder: Path, *, left_in: State, effects: list, acknowledged: list = ()) -> Audit:
    async with opened(folder) as knowledge:
        await brought_to(knowledge.journal, left_in, NAME)
    for name, lines in (("effects", effects), ("trace", acknowledged)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return audit(Store(f"sqlite:///{folder}/knowledge.sqlite"), folder / "effects", folder / "trace")


def wrong(found: Audit) -> dict[str, int]:
    names = ("lost", "doubled", "orphaned", "unrecovered")
    return {name: len(getattr(found, name)) for name in names if getattr(found, name)}


async def test_one_effect_for_one_intent_is_as_it_should_be(tmp_path):
    found = await audited(tmp_path, left_in=State.IN_FORCE, effects=[effect()], acknowledged=[durable(State.APPLYING)])

    assert wrong(found) == {}
    assert (found.executions, found.effects, found.acknowledged) == (1, 1, 1)


@pytest.mark.parametrize(
    ("left_in", "effects", "acknowledged", "figures"),
    [
        pytest.param(State.IN_FORCE, [effect()] * 2, [], {"doubled": 1}, id="one key, two effects"),
        pytest.param(State.IN_FORCE, [], [], {"lost": 1}, id="held to be in force, and never sent"),
        pytest.param(
            State.IN_FORCE, [effect()], [durable(State.SUCCEEDED)], {"lost": 1}, id="acknowledged, and not known"
        ),
        pytest.param(
            State.IN_FORCE, [effect()], [durable(State.APPLYING, epoch=2)], {"lost": 1}, id="known in another epoch"
        ),
        pytest.param(
            State.IN_FORCE, [effect(), effect(idempotency_key=None)], [], {"orphaned": 1}, id="an effect without a key"
        ),
        pytest.param(
            State.IN_FORCE,
            [effect(), effect(idempotency_key=f"{NAME}:rollback")],
            [],
            {"orphaned": 1},
            id="a roll-back nobody decided",
        ),
        pytest.param(
            State.IN_FORCE, [effect(epoch=None)], [], {"orphaned": 1}, id="an effect without the epoch of its intent"
        ),
        pytest.param(
            State.IN_FORCE,
            [effect(at="2026-02-28T00:00:00.000000Z")],
            [],
            {"orphaned": 1},
            id="an effect older than its intent",
        ),
        pytest.param(
            State.IN_FORCE,
            [effect(), effect(idempotency_key=f"{NAME}#2")],
            [],
            {"doubled": 1, "orphaned": 1},
            id="a second effect under another key",
        ),
        pytest.param(State.APPLYING, [effect()], [], {"unrecovered": 1}, id="half done at the end"),
        pytest.param(State.IN_FORCE, [effect(), effect(effect="lapsed", idempotency_key=None)], [], {}, id="a lapse"),
        pytest.param(
            State.IN_FORCE, [effect(), effect(source="a person", idempotency_key=None)], [], {}, id="somebody else's"
        ),
    ],
)
async def test_each_thing_that_is_wrong_has_its_figure(tmp_path, left_in, effects, acknowledged, figures):
    found = await audited(tmp_path, left_in=left_in, effects=effects, acknowledged=acknowledged)

    assert wrong(found) == figures
