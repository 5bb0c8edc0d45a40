"""Grafana's names of colours as colours of a page; whatever is none of them becomes grey, never markup."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

GREY = "#8e9aa6"
_WRITTEN = re.compile(r"#[0-9a-fA-F]{3,8}|rgba?\(\s*[0-9.]+%?(\s*,\s*[0-9.]+%?){2,3}\s*\)")

_THEMED = ("green", "yellow", "orange", "red", "blue", "purple")
"""They have a shade for each theme: the page's style sheet has them."""

_SHADES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "green": ("#37872D", "#56A64B", "#96D98D", "#C8F2C2"),
        "yellow": ("#E0B400", "#F2CC0C", "#FFEE52", "#FFF899"),
        "orange": ("#FA6400", "#FF780A", "#FFB357", "#FFCB7D"),
        "red": ("#C4162A", "#E02F44", "#FF7383", "#FFA6B0"),
        "blue": ("#1F60C4", "#3274D9", "#8AB8FF", "#C0D8FF"),
        "purple": ("#8F3BB8", "#A352CC", "#CA95E5", "#DEB6F2"),
    }
)
_PREFIXES = ("dark-", "semi-dark-", "light-", "super-light-")
_NAMED = {prefix + name: shades[p] for name, shades in _SHADES.items() for p, prefix in enumerate(_PREFIXES)}
_NAMED |= {"text": "currentColor", "transparent": "transparent", "white": "#ffffff", "black": "#000000", "gray": GREY}

CLASSIC = (
    *("var(--green)", "var(--yellow)", "var(--blue)", "var(--orange)", "var(--red)", "var(--purple)"),
    *("#4bb3c3", "#c77f3f", "#8ab8ff", "#9a7fd1", "#a3b86c", "#d96aa7", "#5f9ea0", "#b0903d", "#708fc2", "#c0675c"),
)

_SCHEMES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "Oranges": ("#fdd0a2", "#fdae6b", "#fd8d3c", "#e6550d", "#a63603"),
        "Blues": ("#c6dbef", "#9ecae1", "#6baed6", "#3182bd", "#08519c"),
        "Greens": ("#c7e9c0", "#a1d99b", "#74c476", "#31a354", "#006d2c"),
        "Reds": ("#fcbba1", "#fc9272", "#fb6a4a", "#de2d26", "#a50f15"),
        "Purples": ("#dadaeb", "#bcbddc", "#9e9ac8", "#756bb1", "#54278f"),
        "RdYlGn": ("#d7301f", "#f98e52", "#f3d24a", "#8cc665", "#2b9c51"),
        "Viridis": ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"),
    }
)


def colour(name: object) -> str:
    """Return a colour as a style sheet has it."""
    text = str(name or "")
    if text in _THEMED:
        return f"var(--{text})"
    return _NAMED.get(text) or (text if _WRITTEN.fullmatch(text) else GREY)


def series_colour(place: int) -> str:
    """Return the colour of the series at a place, in the order of Grafana's palette."""
    return CLASSIC[place % len(CLASSIC)]


def on_scheme(share: float, scheme: str, *, reverse: bool = False) -> str:
    """Return the colour at a share, 0 to 1, of a scheme, mixed of its stops; Oranges for an unknown one."""
    stops = _SCHEMES.get(scheme, _SCHEMES["Oranges"])
    place = min(max(1 - share if reverse else share, 0.0), 1.0) * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    mixed = (round(a + (b - a) * (place - low)) for a, b in zip(_rgb(stops[low]), _rgb(stops[low + 1]), strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _rgb(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
