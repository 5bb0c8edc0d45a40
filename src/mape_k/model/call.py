"""How a system that is not the Charter is asked over HTTP: what a pack writes, and what is sent for one target."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self, TypeAlias
from urllib.parse import quote

CHARTER = "charter"
"""Who is asked where no call says otherwise."""

SLOTS = ("target", "reason", "incident_id", "action_id", "ttl_seconds", "not_after")
"""What a call may be filled with."""
SLOT_ID = "id"
"""The server's own name for what it did; only what is sent later can be filled with it."""

SLOT = re.compile(r"\{([a-z_]+)\}")
LONGEST_PATH = 2048
LONGEST_HEADER = 2048

Slots: TypeAlias = Mapping[str, str | float | datetime | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusQuestion:
    """How a server is asked later what became of something that it named.

    Args:
        path: with the slot ``{id}``.
        field: the key of the JSON answer that tells.
        in_force, undone: the words that it then says; any other word says nothing.
    """

    path: str
    field: str
    in_force: tuple[str, ...]
    undone: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServer:
    """The manners of one server; where it is, only the settings say.

    Args:
        name: stands for its address.
        key_header: carries the idempotency key; empty: it knows no such thing.
        key_echo: the key of the JSON answer that repeats the idempotency key.
        id_field: the key of the JSON answer that names what was done; empty: none does.
        status: how to ask later; None: it cannot be asked.
    """

    name: str
    key_header: str = ""
    key_echo: str = ""
    id_field: str = ""
    status: StatusQuestion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A call as it is sent: every slot filled, the path percent-encoded, the body ready to become JSON."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """A request with slots such as ``{target}``.

    Slots and what they are filled with are kept apart up to the moment of sending, so that nothing in a target or a
    reason is ever taken for a slot, and a renewal can carry another lifetime.

    Args:
        path: from the root of the server's address on.
        body: JSON values; a text that is exactly one slot takes the slot's own type. None: no body.
        action_id: fills the slot of that name.
    """

    server: HttpServer
    path: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    action_id: str = ""

    def named(self, action_id: str) -> Self:
        """Return the call of one action."""
        return replace(self, action_id=action_id)

    def is_written_for(self, target: str) -> bool:
        """Return whether it can be sent for a target: what else fills it can always be written."""
        anything = dict.fromkeys((*SLOTS, SLOT_ID), "any")
        try:
            self.written({**anything, "target": target})
        except ValueError:
            return False
        return True

    def written(self, slots: Slots) -> Written:
        """Return what is sent.

        Args:
            slots: what fills them; one that is missing or None cannot be filled.

        Raises:
            ValueError: a slot cannot be filled, or what fills it would lead elsewhere or break the message.
        """
        filling = {"action_id": self.action_id, **slots}
        return Written(
            method=self.method,
            path=write_path(self.path, filling),
            headers={name: _header(name, text, filling) for name, text in self.headers.items()},
            body=_value(self.body, filling),
        )


def write_path(path: str, slots: Slots) -> str:
    """Return a path whose slots are filled and percent-encoded, each within its own segment.

    Raises:
        ValueError: a slot cannot be filled, or a segment would be empty or lead elsewhere.
    """
    written = SLOT.sub(lambda slot: quote(_segment(slot[1], slots), safe=""), path)
    if {"", ".", ".."} & set(written.split("/")[1:]):
        raise ValueError(f"{path}: a segment of this path would be empty, '.' or '..'")
    if len(written) > LONGEST_PATH:
        raise ValueError(f"{path}: would be longer than {LONGEST_PATH} characters")
    return written


def _segment(slot: str, slots: Slots) -> str:
    """Return what fills a slot of a path; some proxies decode it and walk the path anew, so it must not climb."""
    text = _text(slot, slots)
    if ".." in re.split(r"[/\\]", text):
        raise ValueError(f"{{{slot}}}: would lead elsewhere where it is decoded, as '..' is a part of it")
    return text


def _header(name: str, text: str, slots: Slots) -> str:
    """Return a header's value; a reason is for people, so what no header may carry is shown in it as '?'."""
    legible = {**slots, "reason": re.sub(r"[^ -~]", "?", str(slots.get("reason") or ""))}
    written = SLOT.sub(lambda slot: _text(slot[1], legible), text)
    if not (written.isascii() and written.isprintable()):
        raise ValueError(f"{name}: would have line breaks or characters that no header may carry")
    return written[:LONGEST_HEADER]


def _value(value: object, slots: Slots) -> Any:  # noqa: ANN401 -- JSON's own type is Any
    if isinstance(value, Mapping):
        return {key: _value(item, slots) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item, slots) for item in value]
    if not isinstance(value, str):
        return value
    if whole := SLOT.fullmatch(value):
        return _plain(whole[1], slots)
    return SLOT.sub(lambda slot: _text(slot[1], slots), value)


def _text(slot: str, slots: Slots) -> str:
    return str(_plain(slot, slots))


def _plain(slot: str, slots: Slots) -> str | float:
    """Return what fills a slot, as JSON has it."""
    value = slots.get(slot)
    if value is None:
        raise ValueError(f"{{{slot}}}: nothing is known that could fill it")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        value.encode()  # a lone surrogate can be sent nowhere
    return value
