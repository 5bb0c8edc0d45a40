"""What all commands share: exit codes, one line for each error, and the settings."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mape_k.errors import ConfigError, MapeKError, StoreError, TransientError
from mape_k.text import printable

if TYPE_CHECKING:
    from mape_k.settings import Settings

DONE, NOT_SO, BAD_USE, UNREACHABLE = 0, 1, 2, 3
MAX_LINE = 1000

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Commands(click.Group):
    """Commands whose errors are told in one line each on standard error."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401, D102 (click's own)
        try:
            return super().invoke(ctx)
        except MapeKError as error:
            tell(error)
            ctx.exit(exit_code(error))


def tell(error: MapeKError) -> None:
    """Write an error to standard error, one line for each problem."""
    problems = error.problems if isinstance(error, ConfigError) else [str(error)]
    for problem in problems:
        click.echo(f"mape-k: {printable(problem, MAX_LINE)}", file=sys.stderr)


def exit_code(error: MapeKError) -> int:
    """Return what the caller of a command learns of an error."""
    match error:
        case ConfigError():
            return BAD_USE
        case TransientError() | StoreError():
            return UNREACHABLE
    return NOT_SO


def as_json(command: _Command) -> _Command:
    """Give a command its ``--json``."""
    return click.option("--json", "use_json", is_flag=True, help="Print one JSON object.")(command)


def settings() -> "Settings":
    """Read the settings from the environment.

    Raises:
        ConfigError: with every problem at once.
    """
    from mape_k.settings import load_settings

    return load_settings(os.environ)
