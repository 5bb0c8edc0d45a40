"""Every pack on a real Prometheus and a real Alertmanager: silent in health, heard when ill, silent again."""

from pathlib import Path

import pytest

from proving.campaign import Campaign, Progress, tasks_of
from proving.layout import PACKS
from proving.plants import NONE

pytestmark = pytest.mark.real

PLAYED = sorted(path.parent for path in PACKS.glob("*/scenarios.yaml"))


async def test_in_health_nothing_fires_and_two_faults_of_each_pack_are_heard_and_over(tmp_path: Path) -> None:
    tasks = tasks_of(PLAYED, quickly=2)
    campaign = Campaign(
        scratch=tmp_path,
        time_scale=100.0,
        stacks=len(tasks),
        plant=NONE,
        progress=Progress(0),
        fills_panels=False,
        healthy_seconds=8.0,
    )

    result = await campaign.run(tasks)

    assert [(each.fault, each.complaints) for each in result.outcomes if each.complaints] == []
    assert (result.undeclared, result.complaints) == ([], [])
    assert len(result.outcomes) == 2 * len(PLAYED)
    assert all(None not in {each.fired, each.routed, each.resolved} for each in result.outcomes)
