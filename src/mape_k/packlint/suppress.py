"""Complaints that a comment asks to leave out: ``# mape-k: ignore CHECK why``, on the line or above it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mape_k.packlint.model import Complaint

_ASKED = re.compile(r"(?:#|<!--)\s*mape-k:\s*ignore\s+(?P<check>[A-Za-z0-9_-]+)\s*[:,-]*\s*(?P<why>.*?)\s*(?:-->)?\s*$")
_COMMENT = re.compile(r"\s*(?:#|<!--)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One such comment.

    Args:
        line: where it stands.
        about: the line that it is about: its own, or the next one that is no comment.
        check: the name of the check.
        why: the reason; empty: none is given.
    """

    line: int
    about: int
    check: str
    why: str


def suppressions(content: str) -> Iterator[Suppression]:
    """Yield the suppressing comments of a file."""
    if "mape-k:" not in content:
        return
    lines = content.splitlines()
    following = _following(lines)
    for number, line in enumerate(lines, 1):
        if found := _ASKED.search(line):
            about = number if line[: found.start()].strip() else following[number - 1]
            yield Suppression(line=number, about=about, check=found.group("check"), why=found.group("why"))


def _following(lines: list[str]) -> list[int]:
    """Return for each line the number of the next one that is no comment, itself counted."""
    following, after = [0] * len(lines), len(lines)
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].strip() and not _COMMENT.match(lines[index]):
            after = index + 1
        following[index] = after
    return following


def is_suppressed(complaint: Complaint, asked: Mapping[str, list[int]]) -> bool:
    """Return whether a comment about the line, or about the thing that the line belongs to, names the check."""
    return any(complaint.first_line <= line <= complaint.line for line in asked.get(complaint.check, ()))
