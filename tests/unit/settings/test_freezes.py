"""Change-freeze windows as people write them."""

from datetime import UTC, datetime

import pytest

from mape_k.errors import ConfigError
from mape_k.model import Bounds, DatedFreeze, WeeklyFreeze
from mape_k.settings import load_settings

WEEKEND = WeeklyFreeze(begin_minute=4 * 1440 + 16 * 60, end_minute=6 * 60, zone="Europe/Berlin")
CHRISTMAS = DatedFreeze(begin=datetime(2026, 12, 24, tzinfo=UTC), end=datetime(2026, 12, 27, tzinfo=UTC))


def freezes(text: str) -> tuple:
    return load_settings({"MAPE_K_FREEZE_WINDOWS": text, "HOME": "/home/dolores"}).bounds.freezes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("Fri 16:00-Mon 06:00 Europe/Berlin", (WEEKEND,)),
        ("Fri 16:00 - Mon 06:00 Europe/Berlin", (WEEKEND,)),
        ("2026-12-24T00:00Z/2026-12-27T00:00Z", (CHRISTMAS,)),
        ("2026-12-24T02:00+02:00/2026-12-27T00:00Z", (CHRISTMAS,)),
        (" Fri 16:00-Mon 06:00 Europe/Berlin ;2026-12-24T00:00Z/2026-12-27T00:00Z; ", (WEEKEND, CHRISTMAS)),
    ],
)
def test_windows_are_parts_of_every_week_or_times_between_two_moments(text, expected):
    assert freezes(text) == expected


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("always", "expected Fri 16:00-Mon 06:00 Europe/Berlin or"),
        ("Fri 16:00-Mon 06:00", "expected Fri 16:00-Mon 06:00 Europe/Berlin or"),
        ("Fri 24:00-Mon 06:00 UTC", "expected Fri 16:00-Mon 06:00 Europe/Berlin or"),
        ("Freitag 16:00-Mon 06:00 UTC", "expected Fri 16:00-Mon 06:00 Europe/Berlin or"),
        ("Fri 16:00-Mon 06:00 Sweetwater", "expected one such as Europe/Berlin"),
        ("Fri 16:00-Mon 06:00 ../etc/passwd", "expected one such as Europe/Berlin"),
        ("Fri 16:00-Fri 16:00 UTC", "expected two moments"),
        ("2026-12-24T00:00/2026-12-27T00:00", "expected both moments with a zone"),
        ("2026-12-27T00:00Z/2026-12-24T00:00Z", "ends before it begins"),
        ("2026-12-27T00:00Z/2026-12-27T00:00Z/2026-12-28T00:00Z", "expected Fri 16:00-Mon 06:00 Europe/Berlin or"),
    ],
)
def test_what_is_no_window_is_refused_with_a_remedy(text, remedy):
    with pytest.raises(ConfigError) as refusal:
        freezes(text)
    (problem,) = refusal.value.problems
    assert problem.startswith("MAPE_K_FREEZE_WINDOWS=")
    assert remedy in problem


def test_the_budget_of_everything_comes_from_the_environment():
    given = {"MAPE_K_ACTION_BUDGET": "7", "MAPE_K_ACTION_BUDGET_WINDOW": "60", "HOME": "/home/dolores"}
    assert load_settings(given).bounds == Bounds(max_actions=7, actions_window_seconds=60)
