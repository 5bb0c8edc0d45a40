"""The daemon's own two tokens: as configured, else made once and kept in the state folder."""

import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import SecretStr

from mape_k.errors import ConfigError
from mape_k.settings.values import as_own_token
from mape_k.settings.variables import Settings

Role: TypeAlias = Literal["operator", "ingest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Who may ask for what: ``ingest`` for the webhook alone, ``operator`` for every other change."""

    operator: SecretStr
    ingest: SecretStr


def token_file(settings: Settings, role: Role) -> Path:
    """Return where a token that is not configured is kept; Alertmanager's ``credentials_file`` may point there."""
    return settings.state_folder / f"{role}.token"


def known_operator_token(settings: Settings) -> SecretStr | None:
    """Return the token that the running daemon takes from operators; None when none was made yet.

    Raises:
        ConfigError: its file cannot be read.
    """
    return settings.operator_token or _kept(token_file(settings, "operator"))


def ensure_tokens(settings: Settings) -> Tokens:
    """Return both tokens, making and keeping (mode 0600) those that are neither configured nor kept.

    Raises:
        ConfigError: the state folder cannot be written, or a file in it holds no token.
    """
    return Tokens(
        operator=settings.operator_token or _kept_or_made(token_file(settings, "operator")),
        ingest=settings.ingest_token or _kept_or_made(token_file(settings, "ingest")),
    )


def _kept_or_made(path: Path) -> SecretStr:
    kept = _kept(path)
    if kept is None:
        write_once(path, secrets.token_urlsafe(32) + "\n")
        kept = _kept(path)
    if kept is None:
        raise ConfigError([f"{path}: vanished while it was read; start again"])
    return kept


def _kept(path: Path) -> SecretStr | None:
    try:
        return as_own_token(path.read_text("ascii", "replace").strip())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; expected the daemon's own user"]) from error
    except ValueError as error:
        raise ConfigError([f"{path}: {error}; delete it, and a new one is made at the next start"]) from error


def write_once(path: Path, text: str) -> None:
    """Write a secret (mode 0600) whole or not at all; who comes second keeps what the first one wrote.

    Raises:
        ConfigError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.") as draft:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
            os.link(draft.name, path)
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigError(
            [f"{path}: cannot be written: {error.strerror}; expected a state folder of one's own"]
        ) from error
