"""The Prometheus adapter against a real Prometheus that scrapes a real endpoint."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from integration.clock import SystemClock
from integration.http import HttpSession
from integration.prometheus_client import PrometheusClient
from mape_k.errors import PermanentError, TransientError
from mape_k.ports import InstantVector
from real_stack import Server, TinyExporter, answers, end, prometheus, wait_until

pytestmark = pytest.mark.real

TIMEOUT_SECONDS = 5.0
HOSTILE = 'a "quoted" <b>name</b>\nwith \\ and ✓'
METRICS = """
jobs_waiting{queue="fast"} 3
jobs_waiting{queue="slow"} 41.5
odd{which="nan"} NaN
odd{which="plus"} +Inf
odd{which="minus"} -Inf
hostile{name="a \\"quoted\\" <b>name</b>\\nwith \\\\ and ✓"} 1
"""


@pytest.fixture(scope="module")
def exporter() -> Iterator[TinyExporter]:
    with TinyExporter(METRICS).serving() as serving:
        yield serving


@pytest.fixture(scope="module")
def server(exporter: TinyExporter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), targets=[exporter.address]) as running:
        wait_until(lambda: answers_with_rows(running), "the first scrape")
        yield running


def answers_with_rows(running: Server) -> bool:
    return b'"value"' in answers(f"{running.url}/api/v1/query?query=hostile")


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession(clock=SystemClock(), jitter=lambda: 0.5) as session:
        yield session


@pytest.fixture
def client(http: HttpSession, server: Server) -> PrometheusClient:
    return PrometheusClient(http, server.url)


def now() -> datetime:
    return SystemClock().now()


async def ask(client: PrometheusClient, promql: str) -> InstantVector:
    return await client.query(promql, at=now(), timeout_seconds=TIMEOUT_SECONDS)


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again for at most 20 seconds."""
    async with asyncio.timeout(20):
        while not await look():  # noqa: ASYNC110 - a foreign process sets no event
            await asyncio.sleep(0.05)


async def test_scraped_samples_are_read_with_their_labels(client: PrometheusClient) -> None:
    vector = await ask(client, "jobs_waiting")

    rows = {labels["queue"]: value for labels, value in zip(vector.labels, vector.values, strict=True)}
    assert rows == {"fast": 3.0, "slow": 41.5}
    assert {labels["job"] for labels in vector.labels} == {"tiny"}
    assert vector.warnings == ()


async def test_numbers_that_are_none_come_through_as_what_they_are(client: PrometheusClient) -> None:
    vector = await ask(client, "odd")

    rows = {labels["which"]: float(value) for labels, value in zip(vector.labels, vector.values, strict=True)}
    assert math.isnan(rows["nan"])
    assert (rows["plus"], rows["minus"]) == (math.inf, -math.inf)


async def test_what_nobody_exports_has_no_rows_and_is_not_zero(client: PrometheusClient) -> None:
    vector = await ask(client, "nobody_exports_this")

    assert vector.labels == ()
    assert vector.values.size == 0


async def test_a_moment_before_the_first_scrape_has_no_rows(client: PrometheusClient) -> None:
    vector = await client.query("jobs_waiting", at=datetime(2020, 1, 1, tzinfo=UTC), timeout_seconds=TIMEOUT_SECONDS)

    assert vector.values.size == 0


async def test_label_values_with_quotes_newlines_and_markup_arrive_unchanged(client: PrometheusClient) -> None:
    vector = await ask(client, "hostile")

    assert [labels["name"] for labels in vector.labels] == [HOSTILE]


async def test_a_scalar_is_one_row_without_labels(client: PrometheusClient) -> None:
    vector = await ask(client, "scalar(jobs_waiting{queue='fast'}) * 2")

    assert (vector.labels, list(vector.values)) == (({},), [6.0])


async def test_a_question_too_long_for_an_address_is_answered(client: PrometheusClient) -> None:
    vector = await ask(client, " + ".join(["sum(jobs_waiting)"] * 500))

    assert list(vector.values) == [500 * 44.5]


async def test_a_query_that_cannot_be_parsed_is_refused_for_good(client: PrometheusClient) -> None:
    with pytest.raises(PermanentError, match="jobs_waiting"):
        await ask(client, "rate(jobs_waiting[")


async def test_a_range_has_one_sample_for_each_step(client: PrometheusClient) -> None:
    end_at = now()
    start = end_at - timedelta(seconds=10)

    (series,) = await client.query_range(
        "vector(7)", start=start, end=end_at, step_seconds=2.0, timeout_seconds=TIMEOUT_SECONDS
    )

    assert list(series.values) == [7.0] * 6
    assert series.times[0] == pytest.approx(start.timestamp(), abs=0.001)
    assert list(series.times[1:] - series.times[:-1]) == pytest.approx([2.0] * 5)


async def test_series_tell_their_names_and_labels(client: PrometheusClient) -> None:
    found = await client.series(
        ["jobs_waiting"], start=now() - timedelta(minutes=1), end=now(), timeout_seconds=TIMEOUT_SECONDS
    )

    assert sorted((labels["__name__"], labels["queue"]) for labels in found) == [
        ("jobs_waiting", "fast"),
        ("jobs_waiting", "slow"),
    ]


async def test_a_target_that_goes_away_leaves_no_rows_behind(http: HttpSession, tmp_path: Path) -> None:
    with TinyExporter("here 1\n").serving() as exporter, prometheus(tmp_path, targets=[exporter.address]) as running:
        client = PrometheusClient(http, running.url)

        async def is_seen() -> bool:
            return (await ask(client, "here")).values.size == 1

        async def is_gone() -> bool:
            return not await is_seen() and list((await ask(client, "up")).values) == [0.0]

        await until(is_seen)
        exporter.breaks()
        await until(is_gone)


async def test_a_killed_server_is_a_transient_failure(http: HttpSession, tmp_path: Path) -> None:
    with prometheus(tmp_path) as running:
        client = PrometheusClient(http, running.url)
        assert await client.build_info(timeout_seconds=TIMEOUT_SECONDS)
        end(running.process)

        with pytest.raises(TransientError, match="prometheus"):
            await ask(client, "vector(1)")
