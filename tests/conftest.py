"""What every test folder shares: the option for the long matrix, and where the real programs are."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from postgres_cases import postgres
from real_tools import find_tool

__all__ = ["postgres"]

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--matrix", action="store_true", help="run the long acceptance matrix too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "matrix: one cell of the long acceptance matrix, chosen by --matrix")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--matrix"):
        return
    left_out = [item for item in items if item.get_closest_marker("matrix")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def real_tool() -> Callable[[str], Path]:
    """Return the finder of a real program by name: prometheus, promtool, alertmanager or amtool."""
    return find_tool
