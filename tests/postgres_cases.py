"""A PostgreSQL of the test run's own, and Knowledge in a new database of it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from frame.postgres import Server, postgres_server
from knowledge_cases import SteppingClock, opened
from mape_k.knowledge import AuditFiles, Knowledge, open_knowledge
from mape_k.model import Mode
from real_tools import find_tool


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Run one server for all tests of a process; each test has a database of its own."""
    find_tool("postgres")
    with postgres_server(is_durable=False) as server:
        yield server


def new_url(server: Server) -> str:
    """Return the URL of a new, empty database, with its password."""
    return with_password(server, server.url_of(server.create()))


def with_password(server: Server, url: str) -> str:
    return url.replace("tester@", f"tester:{server.password}@")


@asynccontextmanager
async def opened_at(url: str, folder: Path, **options: object) -> AsyncIterator[Knowledge]:
    """Open Knowledge in a database, the audit files of this host in ``folder``."""
    facts: dict = {"clock": SteppingClock(), "mode": Mode.ENFORCE, "lease_seconds": 1e6}
    facts["audit_files"] = AuditFiles.within(folder)
    knowledge = await open_knowledge(url, **(facts | options))
    try:
        yield knowledge
    finally:
        await knowledge.close()


def opened_on(request: pytest.FixtureRequest, folder: Path) -> AbstractAsyncContextManager[Knowledge]:
    """Open an empty Knowledge on the engine that the fixture's parameter names."""
    if request.param == "sqlite":
        return opened(folder)
    return opened_at(new_url(request.getfixturevalue("postgres")), folder)
