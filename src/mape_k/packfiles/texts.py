"""The files of a pack that are text: LogQL queries, runbooks, objectives as far as their queries go."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mape_k.packfiles.reading import read_text, read_yaml_file
from mape_k.packfiles.shapes import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """One LogQL query.

    Args:
        path: of its file.
        line: where it begins.
        title: the comment above it.
        text: the query.
    """

    path: Path
    line: int
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """One runbook.

    Args:
        path: of the file.
        content: its Markdown.
        is_maintenance: it is about planned work, not about an alert.
    """

    path: Path
    content: str
    is_maintenance: bool

    @property
    def name(self) -> str:
        """The alert's name, or that of the work."""
        return self.path.stem


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFile:
    """Templates of Alertmanager's notifications.

    Args:
        path: of the file.
        content: its text.
    """

    path: Path
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A file with a service level objective.

    Args:
        path: of the file.
        content: its text.
        queries: every PromQL text in it, with the line.
    """

    path: Path
    content: str
    queries: tuple[tuple[int, str], ...]


def read_log_queries(folder: Path) -> tuple[LogQuery, ...]:
    """Return the LogQL queries of the pack in ``folder``, file by file.

    Raises:
        RefusedError: a file that is no text.
    """
    files = sorted((folder / "logs").glob("*.logql"))
    return tuple(query for path in files for query in log_queries_of(path, read_text(path)))


def log_queries_of(path: Path, content: str) -> Iterator[LogQuery]:
    """Yield the queries of a file: each after a line ``# title``, a blank line between two."""
    title, begun, parts = "", 0, list[str]()
    for number, line in enumerate([*content.splitlines(), ""], 1):
        if line.startswith("#") and not parts:
            title = line.lstrip("# ").rstrip()
        elif line.strip():
            begun = begun if parts else number
            parts.append(line)
        elif parts:
            yield LogQuery(path=path, line=begun, title=title, text="\n".join(parts))
            title, parts = "", []


def read_runbooks(folder: Path) -> tuple[Runbook, ...]:
    """Return the runbooks of the pack in ``folder``.

    Raises:
        RefusedError: a file that is no text.
    """
    found = [(path, False) for path in sorted((folder / "runbooks").glob("*.md"))]
    found += [(path, True) for path in sorted((folder / "runbooks" / "maintenance").glob("*.md"))]
    return tuple(Runbook(path=path, content=read_text(path), is_maintenance=planned) for path, planned in found)


def read_objectives(folder: Path) -> tuple[Objective, ...]:
    """Return the objectives of the pack in ``folder``.

    Raises:
        RefusedError: a file that is no YAML.
    """
    found = []
    for path in sorted((folder / "objectives").glob("*.yaml")):
        file = read_yaml_file(path)
        found.append(Objective(path=path, content=file.content, queries=tuple(_queries(Node(file, file.value)))))
    return tuple(found)


def _queries(node: Node) -> Iterator[tuple[int, str]]:
    if isinstance(node.value, dict):
        for key, value in node.value.items():
            if key == "query" and isinstance(value, str):
                yield node[key].line, value
            else:
                yield from _queries(node[key])
    elif isinstance(node.value, list):
        for each in node.each():
            yield from _queries(each)
