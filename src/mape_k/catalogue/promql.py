"""What can be known of a PromQL text without a server: its tokens, whether it holds together, how far it looks back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mape_k.catalogue.durations import parse_duration

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
      | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+(?![A-Za-z0-9_]))
      | (?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_:]*)
      | (?P<bracket>[()\[\]{}])
      | (?P<operator>[-+*/%^=!<>~,@:])
      | (?P<unknown>.)""",
    re.VERBOSE | re.DOTALL,
)
_CLOSES = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a query; the texts of all tokens, joined, are the query again.

    Args:
        kind: space (comments too), text, duration, number, word, bracket, operator or unknown.
        text: as written.
    """

    kind: str
    text: str


def tokens(query: str) -> Iterator[Token]:
    """Yield the pieces of ``query`` in order; nothing is left out and nothing refused."""
    return (Token(found.lastgroup or "unknown", found.group()) for found in _TOKEN.finditer(query))


def check(query: str) -> None:
    """Look for what no server would accept.

    Raises:
        ValueError: nothing is asked, a character or quote is out of place, or brackets do not match.
    """
    said = [token for token in tokens(query) if token.kind != "space"]
    if not said:
        raise ValueError("the query is empty")
    for token in said:
        if token.kind == "unknown":
            raise ValueError(f"the query is broken at {token.text!r}: {_reproach(token.text)}")
    _check_brackets(token.text for token in said if token.kind == "bracket")


def _reproach(character: str) -> str:
    return "the quote is never closed" if character in "\"'`" else "PromQL has no such character"


def _check_brackets(brackets: Iterator[str]) -> None:
    still_open: list[str] = []
    for bracket in brackets:
        if bracket not in _CLOSES:
            still_open.append(bracket)
        elif not still_open or still_open.pop() != _CLOSES[bracket]:
            raise ValueError(f"the query has a {bracket!r} that closes nothing")
    if still_open:
        raise ValueError(f"the query has a {still_open[-1]!r} that is never closed")


def lookback_seconds(query: str) -> float:
    """Return how far the ranges of a checked ``query`` reach back, in seconds; those of nested subqueries add up.

    An ``offset`` does not count: what is compared with the past on purpose is not a window over it.
    """
    levels, reach = [0.0], 0.0
    before = ""
    for token in (token for token in tokens(query) if token.kind != "space"):
        if token.text == "(":
            levels.append(0.0)
        elif token.text == ")":
            reach = levels.pop()
        elif before == "[" and token.kind == "duration":
            reach += parse_duration(token.text)
        elif token.kind == "word":
            reach = 0.0
        levels[-1] = max(levels[-1], reach)
        before = token.text
    return levels[-1]
