"""Reading the files of packs and of strangers: bounded, and every refusal with file, line, key and remedy."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mape_k.catalogue.document import Document
from mape_k.catalogue.reading import UnreadableError, key_of, place_of, read_bounded, sentence_of
from mape_k.catalogue.yaml_text import Path as Place
from mape_k.catalogue.yaml_text import YamlText, read_yaml
from mape_k.errors import ConfigError
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


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        RefusedError: it is no file, cannot be read, is larger than ``MAX_BYTES``, or is no UTF-8 text.
    """
    try:
        content = read_bounded(path, MAX_BYTES, expected="name a file that can be read", too_large="split it")
    except UnreadableError as error:
        raise _refused(path, error.line or 1, error.sentence) from error
    if "\0" in content:
        raise _refused(path, 1, "is not text; name a text file")
    return content


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
        yield file.refuse(place_of(file.value, each["loc"]), sentence_of(each, model))
