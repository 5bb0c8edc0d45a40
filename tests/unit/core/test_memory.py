"""The recent past of a signal: what is remembered, what is not, and what counts as unusual."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import SIGNAL, a_snapshot, at
from mape_k.analyze.memory import DEPTH, MAX_TARGETS, MIN_LOOKS, History, Memory
from mape_k.model import Quality

KEY = ("charter", "spike", "node-7")


def remembering(*looks) -> Memory:
    """Return a memory that has seen these looks: a number of node-7, rows by target, or a quality without rows."""
    memory = Memory()
    for look in looks:
        rows = {"node-7": float(look)} if isinstance(look, int | float) else look
        memory.remember(a_snapshot(rows), (SIGNAL,))
    return memory


def past(memory: Memory, target: str = "node-7") -> list[float]:
    return memory.histories[SIGNAL].past(target).tolist()


def test_looks_come_back_oldest_first():
    assert past(remembering(1, 2, 3)) == [1, 2, 3]


def test_more_looks_than_the_depth_push_the_oldest_out():
    assert past(remembering(*range(DEPTH + 5))) == list(range(5, DEPTH + 5))


@pytest.mark.parametrize("quality", sorted(set(Quality) - {Quality.VALUE}))
def test_what_could_not_be_seen_leaves_no_trace(quality):
    assert past(remembering(1, quality, 3)) == [1, 3]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_leaves_a_gap_and_no_zero(number):
    assert past(remembering(1, {"node-7": number}, 3)) == [1, 3]


def test_a_target_that_is_gone_for_a_while_has_a_gap():
    memory = remembering({"node-7": 1.0, "node-8": 8.0}, {"node-8": 9.0}, {"node-7": 3.0})
    assert past(memory) == [1, 3]
    assert past(memory, "node-8") == [8, 9]


def test_a_target_never_seen_has_no_past():
    assert past(remembering(1), "node-9") == []
    assert Memory().deviation(SIGNAL, "node-7") is None


def test_more_targets_than_rows_make_room_and_keep_what_was_there():
    memory = remembering({"a": 1.0}, {f"n{number}": float(number) for number in range(20)})
    assert past(memory, "a") == [1]
    assert past(memory, "n19") == [19]


def test_targets_beyond_the_most_are_seen_but_not_remembered():
    history = History(rows={f"n{number}": number for number in range(MAX_TARGETS)})
    history.add(a_snapshot({"one-more": 1.0}).vectors[SIGNAL])
    assert history.past("one-more").tolist() == []


def test_a_signal_that_no_pack_names_is_not_remembered():
    memory = Memory()
    memory.remember(a_snapshot(), ())
    assert memory.histories == {}


def test_too_short_a_past_is_no_past_to_deviate_from():
    assert remembering(*[5] * MIN_LOOKS).deviation(SIGNAL, "node-7") is None
    assert remembering(*[5] * MIN_LOOKS, 5).deviation(SIGNAL, "node-7") == 0


def test_a_deviation_is_counted_in_robust_sigmas_of_the_earlier_looks():
    earlier = [9, 10, 11] * 10
    spread = 1.4826  # of a median absolute deviation of 1
    assert remembering(*earlier, 20).deviation(SIGNAL, "node-7") == pytest.approx(10 / spread)
    assert remembering(*earlier, 0).deviation(SIGNAL, "node-7") == pytest.approx(-10 / spread)


def test_one_outlier_in_the_past_does_not_hide_the_next():
    assert remembering(*[10] * 30, 10_000, 100).deviation(SIGNAL, "node-7") == pytest.approx(90 / 5)


def test_a_signal_that_never_moved_may_move_a_little():
    assert remembering(*[100] * 30, 104).deviation(SIGNAL, "node-7") == pytest.approx(4 / 5.2)


def test_a_signal_that_was_always_zero_deviates_by_a_number_that_people_can_read():
    assert remembering(*[0] * 30, 3).deviation(SIGNAL, "node-7") == pytest.approx(20)
    assert remembering(*[0] * 31).deviation(SIGNAL, "node-7") == 0


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param(range(10), True, id="rising"),
        pytest.param([5] * 10, False, id="flat"),
        pytest.param(range(10, 0, -1), False, id="falling"),
        pytest.param(range(9), False, id="too few"),
        pytest.param([1, 9, 1, 9, 1, 9, 1, 9, 1, 9], False, id="to and fro"),
    ],
)
def test_rising_means_that_the_later_half_is_above_the_earlier(looks, expected):
    assert remembering(*looks).is_rising(SIGNAL, "node-7") is expected


def test_a_condition_is_held_since_it_began_and_starts_anew_after_a_break():
    memory = Memory()
    assert memory.held_since(KEY, holds=True, now=at(0)) == at(0)
    assert memory.held_since(KEY, holds=True, now=at(30)) == at(0)
    assert memory.held_since(KEY, holds=False, now=at(60)) is None
    assert memory.held_since(KEY, holds=True, now=at(90)) == at(90)


@given(st.lists(st.sampled_from([*Quality]) | st.floats(allow_nan=True, allow_infinity=True), max_size=60))
def test_only_finite_numbers_that_were_seen_are_remembered(looks):
    memory = remembering(*(look if isinstance(look, Quality) else {"node-7": look} for look in looks))
    seen = [look for look in looks if not isinstance(look, Quality) and math.isfinite(look)]
    history = memory.histories.get(SIGNAL, History())
    assert history.past("node-7").tolist() == seen
    deviation = memory.deviation(SIGNAL, "node-7")
    assert deviation is None or len(seen) > MIN_LOOKS
    assert not np.isnan(deviation or 0.0)
