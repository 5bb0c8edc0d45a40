"""The simple parts of Markdown as markup, everything foreign in it escaped."""

import re
from collections.abc import Sequence

from markupsafe import Markup, escape

from mape_k.text import printable

MAX_TEXT = 4000
_INLINE = re.compile(
    r"\*\*(?P<bold>[^*]+)\*\*|\*(?P<slant>[^*]+)\*|`(?P<code>[^`]+)`|\[(?P<text>[^\]]+)\]\((?P<url>[^)\s]+)\)"
)
_SIGN = re.compile(r"\s*(?:(?P<heading>#{1,6})|(?P<bullet>[-*+])|(?P<number>\d{1,3}[.)]))\s+")
_LISTS = ("ul", "ol")
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")


def is_address(text: str) -> bool:
    """Return whether a text is an address that a page may link to."""
    return _ADDRESS.fullmatch(text) is not None


def markdown(text: str) -> Markup:
    """Return the simple parts of Markdown as markup: headings, lists, paragraphs, emphasis, code, links."""
    parts: list[tuple[str, list[str]]] = []
    is_apart = True
    for line in text[:MAX_TEXT].splitlines():
        if line.strip():
            _add(parts, line, is_apart=is_apart)
        is_apart = not line.strip()
    return Markup().join(_part(kind, texts) for kind, texts in parts)


def _add(parts: list[tuple[str, list[str]]], line: str, *, is_apart: bool) -> None:
    """Add a line to the headings, paragraphs and lists before it; one without a sign may continue the last of them."""
    kind, text = _line(line)
    before, texts = parts[-1] if parts else ("", [])
    is_inside = before in _LISTS and line.startswith("  ")
    if kind == "p" and before in ("p", *_LISTS) and (not is_apart or is_inside):
        texts[-1] += f" {text}"
    elif kind in _LISTS and before == kind:
        texts.append(text)
    else:
        parts.append((kind, [text]))


def _line(line: str) -> tuple[str, str]:
    """Return what kind of element a line begins, and its text."""
    found = _SIGN.match(line)
    if found is None:
        return "p", line.strip()
    return ("h4" if found["heading"] else "ul" if found["bullet"] else "ol"), line[found.end() :].strip()


def _part(kind: str, texts: Sequence[str]) -> Markup:
    if kind not in _LISTS:
        return Markup("<{0}>{1}</{0}>").format(kind, _inline(texts[0]))
    items = Markup().join(Markup("<li>{}</li>").format(_inline(text)) for text in texts)
    return Markup("<{0}>{1}</{0}>").format(kind, items)


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
    if is_address(found["url"]):
        return Markup('<a href="{}">{}</a>').format(found["url"], found["text"])
    return escape(found["text"])
