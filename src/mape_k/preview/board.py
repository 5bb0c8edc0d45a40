"""A board's file as values; tolerant of boards that were not drawn here, bounded all the same."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from mape_k.errors import ConfigError
from mape_k.packfiles import read_text

MAX_PANELS = 300
MAX_TARGETS = 26
GRID_COLUMNS = 24

Json: TypeAlias = Mapping[str, Any]

_COSTLY = re.compile(r"[*+}]\)?[*+{]|\)[*+{]|(?:[*+{].*){4}")
"""Repetitions of repetitions, or too many: trying such a pattern of somebody else's board could take for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One query of a panel.

    Args:
        ref: its name within the panel: A, B and so on.
        expr: the query, with variables.
        legend: the template of the names of its series.
        is_instant: at the end of the time range only.
        source: the kind of its data source.
    """

    ref: str
    expr: str
    legend: str
    is_instant: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How numbers of a panel, or of one of its series, look."""

    unit: str = ""
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    colour: str = ""
    axis: str = "left"
    cell: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What differs for some series: which ones by a matcher, what by the keys of :class:`Look`."""

    by: str
    of: str
    changes: Mapping[str, Any]

    def is_for(self, name: str, ref: str) -> bool:
        """Return whether it holds for a series."""
        if self.by == "byFrameRefID":
            return self.of == ref
        if self.by == "byRegexp":
            return _matches(self.of, name)
        return self.by == "byName" and self.of == name


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel; ``options`` and ``custom`` are as its kind's plugin has them."""

    title: str
    kind: str
    description: str
    place: tuple[int, int, int, int]
    targets: tuple[Target, ...]
    look: Look
    steps: tuple[tuple[float | None, str], ...]
    mappings: Mapping[str, tuple[str, str]]
    overrides: tuple[Override, ...]
    when_empty: str
    options: Json = field(default_factory=dict)
    custom: Json = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    source: str = ""

    @property
    def is_asked(self) -> bool:
        """Whether a Prometheus can say anything about it."""
        return any(target.source == "prometheus" for target in self.targets)

    def step_at(self, number: float) -> str:
        """Return the name of the colour of a number, by the thresholds."""
        reached = [colour for bound, colour in self.steps if bound is None or number >= bound]
        return reached[-1] if reached else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable of a board.

    Args:
        name: as queries use it.
        label: as people read it.
        kind: query, custom, textbox, constant, interval, datasource.
        query: what is offered, in the form of its kind.
        current: what is chosen at first.
        is_multi: several may be chosen.
        has_all: All is offered; ``all_value`` stands for it where it is not empty.
    """

    name: str
    label: str
    kind: str
    query: str
    current: tuple[str, ...]
    is_multi: bool
    has_all: bool
    all_value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFile:
    """A board as its file has it."""

    path: Path
    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...]
    alerts: str
    links: tuple[tuple[str, str], ...]
    tags: tuple[str, ...] = ()


def read_board(path: Path) -> BoardFile:
    """Read the JSON of a board.

    Raises:
        ConfigError: it cannot be read, or is no board.
    """
    text = read_text(path)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        reason = getattr(error, "msg", "nested too deep, or a number that is too long")
        raise ConfigError([f"{path}:{line}: no JSON: {reason}; save the board from Grafana anew"]) from error
    if not isinstance(document, dict) or not isinstance(document.get("panels"), list):
        raise ConfigError([f"{path}:1: panels: expected the JSON of a Grafana board, which has a list of panels"])
    panels = tuple(_panels(document["panels"]))
    if len(panels) > MAX_PANELS:
        raise ConfigError([f"{path}:1: panels: over {MAX_PANELS}; split the board"])
    return BoardFile(
        path=path,
        uid=_text(document.get("uid")),
        title=_text(document.get("title")) or path.stem,
        description=_text(document.get("description")),
        panels=panels,
        variables=tuple(_variable(each) for each in _list(_dict(document.get("templating")).get("list"))),
        alerts=next(_annotations(document), ""),
        links=_links(document),
        tags=tuple(filter(None, map(_text, _list(document.get("tags"))))),
    )


def _panels(drawn: Sequence[object]) -> Iterator[Panel]:
    """Yield all panels and headings; those of collapsed rows lie one upon the other below it."""
    for each in drawn:
        if isinstance(each, dict):
            yield _panel(each)
            yield from _panels(_list(each.get("panels")))


def _panel(drawn: Json) -> Panel:
    fields = _dict(drawn.get("fieldConfig"))
    defaults = _dict(fields.get("defaults"))
    return Panel(
        title=_text(drawn.get("title")),
        kind=_text(drawn.get("type")),
        description=_text(drawn.get("description")),
        place=_place(_dict(drawn.get("gridPos"))),
        targets=tuple(_targets(drawn)),
        look=_look(Look(), defaults),
        steps=tuple(_steps(_dict(defaults.get("thresholds")))),
        mappings=dict(_mappings(_list(defaults.get("mappings")))),
        overrides=tuple(_override(each) for each in _list(fields.get("overrides"))),
        when_empty=_text(defaults.get("noValue")),
        options=_dict(drawn.get("options")),
        custom=_dict(defaults.get("custom")),
        columns=_columns(drawn),
        links=_links(drawn),
        source=_source(drawn.get("datasource")),
    )


def _place(grid: Json) -> tuple[int, int, int, int]:
    x, y, w, h = (_whole(grid.get(key), default) for key, default in (("x", 0), ("y", 0), ("w", 12), ("h", 8)))
    w = min(max(w, 1), GRID_COLUMNS)
    return min(max(x, 0), GRID_COLUMNS - w), max(y, 0), w, min(max(h, 1), 100)


def _targets(drawn: Json) -> Iterator[Target]:
    own = _source(drawn.get("datasource"))
    for each in _list(drawn.get("targets"))[:MAX_TARGETS]:
        target = _dict(each)
        expr = _text(target.get("expr"))
        if expr and not target.get("hide"):
            yield Target(
                ref=_text(target.get("refId")),
                expr=expr,
                legend=_text(target.get("legendFormat")).replace("__auto", ""),
                is_instant=bool(target.get("instant")) and not target.get("range"),
                source=_source(target.get("datasource")) or own or "prometheus",
            )


def _source(source: object) -> str:
    return _text(_dict(source).get("type"))


def _look(before: Look, changed: Json) -> Look:
    decimals = changed.get("decimals", before.decimals)
    return Look(
        unit=_text(changed.get("unit")) or before.unit,
        decimals=_whole(decimals, 0) if decimals is not None else None,
        minimum=finite(changed.get("min"), before.minimum),
        maximum=finite(changed.get("max"), before.maximum),
        colour=_text(_dict(changed.get("color")).get("fixedColor")) or before.colour,
        cell=_cell_kind(changed) or before.cell,
        axis="right" if changed.get("custom.axisPlacement") == "right" else before.axis,
    )


def _cell_kind(changed: Json) -> str:
    """Return how cells of a table are drawn: by the settings of a panel or an override, in the new form or the old."""
    settings = {**_dict(changed.get("custom")), **{key.removeprefix("custom."): changed[key] for key in changed}}
    return _text(_dict(settings.get("cellOptions")).get("type")) or _text(settings.get("displayMode"))


def look_of(panel: Panel, name: str, ref: str) -> Look:
    """Return how a series of a panel looks, overrides included."""
    look = panel.look
    for override in panel.overrides:
        if override.is_for(name, ref):
            look = _look(look, override.changes)
    return look


def _override(drawn: object) -> Override:
    matcher = _dict(_dict(drawn).get("matcher"))
    properties = _list(_dict(drawn).get("properties"))
    changes = {_text(_dict(each).get("id")): _dict(each).get("value") for each in properties}
    return Override(by=_text(matcher.get("id")), of=_text(matcher.get("options")), changes=changes)


def _matches(pattern: str, name: str) -> bool:
    if _COSTLY.search(pattern):
        return False
    try:
        return re.search(pattern.strip("/")[:200], name[:200]) is not None
    except re.error:
        return False


def _steps(thresholds: Json) -> Iterator[tuple[float | None, str]]:
    for each in _list(thresholds.get("steps")):
        step = _dict(each)
        yield finite(step.get("value"), None), _text(step.get("color"))


def _mappings(mappings: Sequence[object]) -> Iterator[tuple[str, tuple[str, str]]]:
    for mapping in mappings:
        if _dict(mapping).get("type") == "value":
            for value, result in _dict(_dict(mapping).get("options")).items():
                yield str(value), (_text(_dict(result).get("text")), _text(_dict(result).get("color")))


def _columns(drawn: Json) -> Mapping[str, str]:
    for change in _list(drawn.get("transformations")):
        if _dict(change).get("id") == "organize":
            options = _dict(_dict(change).get("options"))
            names, places = _dict(options.get("renameByName")), _dict(options.get("indexByName"))
            ordered = sorted(names, key=lambda name: _whole(places.get(name), len(names)))
            return {str(name): _text(names[name]) for name in ordered}
    return {}


def _annotations(document: Json) -> Iterator[str]:
    for each in _list(_dict(document.get("annotations")).get("list")):
        expr = _text(_dict(each).get("expr")) or _text(_dict(_dict(each).get("target")).get("expr"))
        if expr and _source(_dict(each).get("datasource")) in ("prometheus", ""):
            yield expr


def _links(drawn: Json) -> tuple[tuple[str, str], ...]:
    links = [_dict(each) for each in _list(drawn.get("links"))]
    return tuple((_text(link.get("title")), _text(link.get("url"))) for link in links if link.get("url"))


def _variable(drawn: object) -> Variable:
    variable = _dict(drawn)
    query, current = variable.get("query"), _dict(variable.get("current")).get("value")
    values = current if isinstance(current, list) else [current] if current not in (None, "") else []
    return Variable(
        name=_text(variable.get("name")),
        label=_text(variable.get("label")) or _text(variable.get("name")),
        kind=_text(variable.get("type")),
        query=_text(_dict(query).get("query")) if isinstance(query, dict) else _text(query),
        current=tuple(map(str, values)),
        is_multi=bool(variable.get("multi")),
        has_all=bool(variable.get("includeAll")),
        all_value=_text(variable.get("allValue")),
    )


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def finite(value: object, default: float | None) -> float | None:
    """Return a number of a board; JSON as it is read has words and greater numbers, too, which cannot be drawn."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    try:
        return float(value) if math.isfinite(value) else default
    except OverflowError:
        return default


def _whole(value: object, default: int) -> int:
    number = finite(value, None)
    return int(number) if number is not None and abs(number) < 1e6 else default  # noqa: PLR2004 -- no place is further
