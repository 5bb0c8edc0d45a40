"""Walking through a document of others: what has another shape than expected is noted, and taken as absent."""

from collections.abc import Collection, Iterator
from typing import Self

from mape_k.catalogue.durations import parse_duration
from mape_k.catalogue.yaml_text import Path as Place
from mape_k.errors import did_you_mean
from mape_k.packfiles.reading import Refusal, RefusedError, YamlFile

MAX_REFUSALS = 20


class Node:
    """One value of a document and where it stands.

    Args:
        file: where it comes from.
        value: what stands there; None: nothing.
        place: the keys and indexes that lead there.
        refusals: where complaints are collected; shared by all nodes of a document.
    """

    def __init__(self, file: YamlFile, value: object, place: Place = (), refusals: list[Refusal] | None = None) -> None:
        self.file = file
        self.value = value
        self.place = place
        self.refusals = [] if refusals is None else refusals

    def refuse(self, sentence: str) -> None:
        """Note that the value cannot be used."""
        self.refusals.append(self.file.refuse(self.place, sentence))

    def settle(self) -> None:
        """Raise RefusedError if anything was refused."""
        if self.refusals:
            raise RefusedError(self.refusals[:MAX_REFUSALS])

    @property
    def line(self) -> int:
        """The line of the value."""
        return self.file.line(self.place)

    def __bool__(self) -> bool:
        return self.value is not None

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def mapping(self, known: Collection[str] = ()) -> dict[str, object]:
        """Return the mapping that stands here, or an empty one; keys outside ``known`` (if any) are refused."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            self.refuse("expected keys with values")
            return {}
        for key in self.value if known else ():
            if key not in known:
                self._child(key, None).refuse(f"unknown key{did_you_mean(key, known) or '; remove it'}")
        return self.value

    def __getitem__(self, key: str) -> "Node":
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return self._child(key, value)

    def _child(self, part: str | int, value: object) -> Self:
        return type(self)(self.file, value, (*self.place, part), self.refusals)

    def each(self) -> Iterator["Node"]:
        """Yield what the list here holds; nothing counts as an empty list."""
        if isinstance(self.value, list):
            for index, value in enumerate(self.value):
                yield self._child(index, value)
        elif self.value is not None:
            self.refuse("expected a list")

    def text(self, default: str = "") -> str:
        """Return the text here; a number or truth value as it is written."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, str | int | float):
            return str(self.value)
        if self.value is not None:
            self.refuse("expected text")
        return default

    def texts(self) -> tuple[str, ...]:
        """Return the texts of the list here."""
        return tuple(each.text() for each in self.each())

    def text_map(self) -> dict[str, str]:
        """Return the mapping from text to text here."""
        return {key: self[key].text() for key in self.mapping()}

    def flag(self) -> bool:
        """Return the truth value here; nothing is False."""
        if self.value is not None and not isinstance(self.value, bool):
            self.refuse("expected true or false")
        return self.value is True

    def seconds(self) -> float | None:
        """Return the duration here in seconds."""
        if self.value is None:
            return None
        if isinstance(self.value, str | int) and self.value in {0, "0"}:
            return 0.0
        try:
            return parse_duration(self.value if isinstance(self.value, str) else "")
        except ValueError as error:
            self.refuse(str(error))
            return None
