"""Fire every alert of every pack on a real Prometheus and a real Alertmanager, and fill every panel.

A player exports each pack's metrics: healthy first, when nothing may fire, then one fault after another. The alert of a
fault must fire, reach the receivers that the routes name and no others, and be over once the fault is, of which those
are told who want to be; besides it only what the fault declares may fire. Every query of every dashboard must return
data at some moment. Time is divided, rates stay, and what rules count is divided with the time.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frame.figures import Limit, Measured, options_of, tell
from mape_k.errors import MapeKError
from proving.campaign import Campaign, Progress, Result, tasks_of
from proving.layout import PACKS
from proving.plants import NONE, PLANTS
from proving.trial import Outcome

NAMES = ("charter", "oneiric", "cosmetica5", "dawsos", "mape-k")
TIME_SCALE, QUICK_TIME_SCALE = 60.0, 100.0
HEALTHY_SECONDS, QUICK_HEALTHY_SECONDS = 30.0, 10.0
STACKS, QUICK_STACKS = 4, 5
QUICK_FAULTS = 2
QUICK_PANELS_SHARE = 0.8
"""Of the panels that much has data when few faults were there: the others show what is there with a fault alone."""

BAD_USAGE = 2


def main() -> int:
    """Run the benchmark; return 0 when every figure holds."""
    parser = _parser()
    options = parser.parse_args()
    if options.list_plants:
        print("\n".join(f"{name:28} {plant.meaning}" for name, plant in PLANTS.items()))
        return 0
    if options.plant and options.plant not in PLANTS:
        parser.error(f"--plant {options.plant}: no such bug; --list-plants lists them")
    options.quick |= bool(options.plant)
    begun = time.monotonic()
    try:
        result = asyncio.run(_try(options))
    except MapeKError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_USAGE
    return _told(result, options, round(time.monotonic() - begun))


def _parser() -> argparse.ArgumentParser:
    parser = options_of(__doc__, quick=f"{QUICK_FAULTS} faults of each pack, within a minute")
    parser.add_argument("--pack", action="append", metavar="NAME", help="this one alone, or its folder; several times")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME", help="this one alone; several times")
    parser.add_argument("--time-scale", type=float, metavar="N", help=f"divide time by N in place of {TIME_SCALE:g}")
    parser.add_argument("--stacks", type=int, metavar="N", help=f"so many at once in place of {STACKS}")
    parser.add_argument("--plant", metavar="BUG", help="plant a bug: a figure must tell of it")
    parser.add_argument("--list-plants", action="store_true", help="list the bugs and end")
    return parser


async def _try(options: argparse.Namespace) -> Result:
    packs = [_folder(name) for name in options.pack or NAMES]
    tasks = tasks_of(packs, only=options.fault, quickly=QUICK_FAULTS if options.quick else 0)
    with tempfile.TemporaryDirectory(prefix="mape-k-packs-", ignore_cleanup_errors=True) as scratch:
        campaign = Campaign(
            scratch=Path(scratch),
            time_scale=_time_scale(options),
            stacks=options.stacks or (QUICK_STACKS if options.quick else STACKS),
            plant=PLANTS.get(options.plant, NONE),
            progress=Progress(sum(len(task.faults) for task in tasks)),
            healthy_seconds=QUICK_HEALTHY_SECONDS if options.quick else HEALTHY_SECONDS,
        )
        return await campaign.run(tasks)


def _folder(name: str) -> Path:
    return Path(name) if "/" in name else PACKS / name


def _time_scale(options: argparse.Namespace) -> float:
    return float(options.time_scale or (QUICK_TIME_SCALE if options.quick else TIME_SCALE))


def _told(result: Result, options: argparse.Namespace, seconds: int) -> int:
    measured, limits = _measured(result, options, seconds)
    if not options.json:
        print("\n".join(_table(result.outcomes)))
    code = tell(measured, limits, as_json=options.json)
    if options.plant:
        caught = [name for name, limit in limits.items() if not limit.holds(measured.figures[name])]
        sys.stderr.write(f"{options.plant}: {'caught by ' + ', '.join(caught) if caught else 'NOT CAUGHT'}\n")
    return code


def _measured(result: Result, options: argparse.Namespace, seconds: int) -> tuple[Measured, Mapping[str, Limit]]:
    is_part = bool(options.quick or options.fault)
    wanted = _wanted(result, is_part=is_part)
    counted = {name: _reached(result, wanted, name) for name in ("fired", "routed", "resolved")}
    empty = [f"{pack}: {panel}" for (pack, panel), had in result.panels.items() if had < set(panel.queries)]
    figures = {
        "alerts": len(wanted),
        **{name: len(reached) for name, reached in counted.items()},
        "undeclared_fired": len(result.undeclared),
        "panels": len(result.panels),
        "panels_with_data": len(result.panels) - len(empty),
    }
    limits = {
        "alerts": Limit(at_least=1),
        **{name: Limit(at_least=len(wanted)) for name in counted},
        "undeclared_fired": Limit(at_most=0),
        "panels_with_data": Limit(at_least=len(result.panels) * (QUICK_PANELS_SHARE if is_part else 1)),
    }
    tried = {(each.pack, each.alert) for each in result.outcomes}
    without = [
        f"{pack}: {alert}" for pack, alert in wanted if (pack, alert) not in tried and not _always(result, pack, alert)
    ]
    conditions: dict[str, Any] = {
        "packs": list(result.alerts),
        "faults": len(result.outcomes),
        "part": _part(options),
        "alerts_left_out": sum(map(len, result.alerts.values())) - len(wanted),
        "time_scale": _time_scale(options),
        "seconds": seconds,
        "counts_divided_in": sorted(result.divided),
        "undeclared_bound_per_fault": round(3 / max(1, len(result.outcomes)), 4),
        "without_a_scenario": without,
        "complaints": [f"{each.pack} {each.fault}: {said}" for each in result.outcomes for said in each.complaints]
        + result.complaints,
        "undeclared": result.undeclared,
        "empty_panels": empty,
    }
    return Measured(
        figures=figures, conditions={key: value for key, value in conditions.items() if value != []}
    ), limits


def _part(options: argparse.Namespace) -> str:
    if options.fault:
        return "the named faults"
    return f"{QUICK_FAULTS} faults of each pack, those that fire soonest" if options.quick else "every fault"


def _wanted(result: Result, *, is_part: bool) -> list[tuple[str, str]]:
    """Return the alerts that are to be seen: all of a pack, or those of the faults that were chosen."""
    tried = {(each.pack, each.alert) for each in result.outcomes}
    every = [(pack, alert) for pack, alerts in result.alerts.items() for alert in alerts]
    return [each for each in every if not is_part or each in tried]


def _reached(result: Result, wanted: list[tuple[str, str]], what: str) -> list[tuple[str, str]]:
    """Return the alerts with which each of their faults came so far, and those that are heard for ever."""
    reached: dict[tuple[str, str], bool] = {}
    for each in result.outcomes:
        key = (each.pack, each.alert)
        reached[key] = reached.get(key, True) and getattr(each, what) is not None
    for pack, alert in wanted:
        if _always(result, pack, alert):
            reached[pack, alert] = not any(f"{pack}: {alert} " in each for each in result.complaints)
    return [each for each in wanted if reached.get(each, False)]


def _always(result: Result, pack: str, alert: str) -> bool:
    return alert in result.always.get(pack, ())


def _table(outcomes: list[Outcome]) -> list[str]:
    def seconds(number: float | None) -> str:
        return "never" if number is None else f"{number:.1f}"

    lines = [f"{'pack':11} {'fault':32} {'alert':40} {'fired':>6} {'routed':>6} {'over':>6}  (seconds)"]
    for each in sorted(outcomes, key=lambda each: (each.pack, each.begun)):
        times = " ".join(f"{seconds(number):>6}" for number in (each.fired, each.routed, each.resolved))
        lines.append(f"{each.pack:11} {each.fault:32} {each.alert:40} {times}")
    return [*lines, ""]


if __name__ == "__main__":
    sys.exit(main())
