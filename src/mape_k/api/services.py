"""What the interface needs of the daemon, handed in by the composition root."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from mape_k.api.events import Events
from mape_k.model import Catalogue, CycleReport, Mode, WokenBy
from mape_k.ports import Archive, Clock, DeadLetters, Notices, Orders
from mape_k.telemetry import Metrics

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The facts of the running daemon at this moment.

    Args:
        report: of the last cycle that ended; None before the first.
        interval_seconds: between the starts of two periodic cycles.
        is_leader: it is in charge.
        is_standby: it is not, because another replica is.
        is_draining: it is about to stop: no webhook is taken any more.
    """

    mode: Mode
    epoch: int
    version: str
    started_at: datetime
    interval_seconds: float
    report: CycleReport | None = None
    is_leader: bool = True
    is_standby: bool = False
    is_draining: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that a request may reach.

    Args:
        wake: starts a cycle soon; never blocks.
        readiness: why the daemon is not ready, one sentence each; empty when it is.
        live: the facts of this moment.
        catalogue: the packs in use now (a reload may have changed them).
        raise_epoch: goes on in a higher epoch than the Charter's, on the word of whom it is given; raises
            ConflictError where the Charter follows this daemon, FencedError where another one leads.
        operator_token, ingest_token: the two bearer tokens; empty: nobody has that role.
        hosts: names in the ``Host`` header that reads from this machine may use.
        webhook_max_bytes: of one webhook.
        webhooks_at_once: more at the same time are answered with 503, which Alertmanager repeats.
        large_webhooks_at_once: of those, so many may have more than 64 KiB, or not say how much they have.
        body_seconds: a request's body must have arrived by then.
    """

    archive: Archive
    orders: Orders
    dead_letters: DeadLetters
    notices: Notices
    metrics: Metrics
    clock: Clock
    wake: Callable[[WokenBy], None]
    readiness: Callable[[], list[str]]
    live: Callable[[], Live]
    catalogue: Callable[[], Catalogue]
    raise_epoch: Callable[[str], Awaitable[int]]
    operator_token: str = field(repr=False)
    ingest_token: str = field(repr=False)
    events: Events = field(default_factory=Events)
    hosts: frozenset[str] = LOOPBACK_HOSTS
    webhook_max_bytes: int = 32 * 1024 * 1024
    webhooks_at_once: int = 256
    large_webhooks_at_once: int = 4
    body_seconds: float = 10.0


SERVICES = web.AppKey("services", Services)
