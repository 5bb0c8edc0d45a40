"""YAML as this program writes it: queries of several lines stay readable, and the first line says what made it."""

from typing import Any

import yaml

_FASTEST: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_FASTEST):  # type: ignore[misc] # either writes the same
    """Writes a text of several lines as such: PromQL stays readable."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text_node)


def as_yaml(source: str, document: object) -> str:
    """Return a file's text, with where it comes from."""
    written = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return f"# Made by mape-k pack build from {source}; change that instead.\n{written}"
