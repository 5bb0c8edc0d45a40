"""Alertmanager, API v2, one or a cluster; satisfies :class:`mape_k.ports.AlertSource` and ``Uptime``."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec

from integration.answers import Answer
from integration.http import HttpSession, Peer, Request, Token, Understand
from mape_k.errors import MapeKError, PermanentError, TransientError
from mape_k.model import Alert
from mape_k.text import printable

T = TypeVar("T")
Moment = Annotated[datetime, msgspec.Meta(tz=True)]

BODY_CAP_BYTES = 32 * 1024 * 1024
TEXT_CHARACTERS = 1024

_EVERY_ACTIVE_ALERT = (("active", "true"), ("silenced", "true"), ("inhibited", "true"), ("unprocessed", "false"))


class PostableAlert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An alert to raise; it ends at ``ends_at``, or after Alertmanager's own time-out."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str] = {}
    ends_at: datetime | None = msgspec.field(default=None, name="endsAt")


class AlertmanagerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer says of itself; it knows no alert from before ``started_at`` until Prometheus sends it again."""

    version: str
    started_at: datetime
    cluster: str
    peers: int


class _Standing(msgspec.Struct, gc=False):
    silenced_by: tuple[str, ...] = msgspec.field(default=(), name="silencedBy")
    inhibited_by: tuple[str, ...] = msgspec.field(default=(), name="inhibitedBy")


class _Alert(msgspec.Struct):
    fingerprint: str
    labels: dict[str, str]
    starts_at: Moment = msgspec.field(name="startsAt")
    updated_at: Moment = msgspec.field(name="updatedAt")
    status: _Standing
    annotations: dict[str, str] = {}


class _Receiver(msgspec.Struct):
    name: str


class _Heard(msgspec.Struct):
    labels: dict[str, str]
    receivers: list[_Receiver] = []


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """Notifications that the answering member sent since its start, and those of them that failed."""

    sent: float
    failed: float


class _Version(msgspec.Struct):
    version: str = ""


class _Cluster(msgspec.Struct):
    status: str = ""
    peers: list[msgspec.Raw] | None = None


class _Status(msgspec.Struct):
    uptime: Moment
    version: _Version = msgspec.field(default_factory=_Version, name="versionInfo")
    cluster: _Cluster = msgspec.field(default_factory=_Cluster)


_alerts = msgspec.json.Decoder(list[_Alert])
_receivers = msgspec.json.Decoder(list[_Receiver])
_heard = msgspec.json.Decoder(list[_Heard])
_status = msgspec.json.Decoder(_Status)


class AlertmanagerClient:
    """Ask the members of a cluster in turn, beginning with the one that answered last; the first answer counts.

    Prometheus sends every alert to every member, so one answer is the whole picture.

    Args:
        http: the shared session.
        urls: one address for each member, at least one.
        token: sent to each as a bearer token.
    """

    def __init__(self, http: HttpSession, urls: Sequence[str], *, token: Token | None = None) -> None:
        # Where there is somebody else to ask, asking him is the repetition.
        attempts = 3 if len(urls) == 1 else 1
        self._peers = [
            http.peer("alertmanager", url, body_cap_bytes=BODY_CAP_BYTES, token=token, attempts=attempts)
            for url in urls
        ]

    async def alerts(self, *, timeout_seconds: float) -> tuple[Alert, ...]:
        """Return every active alert, silenced and inhibited ones included, oldest first.

        Raises:
            TransientError: no peer answered. PermanentError: an unusable answer.
        """
        request = Request(path="api/v2/alerts", params=_EVERY_ACTIVE_ALERT)
        return await self._first(request, _read_alerts, timeout_seconds)

    async def receivers(self, *, timeout_seconds: float) -> tuple[str, ...]:
        """Return the names of the configured receivers; raises as :meth:`alerts`."""
        return await self._first(Request(path="api/v2/receivers"), _read_receivers, timeout_seconds)

    async def heard_by(self, alertname: str, *, timeout_seconds: float) -> Mapping[str, tuple[str, ...]]:
        """Return who hears of each active alert of a name, by its label ``system``; raises as :meth:`alerts`."""
        request = Request(path="api/v2/alerts", params=(("filter", f'alertname="{alertname}"'),))
        return await self._first(request, _read_heard, timeout_seconds)

    async def deliveries(self, *, timeout_seconds: float) -> Deliveries:
        """Return how many notifications left; raises as :meth:`alerts`."""
        return await self._first(Request(path="metrics", accept=""), _read_deliveries, timeout_seconds)

    async def reload(self, *, timeout_seconds: float) -> None:
        """Have the answering member read its configuration again; raises as :meth:`alerts` when it refuses."""
        request = Request(path="-/reload", method="POST", accept="")
        await self._first(request, lambda _answer: None, timeout_seconds)

    async def status(self, *, timeout_seconds: float) -> AlertmanagerStatus:
        """Return what the answering member says of itself; raises as :meth:`alerts`."""
        return await self._first(Request(path="api/v2/status"), _read_status, timeout_seconds)

    async def started_at(self, *, timeout_seconds: float) -> datetime:
        """Return since when the answering member has been running; raises as :meth:`alerts`."""
        return (await self.status(timeout_seconds=timeout_seconds)).started_at

    async def post_alerts(self, alerts: Sequence[PostableAlert], *, timeout_seconds: float) -> None:
        """Raise alerts, for a test of the way to the receivers; the same labels again are the same alert."""
        body = msgspec.json.encode(alerts)
        request = Request(path="api/v2/alerts", method="POST", body=body, accept="")
        await self._first(request, lambda _answer: None, timeout_seconds)

    async def _first(self, request: Request, understand: Understand[T], timeout_seconds: float) -> T:
        failures: list[MapeKError] = []
        for peer in tuple(self._peers):
            share = timeout_seconds / len(self._peers)
            try:
                answer = await peer.ask(request, understand, timeout_seconds=share)
            except (TransientError, PermanentError) as failure:
                failures.append(failure)
            else:
                self._prefer(peer)
                return answer
        raise _summary(failures)

    def _prefer(self, peer: Peer) -> None:
        self._peers = [peer, *(other for other in self._peers if other is not peer)]


def _summary(failures: Sequence[MapeKError]) -> MapeKError:
    if len(failures) == 1:
        return failures[0]
    message = "no Alertmanager answered: " + "; ".join(map(str, failures))
    return PermanentError(message) if all(isinstance(f, PermanentError) for f in failures) else TransientError(message)


def _read_alerts(answer: Answer) -> tuple[Alert, ...]:
    alerts = (_alert(found) for found in _alerts.decode(answer.body))
    return tuple(sorted(alerts, key=lambda alert: (alert.starts_at, alert.fingerprint)))


def _alert(found: _Alert) -> Alert:
    labels = {name: value[:TEXT_CHARACTERS] for name, value in found.labels.items()}
    return Alert(
        fingerprint=found.fingerprint[:TEXT_CHARACTERS],
        name=labels.get("alertname", ""),
        labels=labels,
        starts_at=found.starts_at.astimezone(UTC),
        updated_at=found.updated_at.astimezone(UTC),
        summary=found.annotations.get("summary", "")[:TEXT_CHARACTERS],
        silenced_by=found.status.silenced_by,
        inhibited_by=found.status.inhibited_by,
    )


def _read_receivers(answer: Answer) -> tuple[str, ...]:
    return tuple(printable(receiver.name) for receiver in _receivers.decode(answer.body))


def _read_heard(answer: Answer) -> Mapping[str, tuple[str, ...]]:
    heard = _heard.decode(answer.body)
    return {alert.labels.get("system", ""): tuple(printable(r.name) for r in alert.receivers) for alert in heard}


def _read_deliveries(answer: Answer) -> Deliveries:
    totals = {"alertmanager_notifications_total": 0.0, "alertmanager_notifications_failed_total": 0.0}
    for line in answer.body.decode().splitlines():
        name = line.partition("{")[0]
        if name in totals:
            totals[name] += float(line.rpartition(" ")[2])
    sent, failed = totals.values()
    return Deliveries(sent=sent, failed=failed)


def _read_status(answer: Answer) -> AlertmanagerStatus:
    status = _status.decode(answer.body)
    return AlertmanagerStatus(
        version=printable(status.version.version),
        started_at=status.uptime.astimezone(UTC),
        cluster=printable(status.cluster.status),
        peers=len(status.cluster.peers or ()),
    )
