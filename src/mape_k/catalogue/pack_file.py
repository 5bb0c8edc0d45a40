"""One ``pack.yaml``: read, checked against its document, every problem told with file, line and key."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mape_k.catalogue.document import Document, PackDocument
from mape_k.catalogue.folders import PACK_FILE
from mape_k.catalogue.sense import contradictions
from mape_k.catalogue.yaml_text import Path as Place
from mape_k.catalogue.yaml_text import YamlText, read_yaml
from mape_k.errors import ConfigError, did_you_mean
from mape_k.text import printable

MAX_BYTES = 1_000_000

_MARKS = {"[key]", "word", "mapping", "call"}
_EXPECTED = {
    "model_type": "keys with values",
    "dict_type": "keys with values",
    "list_type": "a list",
    "too_short": "at least {min_length} of them",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFile:
    """A sound document and where each part of it stands."""

    path: Path
    document: PackDocument
    text: YamlText

    def problem(self, place: Place, sentence: str) -> str:
        """Return the line that tells a person what is wrong at ``place``."""
        return _problem(self.path, self.text.line_of(place), place, sentence)


def read_pack(folder: Path) -> PackFile:
    """Read the pack in ``folder``.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    path = folder / PACK_FILE
    text = read_yaml(_content(path))
    problems = [_problem(path, problem.line, problem.path, problem.sentence) for problem in text.problems]
    if text.problems and text.value is None:
        raise ConfigError(problems)
    if not isinstance(text.value, dict):
        raise ConfigError([_problem(path, 1, (), "expected keys such as pack, title and signals")])
    try:
        document = PackDocument.model_validate(text.value, context=text.value)
    except ValidationError as error:
        raise ConfigError(problems + _problems(path, text, error)) from error
    file = PackFile(path=path, document=document, text=text)
    problems += [file.problem(place, sentence) for place, sentence in contradictions(document)]
    if problems:
        raise ConfigError(problems)
    return file


def _content(path: Path) -> str:
    """Return the text of a file of bounded size."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError([f"{path}: is not a file; expected {PACK_FILE} in a pack's folder"])
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; expected a pack's folder"]) from error
    if len(content) > MAX_BYTES:
        raise ConfigError([f"{path}: is larger than {MAX_BYTES} bytes; split it into several packs"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([_problem(path, line, (), "is not UTF-8; save it as UTF-8")]) from error


def _problem(path: Path, line: int, place: Place, sentence: str) -> str:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    return ": ".join(filter(None, (f"{path}:{line}", printable(key), sentence)))


def _problems(path: Path, text: YamlText, error: ValidationError) -> list[str]:
    """Return a line for every error whose place was not already found wrong when the text was read."""
    told = {problem.path for problem in text.problems}
    found = [(_place(text.value, each["loc"]), _sentence(each)) for each in error.errors(include_url=False)]
    return [_problem(path, text.line_of(place), place, sentence) for place, sentence in found if place not in told]


def _place(value: object, location: Place) -> Place:
    """Return where the file has what ``location`` names: without the marks that pydantic adds to it."""
    place: Place = ()
    for part in location:
        if isinstance(value, dict) and part not in _MARKS:
            place, value = (*place, part), value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            place, value = (*place, part), value[part]
    return place


def _sentence(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "is missing; add it"
    if error["type"] == "extra_forbidden":
        known = _keys_around(error["loc"])
        remedy = did_you_mean(str(error["loc"][-1]), known) or f"; known here are {', '.join(known)}"
        return f"unknown key{remedy}"
    if error["type"] in _EXPECTED:
        message = f"expected {_EXPECTED[error['type']].format_map(error.get('ctx', {}))}"
    else:
        message = error["msg"].removeprefix("Value error, ")
    if "expected" not in message or isinstance(error["input"], dict | list):
        return message
    return f"{message}, got {printable(json.dumps(error['input'], ensure_ascii=False), 60)}"


def _keys_around(location: Place) -> list[str]:
    """Return the keys that the mapping around ``location`` may have."""
    here: list[type[Document]] = [PackDocument]
    for part in location[:-1]:
        fields = [each for document in here for each in document.model_fields.items()]
        here = next((list(_documents(field.annotation)) for key, field in fields if part in {key, field.alias}), here)
    return [field.alias or key for document in here for key, field in document.model_fields.items()]


def _documents(annotation: object) -> Iterator[type[Document]]:
    if isinstance(annotation, type) and issubclass(annotation, Document):
        yield annotation
    for inner in get_args(annotation):
        yield from _documents(inner)
