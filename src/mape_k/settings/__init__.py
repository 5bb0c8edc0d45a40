"""What a person configures: environment variables, read once at start. ``config/mape-k.env`` explains each."""

from mape_k.settings.load import load_settings
from mape_k.settings.tokens import Tokens, ensure_tokens, known_operator_token, token_file, write_once
from mape_k.settings.values import Address
from mape_k.settings.variables import Settings

__all__ = [
    "Address",
    "Settings",
    "Tokens",
    "ensure_tokens",
    "known_operator_token",
    "load_settings",
    "token_file",
    "write_once",
]
