"""Reading files of people: bounded, and what pydantic finds wrong with them told by key and remedy."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from mape_k.catalogue.yaml_text import Path as Place
from mape_k.errors import did_you_mean
from mape_k.text import printable

_MARKS = {"[key]", "word", "mapping", "list", "call"}
"""What pydantic adds to the place of an error that is no key of the file."""
_EXPECTED = {
    "model_type": "keys with values",
    "dict_type": "keys with values",
    "list_type": "a list",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_type": "text",
    "string_too_long": "at most {max_length} characters",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "literal_error": "{expected}",
}


class UnreadableError(ValueError):
    """A file that is not there, too large, or no text.

    Args:
        sentence: what is wrong with it and the remedy.
        line: where; 0: the file as a whole.
    """

    def __init__(self, sentence: str, line: int = 0) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.line = line


def read_bounded(path: Path, at_most: int, *, expected: str, too_large: str) -> str:
    """Return the text of a file.

    Args:
        path: of the file.
        at_most: bytes that are read.
        expected: the remedy where it is no file or cannot be read.
        too_large: the remedy where it is larger.

    Raises:
        UnreadableError: it is no file, cannot be read, is larger, or is no UTF-8 text.
    """
    try:
        is_other = path.exists() and not path.is_file()
        content = b"" if is_other else _first_bytes(path, at_most + 1)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"cannot be read: {getattr(error, 'strerror', None) or error}; {expected}") from error
    if is_other:
        raise UnreadableError(f"is not a file; {expected}")
    if len(content) > at_most:
        raise UnreadableError(f"is larger than {at_most} bytes; {too_large}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableError("is not UTF-8; save it as UTF-8", line) from error


def _first_bytes(path: Path, number: int) -> bytes:
    with path.open("rb") as file:
        return file.read(number)


def key_of(place: Place) -> str:
    """Return how people write a place: ``groups[0].rules[1].expr``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def place_of(value: object, location: Place) -> Place:
    """Return where the file has what ``location`` names: without the marks that pydantic adds to it."""
    place: Place = ()
    for index, part in enumerate(location):
        is_last = index == len(location) - 1
        if isinstance(value, dict) and (part in value or is_last) and (part not in _MARKS or part in value):
            place, value = (*place, part), value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            place, value = (*place, part), value[part]
    return place


def sentence_of(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Return for people what pydantic found wrong with a document of ``model``."""
    if error["type"] == "missing":
        return "is missing; add it"
    if error["type"] == "extra_forbidden":
        known = _keys_around(error["loc"], model)
        remedy = did_you_mean(str(error["loc"][-1]), known) or f"; known here are {', '.join(known)}"
        return f"unknown key{remedy}"
    if error["type"] in _EXPECTED:
        message = f"expected {_EXPECTED[error['type']].format_map(error.get('ctx', {}))}"
    else:
        message = error["msg"].removeprefix("Value error, ")
    if "expected" not in message or isinstance(error["input"], dict | list):
        return message
    got = f"{message}, got {printable(json.dumps(error['input'], ensure_ascii=False), 60)}"
    return f"{got}; put quotes around it" if error["type"] == "string_type" and error["input"] is not None else got


def _keys_around(location: Place, model: type[BaseModel]) -> list[str]:
    """Return the keys that the mapping around ``location`` may have."""
    here: list[type[BaseModel]] = [model]
    for part in location[:-1]:
        fields = [each for document in here for each in document.model_fields.items()]
        here = next((list(_documents(field.annotation)) for key, field in fields if part in {key, field.alias}), here)
    return [field.alias or key for document in here for key, field in document.model_fields.items()]


def _documents(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _documents(inner)
