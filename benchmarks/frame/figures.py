"""The frame of a benchmark: its two options, its limits, one JSON object or a table, and the exit code."""

import argparse
import asyncio
import json
import math
import os
import platform
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a figure must keep."""

    at_most: float = math.inf
    at_least: float = -math.inf

    def holds(self, figure: float | None) -> bool:
        """Return whether the figure was measured and keeps the limit."""
        return figure is not None and self.at_least <= figure <= self.at_most

    def __str__(self) -> str:
        return f"at most {self.at_most:g}" if self.at_most < math.inf else f"at least {self.at_least:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a benchmark found: figures by name, None where one is beyond measure, and under which conditions."""

    figures: Mapping[str, float | None]
    conditions: Mapping[str, Any]


def run(
    description: str | None,
    limits: Mapping[str, Limit],
    measure: Callable[[Path, bool], Awaitable[Measured]],
    *,
    quick: str,
) -> int:
    """Run a benchmark as a program; return 0 when every figure holds.

    Args:
        description: what ``--help`` says.
        limits: of each figure.
        measure: given an empty folder, and whether it must end within a minute.
        quick: what is less then.
    """
    options = options_of(description, quick=quick).parse_args()
    with tempfile.TemporaryDirectory(prefix="mape-k-benchmark-") as scratch:
        measured = asyncio.run(_measure(measure, Path(scratch), quick=options.quick))
    return tell(measured, limits, as_json=options.json)


def options_of(description: str | None, *, quick: str) -> argparse.ArgumentParser:
    """Return the options that every benchmark has; ``quick`` says what is less then."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def tell(measured: Measured, limits: Mapping[str, Limit], *, as_json: bool) -> int:
    """Print what was found; return 0 when every figure keeps its limit."""
    is_good = all(limit.holds(measured.figures[name]) for name, limit in limits.items())
    conditions = {**measured.conditions, "processors": os.cpu_count(), "python": platform.python_version()}
    result = {"figures": measured.figures, "conditions": conditions, "ok": is_good}
    print(json.dumps(result) if as_json else table(result, limits))
    return 0 if is_good else 1


async def _measure(measure: Callable[[Path, bool], Awaitable[Measured]], scratch: Path, *, quick: bool) -> Measured:
    return await measure(scratch, quick)


def table(result: Mapping[str, Any], limits: Mapping[str, Limit]) -> str:
    """Return the figures for people."""
    lines = [f"{name:28} {value!s:22} {limits.get(name, '')}" for name, value in result["figures"].items()]
    lines += [f"  {name}: {value}" for name, value in result["conditions"].items()]
    return "\n".join([*lines, "holds" if result["ok"] else "does NOT hold"])


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the value that at most ``1 - share`` of the values exceed; None when it is beyond measure."""
    value = sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else math.inf
    return value if math.isfinite(value) else None
