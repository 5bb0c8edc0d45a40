"""A mail server that takes mails, or refuses them as it is told."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "certificates" / "localhost.pem"


def trusting() -> ssl.SSLContext:
    """Return what a client trusts that knows the server's certificate."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))


def _proving() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@dataclass
class MailServer:
    """Speaks as much SMTP as a client needs; ``answers`` by command take the place of its own, an empty one is silence.

    Args:
        offers: extensions beyond the greeting, such as ``STARTTLS``.
        login: user and password that are right.
    """

    offers: tuple[str, ...] = ()
    login: tuple[str, str] = ("", "")
    answers: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    was_encrypted: bool = False
    talking: "dict[asyncio.Task[None] | None, asyncio.StreamWriter]" = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.talking[asyncio.current_task()] = writer
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await self._say(reader, writer, self.answers.get("connect", "220 ready"))
            while line := (await reader.readline()).decode().strip():
                self.said.append(line)
                command = line.partition(" ")[0].upper()
                if command == "DATA" and "DATA" not in self.answers:
                    await self._take(reader, writer)
                else:
                    await self._say(reader, writer, self.answers.get(command, self._answer(command, line)))
                if command == "STARTTLS":
                    await writer.start_tls(_proving())
                    self.was_encrypted = True
        writer.close()

    async def _say(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> None:
        if not text:
            await reader.read()
            raise ConnectionError("the client had enough")
        writer.write(f"{text}\r\n".encode())
        await writer.drain()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._say(reader, writer, "354 go on")
        body = await reader.readuntil(b"\r\n.\r\n")
        self.mails.append(message_from_bytes(body.removesuffix(b".\r\n"), policy=policy.default))
        await self._say(reader, writer, self.answers.get("end", "250 taken"))

    def _answer(self, command: str, line: str) -> str:
        if command == "EHLO":
            lines = ["localhost", *self.offers]
            return "\r\n".join(f"250{'-' if n < len(lines) else ' '}{text}" for n, text in enumerate(lines, start=1))
        if command == "RCPT":
            self.recipients.append(line.partition("<")[2].partition(">")[0])
        if command == "AUTH":
            given = base64.b64decode(line.rsplit(maxsplit=1)[-1]).decode().split("\0")[1:]
            return "235 welcome" if tuple(given) == self.login else "535 no such login"
        return {"STARTTLS": "220 go on", "QUIT": "221 bye"}.get(command, "250 fine")


@asynccontextmanager
async def mail_server(*, tls: bool = False, **facts: object) -> AsyncIterator[MailServer]:
    """Run a mail server on a free loopback port, encrypted from the first byte if asked to."""
    server = MailServer(**facts)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=_proving() if tls else None)
    server.port, server.was_encrypted = listening.sockets[0].getsockname()[1], tls
    try:
        yield server
    finally:
        listening.close()
        for writer in server.talking.values():
            writer.transport.abort()
        await asyncio.gather(*filter(None, server.talking))
