"""The page: one file with its data, styles and script, that a browser can open anywhere and that loads nothing."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from math import cos, radians, sin
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from mape_k.preview.asking import AskedBoard
from mape_k.preview.views import board_view
from mape_k.text import printable

Theme = Literal["auto", "light", "dark"]
MAX_TEXT = 4000


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
        boards=[board_view(board, plots) for board in boards],
        theme=theme,
        source=without_user(source),
        style=Markup(_style()),  # noqa: S704 -- our own file
        library=Markup(library),  # noqa: S704 -- the vendored file
        script=Markup(script),  # noqa: S704 -- our own file
        plots=Markup(_embedded(plots)),  # noqa: S704 -- embedded so that it cannot end the element
        hashes=" ".join(f"'sha256-{_hash(text)}'" for text in (library, script)),
    )


_SCRIPTS = ("preview.js", "uPlot.iife.min.js")


def without_user(address: str) -> str:
    """Return an address without the name and password that it may hold."""
    scheme, _, rest = address.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}" if scheme else address


def _style() -> str:
    static = files("mape_k.preview").joinpath("static")
    return "\n".join(static.joinpath(name).read_text() for name in ("uPlot.min.css", "preview.css"))


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(value: object) -> str:
    """Return JSON that is safe inside a script element: no sign of markup is left in it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def arc(share: float, radius: float = 40.0) -> str:
    """Return the point of a dial at a share of its way, from seven o'clock to five."""
    return _on_circle((-225 + 270 * share), radius)


def around(share: float, radius: float = 40.0) -> str:
    """Return the point of a circle at a share of its way, from twelve o'clock on."""
    return _on_circle(-90 + 360 * min(share, 0.9999), radius)


def _on_circle(degrees: float, radius: float) -> str:
    return f"{50 + radius * cos(radians(degrees)):.2f} {50 + radius * sin(radians(degrees)):.2f}"


def breakable(text: str) -> Markup:
    """Return a name as markup that may begin a new line after its joints, rather than within a word."""
    return Markup("<wbr>").join(re.split(r"(?<=[_./:-])(?=\w)", printable(text, MAX_TEXT)))


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
    environment.filters |= {"arc": arc, "around": around, "breakable": breakable}
    return environment.get_template("preview.html")
