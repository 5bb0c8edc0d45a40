"""E-mail, through a mail server that takes it on."""

import asyncio
import smtplib
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import structlog

from mape_k.errors import PermanentError, TransientError, UncertainError
from mape_k.model import Message
from mape_k.ports import Clock
from mape_k.text import printable

log = structlog.get_logger(__name__)

_FOR_GOOD = range(500, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLogin:
    """Who the daemon is to the mail server; ``password`` returns the secret at the moment of use."""

    user: str
    password: Callable[[], str]


class EmailNotifier:
    """Sends mails in a thread of its own; a receiver tells a repetition by its ``Message-ID``.

    A mail that one recipient could be given counts as delivered; the others are in the log.

    Args:
        host, port: of the mail server.
        security: ``none``, ``starttls`` (refused when the server does not offer it) or ``tls`` from the first byte.
        sender: the address in ``From``.
        recipients: the addresses in ``To``.
        clock: dates the mails.
        login: None: none.
        tls: what is trusted; the system's authorities when None.
    """

    name = "email"

    def __init__(
        self,
        host: str,
        port: int,
        *,
        security: str,
        sender: str,
        recipients: Sequence[str],
        clock: Clock,
        login: MailLogin | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._security = security
        self._sender = sender
        self._recipients = tuple(recipients)
        self._clock = clock
        self._login = login
        self._tls = tls
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="mail")

    def __str__(self) -> str:
        return f"email over {self._host}:{self._port}"

    async def send(self, message: Message, *, key: str, timeout_seconds: float) -> None:
        """Send a mail to all recipients."""
        mail = self._mail(message, key)
        try:
            async with asyncio.timeout(timeout_seconds):
                running = asyncio.get_running_loop()
                await running.run_in_executor(self._threads, self._send, mail, timeout_seconds)
        except TimeoutError as error:
            raise UncertainError(f"{self}: no answer in time") from error

    @property
    def _domain(self) -> str:
        return self._sender.rpartition("@")[2]

    def _mail(self, message: Message, key: str) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Subject"] = f"[mape-k] {printable(message.subject, 500)}"
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = f"<{key[:40]}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        facts = "\n".join(f"{name}: {fact}" for name, fact in message.facts.items())
        mail.set_content("\n\n".join(filter(None, (message.text, facts))))
        return mail

    def _send(self, mail: EmailMessage, timeout_seconds: float) -> None:
        """Raise what the caller has to do about whatever the library raises."""
        try:
            with self._connected(timeout_seconds) as server:
                if self._login:
                    server.login(self._login.user, self._login.password())
                refused = server.send_message(mail, to_addrs=self._recipients)
        except smtplib.SMTPResponseException as error:
            raise self._refused(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPRecipientsRefused as error:
            raise self._refused(*next(iter(error.recipients.values()))) from None
        except smtplib.SMTPNotSupportedError as error:
            raise PermanentError(f"{self}: {error}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise TransientError(f"{self} cannot be reached: {error}") from None
        if refused:
            log.warning("mail_not_for_all", refused=sorted(refused))

    def _connected(self, timeout_seconds: float) -> smtplib.SMTP:
        if self._security == "tls":
            return smtplib.SMTP_SSL(
                self._host, self._port, self._domain, timeout=timeout_seconds, context=self._context()
            )
        server = smtplib.SMTP(self._host, self._port, self._domain, timeout=timeout_seconds)
        if self._security == "starttls":
            try:
                server.starttls(context=self._context())
            except BaseException:
                server.close()
                raise
        return server

    def _context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()

    def _refused(self, code: int, said: bytes | str) -> TransientError | PermanentError:
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        kind = PermanentError if code in _FOR_GOOD else TransientError
        return kind(f"{self} answered {code}: {printable(text, 500)}")
