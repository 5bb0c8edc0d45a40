"""A peer that answers byte by byte as it is told: everything that a well-behaved server library would prevent."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HANG = b"\0hang"
RESET = b"\0reset"


def http_answer(body: bytes | object = b"", status: int = 200, **headers: str) -> bytes:
    """Return a whole HTTP answer; a header's underscores become hyphens, and an empty one is left out."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    merged = {"content-type": "application/json", "content-length": str(len(content)), "connection": "close"} | given
    head = "".join(f"{name}: {value}\r\n" for name, value in merged.items() if value)
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + content


@dataclass
class RawPeer:
    """Gives its answers in order, the last one for ever; an answer may end in HANG or RESET."""

    answers: tuple[bytes, ...]
    url: str = ""
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await _request(reader))
            answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
            writer.write(answer.removesuffix(HANG).removesuffix(RESET))
            if answer.endswith(HANG):
                await reader.read()
            if answer.endswith(RESET):
                writer.transport.abort()
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + (await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b"")


@asynccontextmanager
async def raw_peer(*answers: bytes) -> AsyncIterator[RawPeer]:
    """Run a peer on a free loopback port."""
    peer = RawPeer(answers)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield peer
