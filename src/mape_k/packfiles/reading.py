"""Reading the files of packs and of strangers: bounded, and every refusal with file, line, key and remedy."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mape_k.catalogue.document import Document
from mape_k.catalogue.yaml_text import Path as Place
from mape_k.catalogue.yaml_text import YamlText, read_yaml
from mape_k.errors import ConfigError, did_you_mean
from mape_k.text import printable

MAX_BYTES = 4_000_000
"""Of one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a file cannot be used.

    Args:
        path: of the file.
        line: counted from 1.
        key: where in the document, such as ``groups[0].name``; empty: the file as a whole.
        sentence: what is wrong and the remedy.
    """

    path: Path
    line: int
    key: str
    sentence: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (f"{self.path}:{self.line}", printable(self.key), self.sentence)))


class RefusedError(ConfigError):
    """A file cannot be used.

    Args:
        refusals: every reason, in the order of the file.
    """

    def __init__(self, refusals: list[Refusal]) -> None:
        super().__init__([str(each) for each in refusals])
        self.refusals = refusals


class UnknownKindError(RefusedError):
    """A file is sound and none of the kinds that can be checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlFile:
    """A YAML file that was read without a complaint."""

    path: Path
    content: str
    text: YamlText

    @property
    def value(self) -> object:
        """What the file holds: mappings, lists, texts, numbers, truth values, None."""
        return self.text.value

    def line(self, place: Place) -> int:
        """Return the line of the nearest place on the way to ``place`` that the file has."""
        return self.text.line_of(place)

    def refuse(self, place: Place, sentence: str) -> Refusal:
        """Return why what stands at ``place`` cannot be used."""
        return Refusal(path=self.path, line=self.line(place), key=key_of(place), sentence=sentence)


def key_of(place: Place) -> str:
    """Return how people write a place: ``groups[0].rules[1].expr``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        RefusedError: it is no file, cannot be read, is larger than ``MAX_BYTES``, or is no UTF-8 text.
    """
    try:
        if path.exists() and not path.is_file():
            raise _refused(path, 1, "is not a file; name a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _refused(path, 1, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > MAX_BYTES:
        raise _refused(path, 1, f"is larger than {MAX_BYTES} bytes; split it")
    if b"\0" in content:
        raise _refused(path, 1, "is not text; name a text file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(path, content.count(b"\n", 0, error.start) + 1, "is not UTF-8; save it as UTF-8") from error


def _refused(path: Path, line: int, sentence: str) -> RefusedError:
    return RefusedError([Refusal(path=path, line=line, key="", sentence=sentence)])


def read_yaml_file(path: Path, content: str | None = None) -> YamlFile:
    """Read a YAML file.

    Args:
        path: of the file.
        content: its text, where it was read before.

    Raises:
        RefusedError: not readable, or no plain YAML.
    """
    content = read_text(path) if content is None else content
    text = read_yaml(content)
    file = YamlFile(path=path, content=content, text=text)
    if text.problems:
        raise RefusedError(
            [
                Refusal(path=path, line=each.line, key=key_of(each.path), sentence=printable(each.sentence, 300))
                for each in text.problems[:20]
            ]
        )
    return file


def validation_refusals(file: YamlFile, model: type[Document], error: ValidationError) -> Iterator[Refusal]:
    """Yield why ``file`` is no ``model``: one for every error that pydantic found."""
    for each in error.errors(include_url=False):
        yield file.refuse(_place(file.value, each["loc"]), _sentence(each, model))


_EXPECTED = {
    "model_type": "keys with values",
    "dict_type": "keys with values",
    "list_type": "a list",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_type": "text; put quotes around it",
    "string_too_long": "at most {max_length} characters",
    "int_type": "a whole number",
    "float_type": "a number",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
    "literal_error": "{expected}",
}


def _place(value: object, location: Place) -> Place:
    """Return where the file has what ``location`` names: without the marks that pydantic adds to it."""
    place: Place = ()
    for part in location:
        if isinstance(value, dict) and (part in value or part == location[-1]) and part != "[key]":
            place, value = (*place, part), value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            place, value = (*place, part), value[part]
    return place


def _sentence(error: ErrorDetails, model: type[Document]) -> str:
    if error["type"] == "missing":
        return "is missing; add it"
    if error["type"] == "extra_forbidden":
        remedy = did_you_mean(str(error["loc"][-1]), _keys(model))
        return f"unknown key{remedy or '; remove it'}"
    if error["type"] in _EXPECTED:
        message = f"expected {_EXPECTED[error['type']].format_map(error.get('ctx', {}))}"
    else:
        message = error["msg"].removeprefix("Value error, ")
    if "expected" not in message or isinstance(error["input"], dict | list):
        return message
    return f"{message}, got {printable(json.dumps(error['input'], ensure_ascii=False), 60)}"


def _keys(model: type[Document]) -> set[str]:
    """Return every key that a document of ``model`` knows, at any depth."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return {key for part in parts for key in part.get("properties", {})}
