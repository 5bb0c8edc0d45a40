"""One ``pack.yaml``: read, checked against its document, every problem told with file, line and key."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mape_k.catalogue.document import PackDocument
from mape_k.catalogue.folders import PACK_FILE
from mape_k.catalogue.reading import UnreadableError, key_of, place_of, read_bounded, sentence_of
from mape_k.catalogue.sense import contradictions
from mape_k.catalogue.yaml_text import Path as Place
from mape_k.catalogue.yaml_text import YamlText, read_yaml
from mape_k.errors import ConfigError
from mape_k.text import printable

MAX_BYTES = 1_000_000


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
        return read_bounded(
            path,
            MAX_BYTES,
            expected=f"expected {PACK_FILE} in a pack's folder",
            too_large="split it into several packs",
        )
    except UnreadableError as error:
        where = f"{path}:{error.line}" if error.line else f"{path}"
        raise ConfigError([f"{where}: {error.sentence}"]) from error


def _problem(path: Path, line: int, place: Place, sentence: str) -> str:
    return ": ".join(filter(None, (f"{path}:{line}", printable(key_of(place)), sentence)))


def _problems(path: Path, text: YamlText, error: ValidationError) -> list[str]:
    """Return a line for every error whose place was not already found wrong when the text was read."""
    told = {problem.path for problem in text.problems}
    errors = error.errors(include_url=False)
    found = [(place_of(text.value, each["loc"]), sentence_of(each, PackDocument)) for each in errors]
    return [_problem(path, text.line_of(place), place, sentence) for place, sentence in found if place not in told]
