"""The ways to people, one module each; all satisfy :class:`mape_k.ports.Notifier`."""

from integration.notifiers.email import EmailNotifier, MailLogin
from integration.notifiers.pagerduty import PAGERDUTY_URL, PagerDutyNotifier
from integration.notifiers.slack import SlackNotifier
from integration.notifiers.webhook import WebhookNotifier

__all__ = [
    "PAGERDUTY_URL",
    "EmailNotifier",
    "MailLogin",
    "PagerDutyNotifier",
    "SlackNotifier",
    "WebhookNotifier",
]
