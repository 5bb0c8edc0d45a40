import pytest

from fakes_daemon import FakeDaemon, calling


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
async def api(daemon):
    async with calling(daemon.services()) as client:
        yield client
