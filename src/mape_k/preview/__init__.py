"""Boards drawn with the data that a Prometheus has, as one page that needs nothing else.

:func:`read_boards` finds the files, :class:`Asker` asks, :func:`render` draws; :func:`report` says it in figures.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mape_k.errors import ConfigError, did_you_mean
from mape_k.preview.asking import Asked, AskedBoard, Asker
from mape_k.preview.board import BoardFile, read_board
from mape_k.preview.page import Theme, render
from mape_k.preview.variables import Span
from mape_k.preview.views import empty_panels

__all__ = [
    "AskedBoard",
    "Asker",
    "BoardFile",
    "Span",
    "Theme",
    "check_variables",
    "empty_panels",
    "read_boards",
    "render",
    "report",
]

MAX_BOARDS = 50


def read_boards(paths: Sequence[Path]) -> list[BoardFile]:
    """Read boards; a folder stands for the files in its ``dashboards``.

    Raises:
        ConfigError: a file is no board, or a folder has none.
    """
    found = [path for each in paths for path in _files(each)]
    if len(found) > MAX_BOARDS:
        raise ConfigError([f"{len(found)} boards are too many for one page; name {MAX_BOARDS} at most"])
    return [read_board(path) for path in found]


def _files(path: Path) -> list[Path]:
    if path.is_file() or path.suffix == ".json":
        return [path]
    boards = sorted((path / "dashboards").glob("*.json"))
    if not boards:
        raise ConfigError([f"{path}: no boards: expected a JSON file, or a pack with dashboards/*.json"])
    return boards


def check_variables(boards: Sequence[BoardFile], wanted: Mapping[str, Sequence[str]]) -> None:
    """See that every variable that a person chose is one of a board.

    Raises:
        ConfigError: one is not.
    """
    known = {variable.name for board in boards for variable in board.variables}
    unknown = [f"no board has the variable {name}{did_you_mean(name, known)}" for name in wanted if name not in known]
    if unknown:
        raise ConfigError(unknown)


def report(boards: Sequence[AskedBoard]) -> dict[str, Any]:
    """Return what each panel asked and was answered, as plain values."""
    return {
        "boards": [{"uid": b.board.uid, "title": b.board.title, "file": str(b.board.path)} for b in boards],
        "panels": [row for board in boards for row in _panels(board)],
        "empty": [{"board": b.board.uid, "panel": each.title} for b in boards for each in empty_panels(b)],
    }


def _panels(board: AskedBoard) -> Iterator[dict[str, Any]]:
    for asked in board.panels:
        if asked.panel.kind != "row":
            yield {"board": board.board.uid, **_panel(asked)}


def _panel(asked: Asked) -> dict[str, Any]:
    return {
        "title": asked.title,
        "kind": asked.panel.kind,
        "is_asked": asked.panel.is_asked,
        "may_be_empty": bool(asked.panel.when_empty) or not asked.panel.is_asked,
        "has_data": asked.has_data,
        "series": sum(len(answer.series) + answer.left_out for answer in asked.answers),
        "queries": [
            {"ref": a.target.ref, "legend": a.target.legend, "expr": a.expr, "series": len(a.series), "error": a.error}
            for a in asked.answers
        ],
    }
