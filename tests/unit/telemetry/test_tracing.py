"""Cycles, incidents and actions as spans."""

from dataclasses import replace
from datetime import timedelta

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from mape_k.execute.parts import traceparent
from mape_k.model import Ledger, OpenIncident, State, Verdict
from mape_k.model.span import SpanRef
from mape_k.telemetry import Metrics
from mape_k.telemetry.tracing import MAX_OPEN, ActionSpans, spans_of_cycle
from sample_reports import NOON, a_catalogue, a_report, an_execution

OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


def moved(spans, execution, state, *, seconds, **fields):
    later = replace(execution, state=state, updated_at=execution.updated_at + timedelta(seconds=seconds), **fields)
    return later, list(spans.moved(later))


def test_a_cycle_has_a_span_and_one_for_each_phase_that_follow_each_other():
    cycle, *phases = spans_of_cycle(a_report())

    assert (cycle.name, cycle.begun, cycle.parent) == ("cycle", NOON, None)
    assert [phase.name for phase in phases] == [timing.phase for timing in a_report().timings]
    assert all(phase.parent == cycle.ref and phase.ref.trace_id == cycle.ref.trace_id for phase in phases)
    assert [phase.begun for phase in phases] == [cycle.begun, *[phase.ended for phase in phases[:-1]]]
    assert len({phase.ref.span_id for phase in phases} | {cycle.ref.span_id}) == len(phases) + 1


def test_a_cycle_is_linked_to_the_actions_that_it_moved():
    cycle = next(iter(spans_of_cycle(replace(a_report(), executed=("act-1",)))))

    assert cycle.links == (SpanRef.of("act-1"),)


def test_what_failed_is_told_at_the_cycle_and_at_its_phase():
    report = a_report()
    report.failure = f"{report.timings[-1].phase.value}: no answer"
    cycle, *phases = spans_of_cycle(report)

    assert cycle.error == report.failure
    assert [phase.error for phase in phases] == [""] * (len(phases) - 1) + [report.failure]


def test_an_incident_becomes_a_span_when_it_is_closed():
    report = a_report()
    begun = NOON - timedelta(hours=1)
    incident = OpenIncident(
        incident_id="inc-9", pack="charter", symptom="spike", target="node-7", opened_at=begun, last_seen_at=NOON
    )
    report.ledger = Ledger(as_of=NOON, incidents=(incident,))
    report.assessment = replace(report.assessment, closed=("inc-9", "inc-unknown"))

    spans = {span.name: span for span in spans_of_cycle(report)}

    assert (spans["incident spike"].begun, spans["incident spike"].ended) == (begun, NOON)
    assert spans["incident spike"].ref == SpanRef.of("inc-9")


def test_an_action_has_a_span_for_each_state_and_one_for_the_whole_linked_to_its_incident():
    spans = ActionSpans()
    execution = an_execution(state=State.APPLYING, updated_at=NOON)

    assert list(spans.moved(execution)) == []
    execution, applying = moved(spans, execution, State.VERIFYING, seconds=2)
    execution, verifying = moved(spans, execution, State.ROLLING_BACK, seconds=60, verdict=Verdict.UNCHANGED)
    execution, rest = moved(spans, execution, State.ROLLED_BACK, seconds=1)
    rolling_back, whole = rest

    assert [span.name for span in (*applying, *verifying, rolling_back)] == ["applying", "verifying", "rolling_back"]
    assert {span.parent for span in (*applying, *verifying, rolling_back)} == {whole.ref}
    assert applying[0].ended == verifying[0].begun == NOON + timedelta(seconds=2)
    assert whole.links == (SpanRef.of(execution.incident_id),)
    assert whole.error != ""
    assert whole.ref.traceparent == traceparent(execution)


def test_the_same_move_told_twice_is_one_span():
    spans = ActionSpans()
    execution = an_execution(state=State.APPLYING, updated_at=NOON)
    list(spans.moved(execution))
    execution, first = moved(spans, execution, State.VERIFYING, seconds=1)

    assert len(first) == 1
    assert list(spans.moved(execution)) == []


def test_of_very_many_open_actions_those_that_moved_longest_ago_are_forgotten():
    spans = ActionSpans()
    for number in range(MAX_OPEN + 10):
        list(spans.moved(an_execution(execution_id=f"act-{number}", state=State.APPLYING, updated_at=NOON)))

    assert len(spans._open) == MAX_OPEN
    assert "act-0" not in spans._open


def exemplars(metrics, accept):
    families = text_string_to_metric_families(metrics.exposition(accept).decode())
    return {sample.exemplar.labels["trace_id"] for f in families for sample in f.samples if sample.exemplar}


def test_with_tracing_durations_carry_the_trace_of_their_cycle_where_open_metrics_is_accepted():
    metrics = Metrics()
    metrics.shows_exemplars = True
    metrics.catalogue_loaded(a_catalogue())
    metrics.cycle_closed(a_report())

    assert exemplars(metrics, OPEN_METRICS) == {SpanRef.of(a_report().cycle_id).trace_id}
    assert metrics.content_type(OPEN_METRICS).startswith("application/openmetrics-text")
    assert metrics.content_type("text/plain").startswith("text/plain")
    assert b"trace_id" not in metrics.exposition("text/plain")


def test_without_tracing_everybody_gets_the_plain_format():
    metrics = Metrics()
    metrics.cycle_closed(a_report())

    assert metrics.content_type(OPEN_METRICS).startswith("text/plain")
    assert b"trace_id" not in metrics.exposition(OPEN_METRICS)
