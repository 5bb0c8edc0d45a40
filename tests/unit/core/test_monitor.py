"""One look at the world: what becomes of every answer, and of every answer that does not come."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from builders import (
    JOB,
    LABEL,
    NOON,
    SCRAPE,
    SIGNAL,
    a_call,
    a_catalogue,
    a_pack,
    a_remediation,
    a_signal,
    a_symptom,
    a_violation,
    an_alert,
    at,
)
from fakes import HANGS, FakeAlertSource, FakeMetricSource, FakeViolationSource, a_job, rows
from mape_k.errors import PermanentError, RejectedError, TransientError
from mape_k.model import Job, Quality
from mape_k.monitor import Monitor
from mape_k.ports import InstantVector, ViolationPage
from virtual_time import VirtualClock

QUERY = "query_of_rate"
BUDGET = 1.0
NEEDS_VIOLATIONS = a_catalogue(symptoms=(a_symptom(violation_severities=("CRITICAL",), window_seconds=300),))
DOWN = TransientError("connection refused")


class World:
    """Three peers and who looks at them; by default node-7 attempts 31 times a second."""

    def __init__(self, **answers: object) -> None:
        self.metrics = FakeMetricSource(**({QUERY: rows({"node-7": 31.0})} | answers))
        self.alerts, self.violations = FakeAlertSource(an_alert()), FakeViolationSource()

    async def seen(self, catalogue=None, as_of=NOON, **more):
        peers = {"metrics": self.metrics, "alerts": self.alerts, "violations": self.violations}
        monitor = Monitor(**peers, clock=VirtualClock(), budget_seconds=BUDGET, stale_after_intervals=2, **more)
        return await monitor.observe(as_of, catalogue or NEEDS_VIOLATIONS)


async def seen_as(answer, catalogue=None):
    """Return the vector that an answer of Prometheus becomes."""
    return (await World(**{QUERY: answer}).seen(catalogue)).vectors[SIGNAL]


# what is seen


async def test_a_look_holds_readings_alerts_violations_and_the_health_of_all():
    world = World()
    world.violations.answer = ViolationPage(violations=(a_violation(),))
    snapshot = await world.seen()
    assert snapshot.as_of == NOON
    assert snapshot.reading(SIGNAL, "node-7").number() == 31.0
    assert snapshot.alerts == (an_alert(),)
    assert snapshot.violations == (a_violation(),)
    assert snapshot.alerts_quality is snapshot.violations_quality is Quality.VALUE
    assert {name: source.is_up for name, source in snapshot.sources.items()} == {
        "prometheus": True,
        "alertmanager": True,
        "charter": True,
    }


async def test_every_query_of_a_look_carries_the_same_time():
    world = World()
    signals = [a_signal(), *(a_signal(f"s{number}") for number in range(20))]
    await world.seen(a_catalogue(signals=signals))
    assert {moment for _, moment, _ in world.metrics.asked} == {NOON}
    assert len(world.metrics.asked) == 2 + 21


async def test_violations_are_asked_as_far_back_as_the_longest_window_of_a_symptom():
    world = World()
    symptoms = [a_symptom(f"s{s}", violation_severities=("CRITICAL",), window_seconds=s) for s in (300, 1800, 60)]
    await world.seen(a_catalogue(symptoms=symptoms))
    assert world.violations.asked_since == [at(-1800)]


async def test_a_catalogue_without_packs_looks_at_the_peers_alone():
    catalogue = a_catalogue(jobs=(), signals=(), symptoms=(), remediations=())
    snapshot = await World().seen(catalogue)
    assert (snapshot.vectors, snapshot.scrapes) == ({}, {})
    assert snapshot.sources["prometheus"].is_up


async def test_a_jobs_name_is_a_literal_in_the_query():
    world = World()
    await world.seen(
        a_catalogue(jobs=(Job(name=JOB, scrape_interval_seconds=15), Job(name='a.b"c', scrape_interval_seconds=15)))
    )
    assert world.metrics.asked[0][0] == r'up{job=~"a\\.b\"c|charter\\-job"}'


async def test_a_charter_that_no_pack_needs_is_not_asked_and_not_missed():
    world = World()
    world.violations.answer = DOWN
    needless = a_remediation(call=a_call())
    snapshot = await world.seen(a_catalogue(remediations=(needless,), symptoms=(a_symptom(remediations=("block",)),)))
    assert world.violations.asked_since == []
    assert "charter" not in snapshot.sources


# answers that carry no number


@pytest.mark.parametrize(
    ("answer", "quality"),
    [
        pytest.param(InstantVector(), Quality.EMPTY, id="an empty answer"),
        pytest.param(rows({"node-8": 1.0}), Quality.EMPTY, id="rows of others"),
        pytest.param(rows({"node-7": float("nan")}), Quality.NOT_A_NUMBER, id="not a number"),
        pytest.param(rows({"node-7": float("inf")}), Quality.NOT_A_NUMBER, id="infinite"),
        pytest.param(rows({"node-7": 1.0}, warnings=("a store is missing",)), Quality.PARTIAL, id="warnings"),
        pytest.param(rows(31.0), Quality.EMPTY, id="a row without its label"),
        pytest.param(DOWN, Quality.UNREACHABLE, id="not reachable"),
        pytest.param(PermanentError("HTML?"), Quality.UNREACHABLE, id="unusable"),
        pytest.param(RejectedError("parse error"), Quality.UNREACHABLE, id="a bad query"),
        pytest.param(HANGS, Quality.UNREACHABLE, id="hanging"),
    ],
)
async def test_what_is_no_number_has_a_quality_and_is_never_zero(answer, quality):
    reading = (await seen_as(answer)).reading("node-7")
    assert (reading.quality, reading.is_known) == (quality, False)


async def test_a_row_without_its_label_speaks_of_nobody_beside_rows_that_have_it():
    answer = InstantVector(labels=({}, {LABEL: "node-7"}), values=np.array([99.0, 31.0]))
    vector = await seen_as(answer)
    assert (vector.targets, vector.values.tolist()) == (("node-7",), [31.0])


async def test_several_rows_for_one_target_are_not_believed():
    labels = ({LABEL: "node-7", "pod": "a"}, {LABEL: "node-7", "pod": "b"})
    vector = await seen_as(InstantVector(labels=labels, values=np.array([1.0, 2.0])))
    assert vector.quality is Quality.PARTIAL
    assert "aggregate by node_or_service" in vector.detail


async def test_a_system_wide_signal_speaks_for_every_target():
    catalogue = a_catalogue(signals=(a_signal(target_label=None),))
    assert (await seen_as(rows(5.0), catalogue)).reading("anybody").number() == 5.0
    assert (await seen_as(InstantVector(), catalogue)).reading("anybody").quality is Quality.EMPTY


# how fresh it is


async def job_seen(job, **fields):
    world = World(**fields)
    world.metrics.job = job
    snapshot = await world.seen()
    return snapshot.scrapes[JOB], snapshot.reading(SIGNAL, "node-7")


@pytest.mark.parametrize(
    ("job", "quality"),
    [
        pytest.param(a_job(age=2 * SCRAPE), Quality.VALUE, id="two intervals old"),
        pytest.param(a_job(age=2 * SCRAPE + 0.1), Quality.STALE, id="older"),
        pytest.param(a_job(up=0.0), Quality.STALE, id="the target is down"),
        pytest.param(a_job(up=float("nan")), Quality.STALE, id="up is no number"),
        pytest.param(lambda *_: InstantVector(), Quality.EMPTY, id="no such job"),
        pytest.param(a_job(age=-3600), Quality.EMPTY, id="a sample from the future"),
        pytest.param(a_job(age=float("inf")), Quality.EMPTY, id="no time"),
        pytest.param(a_job(age=-float("inf")), Quality.EMPTY, id="the end of time"),
        pytest.param(lambda *_: DOWN, Quality.UNREACHABLE, id="not to be asked"),
    ],
)
async def test_the_health_of_a_job_decides_whether_its_signals_are_believed(job, quality):
    scrape, reading = await job_seen(job)
    assert scrape.quality is quality
    assert reading.is_known == (quality is Quality.VALUE)


async def test_a_job_of_which_some_targets_are_down_is_partial():
    def half(promql, moment):
        values = [moment.timestamp()] * 2 if promql.startswith("timestamp(") else [1.0, 0.0]
        return InstantVector(labels=({"job": JOB}, {"job": JOB}), values=np.array(values))

    scrape, reading = await job_seen(half)
    assert (scrape.quality, scrape.targets, scrape.targets_up) == (Quality.PARTIAL, 2, 1)
    assert reading.quality is Quality.PARTIAL


async def test_the_newest_sample_of_a_job_is_told():
    scrape, _ = await job_seen(a_job(age=7))
    assert scrape.newest_sample_at == at(-7)


# peers that fail


async def test_no_peer_takes_another_down():
    world = World()
    world.alerts.answer, world.violations.answer = DOWN, HANGS
    snapshot = await world.seen()
    assert snapshot.reading(SIGNAL, "node-7").number() == 31.0
    assert snapshot.alerts_quality is snapshot.violations_quality is Quality.UNREACHABLE
    assert [name for name, source in snapshot.sources.items() if not source.is_up] == ["alertmanager", "charter"]
    assert snapshot.sources["alertmanager"].detail == "connection refused"


async def test_a_bad_query_of_a_pack_leaves_prometheus_up():
    snapshot = await World(**{QUERY: RejectedError("parse error")}).seen()
    assert snapshot.sources["prometheus"].is_up
    assert "parse error" in snapshot.vectors[SIGNAL].detail


async def test_a_prometheus_that_refuses_even_to_tell_its_health_is_down():
    world = World()
    world.metrics.job = lambda *_: RejectedError("no such path")
    assert not (await world.seen()).sources["prometheus"].is_up


@pytest.mark.parametrize("error", [DOWN, PermanentError("HTML?"), RejectedError("no")])
async def test_alerts_that_cannot_be_read_are_never_no_alerts(error):
    world = World()
    world.alerts.answer = error
    snapshot = await world.seen()
    assert (snapshot.alerts_quality, snapshot.sources["alertmanager"].is_up) == (Quality.UNREACHABLE, False)


class RestartedAlertmanager:
    """Says since when it has been running, or fails."""

    def __init__(self, answer):
        self.answer = answer

    async def started_at(self, *, timeout_seconds):  # noqa: ARG002
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("started", "quality"),
    [
        (at(-119.9), Quality.PARTIAL),
        (at(+1), Quality.PARTIAL),
        (at(-120), Quality.VALUE),
        (PermanentError("a proxy hides it"), Quality.VALUE),
    ],
)
async def test_what_a_fresh_alertmanager_does_not_show_proves_nothing_for_a_while(started, quality):
    world = World()
    young = {"alertmanager": RestartedAlertmanager(started), "alerts_return_seconds": 120}
    snapshot = await world.seen(**young)
    assert (snapshot.alerts_quality, len(snapshot.alerts)) == (quality, 1)
    assert snapshot.sources["alertmanager"].is_up


async def test_a_fresh_alertmanager_whose_list_cannot_be_read_is_out_of_reach():
    world = World()
    world.alerts.answer = DOWN
    snapshot = await world.seen(alertmanager=RestartedAlertmanager(NOON), alerts_return_seconds=120)
    assert snapshot.alerts_quality is Quality.UNREACHABLE


async def test_violations_cut_by_a_limit_are_partial():
    world = World()
    world.violations.answer = ViolationPage(violations=(a_violation(),), is_partial=True)
    snapshot = await world.seen()
    assert (snapshot.violations_quality, len(snapshot.violations)) == (Quality.PARTIAL, 1)


async def test_hanging_peers_cost_the_budget_once_and_no_more():
    world = World(**{QUERY: HANGS})
    world.metrics.job = lambda *_: HANGS
    world.alerts.answer = world.violations.answer = HANGS
    signals = [a_signal(), *(a_signal(f"s{number}", query=QUERY) for number in range(40))]
    begun = asyncio.get_running_loop().time()
    snapshot = await world.seen(a_catalogue(signals=signals, symptoms=NEEDS_VIOLATIONS.symptoms))
    assert asyncio.get_running_loop().time() - begun == pytest.approx(BUDGET)
    assert not any(source.is_up for source in snapshot.sources.values())
    assert {vector.quality for vector in snapshot.vectors.values()} == {Quality.UNREACHABLE}


async def test_two_packs_with_signals_of_one_name_are_told_apart():
    other = a_pack(name="other", signals=(replace(a_signal(query="other_query"), pack="other"),), symptoms=())
    snapshot = await World(other_query=rows({"node-7": 2.0})).seen(a_catalogue(a_pack(), other))
    assert snapshot.reading(SIGNAL, "node-7").number() == 31.0
    assert snapshot.reading("other/rate", "node-7").number() == 2.0
