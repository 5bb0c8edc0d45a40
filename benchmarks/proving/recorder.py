"""Where every receiver of Alertmanager leads in a trial: each notification is kept with the receiver's name."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One alert in one notification.

    Args:
        at: when it came, of the monotonic clock.
        receiver: whom it was for.
        is_firing: or else resolved.
        labels: of the alert.
    """

    at: float
    receiver: str
    is_firing: bool
    labels: Mapping[str, str]

    @property
    def alert(self) -> str:
        """The alert's name."""
        return self.labels.get("alertname", "")


@dataclass(slots=True)
class Recorder:
    """Keeps what Alertmanager tells."""

    notices: list[Notice] = field(default_factory=list)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        """Keep one notification."""
        now, receiver = time.monotonic(), request.match_info["receiver"]
        for alert in (await request.json())["alerts"]:
            is_firing = alert["status"] == "firing"
            self.notices.append(Notice(at=now, receiver=receiver, is_firing=is_firing, labels=alert["labels"]))
        return web.Response()

    def heard(self, alert: str, since: float, *, is_firing: bool = True) -> list[Notice]:
        """Return what was told of an alert since a moment."""
        return [
            each for each in self.notices if each.at >= since and each.alert == alert and each.is_firing is is_firing
        ]


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    """Listen on loopback."""
    recorder = Recorder()
    app = web.Application()
    app.router.add_post("/{receiver}", recorder.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        recorder.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield recorder
    finally:
        await runner.cleanup()
