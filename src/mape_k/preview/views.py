"""What the page's template shows: boards, sections and panels as plain values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mape_k.preview.asking import Asked, AskedBoard
from mape_k.preview.board import BoardFile
from mape_k.preview.colours import colour
from mape_k.preview.markdown import is_address, markdown
from mape_k.preview.plots import plot
from mape_k.preview.shapes import arc_steps, figures, heatmap, slices, table, timeline

HALF_A_DAY = 43200.0
MAX_MARKS = 100
_DRAWN = {
    "stat": figures,
    "gauge": figures,
    "bargauge": figures,
    "piechart": slices,
    "table": table,
    "heatmap": heatmap,
    "state-timeline": timeline,
    "status-history": timeline,
}
_STATES = ("state-timeline", "status-history")
_OVER_TIME = ("timeseries", "graph", "trend")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading with the panels below it; their places begin anew at the top."""

    title: str
    panels: tuple[Asked, ...]
    top: int


@dataclass(frozen=True, slots=True)
class _Drawer:
    """Draws panels: lines over time are left to the page's script, everything else is drawn here.

    Args:
        plots: what the script draws; added to.
        marks: moments with names, on every time axis.
    """

    plots: list[Mapping[str, Any]]
    marks: Sequence[tuple[float, str]]

    def __call__(self, asked: Asked) -> Mapping[str, Any]:
        """Return what the template shows of a panel's data."""
        kind = asked.panel.kind
        if kind not in _OVER_TIME:
            steps = arc_steps(asked.panel, asked) if kind == "gauge" else []
            return {"drawn": _DRAWN.get(kind, table)(asked), "steps": steps}
        drawn = {**plot(asked), "marks": self.marks}
        self.plots.append(drawn)
        lines = [(line["name"], line["colour"], line["last"]) for line in drawn["lines"]]
        return {"plot": len(self.plots) - 1, "lines": lines}


def board_view(asked: AskedBoard, plots: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what the template shows of a board; what its script draws is added to ``plots``."""
    variables = {variable.name: variable.label for variable in asked.board.variables}
    drawer = _Drawer(plots, _marks(asked))
    return {
        "title": asked.board.title,
        "system": _system(asked.board),
        "firing": _firing(asked),
        "description": asked.board.description,
        "start": _time(asked.span.start),
        "end": _time(asked.span.end),
        "ends": [
            _time(at)[5 if asked.span.seconds >= HALF_A_DAY else 11 : 16] for at in (asked.span.start, asked.span.end)
        ],
        "chosen": [
            (variables[name], ", ".join(each.values)) for name, each in asked.chosen.items() if any(each.values)
        ],
        "links": [link for link in asked.links if is_address(link[1])],
        "sections": [_section_view(section, drawer) for section in sections(asked.panels)],
        "empty": [panel.title for panel in empty_panels(asked)],
    }


def _system(board: BoardFile) -> str:
    """Return what the board is of, by its first tag, where its title does not say so."""
    tag = next(iter(board.tags), "")
    return "" if tag.casefold() in board.title.casefold() else tag


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _marks(asked: AskedBoard) -> list[tuple[float, str]]:
    """Return when each alert began to fire within the time shown, as moments with names."""
    found = []
    for series in asked.firing.series if asked.firing else ():
        gap = 1.5 * (asked.firing.step if asked.firing else 1)
        for before, at in zip([-1.0, *series.times], series.times, strict=False):
            if at - before > gap and at > asked.span.start + gap:
                found.append((float(at), series.name))
    return found[:MAX_MARKS]


def _firing(asked: AskedBoard) -> list[tuple[str, str]]:
    """Return which alerts fire at the end of the time shown, each with the address of its runbook if one is known."""
    answer = asked.firing
    if answer is None:
        return []
    recent = asked.span.end - 1.5 * answer.step
    names = sorted({each.name for each in answer.series if each.times.size and each.times[-1] > recent})[:MAX_MARKS]
    known = dict(link for link in (*asked.panel_links, *asked.links) if is_address(link[1]))
    return [(name, known.get(f"Runbook: {name}", "")) for name in names]


def sections(panels: Sequence[Asked]) -> Iterator[Section]:
    """Yield the panels below each heading, in the order of reading."""
    title, held = "", list[Asked]()
    for asked in panels:
        if asked.panel.kind == "row":
            if held:
                yield _section(title, held)
            title, held = asked.title, []
        else:
            held.append(asked)
    if held:
        yield _section(title, held)


def _section(title: str, panels: Sequence[Asked]) -> Section:
    ordered = sorted(panels, key=lambda asked: (asked.panel.place[1], asked.panel.place[0]))
    return Section(title=title, panels=tuple(ordered), top=ordered[0].panel.place[1])


def empty_panels(asked: AskedBoard) -> list[Asked]:
    """Return the panels that should show something and do not."""
    return [
        each
        for each in asked.panels
        if each.panel.is_asked and not each.has_data and (each.errors or not each.panel.when_empty)
    ]


def _section_view(section: Section, drawer: _Drawer) -> Mapping[str, Any]:
    return {"title": section.title, "panels": [_panel_view(each, section.top, drawer) for each in section.panels]}


def _panel_view(asked: Asked, top: int, drawer: _Drawer) -> Mapping[str, Any]:
    panel = asked.panel
    x, y, w, h = panel.place
    return {
        "title": asked.title,
        "description": asked.description,
        "kind": panel.kind,
        "place": {"x": x + 1, "y": y - top + 1, "w": w, "h": h},
        "errors": asked.errors,
        "when_empty": panel.when_empty,
        "has_data": asked.has_data,
        "left_out": sum(answer.left_out for answer in asked.answers),
        "queries": [answer.expr for answer in asked.answers],
        "unasked": [target.expr for target in panel.targets if target.source != "prometheus"],
        "content": markdown(str(panel.options.get("content", ""))) if panel.kind == "text" else "",
        "key": [(word, colour(tone)) for word, tone in panel.mappings.values() if panel.kind in _STATES],
        "shows": str(panel.options.get("textMode", "auto")),
        "filled": panel.options.get("colorMode") == "background",
        **(drawer(asked) if asked.has_data else {}),
    }
