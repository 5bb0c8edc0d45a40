"""M: look once. Every query of a cycle carries the same evaluation time; what fails becomes a quality, never a zero."""

import asyncio
import re
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

import numpy as np

from mape_k.errors import MapeKError, RejectedError, TransientError
from mape_k.model import Alert, Catalogue, Job, Quality, Scrape, Signal, Snapshot, SourceHealth, Vector
from mape_k.ports import AlertSource, Clock, InstantVector, MetricSource, Uptime, ViolationPage, ViolationSource

CONCURRENT_QUERIES = 8
"""How many queries are under way at once: enough to hide latency, few enough not to flood a small Prometheus."""

DEFAULT_VIOLATION_WINDOW_SECONDS = 600.0

CLOCK_SLACK_SECONDS = 1.0
"""A sample may be so much younger than the question, by rounding; one from further ahead is not believed."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class _Asked(Generic[T_co]):
    """One answer of one peer, or why there is none, and how long it took (seconds)."""

    answer: T_co | None
    error: MapeKError | None
    seconds: float


class Monitor:
    """Reads the world once into a snapshot.

    Args:
        metrics, alerts, violations: the three peers.
        clock: the time.
        budget_seconds: what one look may take; a peer that has not answered by then is unreachable in this cycle.
        stale_after_intervals: samples older than so many scrape intervals are stale.
        alertmanager: says since when it has been running; None: it always was.
        alerts_return_seconds: for so long after its start it may not have been told of every alert again.
    """

    def __init__(
        self,
        *,
        metrics: MetricSource,
        alerts: AlertSource,
        violations: ViolationSource,
        clock: Clock,
        budget_seconds: float,
        stale_after_intervals: float,
        alertmanager: Uptime | None = None,
        alerts_return_seconds: float = 0.0,
    ) -> None:
        self._metrics = metrics
        self._alerts = alerts
        self._violations = violations
        self._clock = clock
        self._budget = budget_seconds
        self._stale_after = stale_after_intervals
        self._alertmanager = alertmanager
        self._alerts_return = timedelta(seconds=alerts_return_seconds)
        self._gate = asyncio.Semaphore(CONCURRENT_QUERIES)

    async def observe(self, as_of: datetime, catalogue: Catalogue) -> Snapshot:
        """Return everything that the catalogue names, as it is at ``as_of``; never raises for a peer that fails."""
        deadline = self._clock.monotonic() + self._budget
        (up, ages, answers), (alerts, alerts_quality), violations = await asyncio.gather(
            self._ask_prometheus(as_of, catalogue, deadline),
            self._ask_alertmanager(as_of, deadline),
            self._ask_violations(as_of, catalogue, deadline),
        )
        scrapes = {job.name: self._scrape(job, up, ages, as_of) for job in catalogue.jobs}
        signals = zip(catalogue.signals, answers, strict=True)
        return Snapshot(
            as_of=as_of,
            vectors={s.full_name: _vector(s, asked, scrapes[s.job]) for s, asked in signals},
            alerts=alerts.answer or (),
            alerts_quality=alerts_quality,
            violations=violations.answer.violations if violations.answer else (),
            violations_quality=_violations_quality(violations),
            scrapes=scrapes,
            sources={
                "prometheus": _health("prometheus", (up, ages, *(a for a in answers if not _is_refused(a)))),
                "alertmanager": _health("alertmanager", (alerts,)),
                **({"charter": _health("charter", (violations,))} if catalogue.needs_charter else {}),
            },
        )

    async def _ask_prometheus(
        self, as_of: datetime, catalogue: Catalogue, deadline: float
    ) -> tuple[_Asked[InstantVector], _Asked[InstantVector], Sequence[_Asked[InstantVector]]]:
        jobs = "|".join(sorted(_escaped(job.name) for job in catalogue.jobs))
        health = f'up{{job=~"{jobs}"}}'
        queries = [health, f"timestamp({health})", *(signal.query for signal in catalogue.signals)]
        up, ages, *answers = await asyncio.gather(*(self._query(q, as_of, deadline) for q in queries))
        return up, ages, answers

    async def _query(self, promql: str, as_of: datetime, deadline: float) -> _Asked[InstantVector]:
        async with self._gate:
            remaining = max(0.0, deadline - self._clock.monotonic())
            return await self._ask(self._metrics.query(promql, at=as_of, timeout_seconds=remaining), deadline)

    async def _ask_alertmanager(self, as_of: datetime, deadline: float) -> tuple[_Asked[tuple[Alert, ...]], Quality]:
        """Return the alerts; partial while one may be missing only because Alertmanager was started again."""
        alerts = self._ask(self._alerts.alerts(timeout_seconds=self._budget), deadline)
        if self._alertmanager is None:
            asked = await alerts
            return asked, _quality(asked)
        uptime = self._ask(self._alertmanager.started_at(timeout_seconds=self._budget), deadline)
        asked, started = await asyncio.gather(alerts, uptime)
        is_young = started.answer is not None and as_of < started.answer + self._alerts_return
        return asked, Quality.PARTIAL if is_young and asked.error is None else _quality(asked)

    async def _ask_violations(self, as_of: datetime, catalogue: Catalogue, deadline: float) -> _Asked[ViolationPage]:
        if not catalogue.needs_charter:
            return _Asked(None, None, 0.0)
        windows = [s.window_seconds for s in catalogue.symptoms if s.violation_severities and s.window_seconds]
        since = as_of - timedelta(seconds=max(windows, default=DEFAULT_VIOLATION_WINDOW_SECONDS))
        return await self._ask(self._violations.violations(since=since, timeout_seconds=self._budget), deadline)

    async def _ask(self, question: Awaitable[T], deadline: float) -> _Asked[T]:
        """Wait for an answer until the deadline; the adapters sort their errors, and no peer delays another."""
        begun = self._clock.monotonic()
        limit = asyncio.timeout(max(0.0, deadline - begun))
        try:
            async with limit:
                answer = await question
        except MapeKError as error:
            return _Asked(None, error, self._clock.monotonic() - begun)
        except TimeoutError:
            if not limit.expired():
                raise
            late = TransientError(f"no answer within {self._budget:g} s")
            return _Asked(None, late, self._clock.monotonic() - begun)
        return _Asked(answer, None, self._clock.monotonic() - begun)

    def _scrape(self, job: Job, up: _Asked[InstantVector], ages: _Asked[InstantVector], as_of: datetime) -> Scrape:
        """Return whether what Prometheus knows of a job is fresh: ``up`` says who answers, its timestamp says when."""
        if up.answer is None or ages.answer is None:
            return Scrape(job=job.name, quality=Quality.UNREACHABLE, detail="prometheus could not be asked")
        is_up = [value for labels, value in _rows(up.answer) if labels.get("job") == job.name]
        times = [
            value
            for labels, value in _rows(ages.answer)
            if labels.get("job") == job.name and 0 < value <= as_of.timestamp() + CLOCK_SLACK_SECONDS
        ]
        if not is_up or not times:
            return Scrape(job=job.name, quality=Quality.EMPTY, detail=f"prometheus scrapes no job {job.name!r}")
        newest = datetime.fromtimestamp(max(times), UTC)
        quality, detail = self._freshness(job, is_up, (as_of - newest).total_seconds())
        return Scrape(
            job=job.name,
            quality=quality,
            detail=detail,
            newest_sample_at=newest,
            targets=len(is_up),
            targets_up=sum(value == 1 for value in is_up),
        )

    def _freshness(self, job: Job, is_up: Sequence[float], age_seconds: float) -> tuple[Quality, str]:
        if age_seconds > self._stale_after * job.scrape_interval_seconds:
            return Quality.STALE, f"the newest sample of {job.name} is {age_seconds:.1f} s old"
        up = sum(value == 1 for value in is_up)
        if up == 0:
            return Quality.STALE, f"no target of {job.name} is up"
        if up < len(is_up):
            return Quality.PARTIAL, f"{up} of {len(is_up)} targets of {job.name} are up"
        return Quality.VALUE, ""


def _vector(signal: Signal, asked: _Asked[InstantVector], scrape: Scrape) -> Vector:
    """Return the rows of one signal, or why none of them may be believed."""
    if asked.answer is None:
        return Vector(signal=signal.full_name, quality=Quality.UNREACHABLE, detail=str(asked.error))
    if scrape.quality is not Quality.VALUE:
        return Vector(signal=signal.full_name, quality=scrape.quality, detail=scrape.detail)
    if asked.answer.warnings:
        return Vector(signal=signal.full_name, quality=Quality.PARTIAL, detail="; ".join(asked.answer.warnings)[:500])
    return _rows_of(signal, asked.answer)


def _rows_of(signal: Signal, answer: InstantVector) -> Vector:
    """Return the rows that name their target; a row of a signal with targets that names none speaks of nobody."""
    named = [labels.get(signal.target_label, "") if signal.target_label else "" for labels in answer.labels]
    rows = [row for row, target in enumerate(named) if target or signal.target_label is None]
    targets = tuple(named[row] for row in rows)
    if len(set(targets)) < len(targets):
        detail = f"{signal.full_name} has several rows for one target; aggregate by {signal.target_label or 'nothing'}"
        return Vector(signal=signal.full_name, quality=Quality.PARTIAL, detail=detail)
    if not targets and signal.target_label is None:
        return Vector(signal=signal.full_name, quality=Quality.EMPTY, detail=f"{signal.full_name} has no row")
    return Vector(
        signal=signal.full_name,
        quality=Quality.VALUE,
        targets=targets,
        labels=tuple(answer.labels[row] for row in rows),
        values=np.asarray(answer.values, dtype=np.float64)[rows],
    )


def _rows(answer: InstantVector) -> Iterator[tuple[Mapping[str, str], float]]:
    return zip(answer.labels, (float(value) for value in answer.values), strict=True)


def _escaped(text: str) -> str:
    """Return a text as a literal inside a PromQL regular expression inside a string."""
    return re.escape(text).replace("\\", "\\\\").replace('"', '\\"')


def _quality(asked: _Asked[tuple[Alert, ...]]) -> Quality:
    return Quality.VALUE if asked.error is None else Quality.UNREACHABLE


def _violations_quality(asked: _Asked[ViolationPage]) -> Quality:
    if asked.answer is None:
        return Quality.UNREACHABLE
    return Quality.PARTIAL if asked.answer.is_partial else Quality.VALUE


def _is_refused(asked: _Asked[InstantVector]) -> bool:
    """Whether the question itself is at fault: a bad query of a pack does not blind the others."""
    return isinstance(asked.error, RejectedError)


def _health(name: str, asked: Iterable[_Asked[object]]) -> SourceHealth:
    """Return a peer's health: down when any of these questions failed."""
    asked = tuple(asked)
    seconds = max((a.seconds for a in asked), default=0.0)
    failed = [a.error for a in asked if a.error is not None]
    if failed:
        return SourceHealth(name=name, quality=Quality.UNREACHABLE, detail=str(failed[0]), seconds=seconds)
    return SourceHealth(name=name, quality=Quality.VALUE, seconds=seconds)
