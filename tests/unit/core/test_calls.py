"""Actions that are asked for over HTTP: what is planned, kept, agreed to and refused."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import (
    BLOCK,
    NOON,
    QUEUE,
    a_call,
    a_catalogue,
    a_finding,
    a_ledger,
    a_remediation,
    a_request,
    an_assessment,
    an_execution,
    an_incident,
    at,
    incidents_on,
)
from mape_k.model import Compensation, HttpServer, Part, PolicyRequest, Reason, part_id, write_path
from mape_k.plan import make_plan
from mape_k.recording import to_document

BODY = {"who": "{target}", "why": "{reason}", "key": "{action_id}", "for_seconds": "{ttl_seconds}", "by": "{not_after}"}
UNPIN = Compensation(kind="undo_pin", call=a_call("/nodes/{target}/unpin", body={"key": "{action_id}"}))
THEN = Part(
    kind="pin_2",
    call=a_call("/tell", body={"key": "{action_id}"}, server=HttpServer(name="desk")),
    compensation=Compensation(kind="undo_pin_2", call=a_call("/actions/{id}", method="DELETE")),
)
FACTS = {"kind": "pin", "scope_label": "target", "compensation": UNPIN, "prior_success": 0.9}
PIN = a_remediation("limit", call=a_call(body=BODY), further=(THEN,), **FACTS)
OF_EARLIER_VERSIONS = "80832f8bf85c4f53c9eacbac919ecde0ac09d790655c3b58aa22cc9bec66b58f"


def planned(remediation=PIN, target="node-7", *, rate=31.0, as_of=NOON):
    catalogue = a_catalogue(remediations=(remediation, replace(BLOCK, cost=0.9)))
    assessment = an_assessment(an_incident(a_finding(target, rate=rate)), as_of=as_of)
    (decision,) = make_plan(assessment, catalogue, a_ledger(as_of=as_of)).decisions
    return decision


def test_a_planned_call_holds_all_that_it_is_filled_with():
    action = planned().action
    written = action.request.written()
    assert (written.method, written.path) == ("POST", "/nodes/node-7/pin")
    assert written.body == {
        "who": "node-7",
        "why": "spike on node-7: charter/rate is 31 attempts/s, limit 10",
        "key": action.execution_id,
        "for_seconds": 3600,
        "by": "2026-03-01T12:01:00Z",
    }
    assert action.request.server == "queue"
    assert action.request.title == "POST queue /nodes/node-7/pin"


def test_every_part_and_what_undoes_it_is_filled_with_the_id_of_that_part():
    action = planned().action
    (further,), (undo, undo_further) = action.terms.further, action.terms.undo
    second = part_id(action.execution_id, 1)
    assert (further.server, further.written().body) == ("desk", {"key": second})
    assert undo.written().body == {"key": action.execution_id}
    assert undo_further.written("a/7").path == "/actions/a%2F7"
    assert undo_further.title == "DELETE queue /actions/{id}"


def test_what_undoes_a_call_needs_the_name_that_the_server_gave():
    (_, undo) = planned().action.terms.undo
    with pytest.raises(ValueError, match="nothing is known"):
        undo.written()


def test_a_renewal_carries_its_own_lifetime_and_end():
    request = replace(planned().action.request, ttl_seconds=60.0, not_after=at(3600))
    body = request.written().body
    assert (body["for_seconds"], body["by"]) == (60, "2026-03-01T13:00:00Z")


def test_a_call_is_read_back_from_its_document_as_it_was():
    action = planned().action
    for request in (action.request, *action.terms.further, *action.terms.undo):
        assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(to_document(request))), PolicyRequest) == request


def test_a_request_of_an_earlier_version_is_one_to_the_charter():
    document = to_document(a_request())
    del document["call"]
    read = msgspec.convert(document, PolicyRequest)
    assert (read, read.server, read.title) == (a_request(), "charter", "block_source on node-7")
    with pytest.raises(ValueError, match="only the Charter takes"):
        read.written()


def test_a_person_agrees_to_the_call_and_not_to_what_is_measured():
    first, later = planned().action, planned(rate=44.0, as_of=at(30)).action
    assert first.request.written().body["why"] != later.request.written().body["why"]
    assert first.plan_hash == later.plan_hash


@pytest.mark.parametrize(
    "call",
    [
        a_call(path="/other/{target}"),
        a_call(body={}),
        a_call(body=BODY, method="PUT"),
        a_call(body=BODY, headers={"X-A": "b"}),
        a_call(body=BODY, server=replace(QUEUE, name="another")),
        a_call(body=BODY, server=replace(QUEUE, key_header="X-Key")),
    ],
)
def test_another_call_is_another_plan(call):
    assert planned(replace(PIN, call=call)).action.plan_hash != planned().action.plan_hash


def test_plans_without_calls_have_the_hash_that_earlier_versions_gave_them():
    catalogue = a_catalogue(remediations=(a_remediation("limit"), a_remediation()))
    (action,) = make_plan(an_assessment(an_incident(a_finding())), catalogue, a_ledger()).actions
    assert action.plan_hash == OF_EARLIER_VERSIONS


def test_a_target_that_cannot_be_written_is_refused_before_anything_is_admitted():
    decision = planned(target="..")
    assert decision.candidates[0].refusal is Reason.TARGET_UNWRITABLE
    assert decision.action is None


@pytest.mark.parametrize("target", ["../../admin", "a/../b", "a\\..\\b", "a/.."])
def test_a_target_that_would_climb_where_a_proxy_decodes_it_is_refused(target):
    assert planned(target=target).candidates[0].refusal is Reason.TARGET_UNWRITABLE


@pytest.mark.parametrize("target", ["GET /v1/items", "a..b", "...", "v1/./x"])
def test_a_target_with_slashes_and_dots_that_leads_nowhere_else_is_written(target):
    assert planned(target=target).action.request.written().path.count("/") == 3


@pytest.mark.parametrize(
    ("part", "target"),
    [
        (replace(THEN, call=a_call("/tell", headers={"X-Who": "{target}"})), "a\r\nb"),
        (replace(THEN, compensation=Compensation(kind="u", call=a_call("/tell/{target}"))), "."),
    ],
)
def test_a_further_part_or_what_undoes_it_must_be_writable_too(part, target):
    first = a_remediation("limit", **(FACTS | {"call": a_call("/x"), "further": (part,), "compensation": UNPIN}))
    first = replace(first, compensation=Compensation(kind="u", call=a_call("/y")))
    assert planned(first, target).candidates[0].refusal is Reason.TARGET_UNWRITABLE


# who is left alone


@pytest.mark.parametrize("reason", [Reason.CIRCUIT_OPEN, Reason.ASKED_TO_WAIT])
def test_who_is_left_alone_is_sent_nothing_and_others_are(reason):
    catalogue = a_catalogue(remediations=(PIN, BLOCK))
    (decision,) = make_plan(
        an_assessment(*incidents_on("node-7")), catalogue, a_ledger(held={"queue": reason})
    ).decisions
    assert [c.refusal for c in decision.candidates] == [reason, None, None]
    assert decision.action.remediation == "block"


@pytest.mark.parametrize("reason", [Reason.CIRCUIT_OPEN, Reason.ASKED_TO_WAIT])
def test_an_action_is_not_begun_while_a_later_part_or_its_undoing_could_not_be_sent(reason):
    catalogue = a_catalogue(remediations=(PIN, BLOCK))
    found = an_assessment(*incidents_on("node-7"))
    (decision,) = make_plan(found, catalogue, a_ledger(held={"desk": reason})).decisions
    assert [c.refusal for c in decision.candidates] == [reason, None, None]


def test_a_catalogue_of_calls_alone_asks_the_charter_for_nothing():
    assert not a_catalogue(remediations=(PIN,)).needs_charter
    assert a_catalogue(remediations=(PIN, BLOCK)).needs_charter


def test_an_execution_names_everybody_who_is_or_may_be_asked_for_it():
    action = planned().action
    assert an_execution(request=action.request, terms=action.terms).servers == {"queue", "desk"}
    assert an_execution().servers == {"charter"}


# slots


@given(target=st.text(max_size=40))
def test_whatever_fills_a_slot_the_path_has_as_many_segments_as_before(target):
    try:
        path = write_path("/a/{target}/b", {"target": target})
    except ValueError:
        return
    first, second, segment, last = path.split("/")
    assert (first, second, last) == ("", "a", "b")
    assert segment not in ("", ".", "..")
    assert not set(segment) & set(" ?#/\\\r\n\t%") - {"%"}


def test_what_fills_a_slot_is_never_taken_for_a_slot():
    call = a_call("/{target}", body=["{target} {reason}", "{target}"])
    written = call.written({"target": "{reason}", "reason": "{target}"})
    assert written.body == ["{reason} {target}", "{reason}"]
    assert written.path == "/%7Breason%7D"


def test_a_text_that_is_one_slot_takes_its_type_and_one_around_it_makes_text():
    call = a_call("/{ttl_seconds}", body={"whole": "{ttl_seconds}", "part": "{ttl_seconds}s", "half": "{reason}"})
    assert call.written({"ttl_seconds": 600.0, "reason": 0.5}).body == {"whole": 600, "part": "600s", "half": 0.5}


def test_a_call_to_a_person_keeps_its_slots_where_it_could_never_be_sent():
    request = a_request(scope={"target": ".."}, call=a_call())
    assert request.title == "POST queue /nodes/{target}/pin"
