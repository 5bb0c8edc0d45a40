"""Settings become adapters, adapters become services: who is given what."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from secrets import SystemRandom

from pydantic import SecretStr

from integration.alertmanager_client import AlertmanagerClient
from integration.breaker import LONGEST_PAUSE_SECONDS, Circuit
from integration.charter_client import CharterClient
from integration.clock import SystemClock
from integration.http import HttpSession
from integration.http_effector import HttpServers
from integration.prometheus_client import PrometheusClient
from mape_k.analyze import Analyst
from mape_k.execute import Executor
from mape_k.knowledge import AuditFiles, Knowledge, open_knowledge
from mape_k.loop import Loop, Timing
from mape_k.main.tracing import UNTRACED, Tracing
from mape_k.model import CHARTER, Catalogue, Execution, PolicyRequest
from mape_k.monitor import Monitor
from mape_k.ports import Effector
from mape_k.settings import Settings
from mape_k.telemetry import Metrics
from mape_k.telemetry.table import SOURCES

CLOSE_AFTER_INTERVALS = 2
"""For so many intervals an incident's findings must be gone before it is closed."""

NOTICES_AGREE_AFTER_INTERVALS = 3
"""After so many intervals, what webhooks announced and what Alertmanager shows must agree."""

DEBOUNCE_SHARE = 0.25
"""The share of the interval, at most a second, in which wakes are gathered into one cycle."""

LONGEST_PAUSE_INTERVALS = 0.5
"""For so many intervals at most a peer that gives no answer is left alone: each cycle sees whether it is back."""

_HELD_BACK: Mapping[Circuit, float] = {Circuit.CLOSED: 0.0, Circuit.HALF_OPEN: 0.5, Circuit.OPEN: 1.0}
_OUTCOMES: Mapping[str, str] = {"ok": "ok", "permanent": "refused", "fenced": "refused"}


def system_clock() -> SystemClock:
    """Return the machine's clock, for programs that have no other adapter."""
    return SystemClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """The adapters to the three peers, and to the servers that packs act through."""

    prometheus: PrometheusClient
    alertmanager: AlertmanagerClient
    charter: CharterClient
    servers: HttpServers
    http: HttpSession

    def effector_of(self, request: PolicyRequest) -> Effector:
        """Return who takes a request: the Charter takes policies, a server its calls."""
        return self.servers.effector_of(request.call.server) if request.call else self.charter

    def circuits(self) -> Mapping[str, float]:
        """Return for each of them whether it is left alone: 0 no, 1 yes, 0.5 all but one question that sees."""
        known = (*SOURCES, *self.servers.names)
        return {name: _HELD_BACK[circuit] for name, circuit in self.http.circuits().items() if name in known}

    def left_alone(self) -> tuple[str, ...]:
        """Return those who change the world and failed so often that they are not asked for a while."""
        acting, circuits = (CHARTER, *self.servers.names), self.http.circuits()
        return tuple(name for name in acting if circuits.get(name) is Circuit.OPEN)


@asynccontextmanager
async def open_peers(
    settings: Settings, clock: SystemClock, metrics: Metrics, knowledge: Knowledge | None = None
) -> AsyncIterator[Peers]:
    """Open the one bounded HTTP session and the adapters that share it; Knowledge is for those that act."""

    def asked(source: str, seconds: float, outcome: str) -> None:
        if source in (*SOURCES, *settings.http_servers):
            metrics.source_asked(source, seconds, _OUTCOMES.get(outcome, "failed"))

    metrics.sources(settings.http_servers)
    url = settings.charter_url
    acting = (url, *settings.http_servers.values())
    echoing = [each for each in acting if await knowledge.keys_echoed(each)] if knowledge else []
    async with HttpSession(
        clock=clock,
        jitter=SystemRandom().random,
        observe=asked,
        longest_pause_seconds=min(LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_INTERVALS * settings.interval),
        not_repeated=metrics.retry_withheld,
    ) as http:
        yield Peers(
            http=http,
            prometheus=PrometheusClient(http, settings.prometheus_url, token=_token(settings.prometheus_token)),
            alertmanager=AlertmanagerClient(
                http, settings.alertmanager_urls, token=_token(settings.alertmanager_token)
            ),
            charter=CharterClient(
                http,
                url,
                token=_token(settings.charter_token),
                idempotent=settings.charter_idempotent,
                echoes=url in echoing,
                remember=partial(knowledge.note_keys_echoed, url) if knowledge else None,
            ),
            servers=HttpServers(
                http,
                settings.http_servers,
                tokens={name: token.get_secret_value for name, token in settings.http_tokens_by_name.items()},
                echoing=echoing,
                remember=knowledge.note_keys_echoed if knowledge else None,
            ),
        )


def _token(secret: SecretStr | None) -> Callable[[], str] | None:
    return secret.get_secret_value if secret else None


def make_loop(
    settings: Settings,
    *,
    peers: Peers,
    knowledge: Knowledge,
    catalogue: Catalogue,
    clock: SystemClock,
    metrics: Metrics,
    tracing: Tracing = UNTRACED,
) -> Loop:
    """Wire the phases together."""
    budgets = settings.phase_budgets

    def told(execution: Execution) -> None:
        metrics.action_moved(execution)
        tracing.action_moved(execution)

    return Loop(
        monitor=make_monitor(settings, peers, clock, budget_seconds=settings.monitor_budget),
        analyst=Analyst(close_after_seconds=CLOSE_AFTER_INTERVALS * settings.interval),
        executor=Executor(
            effector_of=peers.effector_of,
            journal=knowledge.journal,
            alerts=peers.alertmanager,
            clock=clock,
            request_timeout_seconds=settings.execute_budget,
            told=told,
            refused=metrics.action_refused,
            leads=lambda: knowledge.lease.is_held,
            left_alone=peers.left_alone,
        ),
        journal=knowledge.journal,
        catalogue=catalogue,
        clock=clock,
        timing=Timing(
            interval=settings.interval,
            cycle_budget=settings.cycle_budget,
            phase_budgets=budgets,
            debounce=min(1.0, DEBOUNCE_SHARE * settings.interval),
        ),
        mode=settings.mode,
    )


def make_monitor(settings: Settings, peers: Peers, clock: SystemClock, *, budget_seconds: float) -> Monitor:
    """Wire the one reader of the world."""
    return Monitor(
        metrics=peers.prometheus,
        alerts=peers.alertmanager,
        violations=peers.charter,
        clock=clock,
        budget_seconds=budget_seconds,
        stale_after_intervals=settings.stale_after_intervals,
        alertmanager=peers.alertmanager,
        alerts_return_seconds=settings.alerts_return_seconds,
    )


@asynccontextmanager
async def opened(
    settings: Settings, clock: SystemClock, metrics: Metrics, *, replica: str = ""
) -> AsyncIterator[Knowledge]:
    """Open Knowledge, a file for this process alone, and close it when all is done.

    Args:
        settings: where it is.
        clock: the time.
        metrics: told of writes.
        replica: the name for the lease, where it is not that of the daemon.
    """
    knowledge = await open_knowledge(
        settings.knowledge_file_url,
        clock=clock,
        mode=settings.mode,
        ring_bytes=settings.snapshots_megabytes * 1024 * 1024,
        reserve_bytes=settings.reserve_megabytes * 1024 * 1024,
        retention_days=settings.retention_days,
        recent_notices_seconds=NOTICES_AGREE_AFTER_INTERVALS * settings.interval,
        write_seconds=metrics.knowledge_written,
        audit_files=AuditFiles(key=settings.audit_key_path, anchor=settings.audit_anchor_path),
        replica=replica or settings.replica_name,
        lease_seconds=settings.lease_seconds,
        bounds=settings.bounds,
    )
    try:
        yield knowledge
    finally:
        await knowledge.close()
