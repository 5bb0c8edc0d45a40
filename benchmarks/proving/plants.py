"""Bugs that can be planted into a pack on trial: each must show in a figure."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

Document: TypeAlias = dict[str, Any]
Rules: TypeAlias = list[dict[str, Any]]


def _same(document: Any) -> Any:  # noqa: ANN401 -- what comes in goes out
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A bug.

    Args:
        meaning: what is wrong.
        rules: changes the rules of a group.
        routes: changes Alertmanager's configuration.
        scrape: changes a scrape job.
        scenarios: changes what is played.
        is_endless: whether no fault ends.
    """

    meaning: str
    rules: Callable[[Rules], Rules] = _same
    routes: Callable[[Document], Document] = _same
    scrape: Callable[[Document], Document] = _same
    scenarios: Callable[[Document], Document] = _same
    is_endless: bool = False


def _out_of_reach(rules: Rules) -> Rules:
    """Put the last limit of every other alert where nothing gets."""
    alerts = [rule for rule in rules if "alert" in rule]
    for rule in alerts[::2]:
        rule["expr"] = f"({rule['expr']}\n) and on() vector(1) > 2"
    return rules


def _never_recorded(rules: Rules) -> Rules:
    for rule in rules:
        rule["expr"] = re.sub(r'job="[^"]*"', 'job="another"', str(rule["expr"]), count=1)
    return rules


def _fires_in_health(rules: Rules) -> Rules:
    for rule in [rule for rule in rules if "alert" in rule][:1]:
        rule["expr"], rule["for"] = "vector(1) > 0 or on() absent(nothing{})", "0s"
    return rules


def _swallowed(config: Document, severity: str) -> Document:
    """Put a route in front that takes a severity and hands it to nobody else."""
    config = {**config, "receivers": [*config["receivers"], {"name": "nobody"}]}
    swallow = {"matchers": [f"severity = {severity}"], "receiver": "nobody"}
    config["route"] = {**config["route"], "routes": [swallow, *config["route"]["routes"]]}
    return config


def _not_continued(route: Document) -> Document:
    kept = {key: value for key, value in route.items() if key != "continue"}
    return kept | ({"routes": [_not_continued(each) for each in route["routes"]]} if "routes" in route else {})


def _without_counters(job: Document) -> Document:
    """Lose what counts on the way from the system to Prometheus."""
    return {**job, "metric_relabel_configs": [{"source_labels": ["__name__"], "regex": ".*_total", "action": "drop"}]}


def _undeclared(document: Document) -> Document:
    """Let every fault do what the next one does too."""
    faults = list(document["faults"].values())
    changes = [list(fault.get("change", ())) for fault in faults]
    for fault, more in zip(faults, changes[1:] + changes[:1], strict=True):
        own = {_key(each) for each in fault.get("change", ())}
        fault["change"] = [*fault.get("change", ()), *(deepcopy(each) for each in more if _key(each) not in own)]
    return document


def _key(series: Mapping[str, Any]) -> str:
    return f"{series['metric']}{sorted(series.get('labels', {}).items())}"


NONE = Plant(meaning="nothing is wrong")
PLANTS: Mapping[str, Plant] = {
    "limit_out_of_reach": Plant(meaning="every second alert has a limit that nothing reaches", rules=_out_of_reach),
    "another_job": Plant(meaning="the rules select a job that is not there", rules=_never_recorded),
    "fires_in_health": Plant(meaning="the first alert of a group fires whatever happens", rules=_fires_in_health),
    "route_swallows_critical": Plant(
        meaning="a route takes the critical alerts and hands them to nobody",
        routes=partial(_swallowed, severity="critical"),
    ),
    "route_swallows_warning": Plant(
        meaning="a route takes the warnings and hands them to nobody", routes=partial(_swallowed, severity="warning")
    ),
    "continue_forgotten": Plant(
        meaning="no route hands on what it took",
        routes=lambda config: {**config, "route": _not_continued(config["route"])},
    ),
    "missing_series": Plant(meaning="no counter reaches Prometheus", scrape=_without_counters),
    "endless_fault": Plant(meaning="no fault ends", is_endless=True),
    "undeclared_consequence": Plant(meaning="every fault does what the next one does too", scenarios=_undeclared),
}
"""By name."""
