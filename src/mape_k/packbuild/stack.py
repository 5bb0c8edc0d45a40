"""The Prometheus and Alertmanager configuration of a local stack, made from that of a real one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DAEMON_RECEIVER = "mape-k"
"""The receiver of Alertmanager's configuration that wakes the daemon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Where the servers of a local stack listen; it notifies the daemon and nobody else.

    Args:
        targets: ``host:port`` by scrape job; a job without one is not scraped.
        alertmanager: its ``host:port``.
        webhook_url: where the daemon takes alerts; None: Alertmanager notifies nobody, the daemon polls.
        token_file: holds the token that the webhook asks for.
    """

    targets: Mapping[str, str]
    alertmanager: str
    webhook_url: str | None = None
    token_file: Path | None = None


def local_prometheus(config: Mapping[str, Any], stack: Stack) -> dict[str, Any]:
    """Return ``config`` with the stack's targets and Alertmanager in place of its own."""
    jobs = [job for job in config.get("scrape_configs", []) if job.get("job_name") in stack.targets]
    return {
        **config,
        "alerting": {"alertmanagers": [_static(stack.alertmanager)]},
        "scrape_configs": [_without_discovery(job) | _static(stack.targets[job["job_name"]]) for job in jobs],
    }


def local_alertmanager(config: Mapping[str, Any], stack: Stack) -> dict[str, Any]:
    """Return ``config`` with its routes as they are and every receiver silent, except the daemon's."""
    return {**config, "receivers": [_receiver(str(r.get("name")), stack) for r in config.get("receivers", [])]}


def _static(address: str) -> dict[str, Any]:
    return {"static_configs": [{"targets": [address]}]}


def _without_discovery(job: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in job.items() if not key.endswith("_sd_configs")}


def _receiver(name: str, stack: Stack) -> dict[str, Any]:
    if name != DAEMON_RECEIVER or stack.webhook_url is None:
        return {"name": name}
    webhook: dict[str, Any] = {"url": stack.webhook_url, "send_resolved": True}
    if stack.token_file is not None:
        webhook["http_config"] = {"authorization": {"credentials_file": str(stack.token_file)}}
    return {"name": name, "webhook_configs": [webhook]}
