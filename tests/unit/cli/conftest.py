import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def _log_as_before():
    """Commands configure the log of the whole process; the next test gets it as this one did."""
    yield
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], force=True)
