"""Prometheus, or whatever speaks its HTTP API; satisfies :class:`mape_k.ports.MetricSource`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
import numpy as np

from integration.answers import Answer
from integration.http import HttpSession, Request, Token
from mape_k.errors import PermanentError, RejectedError, TransientError
from mape_k.ports import InstantVector, RangeSeries
from mape_k.text import printable

T = TypeVar("T")
Params = Sequence[tuple[str, str]]

BODY_CAP_BYTES = 8 * 1024 * 1024
GET_BYTES = 1024
"""A longer question goes as a form: proxies cut long addresses."""
LABEL_CHARACTERS = 1024
WARNINGS_KEPT = 10

_TRY_AGAIN = frozenset({"timeout", "canceled", "unavailable"})


class _Envelope(msgspec.Struct):
    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    error_type: str = msgspec.field(default="", name="errorType")
    error: str = ""
    warnings: list[str] | None = None
    is_partial: bool = msgspec.field(default=False, name="isPartial")

    @property
    def complaints(self) -> tuple[str, ...]:
        said = tuple(printable(warning) for warning in (self.warnings or ())[:WARNINGS_KEPT])
        return (*said, "the server says that the answer is partial") if self.is_partial else said


class _Result(msgspec.Struct):
    kind: str = msgspec.field(name="resultType")
    result: msgspec.Raw


class _Row(msgspec.Struct, gc=False):
    metric: dict[str, str]
    value: tuple[float, str] | None = None


class _Series(msgspec.Struct, gc=False):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []


class _Build(msgspec.Struct):
    version: str = ""


class _Rule(msgspec.Struct):
    name: str
    health: str = "unknown"
    last_error: str = msgspec.field(default="", name="lastError")


class _Group(msgspec.Struct):
    rules: list[_Rule] = []


class _Groups(msgspec.Struct):
    groups: list[_Group] = []


class LoadedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that the server evaluates; ``error`` is what went wrong the last time, empty: nothing."""

    name: str
    error: str


_envelope = msgspec.json.Decoder(_Envelope)
_result = msgspec.json.Decoder(_Result)
_rows = msgspec.json.Decoder(list[_Row])
_scalar = msgspec.json.Decoder(tuple[float, str])
_matrix = msgspec.json.Decoder(list[_Series])
_label_sets = msgspec.json.Decoder(list[dict[str, str]])
_build = msgspec.json.Decoder(_Build)
_groups = msgspec.json.Decoder(_Groups)


class PrometheusClient:
    """Ask one server.

    Args:
        http: the shared session, open when the first question is asked.
        url: the server's address, with its path prefix where it has one.
        token: sent as a bearer token.
        attempts: at most, within each question's deadline.
    """

    def __init__(self, http: HttpSession, url: str, *, token: Token | None = None, attempts: int = 3) -> None:
        self._peer = http.peer("prometheus", url, body_cap_bytes=BODY_CAP_BYTES, token=token, attempts=attempts)

    async def query(self, promql: str, *, at: datetime, timeout_seconds: float) -> InstantVector:
        """Evaluate ``promql`` at ``at``.

        Returns:
            The rows without ``__name__``; a scalar is one row without labels. Rows that cannot be told apart, carry a
            histogram or a label value over 1024 characters are left out, with a warning.

        Raises:
            TransientError: not reachable, overloaded or too slow. PermanentError: a bad query or an unusable answer.
        """
        params = [("query", promql), ("time", _instant(at)), ("timeout", f"{timeout_seconds:.3f}")]
        with _naming(promql):
            return await self._peer.ask(_question("query", params), _read_vector, timeout_seconds=timeout_seconds)

    async def query_range(
        self, promql: str, *, start: datetime, end: datetime, step_seconds: float, timeout_seconds: float
    ) -> Sequence[RangeSeries]:
        """Evaluate ``promql`` at every step of a closed interval.

        Raises:
            TransientError: as :meth:`query`, and for a partial answer. PermanentError: as :meth:`query`.
        """
        span = [("start", _instant(start)), ("end", _instant(end)), ("step", f"{step_seconds:.3f}")]
        params = [("query", promql), *span, ("timeout", f"{timeout_seconds:.3f}")]
        with _naming(promql):
            return await self._peer.ask(_question("query_range", params), _read_matrix, timeout_seconds=timeout_seconds)

    async def series(
        self, selectors: Sequence[str], *, start: datetime, end: datetime, timeout_seconds: float
    ) -> tuple[Mapping[str, str], ...]:
        """Return the labels, ``__name__`` included, of every series seen in an interval; raises as ``query_range``."""
        params = [
            *(("match[]", selector) for selector in selectors),
            ("start", _instant(start)),
            ("end", _instant(end)),
        ]
        with _naming(" ".join(selectors)):
            return await self._peer.ask(_question("series", params), _read_series, timeout_seconds=timeout_seconds)

    async def rules(self, *, timeout_seconds: float) -> tuple[LoadedRule, ...]:
        """Return every rule that the server has loaded; raises as :meth:`query`."""
        return await self._peer.ask(Request(path="api/v1/rules"), _read_rules, timeout_seconds=timeout_seconds)

    async def reload(self, *, timeout_seconds: float) -> None:
        """Have the server read its configuration again.

        Raises:
            TransientError, UncertainError: not reachable. PermanentError: it refuses, or may not be asked for that.
        """
        request = Request(path="-/reload", method="POST", accept="", changes_world=True)
        await self._peer.ask(request, lambda _answer: None, timeout_seconds=timeout_seconds)

    async def build_info(self, *, timeout_seconds: float) -> str:
        """Return the server's version, empty where it does not tell; raises as :meth:`query`."""
        request = Request(path="api/v1/status/buildinfo")
        return await self._peer.ask(request, _read_version, timeout_seconds=timeout_seconds)


@contextmanager
def _naming(promql: str) -> Iterator[None]:
    try:
        yield
    except PermanentError as error:
        kind = RejectedError if isinstance(error, RejectedError) else PermanentError
        raise kind(f"{error}; the query was {printable(promql)}") from error
    except UnicodeError as error:
        raise PermanentError(f"the query cannot be written: {printable(promql)}") from error


def _instant(moment: datetime) -> str:
    return f"{moment.timestamp():.3f}"


def _question(endpoint: str, params: Params) -> Request:
    form = urlencode(params).encode()
    if len(form) <= GET_BYTES:
        return Request(path=f"api/v1/{endpoint}", params=params)
    return Request(
        path=f"api/v1/{endpoint}", method="POST", body=form, content_type="application/x-www-form-urlencoded"
    )


def _opened(answer: Answer) -> _Envelope:
    envelope = _envelope.decode(answer.body)
    if envelope.status == "success":
        return envelope
    message = f"prometheus could not answer: {printable(f'{envelope.error_type}: {envelope.error}')}"
    raise TransientError(message) if envelope.error_type in _TRY_AGAIN else RejectedError(message)


def _opened_whole(answer: Answer) -> _Envelope:
    envelope = _opened(answer)
    if envelope.complaints:
        raise TransientError(f"prometheus answered in part: {envelope.complaints[0]}")
    return envelope


def _read_vector(answer: Answer) -> InstantVector:
    envelope = _opened(answer)
    data = _result.decode(envelope.data)
    match data.kind:
        case "vector":
            return _vector(_rows.decode(data.result), envelope.complaints)
        case "scalar":
            _, number = _scalar.decode(data.result)
            return InstantVector(labels=({},), values=np.array([float(number)]), warnings=envelope.complaints)
    raise PermanentError(f"the query gives a {printable(data.kind)}, where numbers at one moment are needed")


def _vector(rows: list[_Row], warnings: tuple[str, ...]) -> InstantVector:
    """Build the columns; whatever must be left out makes the answer partial, since absence would be believed."""
    labels: list[Mapping[str, str]] = []
    values: list[float] = []
    seen: set[str] = set()
    histograms = oversized = alike = 0
    for row in rows:
        row.metric.pop("__name__", None)
        identity = repr(row.metric)
        if row.value is None:
            histograms += 1
        elif len(identity) > LABEL_CHARACTERS and max(map(len, row.metric.values())) > LABEL_CHARACTERS:
            oversized += 1
        elif identity in seen:
            alike += 1
        else:
            seen.add(identity)
            labels.append(row.metric)
            values.append(float(row.value[1]))
    left_out = (
        (histograms, "carry a histogram, not a number"),
        (oversized, f"have a label value over {LABEL_CHARACTERS} characters"),
        (alike, "have the labels of another row"),
    )
    told = tuple(f"{count} rows left out: they {why}" for count, why in left_out if count)
    return InstantVector(labels=tuple(labels), values=np.array(values, dtype=np.float64), warnings=warnings + told)


def _read_matrix(answer: Answer) -> tuple[RangeSeries, ...]:
    data = _result.decode(_opened_whole(answer).data)
    if data.kind != "matrix":
        raise PermanentError(f"the query gives a {printable(data.kind)}, where series are needed")
    return tuple(_range(series) for series in _matrix.decode(data.result))


def _range(series: _Series) -> RangeSeries:
    series.metric.pop("__name__", None)
    times = np.fromiter((at for at, _ in series.values), dtype=np.float64, count=len(series.values))
    values = np.fromiter((float(text) for _, text in series.values), dtype=np.float64, count=len(series.values))
    return RangeSeries(labels=series.metric, times=times, values=values)


def _read_series(answer: Answer) -> tuple[Mapping[str, str], ...]:
    return tuple(_label_sets.decode(_opened_whole(answer).data))


def _read_rules(answer: Answer) -> tuple[LoadedRule, ...]:
    groups = _groups.decode(_opened(answer).data).groups
    return tuple(_loaded(rule) for group in groups for rule in group.rules)


def _loaded(rule: _Rule) -> LoadedRule:
    error = rule.last_error or ("it cannot be evaluated" if rule.health == "err" else "")
    return LoadedRule(name=printable(rule.name), error=printable(error))


def _read_version(answer: Answer) -> str:
    return printable(_build.decode(_opened(answer).data).version)
