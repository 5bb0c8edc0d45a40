"""What counts as stale, held against journals made by hand."""

import pytest

from split_brain import _holders, _stale

EPOCHS = [(1, "a", 100.0), (2, "b", 200.0)]


def effect(epoch, at, sequence=1):
    return {"sequence": sequence, "epoch": epoch, "at": at, "effect": "applied", "idempotency_key": f"k-{sequence}"}


@pytest.mark.parametrize(
    ("effects", "stale"),
    [
        pytest.param([effect(1, 150.0), effect(2, 250.0)], 0, id="in order"),
        pytest.param([effect(1, 200.1)], 1, id="of an epoch that was over, though the next one did nothing yet"),
        pytest.param([effect(2, 250.0), effect(1, 150.0)], 1, id="after a newer one"),
        pytest.param([effect(None, 150.0)], 1, id="without an epoch"),
        pytest.param([effect(1, "1970-01-01T00:03:21+00:00")], 1, id="told as text"),
    ],
)
def test_what_is_of_an_epoch_that_was_over_is_stale(effects, stale):
    assert len(_stale(effects, EPOCHS)) == stale


def test_an_epoch_of_two_replicas_is_seen():
    assert _holders([*EPOCHS, (2, "a", 210.0)]) == {1: {"a"}, 2: {"a", "b"}}
