"""The reference Charter over real sockets: its answers to good and bad requests, and its life as a program."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest
from aiohttp.test_utils import TestClient, TestServer

from real_stack import ended_whatever_happens, wait_until
from westworld.api import make_app, routes
from westworld.openapi import document
from westworld_service import charter_on, live

POLICY = {"name": "p", "kind": "block_source", "scope": {"node_or_service": "node-7"}, "ttl_seconds": 60, "source": "t"}
VIOLATION = {"violation_type": "exploitation", "node_or_service": "node-1"}


@pytest.fixture
async def charter(tmp_path):
    async with charter_on(tmp_path) as service:
        yield service


@pytest.fixture
async def client(charter):
    app = make_app(charter, charter.kept, minimal=False, faults=True)
    async with TestClient(TestServer(app)) as client:
        yield client


async def ask(client, method, path, **options):
    async with client.request(method, path, **options) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text else None, answer.headers


async def test_a_policy_is_put_in_force_read_listed_and_rolled_back(client):
    status, put, _ = await ask(client, "POST", "/api/v1/policies", json=POLICY, headers={"Idempotency-Key": "k1"})
    assert (status, put["status"], put["version"]) == (201, "active", 1)
    path = f"/api/v1/policies/{put['policy_id']}"
    status, read, _ = await ask(client, "GET", path)
    assert (status, read["scope"], read["source"]) == (200, {"node_or_service": "node-7"}, "t")
    status, rolled_back, _ = await ask(client, "POST", f"{path}/rollback", headers={"Idempotency-Key": "k2"})
    assert (status, rolled_back["status"]) == (200, "rolled_back")
    assert (await ask(client, "GET", "/api/v1/policies?status=active"))[1]["policies"] == []
    (listed,) = (await ask(client, "GET", "/api/v1/policies"))[1]["policies"]
    assert listed["status"] == "rolled_back"


async def test_lists_are_paged_without_loss_or_repetition(client):
    for number in range(5):
        body = POLICY | {"scope": {"node_or_service": f"n{number}"}}
        await ask(client, "POST", "/api/v1/policies", json=body, headers={"Idempotency-Key": f"k{number}"})
        await ask(client, "POST", "/api/v1/violations", json={"violations": [VIOLATION | {"id": f"v{number}"}]})
    assert await pages(client, "/api/v1/policies", "policies", "policy_id") == 5
    assert await pages(client, "/api/v1/violations", "violations", "id") == 5
    first = (await ask(client, "GET", "/api/v1/journal?limit=3"))[1]
    rest = (await ask(client, "GET", f"/api/v1/journal?limit=3&after={first['next_after']}"))[1]
    assert [entry["sequence"] for entry in first["entries"] + rest["entries"]] == [1, 2, 3, 4, 5]
    assert rest["next_after"] is None


async def pages(client, path, items, identity):
    seen, query = [], "?limit=2"
    while query:
        page = (await ask(client, "GET", path + query))[1]
        seen += [item[identity] for item in page[items]]
        query = f"?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert len(seen) == len(set(seen))
    return len(seen)


async def test_violations_since_a_moment_include_that_moment(client):
    times = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00+00:00", "2026-01-03T01:00:00+01:00"]
    await ask(
        client, "POST", "/api/v1/violations", json={"violations": [VIOLATION | {"detected_at": t} for t in times]}
    )
    found = (await ask(client, "GET", "/api/v1/violations?since=2026-01-02T00:00:00Z"))[1]["violations"]
    assert [v["detected_at"] for v in found] == ["2026-01-02T00:00:00.000000Z", "2026-01-03T00:00:00.000000Z"]
    assert {v["severity"] for v in found} == {"SUSPENSION"}
    assert {"id", "detected_at", "severity", "violation_type", "node_or_service", "metric_name", "status"} <= set(
        found[0]
    )


async def test_reported_violations_are_acknowledged_once_durable(client, charter):
    status, answer, _ = await ask(client, "POST", "/api/v1/violations", json={"violations": [VIOLATION] * 100})
    assert (status, answer) == (202, {"accepted": 100, "known": 0})
    assert len(await charter.kept.violations(after=("", ""), limit=1000)) == 100


async def test_observations_are_validated(client):
    body = {"observations": [{"metric_name": "user_location", "node_or_service": "node-1", "value": 1.5}]}
    status, answer, _ = await ask(client, "POST", "/api/v1/observations", json=body)
    assert (status, answer["refused"]) == (200, [{"index": 0, "metric_name": "user_location"}])


async def test_health_and_the_committee_tell_how_things_are(client, charter):
    assert (await ask(client, "GET", "/health"))[:2] == (200, {"status": "ok", "store": "ok", "policy": "ok"})
    assert (await ask(client, "GET", "/api/v1/committee/state"))[1]["status"] == "normal"
    await ask(client, "POST", "/api/v1/faults", json={"name": "committee_backlog"})
    await live(charter, 1)
    state = (await ask(client, "GET", "/api/v1/committee/state"))[1]
    assert (state["status"], state["members"], state["open_investigations"]["BAN_1YEAR"]) == ("critical", 5, 18)
    charter.store_problem = "the disk is full"
    assert (await ask(client, "GET", "/health"))[0] == 503


async def test_faults_are_listed_injected_and_taken_back(client):
    status, fault, _ = await ask(client, "POST", "/api/v1/faults", json={"name": "metric_prober"})
    assert (status, fault["raises"], fault["active"], fault["wave"]) == (201, "ForbiddenMetricSpike", True, 2)
    faults = (await ask(client, "GET", "/api/v1/faults"))[1]["faults"]
    assert [f["name"] for f in faults if f["active"]] == ["metric_prober"]
    assert len(faults) == 11
    assert (await ask(client, "DELETE", "/api/v1/faults/metric_prober"))[0] == 204
    assert (await ask(client, "DELETE", "/api/v1/faults/metric_prober"))[0] == 404


async def test_the_metrics_are_what_prometheus_reads(client):
    async with client.get("/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "# TYPE westworld_charter_violations_total counter" in await answer.text()


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/api/v1/policies", {"data": b"{}"}, 415),
        ("POST", "/api/v1/policies", {"data": b"{", "headers": {"Content-Type": "application/json"}}, 422),
        ("POST", "/api/v1/policies", {"json": POLICY | {"scope": {"node_or_service": "*"}}}, 422),
        ("POST", "/api/v1/policies", {"json": POLICY, "headers": {"X-Fencing-Token": "-1"}}, 422),
        ("POST", "/api/v1/policies", {"json": POLICY, "headers": {"Idempotency-Key": "k" * 201}}, 422),
        ("POST", "/api/v1/policies", {"json": POLICY | {"reason": "x" * 1_000_001}}, 413),
        ("POST", "/api/v1/policies/validate", {"json": POLICY | {"kind": "none"}}, 422),
        ("POST", "/api/v1/policies/none/rollback", {}, 404),
        ("GET", "/api/v1/policies/none", {}, 404),
        ("GET", "/api/v1/policies?limit=0", {}, 400),
        ("GET", "/api/v1/policies?limit=1001", {}, 400),
        ("GET", "/api/v1/policies?cursor=x", {}, 400),
        ("GET", "/api/v1/violations?since=yesterday", {}, 400),
        ("GET", "/api/v1/violations?since=2026-01-01T00:00:00", {}, 400),
        ("GET", "/api/v1/violations?cursor=x~y", {}, 400),
        ("GET", "/api/v1/violations?since=9999-12-31T23:59:59-23:59", {}, 400),
        ("POST", "/api/v1/violations", {"json": {"violations": []}}, 422),
        ("POST", "/api/v1/violations", {"json": {"violations": [VIOLATION] * 101}}, 422),
        ("POST", "/api/v1/violations", {"json": {"violations": [VIOLATION | {"severity": "critical"}]}}, 422),
        ("POST", "/api/v1/violations", {"json": {"violations": [VIOLATION | {"detected_at": "now"}]}}, 422),
        (
            "POST",
            "/api/v1/violations",
            {"json": {"violations": [VIOLATION | {"detected_at": "0001-01-01T00:00:00+23:00"}]}},
            422,
        ),
        ("POST", "/api/v1/violations", {"json": {"violations": [VIOLATION | {"node_or_service": ""}]}}, 422),
        ("POST", "/api/v1/violations", {"json": [VIOLATION]}, 422),
        ("POST", "/api/v1/observations", {"json": {"observations": [{"metric_name": "a"}]}}, 422),
        ("POST", "/api/v1/faults", {"json": {"name": "none"}}, 404),
        ("POST", "/api/v1/faults", {"json": {"fault": "none"}}, 422),
        ("GET", "/api/v1/nothing", {}, 404),
        ("DELETE", "/api/v1/policies", {}, 405),
    ],
)
async def test_a_bad_request_gets_a_problem_document(client, method, path, options, status):
    answered, problem, headers = await ask(client, method, path, **options)
    assert (answered, problem["status"]) == (status, status)
    assert headers["Content-Type"].startswith("application/problem+json")
    assert problem["title"]
    assert problem["detail"]


async def test_a_policy_can_be_validated_without_effect(client, charter):
    assert (await ask(client, "POST", "/api/v1/policies/validate", json=POLICY))[:2] == (200, {"status": "valid"})
    status, answer, _ = await ask(client, "POST", "/api/v1/policies", json=POLICY | {"dry_run": True})
    assert (status, answer) == (200, {"status": "valid", "dry_run": True})
    assert await charter.kept.journal(after=0, limit=10) == []


async def test_a_stale_token_is_told_the_current_epoch(client):
    await ask(client, "POST", "/api/v1/policies", json=POLICY, headers={"X-Fencing-Token": "5"})
    status, problem, _ = await ask(client, "POST", "/api/v1/policies", json=POLICY, headers={"X-Fencing-Token": "4"})
    assert (status, problem["current_epoch"]) == (412, 5)


async def test_a_service_behind_with_its_notifications_asks_for_patience(client, charter):
    for number in range(50_000):
        charter.world.committee.notifier.arrive(("WARNING", None), float(number))
    status, _, headers = await ask(client, "POST", "/api/v1/violations", json={"violations": [VIOLATION]})
    assert (status, headers["Retry-After"]) == (503, "1")


def test_the_openapi_document_describes_exactly_the_routes():
    served = {(route.method.lower(), route.path) for route in routes(minimal=False, faults=True)}
    described = {(method, path) for path, methods in document()["paths"].items() for method in methods}
    assert described == served


async def test_the_openapi_document_is_served_and_its_references_resolve(client):
    text = json.dumps((await ask(client, "GET", "/api/v1/openapi.json"))[1])
    schemas = document()["components"]["schemas"]
    for part in text.split("#/components/schemas/")[1:]:
        assert part.split('"')[0] in schemas


def test_a_minimal_service_has_three_endpoints_and_the_faults_only_when_enabled():
    assert len(routes(minimal=True, faults=False)) == 3
    assert {route.path for route in routes(minimal=True, faults=True)} >= {"/metrics", "/api/v1/faults"}


def start(folder: Path, *options: str) -> tuple[str, Path]:
    log = folder / "charter.log"
    log.write_bytes(b"")
    return log, [sys.executable, "-m", "westworld", "--listen", "127.0.0.1:0", "--state", str(folder), *options]


@contextmanager
def program(folder: Path, *options: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    log, command = start(folder, *options)
    with ended_whatever_happens(command, log) as running:
        wait_until(lambda: b"listening" in log.read_bytes(), "the Charter listening")
        yield json.loads(log.read_text().splitlines()[0])["listening"], running


def call(url: str, body: object = None, **headers: str) -> tuple[int, dict[str, object]]:
    names = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Type": "application/json"}
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), names)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, json.load(answer)


def test_what_was_answered_survives_a_kill_and_a_restart(tmp_path):
    journal = tmp_path / "journal.jsonl"
    options = ("--enable-faults", "--time-scale", "60", "--journal", str(journal))
    with program(tmp_path, *options) as (url, running):
        call(f"{url}/api/v1/faults", {"name": "forgotten_override"})
        answers = [
            call(
                f"{url}/api/v1/policies",
                POLICY | {"scope": {"node_or_service": f"n{n}"}, "ttl_seconds": 600},
                Idempotency_Key=f"k{n}",
                X_Fencing_Token="3",
            )
            for n in range(5)
        ]
        call(f"{url}/api/v1/violations", {"violations": [VIOLATION | {"id": f"v{n}"} for n in range(50)]})
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    with program(tmp_path, *options) as (url, _):
        again = [
            call(
                f"{url}/api/v1/policies",
                POLICY | {"scope": {"node_or_service": f"n{n}"}, "ttl_seconds": 600},
                Idempotency_Key=f"k{n}",
                X_Fencing_Token="3",
            )
            for n in range(5)
        ]
        assert [status for status, _ in again] == [200] * 5
        assert [body for _, body in again] == [body for _, body in answers]
        with pytest.raises(HTTPError, match="412"):
            call(f"{url}/api/v1/policies", POLICY, X_Fencing_Token="2")
        kept = call(f"{url}/api/v1/violations?limit=1000")[1]["violations"]
        assert {f"v{n}" for n in range(50)} <= {violation["id"] for violation in kept}
        active = [fault["name"] for fault in call(f"{url}/api/v1/faults")[1]["faults"] if fault["active"]]
        assert active == ["forgotten_override"]
        wait_until(lambda: told(url, "v49"), "the notification of what was acknowledged before the kill")
    keys = [json.loads(line)["idempotency_key"] for line in journal.read_text().splitlines()]
    assert keys == [f"k{n}" for n in range(5)]


def told(url: str, violation_id: str) -> bool:
    violations = call(f"{url}/api/v1/violations?limit=1000")[1]["violations"]
    return any(v["id"] == violation_id and v["status"] == "notified" for v in violations)


def test_sigterm_ends_the_program_cleanly(tmp_path):
    with program(tmp_path, "--world", "other") as (_, running):
        running.terminate()
        assert running.wait(timeout=10) == 0
    assert len((tmp_path / "charter.log").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--world", "/nowhere.yaml"], "/nowhere.yaml: cannot be read"),
        (["--policy", "/nowhere.yaml"], "/nowhere.yaml: cannot be read"),
        (["--listen", "everywhere"], "is not HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], "write HOST:PORT"),
        (["--listen", "192.0.2.1:80"], "give a free address"),
        (["--time-scale", "nan"], "is not a number from"),
        (["--colour"], "unrecognized arguments"),
    ],
)
def test_a_bad_option_ends_the_program_with_one_clear_line(tmp_path, options, told):
    command = [sys.executable, "-m", "westworld", "--listen", "127.0.0.1:0", "--state", str(tmp_path), *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_a_taken_port_is_told(tmp_path):
    with program(tmp_path) as (url, _):
        command = [
            sys.executable,
            "-m",
            "westworld",
            "--listen",
            url.removeprefix("http://"),
            "--state",
            str(tmp_path / "b"),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, "give a free address" in ended.stderr) == (2, True)


async def test_a_store_that_fails_is_told_as_such(client, charter):
    await charter.kept.write(lambda c: c.execute("DROP TABLE violations"))
    status, problem, headers = await ask(client, "POST", "/api/v1/violations", json={"violations": [VIOLATION]})
    assert (status, headers["Retry-After"]) == (503, "5")
    assert "the store fails" in problem["detail"]
