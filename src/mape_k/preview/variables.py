"""What Grafana puts in the place of variables in a query: the choices at the top of a board, intervals and ranges."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

_VARIABLE = re.compile(r"\$\{(?P<braced>\w+)(?::(?P<format>\w+))?\}|\$(?P<plain>\w+)|\[\[(?P<square>\w+)(?::\w+)?\]\]")
_SPECIAL = re.compile(r"[\\^$*+?.()|[\]{}/]")

NICE_STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between two points, as Grafana rounds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What is chosen for a variable.

    Args:
        values: one or more.
        is_pattern: several may be chosen, so that queries match them as a regular expression.
        all_value: stands for all of them, as it is; empty: nothing is chosen that way.
    """

    values: tuple[str, ...]
    is_pattern: bool = False
    all_value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time that a board shows.

    Args:
        start: seconds since 1970.
        end: seconds since 1970.
        scrape_seconds: between two samples; no step is shorter.
    """

    start: float
    end: float
    scrape_seconds: float = 15.0

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    def step(self, points: int) -> float:
        """Return the seconds between two points where there is room for so many; as Grafana rounds."""
        wanted = max(self.seconds / max(points, 1), self.scrape_seconds)
        return float(
            next((nice for nice in NICE_STEPS if nice >= wanted * 0.75 and nice >= self.scrape_seconds), wanted)
        )


@dataclass(frozen=True, slots=True)
class Substitution:
    """Puts values in the place of variables; what it does not know stays as it is.

    Args:
        span: the time shown.
        step: seconds between two points.
        chosen: by the names of variables.
        is_query: people read everything else, and see values as they are.
    """

    span: Span
    step: float
    chosen: Mapping[str, Chosen] = field(default_factory=dict)
    is_query: bool = True

    def __call__(self, text: str) -> str:
        """Return ``text`` with values in place of variables."""
        return _VARIABLE.sub(self._value, text)

    def _value(self, found: "re.Match[str]") -> str:
        name = found["braced"] or found["plain"] or found["square"]
        if name in self.chosen:
            return _written(self.chosen[name], found["format"] or ("" if self.is_query else "text"))
        return self._built_in().get(name, found.group())

    def _built_in(self) -> Mapping[str, str]:
        span = self.span.seconds
        rate = max(self.step + self.span.scrape_seconds, 4 * self.span.scrape_seconds)
        return {
            "__interval": _duration(self.step),
            "__interval_ms": f"{1000 * self.step:.0f}",
            "__rate_interval": _duration(rate),
            "__range": f"{span:.0f}s",
            "__range_s": f"{span:.0f}",
            "__range_ms": f"{1000 * span:.0f}",
            "__from": f"{1000 * self.span.start:.0f}",
            "__to": f"{1000 * self.span.end:.0f}",
        }


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f}ms" if seconds % 1 else f"{seconds:.0f}s"


def _written(chosen: Chosen, style: str) -> str:
    if style in _STYLES:
        return _STYLES[style](chosen.values)
    if chosen.all_value:
        return chosen.all_value
    if not chosen.is_pattern:
        return _quoted("".join(chosen.values[:1]))
    escaped = [_escaped(value) for value in chosen.values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _escaped(value: str) -> str:
    """Escape for a regular expression inside a quoted text of PromQL."""
    return _quoted(_SPECIAL.sub(lambda found: f"\\{found.group()}", value))


def _quoted(text: str) -> str:
    """Escape for a quoted text of PromQL, which nothing in a value may end."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_STYLES: Mapping[str, Callable[[Sequence[str]], str]] = MappingProxyType(
    {
        "raw": ",".join,
        "csv": ",".join,
        "pipe": "|".join,
        "text": " + ".join,
        "regex": lambda values: f"({'|'.join(re.escape(value) for value in values)})",
        "doublequote": lambda values: ",".join(f'"{value}"' for value in values),
    }
)
