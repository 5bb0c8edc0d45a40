"""The least that takes a webhook durably: aiohttp, a token, one executemany and one commit for all that wait.

Same table, same pragmas, same rows, same order of things as the daemon: nothing is answered before it is on disk.
"""

import asyncio
import hmac
import json
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"journal_size_limit={64 * 1024 * 1024}")
TABLE = """
CREATE TABLE notices (
  fingerprint VARCHAR NOT NULL, starts_at VARCHAR NOT NULL, status VARCHAR NOT NULL, name VARCHAR NOT NULL,
  labels TEXT NOT NULL, group_key VARCHAR NOT NULL, received_at DATETIME NOT NULL, first_received_at DATETIME NOT NULL,
  times INTEGER NOT NULL, PRIMARY KEY (fingerprint, starts_at, status))
"""
INDEX = "CREATE INDEX ix_notices_received_at ON notices (received_at)"
KEEP = """
INSERT INTO notices VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)
ON CONFLICT DO UPDATE SET times = times + 1, received_at = excluded.received_at
"""


class Receiver:
    """Takes webhooks into one file; those that arrive during a commit share the next one."""

    def __init__(self, file: Path, token: str) -> None:
        self._wanted = f"Bearer {token}"
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        for statement in (*(f"PRAGMA {pragma}" for pragma in PRAGMAS), TABLE, INDEX):
            self._database.execute(statement)
        self._waiting: list[tuple[list[tuple[str, ...]], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def take(self, request: web.Request) -> web.Response:
        """Answer one webhook once it is durable."""
        if not hmac.compare_digest(request.headers.get("Authorization", ""), self._wanted):
            raise web.HTTPUnauthorized
        webhook = json.loads(await request.read())
        kept = asyncio.get_running_loop().create_future()
        self._waiting.append((_rows(webhook), kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await kept
        return web.json_response({"accepted": len(webhook["alerts"])}, status=202)

    async def _write_all(self) -> None:
        while self._waiting:
            webhooks, self._waiting = self._waiting, []
            rows = [row for part, _ in webhooks for row in part]
            await asyncio.to_thread(self._commit, rows)
            for _, kept in webhooks:
                kept.set_result(None)

    def _commit(self, rows: list[tuple[str, ...]]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(KEEP, rows)
        self._database.execute("COMMIT")


def _rows(webhook: dict) -> list[tuple[str, ...]]:
    now, group_key = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"), webhook["groupKey"]  # noqa: TID251
    return [
        (
            alert["fingerprint"],
            alert["startsAt"],
            alert["status"],
            alert["labels"]["alertname"],
            json.dumps(alert["labels"]),
            group_key,
            now,
            now,
        )
        for alert in webhook["alerts"]
    ]


def main() -> None:
    """Serve on a port of loopback: ``receiver.py FILE TOKEN PORT``."""
    file, token, port = sys.argv[1:]
    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.router.add_post("/api/v1/alerts", Receiver(Path(file), token).take)
    web.run_app(app, host="127.0.0.1", port=int(port), print=None, access_log=None)


if __name__ == "__main__":
    main()
