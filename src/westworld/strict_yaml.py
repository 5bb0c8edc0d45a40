"""YAML as people should write it: no aliases, no doubled keys, and every value remembers its line."""

from collections.abc import Mapping
from typing import Any

import yaml

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Path = tuple[str | int, ...]


class YamlError(ValueError):
    """What cannot be read, as ``line N: problem; remedy``."""


def load(text: str) -> tuple[Any, Mapping[Path, int]]:
    """Read one document.

    Returns:
        The value, and the line (from 1) at which each part of it begins, by its path of keys and indexes.

    Raises:
        YamlError: not YAML, or with an alias, a doubled key or a key that is not text.
    """
    loader = _LOADER(_without_aliases(text))
    try:
        node = loader.get_single_node()
        lines: dict[Path, int] = {}
        return (None if node is None else _value(loader, node, (), lines)), lines
    except yaml.YAMLError as error:
        raise YamlError(_first_line(error)) from error
    finally:
        loader.dispose()


def _without_aliases(text: str) -> str:
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent):
                raise YamlError(f"{_line(event.start_mark)}: an alias (*{event.anchor}); write the value out")
    except yaml.YAMLError as error:
        raise YamlError(_first_line(error)) from error
    return text


def _value(loader: yaml.SafeLoader, node: yaml.Node, path: Path, lines: dict[Path, int]) -> object:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, child, (*path, index), lines) for index, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    mapping: dict[str, object] = {}
    for key_node, child in node.value:
        key = key_node.value
        if not isinstance(key_node, yaml.ScalarNode) or key in mapping:
            raise YamlError(f"{_line(key_node.start_mark)}: key {key!r} is doubled or not text; keep one plain key")
        mapping[key] = _value(loader, child, (*path, key), lines)
    return mapping


def _line(mark: Any) -> str:  # noqa: ANN401 the C and the Python parser have one each
    return f"line {mark.line + 1}" if mark else "the text"


def _first_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{_line(mark)}: not YAML ({getattr(error, 'problem', error)}); mend the syntax"
