"""Every variable, its default and what it takes; defaults are written as the environment would hold them."""

from pathlib import Path
from socket import gethostname
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from mape_k.model import Bounds, Mode, Phase
from mape_k.settings.freezes import EXPECTED, Freezes
from mape_k.settings.mail import Mail, MailAddress, MailAddresses
from mape_k.settings.servers import HttpServers, HttpTokens, read_tokens
from mape_k.settings.values import (
    AuditKeyFile,
    KnowledgeUrl,
    Listen,
    OwnToken,
    Packs,
    Replica,
    Seconds,
    SecretUrl,
    Token,
    Url,
    Urls,
)

PREFIX = "MAPE_K_"


def _prefixed(name: str) -> str:
    return PREFIX + name.upper()


def _variable(default: object, expected: str, name: str | None = None) -> Any:  # noqa: ANN401  as pydantic's Field
    """Return a field: ``expected`` completes "expected …", ``name`` is the variable where it has no prefix."""
    if default is None:
        return Field(default=None, description=expected, alias=name)
    return Field(default=default, description=expected, alias=name, validate_default=True)


class Surroundings(BaseSettings):
    """What the service manager and the login say of this process; nobody writes these by hand."""

    watchdog_usec: int | None = _variable(None, "a whole number of microseconds", "WATCHDOG_USEC")
    state_directory: str = _variable("", "a folder", "STATE_DIRECTORY")
    xdg_state_home: str = _variable("", "a folder", "XDG_STATE_HOME")
    home: str = _variable("", "a folder", "HOME")

    @property
    def state_folder(self) -> Path:
        """Where the daemon keeps what must outlive it; the path is relative when nothing says where."""
        if self.state_directory:
            return Path(self.state_directory.partition(":")[0])
        xdg = Path(self.xdg_state_home)
        return (xdg if xdg.is_absolute() else Path(self.home, ".local", "state")) / "mape-k"

    @property
    def watchdog_seconds(self) -> float | None:
        """After which silence the service manager restarts this process; None: it does not watch."""
        return None if self.watchdog_usec is None else self.watchdog_usec / 1_000_000


class Settings(Surroundings):
    """All settings, checked one by one; :func:`load_settings` also checks that they fit together."""

    model_config = SettingsConfigDict(
        alias_generator=_prefixed,
        populate_by_name=True,
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    prometheus_url: Url = _variable("http://localhost:9090", "an http address", "PROMETHEUS_URL")
    alertmanager_urls: Urls = _variable("http://localhost:9093", "http addresses with , between", "ALERTMANAGER_URL")
    charter_url: Url = _variable("http://localhost:8000", "an http address", "CHARTER_API_URL")
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(lambda text: text.upper())
    ] = _variable("INFO", "DEBUG, INFO, WARNING, ERROR or CRITICAL", "LOG_LEVEL")

    mode: Mode = _variable("shadow", "shadow, approve or enforce")
    approval_seconds: Annotated[Seconds, Field(ge=1)] = _variable("900", "a number of seconds from 1 to 86400")
    action_budget: Annotated[int, Field(ge=1, le=1000)] = _variable("60", "a whole number from 1 to 1000")
    action_budget_window: Annotated[Seconds, Field(ge=1)] = _variable("3600", "a number of seconds from 1 to 86400")
    freeze_windows: Freezes = _variable("", EXPECTED)
    packs: Packs = _variable("charter:mape-k", "names of packs or paths of folders with : between")
    listen: Listen = _variable("127.0.0.1:8001", "HOST:PORT")
    http_servers: HttpServers = _variable("", "NAME=URL with , between")
    charter_idempotent: Literal["auto", "yes", "no"] = _variable("auto", "auto, yes or no")

    interval: Annotated[Seconds, Field(ge=0.1)] = _variable("30", "a number of seconds from 0.1 to 86400")
    cycle_budget: Seconds = _variable("15", "a number of seconds from 0.001 to 86400")
    monitor_budget: Seconds = _variable("1", "a number of seconds from 0.001 to 86400")
    analyze_budget: Seconds = _variable("2", "a number of seconds from 0.001 to 86400")
    plan_budget: Seconds = _variable("3", "a number of seconds from 0.001 to 86400")
    execute_budget: Seconds = _variable("5", "a number of seconds from 0.001 to 86400")
    stale_after_intervals: Annotated[float, Field(ge=1, le=100)] = _variable(
        "2", "a number of scrape intervals from 1 to 100"
    )

    alerts_return_seconds: Seconds = _variable("120", "a number of seconds from 0.001 to 86400")

    knowledge_url: KnowledgeUrl | None = _variable(None, "sqlite:////absolute/path.db or postgresql://user@host/db")
    knowledge_password: Token | None = _variable(None, "a secret text")
    replica: Replica = _variable("", "a name that no other replica has")
    lease_seconds: Annotated[Seconds, Field(ge=0.5)] = _variable("10", "a number of seconds from 0.5 to 86400")
    lease_renew_seconds: Annotated[Seconds, Field(ge=0.1)] = _variable("3", "a number of seconds from 0.1 to 86400")
    reserve_megabytes: Annotated[int, Field(ge=0, le=100_000)] = _variable("16", "a whole number from 0 to 100000")
    retention_days: Annotated[float, Field(ge=0.01, le=3650)] = _variable("30", "a number of days from 0.01 to 3650")
    audit_key_file: AuditKeyFile | None = _variable(None, "an absolute path of a file with 64 hexadecimal digits")
    snapshots_megabytes: Annotated[int, Field(ge=1, le=100_000)] = _variable("256", "a whole number from 1 to 100000")
    log_format: Literal["json", "console"] = _variable("json", "json or console")

    operator_token: OwnToken | None = _variable(None, "a secret text")
    ingest_token: OwnToken | None = _variable(None, "a secret text")
    charter_token: Token | None = _variable(None, "a secret text")
    prometheus_token: Token | None = _variable(None, "a secret text")
    alertmanager_token: Token | None = _variable(None, "a secret text")
    http_tokens: HttpTokens | None = _variable(None, "NAME=TOKEN with white space between")

    otlp_endpoint: Url | None = _variable(None, "an http address")
    otlp_token: Token | None = _variable(None, "a secret text")

    public_url: Url | None = _variable(None, "an http address")
    notify_slack_url: SecretUrl | None = _variable(None, "a secret address")
    notify_pagerduty_key: Token | None = _variable(None, "a secret text")
    notify_pagerduty_url: Url = _variable("https://events.pagerduty.com", "an http address")
    notify_email_smtp: Mail | None = _variable(None, "smtp+starttls://HOST[:PORT]")
    notify_email_from: MailAddress | None = _variable(None, "an address such as mape-k@example.org")
    notify_email_to: MailAddresses = _variable("", "addresses with , between")
    notify_email_user: Annotated[str, Field(max_length=256)] = _variable("", "a name")
    notify_email_password: Token | None = _variable(None, "a secret text")
    notify_webhook_url: Url | None = _variable(None, "an http address")
    notify_webhook_token: Token | None = _variable(None, "a secret text")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given and nothing else: the environment is read in one place, by load_settings."""
        return (init_settings,)

    @property
    def phase_budgets(self) -> dict[Phase, float]:
        """How many seconds each phase may take."""
        return {phase: getattr(self, f"{phase}_budget") for phase in Phase}

    @property
    def bounds(self) -> Bounds:
        """What holds for all packs together."""
        return Bounds(
            max_actions=self.action_budget,
            actions_window_seconds=self.action_budget_window,
            freezes=self.freeze_windows,
            approval_seconds=self.approval_seconds,
        )

    @property
    def knowledge_file_url(self) -> str:
        """Where Knowledge is kept, with its password: what is configured, else a file in the state folder."""
        url = self.knowledge_url or f"sqlite:///{self.state_folder / 'knowledge.db'}"
        if self.knowledge_password is None or not self.is_shared:
            return url
        user, _, place = url.partition("@")
        return f"{user}:{quote(self.knowledge_password.get_secret_value(), safe='')}@{place}"

    @property
    def http_tokens_by_name(self) -> dict[str, SecretStr]:
        """The tokens of servers that packs act through, by the server's name."""
        return read_tokens(self.http_tokens) if self.http_tokens else {}

    @property
    def is_shared(self) -> bool:
        """Whether several replicas may use this Knowledge."""
        return (self.knowledge_url or "").startswith("postgresql")

    @property
    def replica_name(self) -> str:
        """Who this daemon is among the replicas; the same after a restart, so that it need not wait for itself."""
        return self.replica or f"{gethostname()}:{self.listen.port}"

    @property
    def audit_key_path(self) -> Path:
        """Where the key of the audit trail is: as configured, else in the state folder."""
        return self.audit_key_file or self.state_folder / "audit.key"

    @property
    def audit_anchor_path(self) -> Path:
        """Where the heads of the audit trail are kept, outside the store."""
        return self.state_folder / "audit.anchor"


SURROUNDINGS = tuple(field.alias or name for name, field in Surroundings.model_fields.items())
VARIABLES = tuple(
    field.alias or name for name, field in Settings.model_fields.items() if name not in Surroundings.model_fields
)
"""The name of every variable that a person sets."""
SECRETS = tuple(
    name for name in VARIABLES if name.endswith(("_TOKEN", "_TOKENS", "_PASSWORD", "_PAGERDUTY_KEY", "_SLACK_URL"))
)
"""Those of them that are never shown; each may come from a file, named by the variable with ``_FILE`` behind."""
