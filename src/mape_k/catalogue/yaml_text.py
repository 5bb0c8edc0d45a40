"""YAML read strictly: plain values, the line of each, and every reason why the text is not acceptable.

Scalars follow YAML 1.2, so ``no`` and ``on`` are words and ``1:30`` is text; keys are always text.
Refused: aliases, anchors, tags, duplicate keys, numbers that are not finite, a second document, deep nesting.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import yaml

MAX_DEPTH = 20

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands: the keys and indexes that lead to it."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong at one place of a text, and what to do about it."""

    line: int
    path: Path
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlText:
    """A text as it was read; with ``problems`` the value is incomplete."""

    value: object
    lines: Mapping[Path, int]
    problems: tuple[Problem, ...] = ()

    def line_of(self, path: Path) -> int:
        """Return the line of the nearest place on the way to ``path`` that the text has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str) -> YamlText:
    """Read ``text``; never raises, whatever it holds."""
    reader = _Reader()
    try:
        value = reader.read(text)
    except _UnreadableError:
        value = None
    except yaml.reader.ReaderError as error:
        value = None
        line = text.encode()[: error.position].count(b"\n") + 1
        reader.complain(line, (), f"{error.reason}; remove that character")
    except yaml.MarkedYAMLError as error:
        value = None
        mark = error.problem_mark or error.context_mark
        reader.complain(mark.line + 1 if mark else 1, (), f"not YAML: {error.problem}; check indentation and quotes")
    return YamlText(value=value, lines=reader.lines, problems=tuple(reader.problems))


class _UnreadableError(Exception):
    """Nothing after this place can be read."""


class _Reader:
    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []

    def complain(self, line: int, path: Path, sentence: str) -> None:
        self.problems.append(Problem(line=line, path=path, sentence=sentence))

    def read(self, text: str) -> object:
        self._events = yaml.parse(text, Loader=_LOADER)
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        value = self._node(self._next(), ())
        self._next()
        further = self._next()
        if isinstance(further, yaml.DocumentStartEvent):
            self.complain(_line(further), (), "a second document begins; keep one document in a file")
        return value

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _node(self, event: yaml.Event, path: Path) -> object:
        self.lines.setdefault(path, _line(event))
        if len(path) > MAX_DEPTH:
            self.complain(_line(event), (), f"nested deeper than {MAX_DEPTH} levels; flatten it")
            raise _UnreadableError
        if isinstance(event, yaml.NodeEvent):
            self._refuse_tricks(event, path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event, path) if isinstance(event, yaml.ScalarEvent) else None

    def _refuse_tricks(self, event: yaml.NodeEvent, path: Path) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.complain(_line(event), path, f"alias *{event.anchor} is not allowed; write the value out")
        elif event.anchor is not None:
            self.complain(_line(event), path, f"anchor &{event.anchor} is not allowed; remove it")
        if tag := getattr(event, "tag", None):
            self.complain(_line(event), path, f"tag {tag} is not allowed; remove it")

    def _sequence(self, path: Path) -> list[object]:
        values: list[object] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            values.append(self._node(event, (*path, len(values))))
        return values

    def _mapping(self, path: Path) -> dict[str, object]:
        values: dict[str, object] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, path)
            here = (*path, key)
            if key in values:
                self.complain(_line(event), here, f"duplicate key, first on line {self.lines[here]}; remove one")
            self.lines.setdefault(here, _line(event))
            values[key] = self._node(self._next(), here)
        return values

    def _key(self, event: yaml.Event, path: Path) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self.complain(_line(event), path, "a key must be plain text; put quotes around {…} and […] that are text")
            raise _UnreadableError
        self._refuse_tricks(event, (*path, event.value))
        return str(event.value)

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> object:
        if not event.implicit[0]:
            return event.value
        number = _number(event.value)
        if isinstance(number, float) and not math.isfinite(number):
            self.complain(_line(event), path, f"{event.value} is not a finite number; write one")
            return None
        return number if number is not None else _WORDS.get(event.value.lower(), event.value)


def _number(text: str) -> int | float | None:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return None


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
