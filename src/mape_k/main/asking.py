"""Questions to Prometheus alone, for programs that need nothing else of the daemon."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from secrets import SystemRandom
from typing import TypeVar

from integration.clock import SystemClock
from integration.http import HttpSession
from integration.prometheus_client import PrometheusClient
from mape_k.ports import MetricSource
from mape_k.settings import Settings
from mape_k.telemetry import configure_logging

T = TypeVar("T")


def ask_prometheus(settings: Settings, url: str, questions: Callable[[MetricSource], Awaitable[T]]) -> T:
    """Return what ``questions`` makes of the answers of the Prometheus at ``url``.

    Args:
        settings: as for the daemon; its token goes to its own Prometheus only.
        url: whom to ask.
        questions: asks; runs while the connection is open.
    """
    configure_logging("CRITICAL", settings.log_format, stream=sys.stderr)
    return asyncio.run(_ask(settings, url, questions))


async def _ask(settings: Settings, url: str, questions: Callable[[MetricSource], Awaitable[T]]) -> T:
    secret = settings.prometheus_token if url == settings.prometheus_url else None
    token = secret.get_secret_value if secret else None
    async with HttpSession(clock=SystemClock(), jitter=SystemRandom().random) as http:
        return await questions(PrometheusClient(http, url, token=token))
