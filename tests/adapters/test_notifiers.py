"""Messages on their way to real receivers, which take, refuse, stumble and hang."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from fakes_peers import StandingClock
from integration.clock import SystemClock
from integration.http import HttpSession
from integration.notifiers import EmailNotifier, MailLogin, PagerDutyNotifier, SlackNotifier, WebhookNotifier
from mail_server import mail_server, trusting
from mape_k.errors import MapeKError, PermanentError, TransientError, UncertainError
from mape_k.model import Message, Urgency
from mape_k.ports import Notifier
from raw_peer import HANG, RESET, RawPeer, http_answer, raw_peer

SECRET = "T000/B000/correct-horse-battery-staple"
MESSAGE = Message(
    subject="Roll-back failed: block on charter/node-7",
    urgency=Urgency.CRITICAL,
    text="It could not be undone.\nSince noon.",
    about="action act-7",
    facts={"target": "node-7"},
)
OVER = Message(subject="Over", urgency=Urgency.INFO, text="It is over.", about="action act-7", is_over=True)
TAKEN = {
    "slack": http_answer(b"ok", content_type="text/plain"),
    "pagerduty": http_answer({"status": "success", "dedup_key": "x"}, 202),
    "webhook": http_answer(b"", 204, content_type="", content_length="0"),
}
KEY = MESSAGE.content_hash("any")


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession(clock=StandingClock(), jitter=lambda: 0.5) as session:
        yield session


def notifier(http: HttpSession, name: str, url: str) -> Notifier:
    made: Mapping[str, Any] = {
        "slack": lambda: SlackNotifier(http, f"{url}/services/{SECRET}"),
        "pagerduty": lambda: PagerDutyNotifier(http, lambda: SECRET, url=url, source="127.0.0.1:8001"),
        "webhook": lambda: WebhookNotifier(http, f"{url}/hook", token=lambda: SECRET),
    }
    return made[name]()


async def sent(http: HttpSession, name: str, raw: RawPeer, message: Message = MESSAGE) -> tuple[str, Any]:
    """Send a message and return the head and the document that arrived."""
    await notifier(http, name, raw.url).send(message, key=KEY, timeout_seconds=5.0)
    head, _, body = raw.requests[-1].partition(b"\r\n\r\n")
    return head.decode(), json.loads(body)


async def test_slack_gets_a_text_and_blocks_in_which_nothing_mentions_or_links(http: HttpSession) -> None:
    hostile = Message(subject="<!channel> & co", urgency=Urgency.WARNING, text="<https://evil|x>", about="a")
    async with raw_peer(TAKEN["slack"]) as raw:
        head, document = await sent(http, "slack", raw, hostile)

    assert head.startswith(f"POST /services/{SECRET} HTTP/1.1")
    assert document["text"] == ":warning: &lt;!channel&gt; &amp; co"
    assert document["blocks"][1]["text"]["text"] == "&lt;https://evil|x&gt;"


async def test_slack_gets_no_longer_text_than_it_takes(http: HttpSession) -> None:
    async with raw_peer(TAKEN["slack"]) as raw:
        _, document = await sent(
            http, "slack", raw, Message(subject="s", urgency=Urgency.INFO, text="&" * 9000, about="")
        )

    assert len(document["blocks"][1]["text"]["text"]) < 3000


async def test_pagerduty_triggers_what_begins_and_resolves_it_under_the_same_key(http: HttpSession) -> None:
    async with raw_peer(TAKEN["pagerduty"]) as raw:
        head, begun = await sent(http, "pagerduty", raw)
        _, ended = await sent(http, "pagerduty", raw, OVER)

    assert head.startswith("POST /v2/enqueue HTTP/1.1")
    assert (begun["event_action"], ended["event_action"]) == ("trigger", "resolve")
    assert begun["dedup_key"] == ended["dedup_key"]
    assert begun["routing_key"] == SECRET
    assert (begun["payload"]["severity"], begun["payload"]["source"]) == ("critical", "127.0.0.1:8001")
    assert begun["payload"]["custom_details"]["target"] == "node-7"


@pytest.mark.parametrize("answer", [http_answer({"status": "invalid event"}, 202), http_answer({}, 202)])
async def test_pagerduty_must_say_success(http: HttpSession, answer: bytes) -> None:
    async with raw_peer(answer) as raw:
        with pytest.raises(UncertainError):
            await sent(http, "pagerduty", raw)


async def test_a_webhook_gets_the_document_that_is_described_with_its_key_and_token(http: HttpSession) -> None:
    async with raw_peer(TAKEN["webhook"]) as raw:
        head, document = await sent(http, "webhook", raw)
        _, over = await sent(http, "webhook", raw, OVER)

    assert head.startswith("POST /hook HTTP/1.1")
    assert f"Idempotency-Key: {KEY}" in head
    assert f"Authorization: Bearer {SECRET}" in head
    assert document == {
        "version": "1",
        "key": KEY,
        "status": "begun",
        "about": "action act-7",
        "urgency": "critical",
        "subject": MESSAGE.subject,
        "text": MESSAGE.text,
        "facts": {"target": "node-7"},
    }
    assert over["status"] == "over"


FAULTS = {
    "500": http_answer(b"", 500),
    "503 for ever": http_answer(b"", 503),
    "a reset": RESET,
    "an end without an answer": b"",
    "400": http_answer({"status": "invalid event"}, 400),
    "403": http_answer(b"invalid_token", 403, content_type="text/plain"),
    "404 that repeats the address": http_answer(f"no /services/{SECRET} here".encode(), 404, content_type="text/html"),
    "a redirect": http_answer(b"", 302, location="http://169.254.169.254/"),
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a large answer": http_answer(b"x" * 100_000),
}


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_whatever_goes_wrong_is_an_error_that_holds_no_secret(http: HttpSession, name: str, fault: bytes) -> None:
    async with raw_peer(fault) as raw:
        with pytest.raises(MapeKError) as failed:
            await sent(http, name, raw)

    assert SECRET not in str(failed.value)
    assert len(raw.requests) <= 3


@pytest.mark.parametrize(("name", "requests"), [("slack", 1), ("pagerduty", 2), ("webhook", 2)])
async def test_a_lost_answer_is_asked_for_again_only_where_a_receiver_can_tell(
    http: HttpSession, name: str, requests: int
) -> None:
    async with raw_peer(RESET, TAKEN[name]) as raw:
        if name == "slack":
            with pytest.raises(UncertainError):
                await sent(http, name, raw)
        else:
            await sent(http, name, raw)

    assert len(raw.requests) == requests


@pytest.mark.parametrize("name", TAKEN)
async def test_a_receiver_that_stumbles_for_a_moment_gets_the_message_in_the_end(http: HttpSession, name: str) -> None:
    async with raw_peer(http_answer(b"", 503), TAKEN[name]) as raw:
        await sent(http, name, raw)

    assert len(raw.requests) == 2
    assert len({request.partition(b"\r\n\r\n")[2] for request in raw.requests}) == 1


@pytest.mark.parametrize("name", TAKEN)
async def test_a_receiver_that_hangs_is_left_at_the_deadline(name: str) -> None:
    async with HttpSession(clock=SystemClock(), jitter=lambda: 0.5) as http, raw_peer(HANG) as raw:
        began = SystemClock().monotonic()
        with pytest.raises(UncertainError):
            await notifier(http, name, raw.url).send(MESSAGE, key=KEY, timeout_seconds=0.2)

    assert SystemClock().monotonic() - began < 2


def mailer(
    port: int, *, security: str = "none", recipients: tuple[str, ...] = ("sre@example.org",), **facts: Any
) -> Any:
    return EmailNotifier(
        "localhost",
        port,
        security=security,
        sender="mape-k@example.org",
        recipients=recipients,
        clock=StandingClock(),
        tls=trusting(),
        **facts,
    )


async def mail(port: int, message: Message = MESSAGE, timeout_seconds: float = 5.0, **facts: Any) -> None:
    await mailer(port, **facts).send(message, key=KEY, timeout_seconds=timeout_seconds)


async def test_a_mail_says_all_and_its_id_is_the_same_at_each_attempt() -> None:
    async with mail_server() as server:
        for _ in range(2):
            await mail(server.port, recipients=("sre@example.org", "lead@example.org"))

    first, second = server.mails
    assert (first["Subject"], first["From"]) == (f"[mape-k] {MESSAGE.subject}", "mape-k@example.org")
    assert first["To"] == "sre@example.org, lead@example.org"
    assert first["Message-ID"] == second["Message-ID"] == f"<{KEY[:40]}@example.org>"
    assert first["Auto-Submitted"] == "auto-generated"
    assert "It could not be undone.\nSince noon.\n\ntarget: node-7" in first.get_content().replace("\r\n", "\n")
    assert server.recipients[:2] == ["sre@example.org", "lead@example.org"]


async def test_a_subject_cannot_add_headers() -> None:
    hostile = Message(
        subject="x\r\nBcc: evil@example.org\r\n\r\nowned", urgency=Urgency.INFO, text="é \u202e", about=""
    )
    async with mail_server() as server:
        await mail(server.port, hostile)

    (got,) = server.mails
    assert got["Bcc"] is None
    assert got["Subject"] == r"[mape-k] x\r\nBcc: evil@example.org\r\n\r\nowned"
    assert server.recipients == ["sre@example.org"]


@pytest.mark.parametrize(("security", "tls"), [("starttls", False), ("tls", True)])
async def test_a_login_travels_encrypted_only(security: str, tls: bool) -> None:
    login = MailLogin(user="mape-k", password=lambda: SECRET)
    offers = ("STARTTLS", "AUTH PLAIN")
    async with mail_server(tls=tls, offers=offers, login=("mape-k", SECRET)) as server:
        await mail(server.port, security=security, login=login)

    assert server.was_encrypted
    assert len(server.mails) == 1


async def test_a_server_that_does_not_offer_encryption_is_told_nothing() -> None:
    login = MailLogin(user="mape-k", password=lambda: SECRET)
    async with mail_server(offers=("AUTH PLAIN",), login=("mape-k", SECRET)) as server:
        with pytest.raises(PermanentError, match="STARTTLS"):
            await mail(server.port, security="starttls", login=login)

    assert [line.split()[0] for line in server.said] == ["ehlo"]


async def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    async with mail_server(tls=True) as server:
        distrusting = mailer(server.port, security="tls")
        distrusting._tls = None
        with pytest.raises(TransientError, match="certificate verify failed"):
            await distrusting.send(MESSAGE, key=KEY, timeout_seconds=5.0)


@pytest.mark.parametrize(
    ("answers", "error", "said"),
    [
        ({"connect": "421 too busy"}, TransientError, "421: too busy"),
        ({"MAIL": "550 who are you"}, PermanentError, "550: who are you"),
        ({"MAIL": "451 later"}, TransientError, "451: later"),
        ({"RCPT": "550 no such user"}, PermanentError, "550: no such user"),
        ({"RCPT": "450 greylisted"}, TransientError, "450: greylisted"),
        ({"DATA": "452 full"}, TransientError, "452: full"),
        ({"end": "554 spam"}, PermanentError, "554: spam"),
        ({"connect": "what?"}, TransientError, "answered -1"),
    ],
)
async def test_a_server_that_refuses_is_understood(answers: dict[str, str], error: type[MapeKError], said: str) -> None:
    async with mail_server(answers=answers) as server:
        with pytest.raises(error, match=said):
            await mail(server.port)


async def test_a_wrong_login_is_permanent_and_not_shown() -> None:
    login = MailLogin(user="mape-k", password=lambda: SECRET)
    async with mail_server(tls=True, offers=("AUTH PLAIN",), login=("mape-k", "another")) as server:
        with pytest.raises(PermanentError, match="535: no such login") as failed:
            await mail(server.port, security="tls", login=login)

    assert SECRET not in str(failed.value)


async def test_nobody_listening_is_transient() -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        await mail(1)


@pytest.mark.parametrize("silent_at", ["connect", "end"])
async def test_a_server_that_hangs_is_left_at_the_deadline(silent_at: str) -> None:
    async with mail_server(answers={silent_at: ""}) as server:
        began = SystemClock().monotonic()
        with pytest.raises((UncertainError, TransientError)):
            await mail(server.port, timeout_seconds=0.3)

    assert SystemClock().monotonic() - began < 3


async def test_a_server_that_hangs_holds_up_no_other_thread() -> None:
    async with mail_server(answers={"connect": ""}) as server:
        slow = mailer(server.port)
        sending = [asyncio.create_task(slow.send(MESSAGE, key=KEY, timeout_seconds=0.5)) for _ in range(20)]
        await asyncio.sleep(0.1)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 0.3) == "free"
        await asyncio.gather(*sending, return_exceptions=True)
