"""What a check is, what it looks at and what it says; the table of all checks."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from mape_k.packfiles import Panel, Rule
from mape_k.packlint.promql import Expr


class Severity(StrEnum):
    """How sure it is that something does not work as meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A PromQL expression and where it is used.

    Args:
        path: of its file.
        line: of the expression.
        first_line: where the rule or panel begins that it belongs to.
        where: for people: ``alert HighErrorRate``.
        text: as written.
        expr: its tree.
        rule: the rule that it is the expression of.
        panel: the panel that draws it.
    """

    path: Path
    line: int
    first_line: int
    where: str
    text: str
    expr: Expr
    rule: Rule | None = None
    panel: Panel | None = None

    @property
    def alert(self) -> Rule | None:
        """The rule, if it is an alert."""
        return self.rule if self.rule and self.rule.is_alert else None

    @property
    def recording(self) -> Rule | None:
        """The rule, if it is a recording."""
        return self.rule if self.rule and not self.rule.is_alert else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that a check complains about.

    Args:
        message: what is wrong here.
        line: where; 0: where the thing begins that was looked at.
        path: the file, where it is not that of the thing.
        severity: where it is not that of the check.
        where: for people, where it is not the thing that was looked at: ``alert HighErrorRate``.
    """

    message: str
    line: int = 0
    path: Path | None = None
    severity: Severity | None = None
    where: str = ""


Findings: TypeAlias = Iterator[Found | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule of the linter.

    Args:
        name: stable, for suppressing and explaining.
        subject: the type that it looks at, one by one.
        severity: of its complaints.
        explanation: in one line, why this is a fault.
        remedy: what to do.
        look: given a subject and the suite, yields what is wrong.
    """

    name: str
    subject: type
    severity: Severity
    explanation: str
    remedy: str
    look: Callable[[Any, Any], Iterable[Found | str]]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Complaint:
    """What a check says about one place."""

    path: Path
    line: int
    check: str
    severity: Severity
    where: str
    message: str
    remedy: str
    first_line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.severity}: {self.where}: {self.message}; {self.remedy} [{self.check}]"


CHECKS: dict[str, Check] = {}
"""Every check, by name."""

_Look = Callable[[Any, Any], Findings]


def check(name: str, subject: type, severity: Severity, explanation: str, *, remedy: str) -> Callable[[_Look], _Look]:
    """Return a decorator that puts a function into the table of checks."""

    def enter(look: _Look) -> _Look:
        CHECKS[name] = Check(
            name=name, subject=subject, severity=severity, explanation=explanation, remedy=remedy, look=look
        )
        return look

    return enter
