import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from westworld.enforcement import Register, Sender
from westworld.kinds import FORWARD_KINDS, KINDS
from westworld.problems import Refusal
from westworld.requests import PolicyRequest, fingerprint, read_policy

SENDER = Sender(idempotency_key="key", epoch=1)
NOW = 1_800_000_000.0


def request(kind="block_source", target="node-7", **fields):
    values = {"name": "p", "kind": kind, "scope": {KINDS[kind].label: target}, "ttl_seconds": 60.0, "source": "mape-k"}
    return PolicyRequest(**values | fields)


def put(register, asked, now=NOW, new_id="p1"):
    register.check(asked, now)
    decision = register.decide(asked, SENDER, now=now, new_id=new_id)
    register.record(decision.changed)
    return decision


def refused(register, asked, now=NOW):
    with pytest.raises(Refusal) as refusal:
        put(register, asked, now, "p2")
    return refusal.value


@pytest.fixture
def register():
    return Register([], FORWARD_KINDS)


def test_a_policy_is_in_force_until_its_lifetime_ends(register):
    put(register, request())
    assert register.lapsed(NOW + 59.9) == ()
    (entry,) = register.lapsed(NOW + 60)
    assert (entry.effect, entry.at, entry.idempotency_key) == ("lapsed", NOW + 60, None)
    register.record([entry.policy])
    assert register.active == ()


def test_the_same_policy_again_renews_it(register):
    put(register, request())
    renewed = put(register, request(), NOW + 50, "p2").policy
    assert (renewed.policy_id, renewed.version, renewed.expires_at) == ("p1", 2, NOW + 110)
    assert len(register.active) == 1


@pytest.mark.parametrize(
    "other", [{"source": "somebody"}, {"kind": "add_validation_capacity", "parameters": {"servers": 8.0}}]
)
def test_another_source_or_other_numbers_contradict_a_policy_in_force(register, other):
    kind = other.get("kind", "block_source")
    target = KINDS[kind].target or "node-7"
    put(register, request(kind, target))
    answer = refused(register, request(target=target, **{"kind": kind} | other))
    assert (answer.status, answer.extra) == (409, {"policy_id": "p1"})


def test_the_same_kind_on_another_target_is_another_policy(register):
    put(register, request())
    assert put(register, request(target="node-8"), new_id="p2").policy.version == 1
    assert len(register.active) == 2


@pytest.mark.parametrize("kind", [kind for kind in FORWARD_KINDS if KINDS[kind].undone_by])
def test_a_compensating_policy_lifts_what_it_undoes(register, kind):
    target = KINDS[kind].target or "node-7"
    put(register, request(kind, target))
    decision = put(register, request(KINDS[kind].undone_by, target, ttl_seconds=None), new_id="p2")
    assert [entry.effect for entry in decision.entries] == ["applied", "lifted"]
    assert register.active == ()


def test_a_compensation_of_what_is_over_is_accepted_and_changes_nothing(register):
    assert [entry.effect for entry in put(register, request("unblock_source", ttl_seconds=None)).entries] == ["applied"]


def test_a_policy_that_acts_once_may_be_repeated_and_needs_no_lifetime(register):
    once = request("restart_notifier", "notifier", ttl_seconds=None)
    put(register, once)
    assert put(register, once, new_id="p2").policy.policy_id == "p2"
    assert register.complete("p1").status == "completed"


def test_what_stays_in_force_is_not_completed_by_acting(register):
    put(register, request())
    assert register.complete("p1") is None


def test_rolling_back_ends_a_policy_and_leaves_an_ended_one_as_it_is(register):
    policy = put(register, request()).policy
    rolled_back = register.roll_back(policy, SENDER, NOW).policy
    assert rolled_back.status == "rolled_back"
    register.record([rolled_back])
    (lapsed,) = [register.roll_back(rolled_back, SENDER, NOW).policy]
    assert (lapsed.status, register.active) == ("rolled_back", ())


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (request(target="*"), "scope.node_or_service"),
        (request(target=""), "scope.node_or_service"),
        (request(scope={"reason": "x"}), "scope"),
        (request("end_override", "notifier"), "scope.node_or_service"),
        (request(ttl_seconds=None), "ttl_seconds"),
        (request(parameters={"servers": 2.0}), "parameters.servers"),
        (request("add_validation_capacity", "validation", parameters={"servers": 1000.0}), "parameters.servers"),
        (request(not_after=datetime(2020, 1, 1, tzinfo=UTC)), "not_after"),
    ],
)
def test_a_policy_that_cannot_be_put_in_force_is_refused_with_its_field(register, asked, field):
    answer = refused(register, asked)
    assert answer.status == 422
    assert field in answer.fields


def test_an_expired_request_says_that_it_is_expired(register):
    answer = refused(register, request(not_after=datetime(2020, 1, 1, tzinfo=UTC)))
    assert "expired" in answer.fields["not_after"]


def test_a_kind_that_this_world_gives_no_meaning_is_refused():
    answer = refused(Register([], ["block_source"]), request("end_override", "override"))
    assert answer.fields == {"kind": "choose one of block_source"}


def test_the_number_of_policies_in_force_is_bounded(register):
    for number in range(1000):
        put(register, request(target=f"node-{number}"), new_id=f"p{number}")
    assert refused(register, request(target="one-more")).status == 503


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("extra", 1),
        ("kind", 7),
        ("scope", {}),
        ("scope", {"a": "b", "c": "d"}),
        ("ttl_seconds", 0),
        ("ttl_seconds", 1e12),
        ("ttl_seconds", "60"),
        ("not_after", "2026-01-01T00:00:00"),
        ("not_after", "soon"),
        ("name", ""),
        ("parameters", {"servers": "many"}),
        ("reason", "x" * 2001),
        ("dry_run", "no"),
    ],
)
def test_a_malformed_policy_is_refused_with_its_field(field, value):
    body = {"name": "p", "kind": "block_source", "scope": {"node_or_service": "n"}} | {field: value}
    with pytest.raises(Refusal) as refusal:
        read_policy(json.dumps(body).encode())
    assert refusal.value.status == 422
    assert any(name.startswith(field) for name in refusal.value.fields)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_a_policy(body):
    with pytest.raises(Refusal):
        read_policy(body)


def test_a_fingerprint_knows_a_body_whatever_the_order_of_its_keys():
    assert fingerprint(b'{"a": 1, "b": {"c": 2, "d": 3}}') == fingerprint(b'{"b":{"d":3,"c":2},"a":1}')
    assert fingerprint(b'{"a": 1}') != fingerprint(b'{"a": 2}')


@given(st.lists(st.tuples(st.sampled_from(["put", "undo", "lapse", "roll_back"]), st.sampled_from("abc"))))
def test_at_most_one_policy_of_a_kind_is_in_force_on_a_target(steps):
    register, now = Register([], FORWARD_KINDS), NOW
    for number, (step, target) in enumerate(steps):
        now += 20
        if step == "put":
            put(register, request(target=target), now, f"p{number}")
        elif step == "undo":
            put(register, request("unblock_source", target, ttl_seconds=None), now, f"p{number}")
        elif step == "lapse":
            register.record(entry.policy for entry in register.lapsed(now))
        elif register.active:
            register.record([register.roll_back(register.active[0], SENDER, now).policy])
        targets = [policy.target for policy in register.active]
        assert len(targets) == len(set(targets))
