"""Where spans go: to a collector when one is named, else nowhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mape_k import __version__
from mape_k.model import CycleReport, Execution
from mape_k.settings import Settings
from mape_k.telemetry import Metrics
from mape_k.telemetry.tracing import ActionSpans, spans_of_cycle

if TYPE_CHECKING:
    from integration.otlp import OtlpTracer


class Tracing:
    """Tells the collector of cycles and actions.

    Args:
        tracer: sends the spans; None: nothing is told.
    """

    def __init__(self, tracer: "OtlpTracer | None" = None) -> None:
        self._tracer = tracer
        self._actions = ActionSpans()

    def cycle_closed(self, report: CycleReport) -> None:
        """Tell of a cycle that ended."""
        if self._tracer is not None:
            self._tracer.tell(spans_of_cycle(report))

    def action_moved(self, execution: Execution) -> None:
        """Tell of an action that moved."""
        if self._tracer is not None:
            self._tracer.tell(self._actions.moved(execution))


UNTRACED = Tracing()


@asynccontextmanager
async def open_tracing(settings: Settings, metrics: Metrics) -> AsyncIterator[Tracing]:
    """Open the way to the collector, and send at the end what still waits, for a moment.

    Raises:
        ConfigError: a collector is named and the extra ``otel`` is not installed.
    """
    if settings.otlp_endpoint is None:
        yield UNTRACED
        return
    from integration.otlp import OtlpTracer  # noqa: PLC0415 (an extra, and 14 MB)

    metrics.shows_exemplars = True
    token = settings.otlp_token.get_secret_value() if settings.otlp_token else ""
    tracer = OtlpTracer(
        settings.otlp_endpoint, token=token, attributes={"service.version": __version__}, told=metrics.spans
    )
    try:
        yield Tracing(tracer)
    finally:
        tracer.close()
