"""Knowledge as people read it, kept in lists."""

from collections.abc import Mapping, Sequence
from typing import Any

from mape_k.errors import StoreError
from mape_k.model import Pause
from mape_k.ports import Kind, Page

IDS = {"cycles": "cycle_id", "incidents": "incident_id", "actions": "execution_id"}


class FakeArchive:
    """An archive over given documents; ``is_down`` makes it fail."""

    def __init__(self, **documents: Sequence[Mapping[str, Any]]) -> None:
        self.documents, self.paused, self.is_down = documents, None, False
        self.learned: dict[str, Any] = {"success_rates": [], "rows": {}}

    def _rows(self, kind: Kind) -> Sequence[Mapping[str, Any]]:
        if self.is_down:
            raise StoreError("the disk is full")
        return self.documents.get(kind, ())

    async def page(
        self, kind: Kind, *, limit: int, cursor: str | None = None, where: Mapping[str, str] | None = None
    ) -> Page:
        start = int(cursor or 0)
        wanted = (where or {}).items()
        rows = [row for row in self._rows(kind) if all(row.get(name) == value for name, value in wanted)]
        more = str(start + limit) if start + limit < len(rows) else None
        return Page(items=tuple(rows[start : start + limit]), next_cursor=more)

    async def item(self, kind: Kind, item_id: str) -> Mapping[str, Any] | None:
        return next((row for row in self._rows(kind) if row[IDS[kind]] == item_id), None)

    async def knowledge(self) -> Mapping[str, Any]:
        self._rows("cycles")
        return self.learned

    async def pauses(self) -> tuple[Pause, ...]:
        self._rows("cycles")
        return (self.paused,) if self.paused else ()


class FakeOrders:
    """Takes orders for an archive."""

    def __init__(self, archive: FakeArchive) -> None:
        self.archive = archive

    async def pause(self, pause: Pause) -> None:
        self.archive._rows("cycles")
        self.archive.paused = pause

    async def resume(self, scope: str, *, by: str) -> None:
        self.archive._rows("cycles")
        self.lifted = (scope, by)
        self.archive.paused = None
