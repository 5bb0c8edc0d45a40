import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mape_k.text import printable


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain ünïcode", "plain ünïcode"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202eevil", "\\u202eevil"),
        ("\ud800", "\\ud800"),
        ("line\u2028two", "line\\u2028two"),
        (12.5, "12.5"),
    ],
)
def test_what_steers_a_terminal_is_shown_instead(hostile, shown):
    assert printable(hostile) == shown


def test_long_text_is_cut_and_says_so():
    assert printable("x" * 10_000, 10) == "xxxxxxxxx…"


@given(st.text())
def test_nothing_unprintable_is_left_whatever_comes(text):
    shown = printable(text, 50)

    assert not any(unicodedata.category(c).startswith("C") or c in "\u2028\u2029" for c in shown)
