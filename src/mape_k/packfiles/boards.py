"""Grafana dashboards: their panels, what each asks, in which unit and against which limits."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mape_k.packfiles.reading import Refusal, RefusedError, read_text

MAX_PANELS = 500
OF_FIELDS = "of its fields"
"""The unit of a panel that gives one to some of its fields alone."""
_DEPTH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Args:
        line: where its title stands.
        title: of the panel.
        kind: ``timeseries``, ``stat``, ``table``, ….
        description: for people.
        unit: Grafana's name of it; empty: none is set.
        limits: the values of its thresholds but the base.
        queries: the expression of each target, with the line.
        source: the kind of its data source (``prometheus``, ``loki``); empty: unknown.
    """

    line: int
    title: str
    kind: str
    description: str
    unit: str
    limits: tuple[float, ...]
    queries: tuple[tuple[int, str], ...]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard; rows are no panels of their own."""

    path: Path
    content: str
    uid: str
    title: str
    panels: tuple[Panel, ...]


def read_board(path: Path) -> Board:
    """Read a dashboard.

    Raises:
        RefusedError: it is no JSON, or no dashboard.
    """
    return board_of(path, read_text(path))


def board_of(path: Path, content: str) -> Board:
    """Return what ``content`` says as a dashboard.

    Raises:
        RefusedError: it is no JSON, or no dashboard.
    """
    try:
        document = json.loads(content)
    except json.JSONDecodeError as error:
        raise _refused(path, error.lineno, f"not JSON: {error.msg}; mend it there") from error
    except (RecursionError, ValueError) as error:
        raise _refused(path, 1, "not JSON that can be read; export it again") from error
    document = _mapping(document)
    document = _mapping(document["dashboard"]) if "dashboard" in document else document
    if not isinstance(document.get("panels", document.get("rows")), list):
        raise _refused(path, 1, "expected a Grafana dashboard: an object with panels")
    lines = _Lines(content)
    panels = [_panel(each, lines) for each in islice(_panels(document, 0), MAX_PANELS)]
    return Board(
        path=path,
        content=content,
        uid=_text(document.get("uid")),
        title=_text(document.get("title")),
        panels=tuple(panels),
    )


def read_boards(folder: Path) -> tuple[Board, ...]:
    """Return the dashboards of the pack in ``folder``, by file name.

    Raises:
        RefusedError: the first file that is none.
    """
    return tuple(read_board(path) for path in sorted((folder / "dashboards").glob("*.json")))


def _refused(path: Path, line: int, sentence: str) -> RefusedError:
    return RefusedError([Refusal(path=path, line=line, key="", sentence=sentence)])


class _Lines:
    """Finds the line of a text in JSON; each further search for the same text finds the next one."""

    def __init__(self, content: str) -> None:
        self._content = content
        self._after: dict[str, int] = {}

    def of(self, key: str, text: str) -> int:
        forms = {json.dumps(text), json.dumps(text, ensure_ascii=False)}
        for wanted in (f'"{key}":{space}{form}' for form in forms for space in (" ", "")):
            at = self._content.find(wanted, self._after.get(wanted, 0))
            if at >= 0:
                self._after[wanted] = at + 1
                return self._content.count("\n", 0, at) + 1
        return 1


def _panels(holder: Mapping[str, object], depth: int) -> Iterator[Mapping[str, object]]:
    if depth > _DEPTH:
        return
    for each in (*_list(holder.get("panels")), *_list(holder.get("rows"))):
        inner = _mapping(each)
        if _text(inner.get("type")) not in {"", "row"}:
            yield inner
        yield from _panels(inner, depth + 1)


def _panel(panel: Mapping[str, object], lines: _Lines) -> Panel:
    defaults = _mapping(_mapping(panel.get("fieldConfig")).get("defaults"))
    steps = _list(_mapping(defaults.get("thresholds")).get("steps"))
    title = _text(panel.get("title"))
    targets = [_mapping(each) for each in _list(panel.get("targets"))]
    queries = [_text(target.get("expr")) for target in targets]
    return Panel(
        line=lines.of("title", title),
        title=title,
        kind=_text(panel.get("type")),
        description=_text(panel.get("description")),
        unit=_unit(panel),
        limits=tuple(value for step in steps if (value := _number(_mapping(step).get("value"))) is not None),
        queries=tuple((lines.of("expr", query), query) for query in queries if query),
        source=next(filter(None, (_source(each) for each in (panel, *targets))), ""),
    )


def _source(holder: Mapping[str, object]) -> str:
    """Return the kind of a data source; old dashboards have its name in the place."""
    name = _text(holder.get("datasource")).lower()
    named = next((kind for kind in ("loki", "prometheus", "elasticsearch", "influx", "sql") if kind in name), "")
    return _text(_mapping(holder.get("datasource")).get("type")) or named


def _unit(panel: Mapping[str, object]) -> str:
    """Return a panel's unit; old panels have it at the axis or at themselves, others at single fields."""
    config = _mapping(panel.get("fieldConfig"))
    axis = _mapping(next(iter(_list(panel.get("yaxes"))), None))
    plain = (
        _text(_mapping(config.get("defaults")).get("unit")) or _text(axis.get("format")) or _text(panel.get("format"))
    )
    settings = [each for field in _list(config.get("overrides")) for each in _list(_mapping(field).get("properties"))]
    return plain or next((OF_FIELDS for each in settings if _mapping(each).get("id") == "unit"), "")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
