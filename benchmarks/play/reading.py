"""A pack's inventory and scenarios, read together: a scenario shows nothing that the inventory does not allow."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mape_k.catalogue.yaml_text import Path as Place
from mape_k.errors import did_you_mean
from mape_k.packfiles import Inventory, Metric, Refusal, RefusedError, read_inventory_file
from mape_k.packfiles.inventory import INVENTORY_FILE
from mape_k.packfiles.reading import YamlFile, read_yaml_file, validation_refusals
from play.documents import STATES, ChangeDocument, Key, ScenariosDocument, SeriesDocument

SCENARIOS_FILE = "scenarios.yaml"

_GIVEN = {"counter": {"rate"}, "histogram": {"rate", "observed"}}
_WANTED = {"counter": "a rate", "histogram": "a rate and what is observed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What can be played: what there is, and what it does."""

    inventory: Inventory
    scenarios: ScenariosDocument


def read_part(folder: Path) -> Part:
    """Read the inventory and the scenarios of the pack in ``folder``.

    Raises:
        RefusedError: everything that is wrong with them.
    """
    inventory = read_inventory_file(folder / INVENTORY_FILE)
    file = read_yaml_file(folder / SCENARIOS_FILE)
    try:
        scenarios = ScenariosDocument.model_validate(file.value)
    except ValidationError as error:
        raise RefusedError(list(validation_refusals(file, ScenariosDocument, error))) from error
    if refusals := list(_nonsense(file, inventory, scenarios)):
        raise RefusedError(refusals)
    return Part(inventory=inventory, scenarios=scenarios)


def _nonsense(file: YamlFile, inventory: Inventory, scenarios: ScenariosDocument) -> Iterator[Refusal]:
    placed = list(_series(scenarios))
    for place, series in placed:
        yield from (file.refuse(place, sentence) for sentence in _misfits(inventory, series))
    yield from (file.refuse(place, sentence) for place, sentence in _doubled(placed))
    yield from (file.refuse(place, sentence) for place, sentence in _overfull(inventory, placed))
    shown = {series.metric for _, series in placed}
    for metric in inventory:
        if metric.name not in shown:
            yield file.refuse(("healthy",), f"{metric.name} is in the inventory, and no series shows it; add one")
    for name, fault in scenarios.faults.items():
        for index, metric_name in enumerate(fault.absent):
            if metric_name not in inventory.metrics:
                yield file.refuse(("faults", name, "absent", index), _unknown(inventory, metric_name))
        for index, control in enumerate(fault.cured_by):
            if control not in scenarios.controls:
                remedy = did_you_mean(control, scenarios.controls) or "; add it to controls"
                yield file.refuse(("faults", name, "cured_by", index), f"there is no control {control}{remedy}")


def _series(scenarios: ScenariosDocument) -> Iterator[tuple[Place, SeriesDocument]]:
    for index, series in enumerate(scenarios.healthy):
        yield ("healthy", index), series
    for name, fault in scenarios.faults.items():
        for index, change in enumerate(fault.change):
            yield ("faults", name, "change", index), change


def _unknown(inventory: Inventory, name: str) -> str:
    return f"{name} is not in the inventory{did_you_mean(name, inventory.metrics) or '; add it to metrics.yaml'}"


def _misfits(inventory: Inventory, series: SeriesDocument) -> Iterator[str]:
    """Yield why the inventory does not allow such a series."""
    metric = inventory.metrics.get(series.metric)
    if metric is None:
        yield _unknown(inventory, series.metric)
        return
    if series.labels.keys() != metric.labels.keys():
        yield f"{metric.name} has the labels {', '.join(metric.labels) or '(none)'}; write all of them and no others"
    for name, value in series.labels.items():
        if (label := metric.labels.get(name)) and label.is_closed and value not in label.values:
            yield f"the label {name} of {metric.name} is never {value!r}; it is one of {', '.join(label.values)}"
    yield from _unfit_numbers(metric, series)


def _unfit_numbers(metric: Metric, series: SeriesDocument) -> Iterator[str]:
    given = {key for key in ("rate", "observed", *STATES) if getattr(series, key) is not None}
    if metric.type == "gauge":
        if len(given) != 1 or not given <= set(STATES):
            yield f"{metric.name} is a gauge; expected exactly one of {', '.join(STATES)}"
    elif metric.type == "info":
        if given - {"value"} or series.value not in {None, 1}:
            yield f"{metric.name} is of type info; expected the value 1, or none"
    elif given != _GIVEN[metric.type]:
        yield f"{metric.name} is of type {metric.type}; expected {_WANTED[metric.type]}"
    if series.grows and series.value is None:
        yield "only a value can grow; remove grows"


def _doubled(placed: list[tuple[Place, SeriesDocument]]) -> Iterator[tuple[Place, str]]:
    seen: set[tuple[Place, Key]] = set()
    for place, series in placed:
        if (mark := (place[:-1], series.key)) in seen:
            yield place, f"{series.metric} is here with these labels already; remove one"
        seen.add(mark)


def _overfull(inventory: Inventory, placed: list[tuple[Place, SeriesDocument]]) -> Iterator[tuple[Place, str]]:
    """Yield where an open label gets more values than it can have."""
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for place, series in placed:
        metric = inventory.metrics.get(series.metric)
        for name, value in series.labels.items():
            found = values[series.metric, name]
            found.add(value)
            if metric and name in metric.labels and len(found) > metric.labels[name].at_most:
                yield place, f"the label {name} of {series.metric} has more values than at_most allows; raise it"


def is_born(series: SeriesDocument) -> bool:
    """Whether the series is not there before its fault."""
    return isinstance(series, ChangeDocument) and series.born
