"""Snapshots come back as they were; documents are what JSON can say."""

import json
import math
import zlib
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mape_k.model import (
    Alert,
    Quality,
    Reason,
    Scrape,
    Snapshot,
    SourceHealth,
    State,
    SuccessRate,
    Vector,
    Violation,
)
from mape_k.recording import decode_snapshot, encode_snapshot, to_document
from sample_reports import a_report, a_snapshot

TEXT = st.text(max_size=12)
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
TIME = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=80_000)).map(lambda age: EARLIEST + age)
QUALITY = st.sampled_from(Quality)
LABELS = st.dictionaries(TEXT, TEXT, max_size=3)


@st.composite
def vectors(draw: st.DrawFn) -> Vector:
    values = draw(st.lists(st.floats(width=64), max_size=5))
    rows = {"targets": TEXT, "labels": LABELS}
    columns = {
        name: tuple(draw(st.lists(kind, min_size=len(values), max_size=len(values)))) for name, kind in rows.items()
    }
    return Vector(signal=draw(TEXT), quality=draw(QUALITY), detail=draw(TEXT), values=np.array(values), **columns)


SNAPSHOTS = st.builds(
    Snapshot,
    as_of=TIME,
    vectors=st.dictionaries(TEXT, vectors(), max_size=3),
    alerts=st.lists(
        st.builds(Alert, fingerprint=TEXT, name=TEXT, labels=LABELS, starts_at=TIME, updated_at=TIME, summary=TEXT),
        max_size=2,
    ).map(tuple),
    alerts_quality=QUALITY,
    violations=st.lists(
        st.builds(Violation, violation_id=TEXT, detected_at=TIME, severity=TEXT, violation_type=TEXT, target=TEXT),
        max_size=2,
    ).map(tuple),
    violations_quality=QUALITY,
    scrapes=st.dictionaries(
        TEXT, st.builds(Scrape, job=TEXT, quality=QUALITY, newest_sample_at=st.none() | TIME), max_size=2
    ),
    sources=st.dictionaries(
        TEXT, st.builds(SourceHealth, name=TEXT, quality=QUALITY, seconds=st.floats(0, 10)), max_size=2
    ),
)


def columns_of(vector: Vector) -> tuple:
    return vector.signal, vector.quality, vector.detail, vector.targets, vector.labels, vector.values.tobytes()


@settings(max_examples=60, deadline=None)
@given(SNAPSHOTS)
def test_a_recorded_snapshot_comes_back_exactly(snapshot):
    again = decode_snapshot(encode_snapshot(snapshot))
    assert {k: columns_of(v) for k, v in again.vectors.items()} == {
        k: columns_of(v) for k, v in snapshot.vectors.items()
    }
    for field in fields(Snapshot):
        if field.name != "vectors":
            assert getattr(again, field.name) == getattr(snapshot, field.name), field.name


def test_a_missing_number_is_still_missing_after_recording():
    again = decode_snapshot(encode_snapshot(a_snapshot()))
    assert again.reading("charter/attempt_rate", "node-9").quality is Quality.NOT_A_NUMBER
    assert again.reading("charter/attempt_rate", "node-8").number() == 0.0
    assert again.reading("charter/latency", "node-7").quality is Quality.UNREACHABLE


def test_a_look_at_a_row_leaves_no_trace_in_the_recording():
    snapshot = a_snapshot()
    before = encode_snapshot(snapshot)
    snapshot.reading("charter/attempt_rate", "node-7")
    assert encode_snapshot(snapshot) == before


def test_ten_thousand_rows_take_less_than_a_tenth_of_their_plain_size():
    rows = 10_000
    labels = tuple({"node_or_service": f"node-{n}", "job": "westworld-charter"} for n in range(rows))
    vector = Vector(
        signal="charter/x",
        quality=Quality.VALUE,
        targets=tuple(label["node_or_service"] for label in labels),
        labels=labels,
        values=np.zeros(rows),
    )
    snapshot = Snapshot(as_of=datetime(2026, 1, 1, tzinfo=UTC), vectors={"charter/x": vector})
    assert len(encode_snapshot(snapshot)) < len(json.dumps(to_document(snapshot))) / 10


@pytest.mark.parametrize(
    ("recorded", "complaint"),
    [
        (b"", "format 1"),
        (b"\x02" + zlib.compress(b""), "format 1"),
        (b"\x01not compressed", "damaged"),
        (encode_snapshot(a_snapshot())[:-9], "cut short"),
        (b"\x01" + zlib.compress(msgspec.msgpack.encode({"as_of": 3})), "as_of"),
        (b"\x01" + zlib.compress(msgspec.msgpack.encode([1, 2])), "array"),
    ],
)
def test_what_is_no_recorded_snapshot_is_refused(recorded, complaint):
    with pytest.raises(ValueError, match=complaint):
        decode_snapshot(recorded)


def test_a_recording_that_unpacks_to_too_much_is_refused():
    bomb = b"\x01" + zlib.compress(bytes(5_000_000))
    with pytest.raises(ValueError, match="more than 1000000 bytes"):
        decode_snapshot(bomb, largest=1_000_000)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400))
def test_damage_is_refused_or_harmless_but_never_a_crash(noise, place):
    recorded = encode_snapshot(a_snapshot())
    place %= len(recorded)
    with suppress(ValueError):
        assert isinstance(decode_snapshot(recorded[:place] + noise + recorded[place + len(noise) :]), Snapshot)


@pytest.mark.parametrize(
    ("value", "document"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (math.nan, None),
        (-math.inf, None),
        ("plain", "plain"),
        ("nœud\ud800", "nœud?"),
        (State.IN_FORCE, "in_force"),
        (Reason.COOLDOWN, "cooldown"),
        (datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))), "2026-03-01T10:00:00Z"),
        (datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC), "2026-03-01T12:00:00.250000Z"),
        (np.array([1.0, np.nan]), [1.0, None]),
        (np.float64(2.5), 2.5),
        (np.float64(np.nan), None),
        ((1, [2]), [1, [2]]),
        ({State.FAILED: {"a": 1}}, {"failed": {"a": 1}}),
        (SuccessRate(successes=2), {"successes": 2, "failures": 0}),
    ],
    ids=repr,
)
def test_a_value_has_one_document_form(value, document):
    assert to_document(value) == document
    assert type(to_document(value)) is type(document)


@pytest.mark.parametrize("value", [b"raw", object(), {("a", "b"): 1}, {1: 2}], ids=lambda value: type(value).__name__)
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(TypeError):
        to_document(value)


def test_a_whole_report_is_strict_json():
    document = to_document(a_report())
    again = json.loads(json.dumps(document, allow_nan=False))
    assert again == document
    assert document["plan"]["decisions"][1]["candidates"][0]["refusal"] == "cooldown"
    assert document["snapshot"]["vectors"]["charter/attempt_rate"]["values"] == [31.4, 0.0, None]
