import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from fakes_peers import StandingClock
from integration.http import HttpSession
from integration.prometheus_client import PrometheusClient
from mape_k.errors import MapeKError, PermanentError, TransientError
from mape_k.ports import InstantVector
from raw_peer import RawPeer, http_answer, raw_peer

AT = datetime(2026, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC)


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession(clock=StandingClock(), jitter=lambda: 0.5) as session:
        yield session


def success(result: object, kind: str = "vector", **extra: object) -> bytes:
    return http_answer({"status": "success", "data": {"resultType": kind, "result": result}} | extra)


def row(value: str = "1", **metric: str) -> dict[str, object]:
    return {"metric": metric, "value": [1.5, value]}


async def query(http: HttpSession, answer: bytes, promql: str = "up") -> InstantVector:
    async with raw_peer(answer) as peer:
        return await PrometheusClient(http, peer.url).query(promql, at=AT, timeout_seconds=2.0)


def sent(peer: RawPeer) -> tuple[str, str, dict[str, list[str]]]:
    """Return method, path and parameters of the only request, wherever they travelled."""
    head, body = peer.requests[-1].decode().split("\r\n\r\n")
    method, target, _ = head.split("\r\n")[0].split()
    return method, urlsplit(target).path, parse_qs(urlsplit(target).query or body)


async def test_rows_come_in_columns_without_the_metric_name(http: HttpSession) -> None:
    vector = await query(http, success([row("1.5", __name__="up", job="a"), row("2", __name__="up", job="b")]))

    assert vector.labels == ({"job": "a"}, {"job": "b"})
    assert vector.values.tolist() == [1.5, 2.0]
    assert vector.warnings == ()


async def test_what_is_no_number_stays_in_its_row(http: HttpSession) -> None:
    vector = await query(http, success([row("NaN", t="a"), row("+Inf", t="b"), row("-Inf", t="c"), row("1e3", t="d")]))

    assert math.isnan(vector.values[0])
    assert vector.values[1:].tolist() == [math.inf, -math.inf, 1000.0]


async def test_an_empty_answer_has_no_rows(http: HttpSession) -> None:
    vector = await query(http, success([]))

    assert vector.labels == ()
    assert vector.values.shape == (0,)


async def test_a_scalar_is_one_row_without_labels(http: HttpSession) -> None:
    vector = await query(http, success([1.5, "42"], kind="scalar"))

    assert vector.labels == ({},)
    assert vector.values.tolist() == [42.0]


@pytest.mark.parametrize(("kind", "result"), [("string", [1.5, "text"]), ("matrix", []), ("novelty", {})])
async def test_other_kinds_of_result_are_refused_with_the_query_named(
    http: HttpSession, kind: str, result: object
) -> None:
    with pytest.raises(PermanentError, match=f"gives a {kind}.*the query was my_query"):
        await query(http, success(result, kind=kind), "my_query")


async def test_warnings_are_kept_bounded_and_harmless(http: HttpSession) -> None:
    vector = await query(http, success([], warnings=[f"store {i}\n\x1b[2J" + "x" * 999 for i in range(50)]))

    assert len(vector.warnings) == 10
    assert vector.warnings[0].startswith("store 0")
    assert all(warning.isprintable() and len(warning) < 300 for warning in vector.warnings)


async def test_an_answer_that_calls_itself_partial_carries_a_warning(http: HttpSession) -> None:
    assert (await query(http, success([], isPartial=True))).warnings == ("the server says that the answer is partial",)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"metric": {"t": "b"}, "histogram": [1.5, {"count": "3"}]}, "histogram"),
        (row("2", t="x" * 1025), "label value"),
        (row("2", t="a"), "labels of another row"),
        (row("2", __name__="other", t="a"), "labels of another row"),
    ],
    ids=["a native histogram", "an over-long label value", "the same labels", "the same labels but for the name"],
)
async def test_a_row_that_cannot_be_used_is_left_out_and_makes_the_answer_partial(
    http: HttpSession, odd: object, why: str
) -> None:
    vector = await query(http, success([row("1", t="a"), odd]))

    assert vector.labels == ({"t": "a"},)
    assert vector.values.tolist() == [1.0]
    assert len(vector.warnings) == 1
    assert why in vector.warnings[0]


UNUSABLE = {
    "a value that is no text": success([{"metric": {}, "value": [1, 2]}]),
    "a value that is no number": success([row("many")]),
    "a label that is no text": success([{"metric": {"a": 1}, "value": [1, "2"]}]),
    "no result at all": http_answer({"status": "success"}),
    "no status": http_answer({"data": {"resultType": "vector", "result": []}}),
    "null": http_answer(b"null"),
    "a list": http_answer([]),
    "deep nesting in the labels": http_answer(
        b'{"status":"success","data":{"resultType":"vector","result":' + b"[" * 9_000 + b"]" * 9_000 + b"}}"
    ),
    "a login page": http_answer(b"<html>", content_type="text/html"),
}


@pytest.mark.parametrize("answer", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_an_unusable_answer_is_permanent(http: HttpSession, answer: bytes) -> None:
    with pytest.raises(PermanentError, match="the query was up"):
        await query(http, answer)


def failure(kind: str, status: int) -> bytes:
    return http_answer({"status": "error", "errorType": kind, "error": "said the server"}, status)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (failure("bad_data", 400), PermanentError),
        (failure("execution", 422), PermanentError),
        (failure("timeout", 503), TransientError),
        (failure("canceled", 499), TransientError),
        (failure("internal", 500), TransientError),
        (failure("bad_data", 200), PermanentError),
        (failure("timeout", 200), TransientError),
        (failure("unavailable", 200), TransientError),
    ],
)
async def test_errors_of_the_server_are_sorted_and_quoted(
    http: HttpSession, answer: bytes, expected: type[MapeKError]
) -> None:
    with pytest.raises(expected, match="said the server"):
        await query(http, answer)


async def test_a_query_in_an_error_is_cut_and_harmless(http: HttpSession) -> None:
    with pytest.raises(PermanentError) as caught:
        await query(http, failure("bad_data", 400), "up\n\x1b[2J" + "x" * 5000)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


async def test_a_query_that_cannot_be_encoded_is_permanent(http: HttpSession) -> None:
    with pytest.raises(PermanentError, match="cannot be written"):
        await query(http, success([]), '{a="\ud800"}')


@pytest.mark.parametrize(("promql", "method"), [("up", "GET"), ('up{a="é&+"}', "GET"), ("up or " * 400 + "up", "POST")])
async def test_every_query_carries_its_time_and_long_ones_travel_as_a_form(
    http: HttpSession, promql: str, method: str
) -> None:
    async with raw_peer(success([])) as peer:
        await PrometheusClient(http, f"{peer.url}/prom").query(promql, at=AT, timeout_seconds=2.5)

    assert sent(peer) == (
        method,
        "/prom/api/v1/query",
        {"query": [promql], "time": [f"{AT.timestamp():.3f}"], "timeout": ["2.500"]},
    )


async def test_a_long_query_is_a_question_too_and_repeated(http: HttpSession) -> None:
    async with raw_peer(http_answer(b"", 503), success([row()])) as peer:
        vector = await PrometheusClient(http, peer.url).query("x" * 2000, at=AT, timeout_seconds=2.0)

    assert vector.values.tolist() == [1.0]


async def test_a_range_comes_as_series_of_times_and_values(http: HttpSession) -> None:
    matrix = [{"metric": {"__name__": "up", "job": "a"}, "values": [[1, "1"], [2.5, "NaN"], [4, "3"]]}]
    async with raw_peer(success(matrix, kind="matrix")) as peer:
        (series,) = await PrometheusClient(http, peer.url).query_range(
            "up", start=AT, end=AT + timedelta(minutes=1), step_seconds=15, timeout_seconds=2.0
        )

    assert series.labels == {"job": "a"}
    assert series.times.tolist() == [1.0, 2.5, 4.0]
    assert math.isnan(series.values[1])
    assert sent(peer)[2] == {
        "query": ["up"],
        "start": [f"{AT.timestamp():.3f}"],
        "end": [f"{AT.timestamp() + 60:.3f}"],
        "step": ["15.000"],
        "timeout": ["2.000"],
    }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(success([], kind="matrix", warnings=["a store is down"]), TransientError), (success([]), PermanentError)],
    ids=["partial", "not a matrix"],
)
async def test_a_range_is_whole_or_refused(http: HttpSession, answer: bytes, expected: type[MapeKError]) -> None:
    async with raw_peer(answer) as peer:
        with pytest.raises(expected):
            await PrometheusClient(http, peer.url).query_range(
                "up", start=AT, end=AT, step_seconds=15, timeout_seconds=2.0
            )


async def test_series_are_listed_with_their_names(http: HttpSession) -> None:
    async with raw_peer(http_answer({"status": "success", "data": [{"__name__": "up", "job": "a"}]})) as peer:
        found = await PrometheusClient(http, peer.url).series(["up", 'x{a="b"}'], start=AT, end=AT, timeout_seconds=2.0)

    assert found == ({"__name__": "up", "job": "a"},)
    assert sent(peer)[2]["match[]"] == ["up", 'x{a="b"}']


async def test_the_version_is_told(http: HttpSession) -> None:
    async with raw_peer(http_answer({"status": "success", "data": {"version": "2.42.0", "goVersion": "x"}})) as peer:
        assert await PrometheusClient(http, peer.url).build_info(timeout_seconds=2.0) == "2.42.0"


async def test_the_token_is_read_anew_for_every_query(http: HttpSession) -> None:
    tokens = iter(["old"] * 9)
    async with raw_peer(success([])) as peer:
        client = PrometheusClient(http, peer.url, token=lambda: next(tokens))
        await client.query("up", at=AT, timeout_seconds=2.0)
        tokens = iter(["new"] * 9)
        await client.query("up", at=AT, timeout_seconds=2.0)

    assert [b"Bearer old" in request for request in peer.requests] == [True, False]
    assert b"Bearer new" in peer.requests[1]
