"""The simple parts of Markdown as markup, everything foreign in it escaped."""

import re

from markupsafe import Markup, escape

from mape_k.text import printable

MAX_TEXT = 4000
_INLINE = re.compile(
    r"\*\*(?P<bold>[^*]+)\*\*|\*(?P<slant>[^*]+)\*|`(?P<code>[^`]+)`|\[(?P<text>[^\]]+)\]\((?P<url>[^)\s]+)\)"
)
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")


def is_address(text: str) -> bool:
    """Return whether a text is an address that a page may link to."""
    return _ADDRESS.fullmatch(text) is not None


def markdown(text: str) -> Markup:
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
    if is_address(found["url"]):
        return Markup('<a href="{}">{}</a>').format(found["url"], found["text"])
    return escape(found["text"])
