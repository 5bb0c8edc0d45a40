"""Text of foreign origin made harmless: for the terminal, the status page and the console log."""

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def printable(text: object, limit: int = 200) -> str:
    r"""Return ``text`` on one line, with what steers a terminal or turns the writing direction shown as ``\x1b``.

    Args:
        text: anything; its ``str`` is shown.
        limit: characters kept, at least 1; what is cut is marked by an ellipsis.
    """
    whole = str(text)
    shown = whole if len(whole) <= limit else whole[: limit - 1] + "…"
    return shown if shown.isprintable() else "".join(map(_visible, shown))
