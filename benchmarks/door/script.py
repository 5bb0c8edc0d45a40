"""The least that turns a webhook into a policy and could prove it: the same durable commits, the same questions.

Nothing is decided in it. In this order: the webhook kept; prepared, looked at, and the look kept; looked at the alerts
once more; the intent kept; the sending kept; sent.
"""

import asyncio
import json
import sqlite3
import sys
import time
from pathlib import Path

import aiohttp
from aiohttp import web

from door.peers import JOB, KIND, LABEL
from door.receiver import PRAGMAS

UP = f'up{{job=~"{JOB}"}}'
QUESTIONS = (UP, f"timestamp({UP})", f'node_harm{{job="{JOB}"}}')


class Script:
    """Takes webhooks, and posts a policy about each alert.

    Args:
        file: where everything is kept.
        token: of the webhook.
        peers: address of the peers.
    """

    def __init__(self, file: Path, token: str, peers: str) -> None:
        self._wanted = f"Bearer {token}"
        self._peers = peers
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        for statement in (*(f"PRAGMA {pragma}" for pragma in PRAGMAS), "CREATE TABLE kept (what TEXT, document TEXT)"):
            self._database.execute(statement)
        self._http: aiohttp.ClientSession | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def take(self, request: web.Request) -> web.Response:
        """Answer a webhook once it is durable, and go on with it."""
        if request.headers.get("Authorization", "") != self._wanted:
            raise web.HTTPUnauthorized
        webhook = json.loads(await request.read())
        await self._keep("webhook", webhook)
        for alert in webhook["alerts"]:
            task = asyncio.create_task(self._act(alert["labels"][LABEL]))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return web.json_response({"accepted": len(webhook["alerts"])}, status=202)

    async def _act(self, target: str) -> None:
        self._http = self._http or aiohttp.ClientSession(self._peers)
        await self._keep("look", await self._look(self._http))
        await self._ask(self._http, "/api/v2/alerts")
        for what in ("intent", "sending"):
            await self._keep(what, target)
        policy = {"name": f"block-{target}", "kind": KIND, "scope": {"node_or_service": target}}
        async with self._http.post("/api/v1/policies", json=policy, headers={"Idempotency-Key": target}) as answer:
            await self._keep("outcome", await answer.json())

    async def _look(self, http: aiohttp.ClientSession) -> list[object]:
        now = str(time.time())  # noqa: TID251 - the time of the questions
        queries = (self._ask(http, "/api/v1/query", query=query, time=now) for query in QUESTIONS)
        lists = (self._ask(http, path) for path in ("/api/v2/alerts", "/api/v2/status", "/api/v1/violations"))
        return await asyncio.gather(*queries, *lists)

    async def _ask(self, http: aiohttp.ClientSession, path: str, **params: str) -> object:
        async with http.get(path, params=params) as answer:
            return await answer.json()

    async def _keep(self, what: str, document: object) -> None:
        await asyncio.to_thread(self._commit, what, json.dumps(document))

    def _commit(self, what: str, document: str) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute("INSERT INTO kept VALUES (?, ?)", (what, document))
        self._database.execute("COMMIT")


def main() -> None:
    """Serve on a port of loopback: ``python -m door.script FILE TOKEN PORT PEERS``."""
    file, token, port, peers = sys.argv[1:]
    app = web.Application()
    app.router.add_post("/api/v1/alerts", Script(Path(file), token, peers).take)
    web.run_app(app, host="127.0.0.1", port=int(port), print=None, access_log=None)


if __name__ == "__main__":
    main()
