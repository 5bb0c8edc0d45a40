"""Spans over OTLP/HTTP to a real receiver, one that is away, and one that hangs."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from integration.otlp import QUEUED, OtlpTracer
from mape_k.model.span import Span, SpanRef
from otlp_collector import collecting
from real_stack import free_port, wait_until

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def collector():
    with collecting() as running:
        yield running


class Tally:
    """Counts as the metric does."""

    def __init__(self):
        self.exported = self.lost = 0

    def __call__(self, exported, lost):
        self.exported += exported
        self.lost += lost


def a_span(name="cycle", **fields):
    return Span(
        **({"name": name, "ref": SpanRef.of(name), "begun": NOON, "ended": NOON + timedelta(seconds=2)} | fields)
    )


def test_a_span_arrives_with_all_that_is_known_of_it(collector):
    tally = Tally()
    tracer = OtlpTracer(collector.url + "/", told=tally, token="t0ken", attributes={"service.version": "1.2"})
    tracer.tell(
        [a_span(parent=SpanRef.of("p"), attributes={"pack": "charter", "n": 3}, links=(SpanRef.of("i"),), error="no")]
    )
    tracer.close()

    ((path, headers), _), (resource, span) = collector.requests[0], collector.spans[0]
    attributes = {each.key: each.value for each in span.attributes}
    assert (path, headers["Authorization"]) == ("/v1/traces", "Bearer t0ken")
    assert {each.key: each.value.string_value for each in resource.attributes} == {
        "service.name": "mape-k",
        "service.version": "1.2",
    }
    assert span.trace_id.hex() == SpanRef.of("cycle").trace_id
    assert span.parent_span_id.hex() == SpanRef.of("p").span_id
    assert span.links[0].trace_id.hex() == SpanRef.of("i").trace_id
    assert (attributes["pack"].string_value, attributes["n"].int_value) == ("charter", 3)
    assert (span.status.message, span.end_time_unix_nano - span.start_time_unix_nano) == ("no", 2_000_000_000)
    assert (tally.exported, tally.lost) == (1, 0)


def test_what_a_collector_refuses_is_counted_as_lost_and_later_spans_arrive(collector):
    tally, collector.status = Tally(), 400
    tracer = OtlpTracer(collector.url, told=tally)
    tracer.tell([a_span("a"), a_span("b")])
    wait_until(lambda: tally.lost == 2, "both counted as lost")
    collector.status = 200
    tracer.tell([a_span("c")])
    tracer.close()

    assert (tally.exported, tally.lost) == (1, 2)


def test_a_collector_that_is_away_costs_a_count_and_no_time():
    tally = Tally()
    tracer = OtlpTracer(f"http://127.0.0.1:{free_port()}", told=tally, request_seconds=0.5)
    begun = time.monotonic()
    for number in range(5000):
        tracer.tell([a_span(str(number))])
    told_in = time.monotonic() - begun
    wait_until(lambda: tally.lost > 0, "counted as lost")
    tracer.close()

    assert told_in < 5
    assert tally.exported == 0


def test_spans_beyond_what_may_wait_are_counted_as_lost_and_none_waits_longer_for_them(collector):
    tally = Tally()
    collector.hang.clear()
    tracer = OtlpTracer(collector.url, told=tally)
    tracer.tell(a_span(str(number)) for number in range(3 * QUEUED))
    assert tally.lost >= QUEUED
    collector.hang.set()
    wait_until(lambda: tally.exported + tally.lost == 3 * QUEUED, "every span counted once")
    tracer.close()

    assert tally.exported >= QUEUED
    names = [span.name for _, span in collector.spans]
    assert names[:QUEUED] == [str(number) for number in range(QUEUED)]


def test_a_collector_that_hangs_does_not_keep_the_daemon_from_stopping(collector):
    collector.hang.clear()
    tracer = OtlpTracer(collector.url, told=Tally())
    tracer.tell([a_span()])
    begun = time.monotonic()
    tracer.close()

    assert time.monotonic() - begun < 4
