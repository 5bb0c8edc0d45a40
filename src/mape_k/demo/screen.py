"""What a person sees of a demo: a line whenever something happens, a bar on a terminal, and the table at its end."""

import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from mape_k.demo.story import Course
from mape_k.ports import Clock
from mape_k.text import printable

BAR_CELLS = 24

_COLOURS = {"healed": "32", "rolled_back": "33", "failed": "31", "undetected": "31"}


class Screen:
    """Tells a demo as it goes.

    Args:
        clock: lines carry the time since the start.
        is_live: whether there is a terminal on which a bar can be drawn over itself.
        quiet: tell on standard error, so that standard output holds the result alone.
    """

    def __init__(self, clock: Clock, *, is_live: bool, quiet: bool) -> None:
        self._clock = clock
        self._begun = clock.monotonic()
        self._is_live = is_live
        self._out = sys.stderr if quiet else sys.stdout
        self._bar = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._wipe()

    def told(self, line: str) -> None:
        """Tell that something happened."""
        self._wipe()
        seconds = int(self._clock.monotonic() - self._begun)
        self._out.write(f"{seconds // 60:02d}:{seconds % 60:02d}  {printable(line, 300)}\n")
        self._draw()

    def progress(self, courses: Sequence[Course]) -> None:
        """Draw how many faults are healed."""
        over = sum(course.is_over for course in courses)
        filled = BAR_CELLS * over // max(1, len(courses))
        waiting = [course.fault.name for course in courses if course.injected_at and not course.is_over]
        bar = "█" * filled + "·" * (BAR_CELLS - filled)
        self._wipe()
        self._bar = printable(f"[{bar}] {over} of {len(courses)} healed   {', '.join(waiting)}", 110)
        self._draw()

    def _wipe(self) -> None:
        if self._is_live and self._bar:
            self._out.write("\r\x1b[2K")

    def _draw(self) -> None:
        if self._is_live:
            self._out.write(self._bar)
        self._out.flush()


def final_table(result: Mapping[str, Any], *, colours: bool) -> str:
    """Return the end of a demo for people: a row per fault, then cycles and effects."""
    head = ("fault", "alert", "seen", "verified", "what was done", "outcome")
    rows = [head, *(_row(fault) for fault in result["faults"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "─" * max(map(len, lines)))
    if colours:
        lines = [_coloured(line) for line in lines]
    return "\n".join(("", *lines, "", *_summary(result), ""))


def _summary(result: Mapping[str, Any]) -> tuple[str, ...]:
    cycles, journal = result["cycles"], result["journal"]
    half, nearly_all = _seconds(cycles["duration_p50_seconds"]), _seconds(cycles["duration_p99_seconds"])
    over = f"{cycles['over_budget']} with a phase over its budget"
    twice = f"twice: {journal['doubled']}, unknown to Knowledge: {journal['unknown']}"
    return (
        f"{result['healed']} of {result['total']} healed",
        f"cycles: {cycles['count']}, half of them under {half}, 99 of 100 under {nearly_all}, {over}",
        f"effects in the Charter's journal: {journal['effects']}, {twice}",
    )


def _row(fault: Mapping[str, Any]) -> tuple[str, ...]:
    done = " → ".join(f"{a['remediation']} ({a['verdict'] or 'open'})" for a in fault["attempts"]) or "nothing"
    seen, verified = _seconds(fault["detected_seconds"]), _seconds(fault["verified_seconds"])
    return tuple(
        printable(cell, 90) for cell in (fault["name"], fault["alert"], seen, verified, done, fault["outcome"])
    )


def _seconds(number: float | None) -> str:
    return "–" if number is None else f"{number:.2f} s" if number < 1 else f"{number:.1f} s"


def _coloured(line: str) -> str:
    word = line.rsplit("  ", 1)[-1]
    return f"{line[: -len(word)]}\x1b[{_COLOURS[word]}m{word}\x1b[0m" if word in _COLOURS else line
