"""Where webhooks are kept, in a set."""

from collections.abc import Sequence

from mape_k.errors import StoreError
from mape_k.ports import Notice


class FakeNotices:
    """Keeps the promises of :class:`mape_k.ports.Notices`, except that nothing outlives it; ``is_down`` fails."""

    def __init__(self) -> None:
        self.kept: set[tuple[str, str, str]] = set()
        self.is_down = False

    async def take(self, notices: Sequence[Notice], *, group_key: str) -> int:  # noqa: ARG002
        if self.is_down:
            raise StoreError("the disk is full")
        before = len(self.kept)
        self.kept |= {(n.fingerprint or str(sorted(n.labels.items())), n.starts_at, n.status) for n in notices}
        return len(self.kept) - before
