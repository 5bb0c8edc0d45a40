#!/usr/bin/env python3
"""Write the files that come from tables in the code; run it after a change of states, reasons or metrics."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mape_k.model import DEADLINES, TERMINAL, TRANSITIONS, Reason, State
from mape_k.telemetry import TABLE, Kind, Metric

ROOT = Path(__file__).resolve().parent.parent

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

INVENTORY = """\
# yaml-language-server: $schema=../metrics.schema.json
# The daemon's own metrics; written by tools/draw_pages.py from src/mape_k/telemetry/table.py.
metrics:
"""
BOUNDS = {"version": 5, "pack": 50, "remediation": 500, "source": 50, "target": 50}
"""How many values the open labels have at most where the daemon is used as meant; the registry stops far above."""
UNITS = {"_timestamp_seconds": "Unix seconds", "_seconds": "seconds", "_bytes": "bytes", "_probability": "probability"}
PROCESS = """\
  process_resident_memory_bytes:
    type: gauge
    help: Resident memory of the daemon.
    unit: bytes
  process_cpu_seconds_total:
    type: counter
    help: CPU time of the daemon.
    unit: seconds
  process_open_fds:
    type: gauge
    help: Open file descriptors of the daemon.
    unit: descriptors
  process_start_time_seconds:
    type: gauge
    help: When the daemon started.
    unit: Unix seconds
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


def inventory(metric: Metric) -> Iterator[str]:
    """Yield the lines of one metric of the inventory."""
    yield f"  {metric.full_name}:"
    yield f"    type: {'info' if metric.name.endswith('_info') else metric.kind}"
    yield f"    help: {metric.help if ': ' not in metric.help else repr(metric.help)}"
    yield f"    unit: {unit_of(metric)}"
    if metric.buckets:
        yield f"    buckets: [{', '.join(f'{bound:g}' for bound in metric.buckets)}]"
    if metric.labels:
        yield "    labels:"
        for label, values in metric.labels.items():
            yield f"      {label}: " + (f"[{', '.join(values)}]" if values else f"{{at_most: {BOUNDS[label]}}}")


def unit_of(metric: Metric) -> str:
    """Return what a metric counts or measures, as its name says it."""
    by_suffix = (unit for suffix, unit in UNITS.items() if metric.name.endswith(suffix))
    counted = metric.name.removesuffix("_total").rpartition("_")[2] if metric.kind is Kind.COUNTER else "number"
    return next(by_suffix, counted)


def pages() -> dict[str, str]:
    """Return the text of each written file by its path."""
    return {
        "docs/states.md": "\n".join([STATES, *diagram(), *states(), ""]),
        "docs/reasons.md": "\n".join([REASONS, *meanings("reason", Reason), ""]),
        "config/packs/mape-k/metrics.yaml": "\n".join(
            [INVENTORY + "\n".join(line for metric in TABLE for line in inventory(metric)), PROCESS]
        ),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (ROOT / name).write_text(text)
