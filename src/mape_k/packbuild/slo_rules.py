"""From objectives to Prometheus rules: recordings in two stages, and alerts when the error budget burns.

Short windows are asked for from the raw series. Long ones are sums over what was recorded, of bad events and of all
events apart: an hour with a thousand events weighs a thousand times as much as one with a single event, and a month
takes as long to ask for as a day. What was not recorded counts as no events, never as good ones.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from mape_k.packbuild.objectives import BUDGET_DAYS, WINDOWS, Burn, BurnAlert, Objective
from mape_k.packbuild.slo_query import per_second

RAW_WINDOWS = ("5m", "30m", "1h", "6h")
SUMMED_WINDOWS = {"1d": ("5m", 288), "3d": ("1h", 72), "30d": ("1h", 720)}
"""Of which recorded window a long one is the sum, and of how many of them."""

INTERVAL = "30s"
_HALF_AN_EVENT = 0.5
"""Off every minimum of events: Prometheus extrapolates, and 5 events may be seen as 4.97."""


def rule_groups(objectives: Sequence[Objective]) -> dict[str, Any]:
    """Return a rule file's content: a group for each objective, whose alerts see what it has just recorded."""
    return {"groups": [_group(objective) for objective in objectives]}


def _group(objective: Objective) -> dict[str, Any]:
    recordings = [*_raw(objective), *_summed(objective), *_budget(objective)]
    alerts = [_alert(objective, alert, burn) for alert in objective.alerts for burn in alert.burns]
    return {"name": f"slo-{objective.name}", "interval": INTERVAL, "rules": [*recordings, *alerts]}


def _record(objective: Objective, name: str, expr: str) -> dict[str, Any]:
    return {"record": name, "expr": expr, "labels": {"system": objective.system, "slo": objective.name}}


def series(objective: Objective, name: str) -> str:
    """Return the selector of what is recorded about an objective."""
    return f'{name}{{system="{objective.system}", slo="{objective.name}"}}'


def _raw(objective: Objective) -> Iterator[dict[str, Any]]:
    for window in RAW_WINDOWS:
        yield _record(objective, f"slo:events:rate{window}", per_second(objective.total, window))
        yield _record(objective, f"slo:bad_events:rate{window}", _bad(objective, window))
        yield _ratio(objective, window)


def _bad(objective: Objective, window: str) -> str:
    """Return the bad events per second; what has no series is no events, as long as there are events at all.

    So a numerator that vanished means that all is well when bad events are counted, and that nothing is well when good
    ones are: a total failure cannot hide.
    """
    total = f"sum({series(objective, f'slo:events:rate{window}')})"
    if objective.bad is not None:
        return f"{per_second(objective.bad, window)}\nor\n0 * {total}"
    good = per_second(objective.good or "", window)
    return f"clamp_min(\n  {total}\n  - ({good} or 0 * {total}),\n  0\n)"


def _ratio(objective: Objective, window: str) -> dict[str, Any]:
    """Return the share of bad events, from 0 to 1; no events: no share."""
    bad, total = (series(objective, f"slo:{name}:rate{window}") for name in ("bad_events", "events"))
    return _record(objective, f"slo:error_ratio:rate{window}", f"clamp(\n  {bad}\n  / ({total} > 0),\n  0, 1\n)")


def _summed(objective: Objective) -> Iterator[dict[str, Any]]:
    for window, (step, count) in SUMMED_WINDOWS.items():
        for name in ("events", "bad_events"):
            recorded = series(objective, f"slo:{name}:rate{step}")
            expr = f"sum_over_time({recorded}[{window}:{step}]) / {count}"
            yield _record(objective, f"slo:{name}:rate{window}", expr)
        yield _ratio(objective, window)


def _budget(objective: Objective) -> Iterator[dict[str, Any]]:
    """Yield the objective itself, and the share of its budget that is left: 1 until something goes wrong."""
    yield _record(objective, "slo:objective:ratio", f"vector({objective.target})")
    ratio, target = series(objective, f"slo:error_ratio:rate{BUDGET_DAYS}d"), series(objective, "slo:objective:ratio")
    expr = f"1 - {ratio} / (1 - {target})\nor\n0 * {target} + 1"
    yield _record(objective, f"slo:error_budget_left:ratio{BUDGET_DAYS}d", expr)


def _alert(objective: Objective, alert: BurnAlert, burn: Burn) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": alert.name, "expr": _expr(objective, alert, burn)}
    if alert.held_for:
        rule["for"] = alert.held_for
    rule["labels"] = {
        "severity": alert.severity,
        "team": objective.team,
        "component": objective.component,
        "system": objective.system,
        "slo": objective.name,
        "windows": f"{burn.long}/{burn.short}",
    }
    rule["annotations"] = _annotations(objective, alert, burn)
    return rule


def _expr(objective: Objective, alert: BurnAlert, burn: Burn) -> str:
    """Return the expression. Events per second are compared, not a count over the window: rates stay in a trial."""
    limit = f"{burn.factor} * {objective.budget}"
    long, short = (series(objective, f"slo:error_ratio:rate{window}") for window in (burn.long, burn.short))
    bad = series(objective, f"slo:bad_events:rate{burn.long}")
    enough = f"{bad} * {WINDOWS[burn.long]} > {alert.minimum - _HALF_AN_EVENT}"
    return f"{long} > {limit}\nand\n{short} > {limit}\nand\n{enough}"


def _annotations(objective: Objective, alert: BurnAlert, burn: Burn) -> dict[str, str]:
    percent = f"{objective.budget * 100:f}".rstrip("0").rstrip(".")
    lasts = _whole(BUDGET_DAYS * 24 / float(burn.factor))
    is_leak = burn.factor == 1
    speed = f"will not last {BUDGET_DAYS} days" if is_leak else f"burns at least {burn.factor} times too fast"
    seen = f"{{{{ $value | humanizePercentage }}}} of the {objective.events} over {burn.long} {objective.bad_events}"
    allowed = f"and it goes on; over {BUDGET_DAYS} days {percent}% may"
    end = "" if is_leak else f" Burning {burn.factor} times too fast, a whole budget lasts {lasts}."
    return {
        "summary": f"{objective.title}: the error budget {speed}",
        "description": f"{seen}, {allowed}.{end}",
        "action": objective.action,
        "dashboard": f"/d/{objective.system}-objectives",
        "runbook_url": f"config/packs/{objective.system}/runbooks/{alert.name}.md",
    }


def _whole(hours: float) -> str:
    """Return a duration for people, to the hour."""
    days, rest = divmod(round(hours), 24)
    told = [f"{count} {unit}" + "s" * (count > 1) for count, unit in ((days, "day"), (rest, "hour")) if count]
    return " and ".join(told)
