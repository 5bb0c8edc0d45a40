"""Many Alertmanagers at once: webhooks over kept connections, each with alerts that nobody has seen before."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

ALERTS = 10
LABELS = {
    "alertname": "ForbiddenMetricSpike",
    "cluster": "production",
    "instance": "10.0.12.34:9100",
    "job": "westworld-charter",
    "severity": "warning",
    "team": "committee",
}


@dataclass(slots=True)
class Answered:
    """What became of the webhooks: numbers of those acknowledged, seconds that each took, answers by status.

    Those that were ``cut`` were sent, and then the server was gone.
    """

    acknowledged: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    lasted: float = 0.0

    @property
    def rate(self) -> float:
        """Acknowledged webhooks in a second."""
        return len(self.acknowledged) / self.lasted


def fingerprints(number: int) -> list[str]:
    """Return those of the alerts of one webhook."""
    return [f"{number:014x}{place:02x}" for place in range(ALERTS)]


def webhook(number: int) -> bytes:
    """Return the body of one webhook, as Alertmanager writes it."""
    alerts = [
        {
            "status": "firing",
            "labels": LABELS | {"node_or_service": f"node-{fingerprint}"},
            "annotations": {"summary": "attempts to record a forbidden metric"},
            "startsAt": "2026-03-01T12:00:00.123456789Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example:9090/graph?g0.expr=up&g0.tab=1",
            "fingerprint": fingerprint,
        }
        for fingerprint in fingerprints(number)
    ]
    frame = {"version": "4", "status": "firing", "receiver": "mape-k", "groupKey": '{}:{alertname="F"}'}
    return json.dumps({**frame, "truncatedAlerts": 0, "alerts": alerts}).encode()


async def knock(port: int, token: str, numbers: Iterator[int], *, connections: int, seconds: float) -> Answered:
    """Send webhooks while there are numbers, on each connection the next as soon as the last is answered."""
    answered, begun = Answered(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_connection(port, token, numbers, answered, begun + seconds))
    answered.lasted = time.perf_counter() - begun
    return answered


async def _connection(port: int, token: str, numbers: Iterator[int], answered: Answered, until: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    number = next(numbers, None)
    while number is not None and (sent_at := time.perf_counter()) < until:
        try:
            writer.write(_request(token, webhook(number)))
            status = await _status(reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            answered.cut.append(number)
            return
        answered.statuses[status] += 1
        if status == HTTPStatus.ACCEPTED:
            answered.acknowledged.append(number)
            answered.seconds.append(time.perf_counter() - sent_at)
        number = next(numbers, None)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def _request(token: str, body: bytes) -> bytes:
    lines = (
        "POST /api/v1/alerts HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "\r\n",
    )
    return "\r\n".join(lines).encode() + body


async def _status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
    await reader.readexactly(int(length))
    return int(head.split(b" ", 2)[1])
