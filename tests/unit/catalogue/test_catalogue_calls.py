"""What a pack says of actions that are asked for over HTTP."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from mape_k.catalogue import load_catalogue, schema_text
from mape_k.errors import ConfigError
from mape_k.model import Compensation, HttpCall, HttpServer, Pack, Part, Remediation, StatusQuestion
from mape_k.packbuild.scale import scale_pack

ROOT = Path(__file__).resolve().parents[3]
MINIMAL = yaml.safe_load((ROOT / "tests" / "packs" / "minimal" / "pack.yaml").read_text())
PIN = {"server": "queue", "path": "/control/v1/workers/{target}/pin"}
UNPIN = {"path": "/control/v1/workers/{target}/unpin"}
STATUS = {"path": "/actions/{id}", "field": "status", "in_force": ["in_force"], "undone": ["undone", "lapsed"]}
SERVER = {"idempotency": {"echo": "idempotency_key"}, "id": "action_id", "status": STATUS}
MANNERS = HttpServer(
    name="queue",
    key_header="Idempotency-Key",
    key_echo="idempotency_key",
    id_field="action_id",
    status=StatusQuestion(path="/actions/{id}", field="status", in_force=("in_force",), undone=("undone", "lapsed")),
)
LAPSING = {"ttl": "1h", "on_expiry": "lapse"}


def written(servers: dict | None = None, **keys: object) -> dict:
    worker = {**MINIMAL["remediations"]["add_worker"], "effector": "http", "request": PIN, "compensation": UNPIN}
    worker |= keys
    del worker["policy"]
    servers = {"queue": SERVER} if servers is None else servers
    return MINIMAL | {"servers": servers, "remediations": {"add_worker": worker}}


def loaded(folder: Path, document: dict) -> Remediation:
    (folder / "pack.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return pack_in(folder).remediations["add_worker"]


def pack_in(folder: Path) -> Pack:
    (pack,) = load_catalogue([str(folder)]).packs.values()
    return pack


def problem(folder: Path, document: dict) -> str:
    with pytest.raises(ConfigError) as refused:
        loaded(folder, document)
    (line,) = refused.value.problems
    return line.split(": ", 1)[1]


def test_a_remediation_names_a_request_in_the_place_of_a_policy(tmp_path):
    remediation = loaded(tmp_path, written())
    assert remediation.call == HttpCall(server=MANNERS, path=PIN["path"], method="POST")
    assert (remediation.kind, remediation.scope_label) == ("add_worker", "target")


def test_a_catalogue_whose_actions_are_all_requests_needs_no_charter(tmp_path):
    loaded(tmp_path, written())
    assert not load_catalogue([str(tmp_path)]).needs_charter
    assert load_catalogue([str(tmp_path), "charter"]).needs_charter


def test_what_undoes_a_request_has_its_server_and_method_unless_it_says_otherwise(tmp_path):
    put = {**PIN, "method": "PUT"}
    assert loaded(tmp_path, written(request=put)).compensation == Compensation(
        kind="undo_add_worker", call=HttpCall(server=MANNERS, path=UNPIN["path"], method="PUT")
    )
    other = {"queue": SERVER, "other": {}}
    undo = {"server": "other", "method": "DELETE", "path": "/pins/{target}"}
    assert loaded(tmp_path, written(other, compensation=undo)).compensation.call == HttpCall(
        server=HttpServer(name="other"), path="/pins/{target}", method="DELETE"
    )


def test_further_requests_keep_their_order_and_each_its_compensation(tmp_path):
    then = [
        {"path": "/warm", "body": {"n": [1, "{target}"]}, "compensation": {"path": "/cool"}},
        {"path": "/tell", "headers": {"X-Reason": "{reason}"}, "compensation": {"path": "/call-off"}},
    ]
    first, second = loaded(tmp_path, written(then=then)).further
    assert first == Part(
        kind="add_worker_2",
        call=HttpCall(server=MANNERS, path="/warm", body={"n": [1, "{target}"]}),
        compensation=Compensation(kind="undo_add_worker_2", call=HttpCall(server=MANNERS, path="/cool")),
    )
    assert second.call.headers == {"X-Reason": "{reason}"}


@pytest.mark.parametrize("word", ["nothing", "irreversible"])
def test_a_request_need_not_be_undone(tmp_path, word):
    remediation = loaded(tmp_path, written(compensation=word))
    assert (remediation.compensation, remediation.is_irreversible) == (None, word == "irreversible")


def test_a_server_may_know_neither_keys_nor_names_nor_questions(tmp_path):
    assert loaded(tmp_path, written({"queue": {}})).call.server == HttpServer(name="queue")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"request": {**PIN, "server": "quue"}}, "request.server: 'quue' is not one of this pack's servers"),
        ({"request": {"server": "queue"}}, "request.path: is missing; add it"),
        ({"request": {**PIN, "method": "GET"}}, "request.method: expected 'POST', 'PUT', 'PATCH' or 'DELETE'"),
        ({"request": {**PIN, "path": "control"}}, "request.path: expected a path such as"),
        ({"request": {**PIN, "path": "/a/"}}, "request.path: expected a path such as"),
        ({"request": {**PIN, "path": "//evil.example/a"}}, "request.path: expected a path such as"),
        ({"request": {**PIN, "path": "/a?b={target}"}}, "request.path: expected a path such as"),
        ({"request": {**PIN, "path": "/a%2fb"}}, "request.path: expected a path such as"),
        ({"request": {**PIN, "path": "/a/../b"}}, "request.path: expected a path without the segments"),
        ({"request": {**PIN, "path": "/{taget}"}}, "request.path: {taget} is no slot; did you mean 'target'?"),
        ({"request": {**PIN, "path": "/a/{id}"}}, "request: {id} is the server's name for what it did; it is known"),
        ({"request": {**PIN, "body": {"a": ["{reson}"]}}}, "request.body: {reson} is no slot"),
        ({"request": {**PIN, "body": ["a"]}}, "request.body: expected keys with values"),
        ({"request": {**PIN, "headers": {"Host": "x"}}}, "request.headers.Host: is a header that the program sets"),
        ({"request": {**PIN, "headers": {"idempotency-KEY": "x"}}}, "request.headers.idempotency-KEY: carries the"),
        ({"request": {**PIN, "headers": {"a b": "x"}}}, "request.headers.a b: expected a header's name"),
        ({"request": {**PIN, "headers": {"X-A": "a\nb"}}}, "request.headers.X-A: expected printable ASCII"),
        ({"request": {**PIN, "headers": {"X-A": "{x}"}}}, "request.headers.X-A: {x} is no slot"),
        ({"request": {**PIN, "body": {"s": "{ttl_seconds}"}}}, "request: {ttl_seconds} needs a lifetime with ttl"),
        ({"lifetime": LAPSING}, "request: does not say when it ends, so that it would outlive lifetime.ttl; put {ttl_"),
        ({"compensation": {**UNPIN, "body": {"by": "{not_after}"}}}, "compensation: {not_after} is not known to what"),
        ({"compensation": {"kind": "remove_worker"}}, "compensation: is a policy; the effector http takes requests"),
        ({"compensation": {**UNPIN, "server": "x"}}, "compensation.server: 'x' is not one of this pack's servers"),
        ({"then": [{"path": "/warm"}]}, "then[0].compensation: is missing; add it, since the first part has one"),
        (
            {"then": [{"kind": "warm", "compensation": {"path": "/cool"}}]},
            "then[0]: is a policy; the effector http takes requests: give it a path",
        ),
        ({"request": None}, "the effector http needs the key request: what is sent"),
        ({"effector": "charter"}, "the effector charter needs the key policy: what is sent"),
        ({"policy": {"kind": "x"}}, "the effector http takes no policy; remove it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_that_cannot_be_sent_is_refused_with_its_place(tmp_path, changes, complaint):
    document = written()
    document["remediations"]["add_worker"] |= changes
    assert problem(tmp_path, document).startswith(
        f"remediations.add_worker{': ' if complaint.startswith('the effector') else '.'}{complaint}"
    )


@pytest.mark.parametrize("how", [{"body": {"for": {"s": "{ttl_seconds}"}}}, {"headers": {"X-TTL": "{ttl_seconds}"}}])
def test_a_request_with_a_lifetime_says_it_anywhere(tmp_path, how):
    assert loaded(tmp_path, written(request={**PIN, **how}, lifetime=LAPSING)).lifetime.ttl_seconds == 3600


def test_a_request_among_policies_is_refused(tmp_path):
    worker = {**MINIMAL["remediations"]["add_worker"], "compensation": {"path": "/off", "server": "queue"}}
    document = MINIMAL | {"servers": {"queue": {}}, "remediations": {"add_worker": worker}}
    assert problem(tmp_path, document).endswith("is a request; the effector charter takes policies: give it a kind")


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        ({**SERVER, "id": None}, "servers.queue.status: fills {id} with what the server names; give the server"),
        (
            {**SERVER, "status": {**STATUS, "path": "/actions"}},
            "servers.queue.status.path: expected a path with the slot {id} and no other",
        ),
        ({"idempotency": {}}, "servers.queue.idempotency.echo: is missing; add it"),
        ({"url": "http://x"}, "servers.queue.url: unknown key; known here are idempotency, id, status"),
    ],
)
def test_manners_that_make_no_sense_are_refused(tmp_path, server, complaint):
    assert problem(tmp_path, written({"queue": server})).startswith(complaint)


def test_the_name_that_the_server_gave_can_be_used_to_undo_it(tmp_path):
    undo = {"method": "DELETE", "path": "/actions/{id}"}
    assert loaded(tmp_path, written(compensation=undo)).compensation.call.path == "/actions/{id}"
    told = problem(tmp_path, written({"queue": {}}, compensation=undo))
    assert told.startswith(
        "remediations.add_worker.compensation: {id} needs the key servers.queue.id: where the answer"
    )


def test_lifetimes_in_bodies_are_divided_with_the_time_of_a_trial():
    body = {"hold_seconds": 600, "more": {"grace_seconds": 60}, "ttl_seconds": "{ttl_seconds}", "size": 60}
    document = written(
        request={**PIN, "body": body},
        lifetime=LAPSING,
        then=[{"path": "/x", "body": body, "compensation": {"path": "/y", "body": {"after_seconds": 30}}}],
        compensation={**UNPIN, "body": {"after_seconds": 30}},
    )
    scaled = scale_pack(document, 10)["remediations"]["add_worker"]
    divided = {"hold_seconds": 60, "more": {"grace_seconds": 6}, "ttl_seconds": "{ttl_seconds}", "size": 60}
    assert scaled["request"]["body"] == scaled["then"][0]["body"] == divided
    assert scaled["compensation"]["body"] == scaled["then"][0]["compensation"]["body"] == {"after_seconds": 3}


def test_the_published_schema_takes_requests():
    jsonschema.validate(written(then=[{"path": "/x", "compensation": UNPIN}]), json.loads(schema_text()))
