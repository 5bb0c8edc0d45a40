"""How values are kept: snapshots whole and exact, everything else as JSON-ready documents."""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import msgspec
import numpy as np

from mape_k.model import Snapshot

_FORMAT = b"\x01"
_LARGEST = 256 * 1024 * 1024
_FAST = 1  # zlib's level: labels repeat so much that higher ones cost more than they save


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Return a snapshot in a compact form that :func:`decode_snapshot` turns back without loss."""
    return _FORMAT + zlib.compress(msgspec.msgpack.encode(snapshot, enc_hook=_array_to_bytes), _FAST)


def decode_snapshot(recorded: bytes, *, largest: int = _LARGEST) -> Snapshot:
    """Return the snapshot that was recorded.

    Args:
        recorded: what :func:`encode_snapshot` returned.
        largest: bytes it may unpack to; more is refused before it is unpacked.

    Raises:
        ValueError: recorded in another format, damaged, or larger than ``largest``.
    """
    if recorded[:1] != _FORMAT:
        raise ValueError(f"not a recorded snapshot of format {_FORMAT[0]}: it begins with {recorded[:1]!r}")
    return _SNAPSHOTS.decode(_unpack(recorded[1:], largest))


def to_document(value: Any) -> Any:  # noqa: ANN401 - JSON's own type is Any
    """Return a value as JSON-ready dicts, lists, texts and numbers.

    Times become RFC 3339 in UTC, enums their value, arrays lists. JSON has no NaN and no infinities: they become
    null. Text that UTF-8 cannot carry (lone surrogates) gets question marks in its place.

    Raises:
        TypeError: there is no document form for it.
    """
    kind = type(value)
    form = _FORMS.get(kind) or _FORMS.setdefault(kind, _form(kind))
    return form(value)


_FORMS: dict[type, Callable[[Any], Any]] = {}
"""What makes documents of the values of each type so far: a storm brings thousands of them in each cycle."""


def _form(kind: type) -> Callable[[Any], Any]:
    forms: dict[tuple[type, ...], Callable[[Any], Any]] = {
        (Enum,): lambda member: to_document(member.value),
        (np.ndarray, np.generic): lambda numbers: to_document(numbers.tolist()),
        (type(None), bool, int): _unchanged,
        (float,): lambda number: number if math.isfinite(number) else None,
        (str,): _text,
        (datetime,): lambda time: time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        (Mapping,): lambda mapping: {_key(key): to_document(item) for key, item in mapping.items()},
        (bytes,): _refused,
        (Sequence, AbstractSet): lambda items: [to_document(item) for item in items],
    }
    known = next((form for kinds, form in forms.items() if issubclass(kind, kinds)), None)
    return known or (_form_of_fields(kind) if is_dataclass(kind) else _refused)


def _form_of_fields(kind: type) -> Callable[[Any], Any]:
    names = tuple(each.name for each in fields(kind))
    return lambda value: {name: to_document(getattr(value, name)) for name in names}


def _unchanged(value: object) -> object:
    return value


def _text(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _refused(value: object) -> Any:  # noqa: ANN401 - as to_document
    raise TypeError(f"a {type(value).__name__} has no document form")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a document's keys are texts, not {key!r}")
    return str(to_document(key))


def _unpack(packed: bytes, largest: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(packed, largest)
    except zlib.error as error:
        raise ValueError(f"the recorded snapshot is damaged: {error}") from error
    if unpacker.unconsumed_tail:
        raise ValueError(f"the recorded snapshot unpacks to more than {largest} bytes")
    if not unpacker.eof:
        raise ValueError("the recorded snapshot is cut short")
    return raw


def _array_to_bytes(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        return value.astype("<f8").tobytes()
    raise TypeError(f"a {type(value).__name__} is no part of a snapshot")


def _bytes_to_array(_kind: type, raw: object) -> object:
    if not isinstance(raw, bytes):
        raise TypeError("an array is recorded as bytes")
    return np.frombuffer(raw, dtype="<f8").astype(np.float64)


_SNAPSHOTS = msgspec.msgpack.Decoder(Snapshot, dec_hook=_bytes_to_array)
