"""An objective as a test changes it, and the rules that are made of it."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from mape_k.packbuild.objectives import Objective, read_objectives

SOUND: dict[str, Any] = {
    "apiVersion": "openslo/v1",
    "kind": "SLO",
    "metadata": {
        "name": "answers",
        "displayName": "Answers",
        "annotations": {
            "mape-k/team": "web",
            "mape-k/component": "site",
            "mape-k/events": "requests",
            "mape-k/bad-events": "failed",
            "mape-k/action": "Look.",
        },
    },
    "spec": {
        "description": "99% of the requests succeed.",
        "service": "shop",
        "indicator": {
            "metadata": {"name": "answers"},
            "spec": {
                "ratioMetric": {
                    "counter": True,
                    "bad": {"metricSource": {"type": "Prometheus", "spec": {"query": 'e_total{job="shop"}'}}},
                    "total": {"metricSource": {"type": "Prometheus", "spec": {"query": 'r_total{job="shop"}'}}},
                }
            },
        },
        "timeWindow": [{"duration": "30d", "isRolling": True}],
        "budgetingMethod": "Occurrences",
        "objectives": [{"target": 0.99}],
    },
}
Change = Callable[[dict[str, Any]], object]


def write(folder: Path, change: Change = lambda _: None, name: str = "answers") -> Path:
    """Write one objective of the pack in ``folder``, changed; return its file."""
    document = copy.deepcopy(SOUND)
    document["metadata"]["name"] = name
    change(document)
    path = folder / "objectives" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def read(folder: Path, change: Change = lambda _: None) -> Objective:
    """Write one objective and read it."""
    write(folder, change)
    (objective,) = read_objectives(folder, "shop")
    return objective


def annotate(**annotations: str) -> Change:
    """Return a change that adds annotations; ``minimum_bad_events`` stands for ``mape-k/minimum-bad-events``."""

    def change(document: dict[str, Any]) -> None:
        for name, text in annotations.items():
            document["metadata"]["annotations"]["mape-k/" + name.replace("_", "-")] = text

    return change


def alert(text: str, name: str = "Slow") -> Change:
    """Return a change that gives the objective an alert of its own."""

    def change(document: dict[str, Any]) -> None:
        document["metadata"]["annotations"][f"mape-k/alert.{name}"] = text

    return change


def query(numerator: str, total: str = "", key: str = "bad") -> Change:
    """Return a change of what is counted."""

    def change(document: dict[str, Any]) -> None:
        ratio = document["spec"]["indicator"]["spec"]["ratioMetric"]
        part = ratio.pop("bad")
        part["metricSource"]["spec"]["query"] = numerator
        ratio[key] = part
        if total:
            ratio["total"]["metricSource"]["spec"]["query"] = total

    return change
