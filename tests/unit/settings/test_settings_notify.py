"""Whom the daemon tells, as a person sets it."""

import pytest

from mape_k.errors import ConfigError
from mape_k.settings import load_settings
from mape_k.settings.mail import MailServer

HOME = {"HOME": "/home/someone"}
MAIL = {
    "MAPE_K_NOTIFY_EMAIL_SMTP": "smtp+starttls://mail.example.org",
    "MAPE_K_NOTIFY_EMAIL_FROM": "mape-k@example.org",
    "MAPE_K_NOTIFY_EMAIL_TO": "sre@example.org, lead@example.org",
}
LOGIN = {"MAPE_K_NOTIFY_EMAIL_USER": "mape-k", "MAPE_K_NOTIFY_EMAIL_PASSWORD": "correct-horse-battery-staple"}
SLACK = "https://hooks.slack.com/services/T000/B000/correct-horse-battery-staple"


def problems(**environ: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_settings(HOME | environ)
    return refused.value.problems


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost", MailServer("localhost", 25, "none")),
        ("smtp://127.0.0.1:2525/", MailServer("127.0.0.1", 2525, "none")),
        ("smtp+starttls://mail.example.org", MailServer("mail.example.org", 587, "starttls")),
        ("smtps://[::1]:1465", MailServer("::1", 1465, "tls")),
    ],
)
def test_a_mail_server_is_read_with_its_usual_port(url: str, server: MailServer):
    assert load_settings(HOME | MAIL | {"MAPE_K_NOTIFY_EMAIL_SMTP": url}).notify_email_smtp == server


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("MAPE_K_NOTIFY_EMAIL_SMTP", "mail.example.org", "smtp+starttls://HOST[:PORT]"),
        ("MAPE_K_NOTIFY_EMAIL_SMTP", "smtp://user:pw@mail.example.org", "smtp+starttls://HOST[:PORT]"),
        ("MAPE_K_NOTIFY_EMAIL_SMTP", "smtp://mail.example.org:0", "smtp+starttls://HOST[:PORT]"),
        ("MAPE_K_NOTIFY_EMAIL_SMTP", "smtp://mail.example.org:65536", "smtp+starttls://HOST[:PORT]"),
        ("MAPE_K_NOTIFY_EMAIL_FROM", "mape-k", "an address such as sre@example.org"),
        ("MAPE_K_NOTIFY_EMAIL_FROM", "a@b\nBcc: c@d", "an address such as sre@example.org"),
        ("MAPE_K_NOTIFY_EMAIL_TO", "sre@example.org, nobody", "an address such as sre@example.org"),
        ("MAPE_K_NOTIFY_WEBHOOK_URL", "example.org/hook", "an address such as"),
        ("MAPE_K_PUBLIC_URL", "example.org", "an address such as"),
    ],
)
def test_what_nobody_could_be_told_over_is_refused(variable: str, value: str, expected: str):
    (line,) = [line for line in problems(**MAIL | {variable: value}) if line.startswith(variable)]
    assert f"expected {expected}" in line
    assert "user:pw" not in line


@pytest.mark.parametrize("left_out", MAIL)
def test_mails_need_a_server_a_sender_and_recipients(left_out: str):
    (line,) = problems(**{name: text for name, text in MAIL.items() if name != left_out})
    assert line.startswith(f"{left_out}: not set")


@pytest.mark.parametrize("left_out", LOGIN)
def test_a_login_needs_a_user_and_a_password(left_out: str):
    (line,) = problems(**MAIL, **{name: text for name, text in LOGIN.items() if name != left_out})
    assert line.startswith(f"{left_out}: not set")


@pytest.mark.parametrize(
    ("server", "is_taken"), [("smtp://mail.example.org", False), ("smtp://localhost", True), ("smtps://m.org", True)]
)
def test_a_password_is_never_sent_where_others_could_read_it(server: str, is_taken: bool):
    given = MAIL | LOGIN | {"MAPE_K_NOTIFY_EMAIL_SMTP": server}
    if is_taken:
        assert load_settings(HOME | given).notify_email_password is not None
    else:
        (line,) = problems(**given)
        assert "the password would be readable on the way" in line


def test_the_address_of_slack_is_a_secret():
    settings = load_settings(HOME | {"MAPE_K_NOTIFY_SLACK_URL": SLACK})
    assert "correct-horse" not in f"{settings!r} {settings.model_dump_json()}"
    assert settings.notify_slack_url.get_secret_value() == SLACK
    (line,) = problems(MAPE_K_NOTIFY_SLACK_URL="hooks.slack.com/correct-horse")
    assert line.startswith("MAPE_K_NOTIFY_SLACK_URL (not shown): expected an address such as")


def test_by_default_nobody_is_told():
    settings = load_settings(HOME)
    assert (settings.notify_slack_url, settings.notify_pagerduty_key, settings.notify_webhook_url) == (None, None, None)
    assert (settings.notify_email_smtp, settings.notify_email_to) == (None, ())
