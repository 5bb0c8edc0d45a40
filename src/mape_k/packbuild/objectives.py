"""Objectives of a pack: read from its ``objectives/*.yaml`` and checked as far as no server is needed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from mape_k.catalogue import durations
from mape_k.catalogue.yaml_text import Path as Place
from mape_k.errors import did_you_mean
from mape_k.packbuild import slo_query
from mape_k.packbuild.openslo import ALERT_PREFIX, ANNOTATIONS, UNSUPPORTED, Metric, ObjectiveDocument
from mape_k.packfiles import Refusal, RefusedError
from mape_k.packfiles.reading import YamlFile, read_yaml_file, validation_refusals

FOLDER = "objectives"
BUDGET_DAYS = 30

WINDOWS: Mapping[str, int] = {"5m": 300, "30m": 1800, "1h": 3600, "6h": 21_600, "1d": 86_400, "3d": 259_200}
"""What an alert may look at, in seconds."""

MINIMUM_BAD_EVENTS = 5
_FEWEST, _MOST = 2, 1_000_000
_MAX_FACTOR = Decimal(1000)

_PAIR = re.compile(r"([0-9]+(?:\.[0-9]+)?)x over ([0-9]+[mhd]) and ([0-9]+[mhd])")
_ALERT = re.compile(
    r"(critical|warning|info), (.*x over .*?)(?:, at least ([0-9]{1,7}) bad events)?(?:, for ([0-9a-z]+))?"
)
_ALERT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,119}")
_EXPECTED = "expected such as `critical, 14.4x over 1h and 5m or 6x over 6h and 30m, at least 5 bad events, for 2m`"
_STANDARD = {
    "BudgetBurn": "critical, 14.4x over 1h and 5m or 6x over 6h and 30m, for 2m",
    "BudgetLeak": "warning, 1x over 3d and 6h, for 15m",
}
"""Google's Site Reliability Workbook, chapter 5: 2% of a month's budget in an hour, 5% in 6 hours, 10% in 3 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """A speed at which the error budget is used up, seen over two windows at once.

    Args:
        factor: how many times faster than the objective allows.
        long, short: keys of ``WINDOWS``: the long one says that it matters, the short one that it still goes on.
    """

    factor: Decimal
    long: str
    short: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnAlert:
    """One alert about one objective.

    Args:
        name: of the alert.
        severity: critical, warning or info.
        burns: any of them raises it.
        minimum: so many bad events at least in the long window; with fewer it is silent.
        held_for: how long before it fires, as Prometheus writes durations.
    """

    name: str
    severity: str
    burns: tuple[Burn, ...]
    minimum: int
    held_for: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What share of the events must be good over 30 days.

    Args:
        system: the pack's name.
        name: unique in its pack.
        title, description: for people.
        target: the share, over 0 and under 1, exactly as written.
        good, bad: what is counted, exactly one of them; else None.
        total: all events.
        team, component: labels of its alerts.
        events, bad_events: what is counted, and what bad ones did, for the texts.
        action: what to do first.
        part_of: the objective that several indicators belong to; its own name when it stands alone.
        alerts: in the order of their names in the file.
    """

    system: str
    name: str
    title: str
    description: str
    target: Decimal
    good: str | None
    bad: str | None
    total: str
    team: str
    component: str
    events: str
    bad_events: str
    action: str
    part_of: str
    alerts: tuple[BurnAlert, ...]

    @property
    def budget(self) -> Decimal:
        """The share of the events that may be bad."""
        return 1 - self.target


def read_objectives(folder: Path, system: str) -> tuple[Objective, ...]:
    """Read the objectives of the pack in ``folder``, in the order of their file names; none: it has no such folder.

    Raises:
        RefusedError: everything that is wrong with them.
    """
    found: list[tuple[YamlFile, Objective]] = []
    refusals: list[Refusal] = []
    for path in sorted((folder / FOLDER).glob("*.yaml")):
        try:
            found.append(_read(path, system))
        except RefusedError as error:
            refusals += error.refusals
    refusals += _clashes(found)
    if refusals:
        raise RefusedError(refusals)
    return tuple(objective for _, objective in found)


def _clashes(found: Iterable[tuple[YamlFile, Objective]]) -> Iterator[Refusal]:
    names: dict[str, YamlFile] = {}
    for file, objective in found:
        alerts = [(alert.name, ("metadata", "annotations", ALERT_PREFIX + alert.name)) for alert in objective.alerts]
        places: list[tuple[str, Place]] = [(objective.name, ("metadata", "name")), *alerts]
        for name, place in places:
            first = names.setdefault(name, file)
            if first is not file:
                yield file.refuse(place, f"{name} is in {first.path} already; give each its own name")


def _read(path: Path, system: str) -> tuple[YamlFile, Objective]:
    file = read_yaml_file(path)
    try:
        document = ObjectiveDocument.model_validate(file.value)
    except ValidationError as error:
        raise RefusedError([_named(each) for each in validation_refusals(file, ObjectiveDocument, error)]) from error
    reader = _Reader(file, document, system)
    objective = reader.read()
    if reader.refusals:
        raise RefusedError(reader.refusals)
    return file, objective


def _named(refusal: Refusal) -> Refusal:
    """Say of a key that OpenSLO knows why it is not supported here."""
    reason = UNSUPPORTED.get(refusal.key.rpartition(".")[2])
    if reason is None or not refusal.sentence.startswith("unknown key"):
        return refusal
    return Refusal(path=refusal.path, line=refusal.line, key=refusal.key, sentence=reason)


class _Reader:
    """Reads what the document's classes cannot check, and goes on after each complaint."""

    def __init__(self, file: YamlFile, document: ObjectiveDocument, system: str) -> None:
        self.file = file
        self.document = document
        self.system = system
        self.refusals: list[Refusal] = []

    def refuse(self, place: Place, sentence: str) -> None:
        self.refusals.append(self.file.refuse(place, sentence))

    def read(self) -> Objective:
        metadata, spec = self.document.metadata, self.document.spec
        if spec.service != self.system:
            self.refuse(("spec", "service"), f"expected the name of the pack: {self.system}")
        self._check_annotations()
        ratio = spec.indicator.spec.ratio
        target = Decimal(str(spec.objectives[0].target))
        return Objective(
            system=self.system,
            name=metadata.name,
            title=metadata.display_name,
            description=spec.description,
            target=target,
            good=self._query("good", ratio.good),
            bad=self._query("bad", ratio.bad),
            total=self._query("total", ratio.total) or "",
            team=self._said("mape-k/team"),
            component=self._said("mape-k/component"),
            events=self._said("mape-k/events"),
            bad_events=self._said("mape-k/bad-events"),
            action=self._said("mape-k/action"),
            part_of=self._said("mape-k/part-of", metadata.name),
            alerts=tuple(self._alerts(1 - target)),
        )

    def _said(self, key: str, default: str = "") -> str:
        return self.document.metadata.annotations.get(key, default)

    def _check_annotations(self) -> None:
        given = self.document.metadata.annotations
        here = ("metadata", "annotations")
        for key in given:
            if key.startswith("mape-k/") and key not in ANNOTATIONS and not key.startswith(ALERT_PREFIX):
                names = [known.removeprefix("mape-k/") for known in (*ANNOTATIONS, f"{ALERT_PREFIX}NAME")]
                remedy = did_you_mean(key.removeprefix("mape-k/"), names) or f"; known here are {', '.join(names)}"
                self.refuse((*here, key), f"unknown annotation{remedy}")
        for key, text in ANNOTATIONS.items():
            if not text.startswith("Optional") and not given.get(key, "").strip():
                self.refuse((*here, key), f"is missing; add it. {text}")

    def _query(self, key: str, metric: Metric | None) -> str | None:
        if metric is None:
            return None
        try:
            return slo_query.read(metric.source.spec.query)
        except ValueError as error:
            place = ("spec", "indicator", "spec", "ratioMetric", key, "metricSource", "spec", "query")
            self.refuse(place, str(error))
            return None

    def _alerts(self, budget: Decimal) -> Iterator[BurnAlert]:
        own = {
            key.removeprefix(ALERT_PREFIX): text
            for key, text in self.document.metadata.annotations.items()
            if key.startswith(ALERT_PREFIX)
        }
        if silent := self._said("mape-k/alerts"):
            if silent != "none" or own:
                self.refuse(
                    ("metadata", "annotations", "mape-k/alerts"), f"expected none, and no {ALERT_PREFIX}NAME beside it"
                )
            return
        camel = "".join(map(str.capitalize, f"{self.system}-{self.document.metadata.name}".split("-")))
        for name, text in (own or {camel + kind: text for kind, text in _STANDARD.items()}).items():
            place = ("metadata", "annotations", *([ALERT_PREFIX + name] if own else []))
            try:
                yield _alert(name, text, budget, self._minimum())
            except ValueError as error:
                self.refuse(place, str(error))

    def _minimum(self) -> int:
        key = "mape-k/minimum-bad-events"
        text = self._said(key, str(MINIMUM_BAD_EVENTS))
        if text.isdecimal() and _FEWEST <= int(text) <= _MOST:
            return int(text)
        sentence = f"expected a whole number from {_FEWEST} up: a single event must wake nobody"
        if not any(each.key.endswith(key) for each in self.refusals):
            self.refuse(("metadata", "annotations", key), sentence)
        return MINIMUM_BAD_EVENTS


def _alert(name: str, text: str, budget: Decimal, minimum: int) -> BurnAlert:
    """Read how an alert is described.

    Raises:
        ValueError: not so, or it could never fire.
    """
    if _ALERT_NAME.fullmatch(name) is None:
        raise ValueError("expected an alert's name after mape-k/alert.: letters, digits and '_'")
    found = _ALERT.fullmatch(text)
    if found is None:
        raise ValueError(f"{_EXPECTED}, got {text!r}")
    severity, burns, own_minimum, held_for = found.groups()
    if own_minimum and not _FEWEST <= int(own_minimum) <= _MOST:
        raise ValueError(
            f"at least {own_minimum} bad events: expected {_FEWEST} or more: a single one must wake nobody"
        )
    durations.parse_duration(held_for or "0s")
    return BurnAlert(
        name=name,
        severity=severity,
        burns=tuple(_burn(each, budget) for each in burns.split(" or ")),
        minimum=int(own_minimum or minimum),
        held_for=held_for or "",
    )


def _burn(text: str, budget: Decimal) -> Burn:
    found = _PAIR.fullmatch(text)
    if found is None:
        raise ValueError(f"{_EXPECTED}, got {text!r}")
    factor, long, short = Decimal(found[1]), found[2], found[3]
    for window in (long, short):
        if window not in WINDOWS:
            raise ValueError(f"{window} is no window here; expected one of {', '.join(WINDOWS)}")
    if WINDOWS[long] <= WINDOWS[short]:
        raise ValueError(f"{long} and {short}: expected the longer window first; the shorter one sees the end")
    if not 1 <= factor <= _MAX_FACTOR:
        raise ValueError(f"{factor}x: expected 1x to {_MAX_FACTOR}x; under 1x the budget lasts")
    if factor * budget >= 1:
        limit = f"{float(1 / budget):g}x"
        raise ValueError(
            f"{factor}x of a budget of {budget} is more than all events: it never fires; stay under {limit}"
        )
    return Burn(factor=factor, long=long, short=short)
