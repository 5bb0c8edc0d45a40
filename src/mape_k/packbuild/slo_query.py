"""The queries of an objective: what may stand in them, and their form for one window."""

import math
import re
from decimal import Decimal

from mape_k.catalogue import promql
from mape_k.catalogue.promql import Token

WINDOW = "$window"

_SELECTOR = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_COUNTED_OTHERWISE = frozenset({"increase", "delta", "idelta", "irate"})
_PLAIN_FROM, _PLAIN_TO = 1e-4, 1e6
"""Go, in which Prometheus and many exporters are written, writes numbers outside of these with an exponent."""


def read(query: str) -> str:
    """Return ``query`` stripped, with bounds of buckets that match however they are spelled.

    Raises:
        ValueError: neither a counter with its matchers, nor an expression of rates over ``[$window]``.
    """
    query = query.strip()
    asked = query.replace(WINDOW, "5m")
    promql.check(asked)
    pieces = list(promql.tokens(asked))
    if pieces[-1].text.startswith("#"):
        raise ValueError("a comment at the end, which would hide what is put behind it; write it above the query")
    said = [token for token in pieces if token.kind != "space"]
    if query.count(WINDOW) != query.count(f"[{WINDOW}"):
        raise ValueError(f"{WINDOW} outside of [{WINDOW}]; write rate(x_total[{WINDOW}])")
    if WINDOW not in query and not _is_selector(said):
        raise ValueError(f'expected a counter such as x_total{{job="y"}}, or rates over [{WINDOW}]')
    if query.count(WINDOW) != sum(token.text == "[" for token in said):
        raise ValueError(f"a range of a fixed length; write [{WINDOW}], it is asked for over several windows")
    if wrong := next((token.text for token in said if token.text in _COUNTED_OTHERWISE), None):
        raise ValueError(f"{wrong} does not give events per second over the window; write rate(…[{WINDOW}])")
    return _normalised(query)


def _is_selector(said: list[Token]) -> bool:
    texts = [token.text for token in said]
    is_named = bool(texts) and _SELECTOR.fullmatch(texts[0]) is not None
    return is_named and (len(texts) == 1 or (texts[1] == "{" and texts.index("}") == len(texts) - 1))


def per_second(query: str, window: str) -> str:
    """Return the events per second over ``window``, one value without labels; none where nothing is counted."""
    if WINDOW not in query:
        return f"sum(rate({query}[{window}]))"
    return f"sum({query.replace(WINDOW, window)})"


def _normalised(query: str) -> str:
    """Spell bounds out: Python's client writes le="10000.0", Go's le="10000", and both may be scraped."""
    pieces = list(promql.tokens(query))
    said = [place for place, token in enumerate(pieces) if token.kind != "space"]
    for name, sign, bound in zip(said, said[1:], said[2:], strict=False):
        if (pieces[name].text, pieces[sign].text, pieces[bound].kind) == ("le", "=", "text"):
            spelled = _spellings(pieces[bound].text)
            if spelled is not None:
                pieces[sign], pieces[bound] = Token("operator", "=~"), Token("text", spelled)
    return "".join(token.text for token in pieces)


def _spellings(quoted: str) -> str | None:
    """Return a quoted pattern for every spelling of a bound; None: it has but one."""
    try:
        bound = float(quoted[1:-1])
    except ValueError:
        raise ValueError(f"le={quoted}: expected a bound, a number") from None
    if not math.isfinite(bound):
        raise ValueError(f"le={quoted} counts everything; use the series _count of the histogram")
    plain = f"{Decimal(repr(bound)):f}"
    plain = _escaped(plain.removesuffix(".0")) + ("(\\\\.0)?" if bound.is_integer() else "")
    if bound and not _PLAIN_FROM <= abs(bound) < _PLAIN_TO:
        mantissa, _, exponent = f"{Decimal(repr(bound)):e}".partition("e")
        scientific = f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent):+03d}"
        return f'"{_escaped(scientific)}|{plain}"'
    return f'"{plain}"' if bound.is_integer() else None


def _escaped(text: str) -> str:
    return text.replace("+", "\\\\+").replace(".", "\\\\.")
