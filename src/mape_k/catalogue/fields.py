"""The kinds of values that a pack is written with: durations, names, queries, references."""

import re
from collections.abc import Callable
from typing import Annotated, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from mape_k.catalogue import durations, promql
from mape_k.errors import did_you_mean
from mape_k.model import SLOT, SLOT_ID, SLOTS
from mape_k.text import printable

_YEAR = durations.SECONDS["y"]
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|\{[a-z_]+\})+)+")
_OWN_HEADERS = frozenset(
    {
        "accept",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "traceparent",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-fencing-token",
    }
)
_WILDCARDS = re.compile(r"[*?]|\.\+")


def _seconds(value: object) -> float:
    """Read a duration; a bare number would leave its unit open."""
    seconds = durations.parse_duration(value if isinstance(value, str) else "")
    if seconds > _YEAR:
        raise ValueError("expected at most a year (1y)")
    return seconds


def _within_a_day(seconds: float) -> float:
    if seconds > durations.SECONDS["d"]:
        raise ValueError("expected at most a day (1d): what was done before that is not counted")
    return seconds


def _positive(seconds: float) -> float:
    if seconds == 0:
        raise ValueError("expected longer than 0s")
    return seconds


class _Spelling:
    """Annotates a text that matches ``pattern`` as a whole; ``expected`` tells people what that is."""

    def __init__(self, pattern: str, expected: str) -> None:
        self.pattern = re.compile(pattern)
        self.expected = expected

    def check(self, text: str) -> str:
        """Return ``text``, refusing what is spelled otherwise."""
        if self.pattern.fullmatch(text) is None:
            raise ValueError(f"expected {self.expected}")
        return text

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": f"^{self.pattern.pattern}$"}


def _known(section: str) -> Callable[[str, ValidationInfo], str]:
    """Return a validator of names: each must stand in ``section`` of the same pack."""

    def check(name: str, info: ValidationInfo) -> str:
        names = (info.context or {}).get(section, {})
        if isinstance(names, dict) and name not in names:
            remedy = did_you_mean(name, names) or "; define it there"
            raise ValueError(f"{printable(repr(name), 60)} is not one of this pack's {section}{remedy}")
        return name

    return check


def _query(query: str) -> str:
    promql.check(query)
    return query


def _one_target(target: str) -> str:
    if not target.strip() or _WILDCARDS.search(target):
        raise ValueError("expected the name of one target, not an empty text or a wildcard")
    return target


def check_slots(text: str) -> str:
    """Return ``text``; refuse ``{word}`` where the word is no slot."""
    for slot in SLOT.findall(text):
        if slot not in (*SLOTS, SLOT_ID):
            remedy = did_you_mean(slot, SLOTS) or f"; slots are {', '.join(SLOTS)}"
            raise ValueError(f"{printable(f'{{{slot}}}', 60)} is no slot{remedy}")
    return text


def _path(path: str) -> str:
    if _PATH.fullmatch(path) is None:
        raise ValueError("expected a path such as /control/v1/nodes/{target}/drain, without ?, #, % or an end in /")
    if {".", ".."} & set(path.split("/")):
        raise ValueError("expected a path without the segments '.' and '..'")
    return check_slots(path)


def _status_path(path: str) -> str:
    if set(SLOT.findall(_path(path))) != {SLOT_ID}:
        raise ValueError("expected a path with the slot {id} and no other: what the server named its answer")
    return path


def _header_name(name: str) -> str:
    if name.lower() in _OWN_HEADERS:
        raise ValueError("is a header that the program sets itself; remove it")
    return name


def _header_value(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError("expected printable ASCII characters on one line")
    return check_slots(text)


Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "string", "pattern": f"^{durations.PATTERN}$", "examples": ["30s", "1h30m", "250ms"]}),
]
PositiveDuration: TypeAlias = Annotated[Duration, AfterValidator(_positive)]
Lookback: TypeAlias = Annotated[PositiveDuration, AfterValidator(_within_a_day)]
PackName: TypeAlias = Annotated[
    str, _Spelling(r"[a-z][a-z0-9-]{0,40}", "lower-case letters, digits and '-', a letter first")
]
Name: TypeAlias = Annotated[
    str, _Spelling(r"[a-z][a-z0-9_]{0,62}", "lower-case letters, digits and '_', a letter first")
]
LabelName: TypeAlias = Annotated[
    str, _Spelling(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,62}", "a label name: letters, digits and '_', not '__' first")
]
AlertName: TypeAlias = Annotated[
    str, _Spelling(r"[a-zA-Z_][a-zA-Z0-9_]{0,120}", "an alert's name: letters, digits and '_'")
]
FileName: TypeAlias = Annotated[
    str, _Spelling(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}\.md", "the name of a .md file in the folder runbooks/")
]
Title: TypeAlias = Annotated[str, _Spelling(r"\S(?:.{0,118}\S)?", "1 to 120 characters on one line")]
Unit: TypeAlias = Annotated[str, _Spelling(r"\S(?:.{0,38}\S)?", "1 to 40 characters on one line")]
Target: TypeAlias = Annotated[str, Field(max_length=200), AfterValidator(_one_target)]
Query: TypeAlias = Annotated[str, Field(max_length=10_000), AfterValidator(_query)]
CallPath: TypeAlias = Annotated[str, Field(max_length=1000), AfterValidator(_path)]
StatusPath: TypeAlias = Annotated[str, Field(max_length=1000), AfterValidator(_status_path)]
HeaderName: TypeAlias = Annotated[
    str,
    _Spelling(r"[A-Za-z][A-Za-z0-9-]{0,62}", "a header's name: letters, digits and '-', a letter first"),
    AfterValidator(_header_name),
]
HeaderValue: TypeAlias = Annotated[str, Field(max_length=1000), AfterValidator(_header_value)]
JsonKey: TypeAlias = Annotated[str, _Spelling(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}", "a key of a JSON object")]
ServerName: TypeAlias = Annotated[
    str, _Spelling(r"[a-z][a-z0-9-]{0,40}", "lower-case letters, digits and '-', a letter first")
]
ServerRef: TypeAlias = Annotated[ServerName, AfterValidator(_known("servers"))]
JobRef: TypeAlias = Annotated[str, AfterValidator(_known("jobs"))]
SignalRef: TypeAlias = Annotated[str, AfterValidator(_known("signals"))]
SymptomRef: TypeAlias = Annotated[str, AfterValidator(_known("symptoms"))]
RemediationRef: TypeAlias = Annotated[str, AfterValidator(_known("remediations"))]
