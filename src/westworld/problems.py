"""What is refused, and how it is said: files to people, requests as RFC 9457 problems."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

_REMEDIES = {
    "extra_forbidden": "remove it or correct its spelling",
    "missing": "add it",
    "literal_error": "choose one of those",
}


class InvalidFile(Exception):  # noqa: N818 the problem is the file
    """A file that people wrote cannot be used.

    Args:
        problems: one line each: file, line, key, what is wrong and the remedy.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Refusal(Exception):  # noqa: N818 an answer, not a failure
    """A request that is answered with a problem document.

    Args:
        status: of the HTTP answer.
        detail: what is wrong and what to do.
        fields: what is wrong with single fields, by their dotted names.
        extra: further members of the document.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        fields: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.fields = dict(fields or {})
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    def document(self, title: str) -> dict[str, Any]:
        """Return the members of the problem document."""
        fields = {"fields": self.fields} if self.fields else {}
        return {"title": title, "status": self.status, "detail": self.detail} | fields | self.extra


def overloaded(detail: str) -> Refusal:
    """Return the refusal of a service that has no room: come back in a second."""
    return Refusal(503, detail, headers={"Retry-After": "1"})


def fields_of(error: ValidationError) -> dict[str, str]:
    """Return what is wrong with each field, by its dotted name."""
    return {".".join(map(str, item["loc"])) or "body": item["msg"] for item in error.errors(include_url=False)}


def explain(error: ValidationError, where: str, lines: Mapping[tuple[str | int, ...], int]) -> list[str]:
    """Return one line per problem: file, line, key, what is wrong, the remedy."""
    return [
        f"{where}:{_line(item['loc'], lines)}: {'.'.join(map(str, item['loc'])) or 'the file'}: "
        f"{item['msg']}; {_REMEDIES.get(item['type'], 'correct the value')}"
        for item in error.errors(include_url=False)
    ]


def _line(path: tuple[str | int, ...], lines: Mapping[tuple[str | int, ...], int]) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)
