"""From the environment to settings, or to every reason why not."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mape_k.errors import ConfigError, did_you_mean
from mape_k.settings.variables import PREFIX, SECRETS, SURROUNDINGS, VARIABLES, Settings
from mape_k.text import printable

FILE = "_FILE"
"""Behind the name of a secret: the file that holds it."""

_OF_THE_TESTS = ("MAPE_K_REQUIRE_REAL", "MAPE_K_TOOLS")
_TAKEN = (*VARIABLES, *(secret + FILE for secret in SECRETS))
_KNOWN = (*_TAKEN, *_OF_THE_TESTS)
_MAX_SECRET_BYTES = 8192
_ROUNDING = 1e-9
_CREDENTIALS = re.compile(r"(?<=//).*(?=@)|(?<=password=)[^&]*")


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings; a variable that is empty counts as not set.

    Raises:
        ConfigError: every problem at once, one line each: variable, value (never a secret's), what was expected.
    """
    given = {name: environ[name].strip() for name in (*_TAKEN, *SURROUNDINGS) if environ.get(name, "").strip()}
    unread = _take_secrets_from_files(given)
    settings, refused = _validate(given)
    bad = unread.keys() | refused.keys()
    problems = [
        *_unknown(environ),
        *unread.values(),
        *(_told(name, given[name], error) for name, error in refused.items()),
        *(sentence for names, sentence in _contradictions(settings) if bad.isdisjoint(names)),
    ]
    if problems:
        raise ConfigError(problems)
    return settings


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(environ):
        upper = name.upper()
        if upper.startswith(PREFIX) and name not in _KNOWN:
            bare = upper.removeprefix(PREFIX)
            remedy = f"; did you mean {bare!r}?" if bare in _KNOWN else did_you_mean(upper, _KNOWN)
            yield f"{printable(name)}: unknown variable{remedy or '; remove it'}"


def _take_secrets_from_files(given: dict[str, str]) -> Mapping[str, str]:
    """Put the content of each ``…_FILE`` in the place of the secret itself; return what is wrong, by secret."""
    unread = {}
    for secret in SECRETS:
        path = given.pop(secret + FILE, None)
        if path is not None and secret in given:
            unread[secret] = f"{secret} and {secret}{FILE} are both set: keep one"
        elif path is not None:
            try:
                given[secret] = _secret(Path(path))
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                remedy = "expected a readable file that holds the secret alone"
                unread[secret] = f"{secret}{FILE}={printable(path)}: {reason}; {remedy}"
    return unread


def _secret(path: Path) -> str:
    """Return the content of a small file without the white space around it."""
    if path.exists() and not path.is_file():
        raise ValueError("is not a file")
    with path.open("rb") as file:
        content = file.read(_MAX_SECRET_BYTES + 1)
    if len(content) > _MAX_SECRET_BYTES:
        raise ValueError(f"is larger than {_MAX_SECRET_BYTES} bytes")
    text = content.decode("utf-8", "replace").strip()
    if not text:
        raise ValueError("is empty")
    return text


def _validate(given: Mapping[str, str]) -> tuple[Settings, Mapping[str, ErrorDetails]]:
    """Return the settings, with the default in the place of each variable that is refused, and those."""
    refused: dict[str, ErrorDetails] = {}
    try:
        return Settings.model_validate(given), refused
    except ValidationError as error:
        for each in error.errors(include_url=False):
            refused.setdefault(str(each["loc"][0]), each)
    return Settings.model_validate({name: text for name, text in given.items() if name not in refused}), refused


def _told(name: str, text: str, error: ErrorDetails) -> str:
    field = next(field for field in Settings.model_fields.values() if field.alias == name)
    own = error["msg"].removeprefix("Value error, ") if error["type"] == "value_error" else ""
    shown = " (not shown)" if name in SECRETS else f"={printable(_CREDENTIALS.sub('***', text))}"
    return f"{name}{shown}: {own or f'expected {field.description}'}"


def _contradictions(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what does not fit together, each with the variables that it rests on."""
    yield from _timing(settings)
    yield from _lease(settings)
    yield from _mail(settings)
    yield from _servers(settings)
    tokens = (settings.operator_token, settings.ingest_token)
    names = ("MAPE_K_OPERATOR_TOKEN", "MAPE_K_INGEST_TOKEN")
    if not settings.listen.is_loopback and None in tokens:
        sentence = f"MAPE_K_LISTEN={settings.listen}: other machines could reach it; expected {' and '.join(names)} too"
        yield ("MAPE_K_LISTEN", *names), f"{sentence}, or an address of this machine alone (127.0.0.1)"
    if tokens[0] is not None and tokens[0] == tokens[1]:
        yield names, f"{' and '.join(names)} are the same (not shown): expected two different secrets"
    if not settings.state_folder.is_absolute():
        yield SURROUNDINGS, "no state folder is known: expected STATE_DIRECTORY, XDG_STATE_HOME or HOME to be absolute"


def _servers(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    names = ("MAPE_K_HTTP_TOKENS", "MAPE_K_HTTP_SERVERS")
    for number, name in enumerate(settings.http_tokens_by_name, start=1):
        if name not in settings.http_servers:
            sentence = f"{names[0]} (not shown): entry {number} is for a server that {names[1]} does not name"
            yield names, f"{sentence}; expected one of {', '.join(settings.http_servers) or 'those there'}"


def _mail(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    names = ("MAPE_K_NOTIFY_EMAIL_SMTP", "MAPE_K_NOTIFY_EMAIL_FROM", "MAPE_K_NOTIFY_EMAIL_TO")
    server = settings.notify_email_smtp
    given = (server is not None, settings.notify_email_from is not None, bool(settings.notify_email_to))
    if any(given) and not all(given):
        unset = " and ".join(name for name, is_given in zip(names, given, strict=True) if not is_given)
        yield names, f"{unset}: not set, and mails need {', '.join(names)}"
    login = ("MAPE_K_NOTIFY_EMAIL_USER", "MAPE_K_NOTIFY_EMAIL_PASSWORD")
    has_user, has_password = bool(settings.notify_email_user), settings.notify_email_password is not None
    if has_user != has_password:
        yield login, f"{login[has_user]}: not set, and a login needs {' and '.join(login)}"
    if has_password and server is not None and not server.is_private:
        sentence = "the password would be readable on the way; expected smtp+starttls:// or smtps://"
        yield (names[0], login[1]), f"{names[0]}=smtp://{server.host}:{server.port}: {sentence}"


def _lease(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    lease, renew = settings.lease_seconds, settings.lease_renew_seconds
    if 3 * renew > lease + _ROUNDING:
        sentence = f"MAPE_K_LEASE_RENEW_SECONDS={renew:g}: expected at most a third of MAPE_K_LEASE_SECONDS={lease:g}"
        yield ("MAPE_K_LEASE_SECONDS", "MAPE_K_LEASE_RENEW_SECONDS"), f"{sentence}, so that two may go amiss"


def _timing(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    budgets = {f"{PREFIX}{phase.upper()}_BUDGET": seconds for phase, seconds in settings.phase_budgets.items()}
    cycle, interval, watchdog = settings.cycle_budget, settings.interval, settings.watchdog_seconds
    if sum(budgets.values()) > cycle + _ROUNDING:
        named = " + ".join(f"{name}={seconds:g}" for name, seconds in budgets.items())
        sentence = f"{named} is more than MAPE_K_CYCLE_BUDGET={cycle:g}: expected the phases to fit into the cycle"
        yield (*budgets, "MAPE_K_CYCLE_BUDGET"), sentence
    if cycle > interval:
        sentence = f"MAPE_K_CYCLE_BUDGET={cycle:g}: expected at most MAPE_K_INTERVAL={interval:g}"
        yield ("MAPE_K_CYCLE_BUDGET", "MAPE_K_INTERVAL"), sentence
    if watchdog is not None and watchdog <= 2 * interval:
        sentence = f"MAPE_K_INTERVAL={interval:g}: expected less than half of the unit's WatchdogSec={watchdog:g}"
        yield ("MAPE_K_INTERVAL", "WATCHDOG_USEC"), f"{sentence}; change both together"
