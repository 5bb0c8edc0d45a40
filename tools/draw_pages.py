#!/usr/bin/env python3
"""Draw the pages of docs/ that come from tables in the code; run it after a change of states or reasons."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mape_k.model import DEADLINES, TERMINAL, TRANSITIONS, Reason, State

DOCS = Path(__file__).resolve().parent.parent / "docs"

STATES = """\
# The states of an execution

An execution is the durable progress of one action.
The journal makes no other move than these, and each one is a compare-and-set on state and epoch.
Every state that is no end has an owner, who moves it on, and a deadline, after which that is overdue:
`mape_k_overdue_executions` counts it by state.
This page is drawn by `tools/draw_pages.py` from `src/mape_k/model/execution.py` and `deadline.py`.
"""

REASONS = """\
# The reasons

Every yes and every no of the daemon has one of these.
The same word is the label of a metric, a field of the log and a sentence in `mape-k explain`.
This page is drawn by `tools/draw_pages.py` from `src/mape_k/model/reason.py`.
"""


def diagram() -> Iterator[str]:
    """Yield the lines of the mermaid diagram of states."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {next(iter(TRANSITIONS))}"
    for state, following in TRANSITIONS.items():
        yield from (f"    {state} --> {after}" for after in State if after in following)
    yield from (f"    {state} --> [*]" for state in State if state in TERMINAL)
    yield "```"
    yield ""


def meanings(title: str, members: Iterable[State | Reason]) -> Iterator[str]:
    """Yield the lines of a table: each member with its sentence."""
    yield f"| {title} | meaning |"
    yield "|---|---|"
    yield from (f"| `{member}` | {member.sentence} |" for member in members)


def states() -> Iterator[str]:
    """Yield the lines of the table of states: each with its sentence, who moves it on, and by when."""
    yield "| state | meaning | owner | deadline |"
    yield "|---|---|---|---|"
    for state in State:
        deadline = DEADLINES[state].sentence if state in DEADLINES else "none, this is an end"
        yield f"| `{state}` | {state.sentence} | {state.owner} | {deadline} |"


def pages() -> dict[str, str]:
    """Return the text of each drawn page by its file name."""
    return {
        "states.md": "\n".join([STATES, *diagram(), *states(), ""]),
        "reasons.md": "\n".join([REASONS, *meanings("reason", Reason), ""]),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text)
