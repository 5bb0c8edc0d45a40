# ruff: noqa: SLF001 - where a bug goes in there is no door
"""The daemon with a bug at its front door: ``python -m door.planted BUG``; the benchmark must tell of it."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from mape_k.knowledge import SqlNotices, Store, store
from mape_k.main import run
from mape_k.ports import Notice
from mape_k.settings import load_settings

SLOW_COMMIT_SECONDS = 0.02


def _acknowledge_before_commit() -> None:
    def commit(self: Store, writes: list[Any]) -> None:
        with self._database.writer.begin() as connection:
            for write in writes:
                store._attempt(connection, write)
                self._settle(write)
            time.sleep(SLOW_COMMIT_SECONDS)

    Store._commit = commit


def _dedupe_outside_transaction() -> None:
    marks = Path(os.environ["STATE_DIRECTORY"]) / "marks"
    seen = set(marks.read_text(encoding="utf-8").split()) if marks.exists() else set()
    take, keep = SqlNotices.take, SqlNotices._keep

    async def marked(self: SqlNotices, notices: Sequence[Notice], *, group_key: str) -> int:
        unseen = [notice for notice in notices if notice.fingerprint not in seen]
        seen.update(notice.fingerprint for notice in unseen)
        with marks.open("a", encoding="utf-8") as file:
            file.writelines(f"{notice.fingerprint}\n" for notice in unseen)
        return await take(self, unseen, group_key=group_key)

    def slow(self: SqlNotices, connection: Connection, webhooks: Any) -> list[int]:  # noqa: ANN401
        time.sleep(SLOW_COMMIT_SECONDS)
        return keep(self, connection, webhooks)

    SqlNotices.take, SqlNotices._keep = marked, slow


PLANTS: Mapping[str, tuple[str, Callable[[], None]]] = {
    "ack-before-commit": ("a webhook is acknowledged before it is durable", _acknowledge_before_commit),
    "dedupe-outside-transaction": ("an alert counts as known before it is durable", _dedupe_outside_transaction),
}
"""Each bug with its meaning and how it gets in."""


def main() -> int:
    """Run the daemon with the bug that is named."""
    PLANTS[sys.argv[1]][1]()
    return run(load_settings(os.environ))


if __name__ == "__main__":
    sys.exit(main())
