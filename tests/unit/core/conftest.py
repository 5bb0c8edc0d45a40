from collections.abc import Callable, Mapping

import pytest

from virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable]:  # noqa: ARG001
    """Run every asynchronous test of this folder in virtual time."""
    return {"virtual": VirtualTimeLoop}
