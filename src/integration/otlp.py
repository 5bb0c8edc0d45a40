"""Spans to an OpenTelemetry collector over OTLP/HTTP. It has a thread of its own: a dead collector delays nobody."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from threading import Thread
from types import MappingProxyType
from urllib.parse import urljoin

from mape_k.errors import ConfigError
from mape_k.model import Span, SpanRef

try:
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags
except ImportError as error:
    raise ConfigError(
        ["MAPE_K_OTLP_ENDPOINT: needs the extra otel, which is not installed; expected: pip install 'mape-k[otel]'"]
    ) from error

QUEUED = 2048
"""Spans that wait for the collector; beyond that the newest are lost."""
BATCH = 512
REQUEST_SECONDS = 5.0
EVERY_SECONDS = 2.0
CLOSE_SECONDS = 2.0
"""What the last spans may take at shutdown, whatever the collector does."""
_SCOPE = InstrumentationScope("mape_k")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class OtlpTracer:
    """Sends spans in the background.

    Args:
        endpoint: the collector's base address, such as ``http://localhost:4318``.
        token: a bearer token; empty: none.
        attributes: of this process, such as its version.
        told: called with how many spans arrived and how many were lost, mostly from the background.
        request_seconds: what a batch may take, repetitions included; then it is lost.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        told: Callable[[int, int], None],
        token: str = "",
        attributes: Mapping[str, str] = MappingProxyType({}),
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        # The SDK would tell of a dead collector in many lines a minute; the counter is enough.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._resource = Resource(attributes={"service.name": "mape-k", **attributes})
        session = requests.Session()
        session.trust_env = False
        exporter = OTLPSpanExporter(
            urljoin(f"{endpoint.rstrip('/')}/", "v1/traces"),
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=request_seconds,
            session=session,
        )
        self._told = told
        self._given = 0
        self._counting = _Counting(exporter, told)
        self._processor = BatchSpanProcessor(
            self._counting,
            max_queue_size=QUEUED,
            max_export_batch_size=BATCH,
            schedule_delay_millis=EVERY_SECONDS * 1000,
        )

    def tell(self, spans: Iterable[Span]) -> None:
        """Hand spans over; never waits, never raises."""
        for span in spans:
            if self._given - self._counting.taken >= QUEUED:  # the SDK would drop an older one, and tell nobody
                self._told(0, 1)
                continue
            self._given += 1
            self._processor.on_end(self._readable(span))

    def close(self) -> None:
        """Send what waits, for a moment; what is not taken by then is lost."""
        flushing = Thread(target=self._processor.shutdown, name="otlp-close", daemon=True)
        flushing.start()
        flushing.join(CLOSE_SECONDS)

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            name=span.name,
            context=_context(span.ref),
            parent=_context(span.parent) if span.parent else None,
            resource=self._resource,
            attributes=dict(span.attributes),
            links=[Link(_context(ref)) for ref in span.links],
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.OK),
            start_time=_nanoseconds(span.begun),
            end_time=_nanoseconds(span.ended),
            instrumentation_scope=_SCOPE,
        )


class _Counting(SpanExporter):
    """Tells of each batch whether it arrived; one that did not is not tried again later."""

    def __init__(self, exporter: OTLPSpanExporter, told: Callable[[int, int], None]) -> None:
        self._exporter = exporter
        self._told = told
        self.taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = self._exporter.export(spans)
        has_arrived = result is SpanExportResult.SUCCESS
        self._told(*((len(spans), 0) if has_arrived else (0, len(spans))))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _context(ref: SpanRef) -> SpanContext:
    return SpanContext(int(ref.trace_id, 16), int(ref.span_id, 16), is_remote=False, trace_flags=_SAMPLED)


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1e6) * 1000
