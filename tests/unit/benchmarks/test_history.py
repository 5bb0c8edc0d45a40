"""The town and its stories: what the scenarios of the incidents rest on."""

import asyncio
import re
from functools import partial
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

import pytest

from frame.virtual_time import VirtualClock, VirtualTimeLoop
from history.ordinary import KINDS, Day, name_of
from history.peers import Charter, Prometheus
from history.plants import PLANTS
from history.scenario import Stage, play
from history.tell import STORIES
from history.town import Fault, Town, moment
from incidents import CHAPTERS
from mape_k.errors import FencedError
from mape_k.model import PolicyRequest

DOCS = Path(__file__).parents[3] / "docs"
RESTART = PolicyRequest(name="restart-node-1", kind="restart", scope={"node": "node-1"})
ERRORS = 'avg_over_time(town_errors{job="town"}[1m])'


def in_town(run) -> object:
    """Run something in a town of two services, in virtual time."""
    loop = VirtualTimeLoop()
    town = Town(VirtualClock(loop), ("node-1", "node-2"))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(run(town))


def test_hours_pass_in_no_time_and_a_thread_takes_none() -> None:
    async def run(town: Town) -> list[float]:
        await town.clock.until(36_000)
        await asyncio.to_thread(sum, range(1000))
        return [town.now]

    assert in_town(run) == [36_000]


def test_a_fault_shows_in_the_numbers_and_fires_its_alert_once_it_lasts() -> None:
    async def run(town: Town) -> list[tuple[float, list[str]]]:
        town.faults.append(Fault(node="node-1", begins=60))
        seen = []
        for second in (60, 90, 120, 180):
            await town.clock.until(second)
            answer = await Prometheus(town).query(ERRORS, at=moment(second))
            alerts = [f"{alert.name} {alert.labels['node']}" for alert in town.firing()]
            seen.append((bool(answer.values[0] > 10), alerts))
        return seen

    firing = ["NodeFailing node-1"]
    assert in_town(run) == [(False, []), (True, []), (True, firing), (True, firing)]


def test_a_policy_cures_what_it_can_and_what_is_taken_out_cures_no_longer() -> None:
    async def run(town: Town) -> list[bool]:
        town.faults.append(Fault(node="node-1"))
        charter, ill = Charter(town), [town.is_ill("node-1")]
        applied = await charter.apply(RESTART, key="a", epoch=1)
        ill.append(town.is_ill("node-1"))
        await town.clock.until(10)
        await charter.roll_back(applied.policy_id, None, key="b", epoch=1)
        return [*ill, town.is_ill("node-1")]

    assert in_town(run) == [True, False, True]


def test_the_charter_does_each_key_once_and_nothing_for_an_older_epoch() -> None:
    async def run(town: Town) -> int:
        charter = Charter(town)
        for _ in range(3):
            await charter.apply(RESTART, key="a", epoch=2)
        with pytest.raises(FencedError):
            await charter.apply(RESTART, key="b", epoch=1)
        return len(town.effects)

    assert in_town(run) == 1


def test_a_scenario_that_falls_over_did_not_hold(tmp_path: Path) -> None:
    async def falls(stage: Stage) -> None:
        stage.build()
        raise ValueError("a mistake")

    assert play("falls", falls, tmp_path).wrong == ("fell over: ValueError('a mistake')",)


@pytest.mark.parametrize("seed", range(len(KINDS)))
def test_a_seed_always_draws_the_same_day(seed: int, tmp_path: Path) -> None:
    async def drawn(town: Town, seed: int) -> list[Fault]:
        stage = Stage(folder=tmp_path, clock=town.clock)
        stage.build(nodes=12)
        KINDS[seed](Day(chance=Random(seed), stage=stage))  # noqa: S311 - draws a day
        return stage.town.faults

    assert in_town(partial(drawn, seed=seed)) == in_town(partial(drawn, seed=seed)) != []


def test_no_two_seeds_of_a_hundred_have_one_name() -> None:
    assert len({name_of(seed) for seed in range(100)}) == 100


def test_every_bug_names_a_scenario_that_there_is() -> None:
    scenarios = STORIES.keys() | {name_of(seed) for seed in range(100)}

    assert {plant.told_by for plant in PLANTS.values()} <= scenarios


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.__name__)
def test_the_page_about_incidents_names_every_story_and_no_other(chapter) -> None:
    told = {story.name for story in STORIES.values() if story.play.__module__ == chapter.__name__}
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", (DOCS / "incidents.md").read_text()))

    assert told <= named <= STORIES.keys()
