"""The real daemon with a trace collector that is there, and one that is not."""

import urllib.request

from daemon_process import daemon, logged
from mape_k.model.span import SpanRef
from otlp_collector import collecting
from real_stack import free_port, wait_until


def scraped(running, accept="text/plain"):
    request = urllib.request.Request(running.url + "/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_spans_of_every_cycle_arrive_under_the_trace_id_that_its_log_line_has(tmp_path):
    with collecting() as collector, daemon(tmp_path / "state", MAPE_K_OTLP_ENDPOINT=collector.url) as running:
        running.after_cycles(3)
        kind, text = scraped(running, "application/openmetrics-text;version=1.0.0")
        wait_until(lambda: len(collector.spans) >= 5, "spans of a cycle")
        running.stop()
        lines = running.events("cycle_closed")

    cycles = {span.trace_id.hex(): span for _, span in collector.spans if span.name == "cycle"}
    assert kind.startswith("application/openmetrics-text")
    assert "# {trace_id=" in text
    assert {line["trace_id"] for line in lines} == cycles.keys()
    assert all(SpanRef.of(line["cycle_id"]).trace_id == line["trace_id"] for line in lines)
    assert {span.name for _, span in collector.spans} >= {"cycle", "monitor", "analyze", "plan", "execute"}


def test_a_collector_that_is_away_costs_nothing_but_a_count(tmp_path):
    away = f"http://127.0.0.1:{free_port()}"
    with daemon(tmp_path / "state", MAPE_K_OTLP_ENDPOINT=away) as running:
        wait_until(lambda: 'mape_k_spans_total{result="lost"} 0.0' not in scraped(running)[1], "spans counted as lost")
        running.after_cycles(2)
        status = running.stop()
        loud = [line for line in logged(running.log) if "opentelemetry" in str(line.get("logger"))]

    assert status == 0
    assert loud == []
