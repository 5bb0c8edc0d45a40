"""The played system over time: the clock is the test's."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from play.exposition import exposition, values
from play.reading import read_part
from play.tracks import Moment
from play.world import UnknownFaultError, World

SHOP = Path(__file__).parent / "shop"
DONE = 'shop_orders_total{outcome="done",shop="north"}'
FAILED = 'shop_orders_total{outcome="failed",shop="north"}'
BORN = 'shop_orders_total{outcome="failed",shop="south"}'


@dataclass
class Hand:
    """A clock that a test moves."""

    seconds: float = 0.0
    scale: float = 1.0

    def __call__(self) -> Moment:
        return Moment(elapsed=self.seconds, wall=1_000_000 + self.seconds, time_scale=self.scale)


def shop(scale: float = 1.0, **options: float) -> tuple[World, Hand]:
    hand = Hand(scale=scale)
    return World(read_part(SHOP), hand, **options), hand


def numbers(world: World, job: str | None = None) -> dict[str, float]:
    return dict(values(exposition(world, job=job)))


def bucket(bound: str) -> str:
    return f'shop_order_duration_seconds_bucket{{le="{bound}"}}'


def test_a_healthy_system_shows_every_series_with_its_type_and_help():
    world, _ = shop()

    text = exposition(world)

    assert "# HELP shop_orders_total Orders, by outcome.\n# TYPE shop_orders_total counter\n" in text
    assert r'# HELP shop_order_duration_seconds How long an order took, \\ and "more".' in text
    assert "# TYPE shop_build_info gauge\n" + 'shop_build_info{version="1.2"} 1.0\n' in text


def test_counters_are_the_integral_of_their_rate_whenever_they_are_looked_at():
    world, hand = shop()
    for seconds in range(1, 1001):
        hand.seconds = seconds / 10
        assert numbers(world)[DONE] == 5 * (seconds / 10)


def test_a_fault_and_its_end_change_rates_and_no_counter_jumps():
    world, hand = shop()
    hand.seconds = 10
    before = numbers(world)
    world.begin("refusing")
    at_once = numbers(world)
    hand.seconds = 20
    world.end("refusing")
    after = numbers(world)
    hand.seconds = 30

    assert (before[DONE], before[FAILED]) == (at_once[DONE], at_once[FAILED]) == (50, 0)
    assert (after[DONE], after[FAILED]) == (60, 20)
    assert (numbers(world)[DONE], numbers(world)[FAILED]) == (110, 20)


def test_the_shares_of_a_histogram_fill_its_buckets_and_its_sum():
    world, hand = shop()
    hand.seconds = 10
    world.begin("slow")
    hand.seconds = 20
    shown = numbers(world)

    assert [shown[bucket(bound)] for bound in ("0.1", "0.5", "1.0", "+Inf")] == pytest.approx([90, 100, 200, 200])
    assert shown["shop_order_duration_seconds_count{}"] == pytest.approx(200)
    assert shown["shop_order_duration_seconds_sum{}"] == pytest.approx(90 * 0.05 + 10 * 0.3 + 100 * 0.7)


def test_several_faults_last_at_once_and_the_later_one_decides_about_a_series_of_both():
    world, hand = shop()
    world.begin("refusing")
    world.begin("crowded")
    hand.seconds = 10

    assert world.faults == {"refusing": False, "crowded": False}
    assert numbers(world)["shop_queue{}"] == 105
    assert numbers(world)[FAILED] == 20
    assert world.end("crowded")
    assert numbers(world)["shop_queue{}"] == 3
    assert not world.end("crowded")


def test_ages_and_uptimes_are_divided_by_the_time_scale_and_nothing_else_is():
    world, hand = shop(scale=60)
    hand.seconds = 10
    shown = numbers(world)

    assert shown["shop_last_sale_timestamp_seconds{}"] == 1_000_010 - 10
    assert shown["shop_uptime_seconds{}"] == 1440 + 10
    assert shown[DONE] == 50


def test_a_born_series_is_not_there_before_its_first_event_and_stays_after_the_fault():
    world, hand = shop()
    before = numbers(world)
    world.begin("new_shop")
    at_birth = numbers(world)[BORN]
    hand.seconds = 10
    world.end("new_shop")

    assert (BORN in before, FAILED in before) == (False, True)
    assert (at_birth, numbers(world)[BORN]) == (1, 1)


def test_a_system_that_is_down_exports_nothing_and_an_absent_metric_is_left_out():
    world, _ = shop()
    world.begin("forgotten")
    assert "shop_queue" not in exposition(world)

    world.begin("shut_door")
    assert (world.is_down("door"), world.is_down("shop"), world.is_down()) == (True, False, False)
    world.begin("closed")
    assert (world.is_down("shop"), world.is_down()) == (True, True)


def test_each_scrape_job_has_its_own_metrics():
    world, _ = shop()

    assert "shop_uptime_seconds{}" in numbers(world, "door")
    assert "shop_uptime_seconds{}" not in numbers(world, "shop")
    assert "shop_queue{}" in numbers(world, "shop")


def test_a_restarted_exporter_counts_from_nothing_and_a_fault_lasts():
    world, hand = shop()
    world.begin("refusing")
    hand.seconds = 10
    world.restart()
    at_once = numbers(world)
    hand.seconds = 20

    assert (at_once[DONE], at_once[FAILED]) == (0, 0)
    assert (numbers(world)[DONE], numbers(world)[FAILED]) == (10, 20)


def test_a_cure_ends_what_it_is_good_for_until_it_is_taken_back():
    world, hand = shop()
    world.begin("refusing")
    world.begin("crowded")
    assert world.cure("restock", "a") == ["refusing"]
    hand.seconds = 10
    cured = numbers(world)
    world.relapse("a")
    hand.seconds = 20

    assert (cured[FAILED], cured["shop_queue{}"]) == (0, 105)
    assert world.faults == {"refusing": False, "crowded": False}
    assert numbers(world)[FAILED] == 20


def test_a_fault_that_two_actions_cure_comes_back_with_the_last_of_them():
    world, _ = shop()
    world.begin("refusing")
    world.cure("restock", "a")
    world.cure("reopen", "b")
    world.relapse("a")
    assert world.faults == {"refusing": True}
    world.relapse("b")
    assert world.faults == {"refusing": False}


def test_a_fault_that_begins_again_is_not_cured_by_what_was_done_before():
    world, _ = shop()
    world.begin("refusing")
    world.cure("restock", "a")
    world.begin("refusing")

    assert world.faults == {"refusing": False}


def test_a_fault_that_nobody_wrote_down_cannot_begin():
    world, _ = shop()

    with pytest.raises(UnknownFaultError, match="did you mean 'refusing'"):
        world.begin("refusin")


@given(steps=st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["refusing", "slow", "crowded"])), max_size=20))
def test_no_counter_ever_goes_back_whatever_comes_and_goes(steps):
    world, hand = shop(jitter=0.5, seed=3)
    last = numbers(world)
    for seconds, fault in steps:
        hand.seconds += seconds
        if not world.end(fault):
            world.begin(fault)
        shown = numbers(world)
        counted = {name: number for name, number in shown.items() if "_total" in name or "_bucket" in name}
        assert all(number >= last.get(name, 0) - 1e-6 for name, number in counted.items())
        last = shown


def test_jitter_sways_around_the_rate_and_is_the_same_for_the_same_seed():
    shown = []
    for seed in (1, 1, 2):
        world, hand = shop(jitter=0.2, seed=seed)
        hand.seconds = 7
        shown.append(numbers(world)[DONE])

    assert shown[0] == shown[1] != shown[2]
    assert all(0.8 * 35 <= number <= 1.2 * 35 for number in shown)
