"""The page: one file with its data, styles and script, that a browser can open anywhere and that loads nothing."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from mape_k.preview.asking import Asked, AskedBoard
from mape_k.preview.colours import colour
from mape_k.preview.plots import plot
from mape_k.preview.shapes import arc_steps, asked_share, figures, heatmap, slices, table, timeline
from mape_k.text import printable

Theme = Literal["auto", "light", "dark"]
MAX_TEXT = 4000
HALF_A_DAY = 43200.0
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
_OVER_TIME = ("timeseries", "graph", "trend")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading with the panels below it; their places begin anew at the top."""

    title: str
    panels: tuple[Asked, ...]
    top: int


def render(boards: Sequence[AskedBoard], *, theme: Theme, source: str) -> str:
    """Return the page as HTML.

    Args:
        boards: in the order to be shown.
        theme: of the page; auto: the reader's.
        source: the address of the Prometheus that was asked, for people.
    """
    script, library = (files("mape_k.preview").joinpath("static", name).read_text() for name in _SCRIPTS)
    plots: list[Mapping[str, Any]] = []
    return _template().render(
        boards=[_board_view(board, plots) for board in boards],
        theme=theme,
        source=source,
        style=Markup(_style()),  # noqa: S704 -- our own file
        library=Markup(library),  # noqa: S704 -- the vendored file
        script=Markup(script),  # noqa: S704 -- our own file
        plots=Markup(_embedded(plots)),  # noqa: S704 -- embedded so that it cannot end the element
        hashes=" ".join(f"'sha256-{_hash(text)}'" for text in (library, script)),
    )


_SCRIPTS = ("preview.js", "uPlot.iife.min.js")


def _style() -> str:
    static = files("mape_k.preview").joinpath("static")
    return "\n".join(static.joinpath(name).read_text() for name in ("uPlot.min.css", "preview.css"))


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(value: object) -> str:
    """Return JSON that is safe inside a script element: no sign of markup is left in it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _board_view(asked: AskedBoard, plots: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    variables = {variable.name: variable.label for variable in asked.board.variables}
    marks = _marks(asked)
    return {
        "title": asked.board.title,
        "description": asked.board.description,
        "file": asked.board.path.name,
        "start": _time(asked.span.start),
        "end": _time(asked.span.end),
        "ends": [
            _time(at)[5 if asked.span.seconds >= HALF_A_DAY else 11 : 16] for at in (asked.span.start, asked.span.end)
        ],
        "chosen": [
            (variables[name], ", ".join(each.values)) for name, each in asked.chosen.items() if any(each.values)
        ],
        "links": [link for link in asked.links if _is_address(link[1])],
        "sections": [_section_view(section, plots, marks) for section in sections(asked.panels)],
        "empty": [panel.title for panel in empty_panels(asked)],
    }


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
    return found[:100]


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
        if each.panel.is_asked and not each.has_data and (each.errors or not _may_be(each))
    ]


def _may_be(asked: Asked) -> bool:
    return bool(asked.panel.when_empty)


def _section_view(
    section: Section, plots: list[Mapping[str, Any]], marks: Sequence[tuple[float, str]]
) -> Mapping[str, Any]:
    return {"title": section.title, "panels": [_panel_view(each, section.top, plots, marks) for each in section.panels]}


def _panel_view(
    asked: Asked, top: int, plots: list[Mapping[str, Any]], marks: Sequence[tuple[float, str]]
) -> Mapping[str, Any]:
    panel = asked.panel
    x, y, w, h = panel.place
    view: dict[str, Any] = {
        "title": asked.title,
        "description": asked.description,
        "kind": panel.kind,
        "x": x + 1,
        "y": y - top + 1,
        "w": w,
        "h": h,
        "errors": asked.errors,
        "when_empty": panel.when_empty,
        "has_data": asked.has_data,
        "left_out": sum(answer.left_out for answer in asked.answers),
        "queries": [(answer.target.legend, answer.expr) for answer in asked.answers],
        "unasked": [target.expr for target in panel.targets if target.source != "prometheus"],
        "content": _markdown(str(panel.options.get("content", ""))) if panel.kind == "text" else "",
        "ticks": [(asked_share(asked, at), name) for at, name in marks],
    }
    if panel.kind in _OVER_TIME and asked.has_data:
        drawn = {**plot(asked), "marks": marks}
        view |= {"plot": len(plots), "lines": [(line["name"], line["colour"], line["last"]) for line in drawn["lines"]]}
        plots.append(drawn)
    elif asked.has_data:
        view["drawn"] = _DRAWN.get(panel.kind, table)(asked)
        view["steps"] = arc_steps(panel, asked) if panel.kind == "gauge" else []
    view["is_table"] = panel.kind not in (*_DRAWN, *_OVER_TIME, "text", "logs") or panel.kind == "table"
    view["key"] = [(word, colour(tone)) for word, tone in panel.mappings.values() if panel.kind == "state-timeline"]
    view["shows"] = str(panel.options.get("textMode", "auto"))
    view["filled"] = panel.options.get("colorMode") == "background"
    return view


_INLINE = re.compile(
    r"\*\*(?P<bold>[^*]+)\*\*|\*(?P<slant>[^*]+)\*|`(?P<code>[^`]+)`|\[(?P<text>[^\]]+)\]\((?P<url>[^)\s]+)\)"
)
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")


def _is_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None


def _markdown(text: str) -> Markup:
    """Return the simple parts of Markdown as markup: headings, lists, paragraphs, emphasis, code, links."""
    blocks = (block.strip("\n") for block in re.split(r"\n\s*\n", text[:MAX_TEXT]))
    return Markup().join(_block(block) for block in blocks if block.strip())


def _block(block: str) -> Markup:
    lines = block.splitlines()
    if all(re.match(r"\s*[-*] ", line) for line in lines):
        return Markup("<ul>{}</ul>").format(
            Markup().join(Markup("<li>{}</li>").format(_inline(line.lstrip()[2:])) for line in lines)
        )
    if lines[0].startswith("#"):
        heading = Markup("<h4>{}</h4>").format(_inline(lines[0].lstrip("# ")))
        return heading + (_block("\n".join(lines[1:])) if lines[1:] else Markup())
    return Markup("<p>{}</p>").format(_inline(" ".join(lines)))


def _inline(text: str) -> Markup:
    text, parts, end = printable(text, MAX_TEXT), [], 0
    for found in _INLINE.finditer(text):
        parts += [escape(text[end : found.start()]), _emphasis(found)]
        end = found.end()
    return Markup().join([*parts, escape(text[end:])])


def _emphasis(found: "re.Match[str]") -> Markup:
    if found["bold"]:
        return Markup("<b>{}</b>").format(found["bold"])
    if found["slant"]:
        return Markup("<i>{}</i>").format(found["slant"])
    if found["code"]:
        return Markup("<code>{}</code>").format(found["code"])
    if _is_address(found["url"]):
        return Markup('<a href="{}">{}</a>').format(found["url"], found["text"])
    return escape(found["text"])


def arc(share: float, radius: float = 40.0) -> str:
    """Return the point of a dial at a share of its way, from seven o'clock to five."""
    return _on_circle((-225 + 270 * share), radius)


def around(share: float, radius: float = 40.0) -> str:
    """Return the point of a circle at a share of its way, from twelve o'clock on."""
    return _on_circle(-90 + 360 * min(share, 0.9999), radius)


def _on_circle(degrees: float, radius: float) -> str:
    from math import cos, radians, sin  # noqa: PLC0415

    return f"{50 + radius * cos(radians(degrees)):.2f} {50 + radius * sin(radians(degrees)):.2f}"


def _shown(value: object) -> object:
    """Make every text of the page harmless and bounded; the escaping of markup comes after this."""
    return printable(value, MAX_TEXT) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("mape_k.preview"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"arc": arc, "around": around}
    return environment.get_template("preview.html")
