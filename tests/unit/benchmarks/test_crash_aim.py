"""Where a crash run kills next: first where nothing died yet, until every point was met twice."""

import time
from random import Random  # noqa: TID251 - seeded

from crash.world import Aim


def aim_at(*points: str, kills: int = 0, seconds: float = 60.0) -> Aim:
    return Aim(kills=kills, until=time.monotonic() + seconds, everywhere=True, rng=Random(1), where=points)  # noqa: S311


def targets(aim: Aim) -> set[str]:
    return {point for _ in range(200) for point in aim.next()}


def test_a_point_that_was_never_met_is_among_the_next_ones_whatever_else_is_missing():
    aim = aim_at("admit", "renewal")
    aim.landed["admit"] = 1

    assert all("renewal" in armed for _ in range(200) if (armed := aim.next()))


def test_a_point_that_was_met_twice_is_left_alone_while_others_are_missing():
    aim = aim_at("admit", "renewal")
    aim.landed["admit"] = 2

    assert targets(aim) == {"renewal"}
    assert aim.missing == ["renewal"]


def test_some_lives_end_at_any_time_whatever_is_missing():
    aim = aim_at("admit")

    assert {} in [aim.next() for _ in range(200)]


def test_a_run_is_over_when_every_point_was_met_twice_and_there_were_kills_enough():
    aim = aim_at("admit", "renewal", kills=5)
    aim.landed.update(admit=2, renewal=2)
    assert not aim.is_over

    aim.landed["renewal"] += 1
    assert aim.is_over


def test_a_run_is_over_when_its_time_is_up_whatever_is_missing():
    assert aim_at("admit", seconds=-1.0).is_over
