"""Who is told and how: settings become channels, channels the service that tells and the one that tries again."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from integration.http import HttpSession
from integration.notifiers import EmailNotifier, MailLogin, PagerDutyNotifier, SlackNotifier, WebhookNotifier
from mape_k.knowledge import Knowledge
from mape_k.model import CycleReport, Mode
from mape_k.notify import Notifications, Repeater
from mape_k.ports import Clock, Compensator, Notifier
from mape_k.settings import Settings
from mape_k.telemetry import Metrics

log = structlog.get_logger(__name__)


def channels(settings: Settings, http: HttpSession, clock: Clock) -> tuple[Notifier, ...]:
    """Return every way to people that is configured."""
    return tuple(_channels(settings, http, clock))


def _channels(settings: Settings, http: HttpSession, clock: Clock) -> Iterator[Notifier]:
    if slack := settings.notify_slack_url:
        yield SlackNotifier(http, slack.get_secret_value())
    if key := settings.notify_pagerduty_key:
        source = settings.public_url or str(settings.listen)
        yield PagerDutyNotifier(http, key.get_secret_value, url=settings.notify_pagerduty_url, source=source)
    if mail := _email(settings, clock):
        yield mail
    if url := settings.notify_webhook_url:
        token = settings.notify_webhook_token
        yield WebhookNotifier(http, url, token=token.get_secret_value if token else None)


def _email(settings: Settings, clock: Clock) -> EmailNotifier | None:
    server, sender, password = settings.notify_email_smtp, settings.notify_email_from, settings.notify_email_password
    if server is None or sender is None:
        return None
    return EmailNotifier(
        server.host,
        server.port,
        security=server.security,
        sender=sender,
        recipients=settings.notify_email_to,
        clock=clock,
        login=MailLogin(user=settings.notify_email_user, password=password.get_secret_value) if password else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Tells people, and tries again what failed, beside the loop and never in its way."""

    ways: tuple[Notifier, ...]
    notifications: Notifications
    repeater: Repeater

    def introduce(self) -> None:
        """Say over which channels people are told, or that nobody is."""
        if self.ways:
            log.info("notifications", channels=[way.name for way in self.ways])
        else:
            log.warning("nobody_is_told", remedy="set one of the variables MAPE_K_NOTIFY_…")

    def observe(self, report: CycleReport) -> None:
        """Take a cycle that ended; never waits."""
        self.notifications.observe(report)

    async def serve(self) -> None:
        """Tell and try again until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.notifications.run(), name="notifications")
            tasks.create_task(self.repeater.run(), name="dead letters")


def make_people(
    settings: Settings,
    *,
    http: HttpSession,
    knowledge: Knowledge,
    compensator: Compensator,
    clock: Clock,
    metrics: Metrics,
    may_work: Callable[[], bool],
) -> People:
    """Wire the channels."""
    ways = channels(settings, http, clock)
    shared: dict[str, Any] = {"channels": ways, "clock": clock, "counted": metrics.notified}
    return People(
        ways=ways,
        notifications=Notifications(
            outbox=knowledge.outbox,
            dead_letters=knowledge.dead_letters,
            interval_seconds=settings.interval,
            public_url=settings.public_url or "",
            letters_read=metrics.dead_letters,
            **shared,
        ),
        repeater=Repeater(
            attempts=knowledge.dead_letters,
            compensator=None if settings.mode is Mode.SHADOW else compensator,
            may_work=may_work,
            **shared,
        ),
    )
