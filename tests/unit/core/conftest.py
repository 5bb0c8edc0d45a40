from collections.abc import Callable, Mapping

import pytest
from hypothesis import settings

from virtual_time import VirtualTimeLoop

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable]:  # noqa: ARG001
    """Run every asynchronous test of this folder in virtual time."""
    return {"virtual": VirtualTimeLoop}
