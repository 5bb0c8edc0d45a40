"""A TCP proxy that can stop forwarding without a word, as a cut cable does."""

import asyncio
from contextlib import suppress

_CHUNK = 65536


class Proxy:
    """Forwards from a port of its own to another one on this machine, until it is cut.

    Args:
        to_port: where connections go.
    """

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Forward nothing from now on; connections stay open and new ones are taken."""
        self._flows.clear()

    def heal(self) -> None:
        """Forward again; the connections of before the cut are gone."""
        for task in self._tasks:
            task.cancel()
        self._flows.set()

    async def close(self) -> None:
        """End all of it."""
        self.heal()
        if self._server is not None:
            self._server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        try:
            with suppress(asyncio.CancelledError):
                await self._flows.wait()
                await self._forward(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._to_port)
            try:
                await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
            finally:
                back.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_CHUNK):
            await self._flows.wait()
            sink.write(data)
            await sink.drain()
        sink.close()
