import aiohttp
import pytest
from aiohttp import web

from fakes_daemon import AS_ALERTMANAGER, AS_OPERATOR, INGEST, OPERATOR, FakeDaemon, calling
from mape_k.api import ROUTES, make_app
from mape_k.api.access import Access

REFUSED = {
    Access.READ: {"none": 200, "wrong": 401, "other": 403, "right": 200},
    Access.OPEN: {"none": 200, "wrong": 200, "other": 200, "right": 200},
    Access.OPERATOR: {"none": 401, "wrong": 401, "other": 403, "right": 200},
    Access.INGEST: {"none": 401, "wrong": 401, "other": 403, "right": 400},
}
NEEDS_A_BODY = {"Answer", "Feedback"}
FINITE = [route for route in ROUTES if route.path != "/api/v1/events"]
IDS = {"cycles": "c-1", "incidents": "i-0", "actions": "x-1", "packs": "charter", "knowledge": "charter", "dlq": "dl-1"}


def url(route) -> str:
    kind = route.path.removeprefix("/api/v1/").partition("/")[0]
    return route.path.replace("{id}", IDS.get(kind, ""))


def headers(route, who: str) -> dict[str, str]:
    ours, other = (AS_ALERTMANAGER, AS_OPERATOR) if route.access is Access.INGEST else (AS_OPERATOR, AS_ALERTMANAGER)
    given = {"none": {}, "wrong": {"Authorization": "Bearer guess"}, "other": other, "right": ours}
    return given[who]


@pytest.mark.parametrize("who", ["none", "wrong", "other", "right"])
@pytest.mark.parametrize("route", FINITE, ids=lambda route: f"{route.method} {route.path}")
async def test_every_route_asks_for_the_token_that_it_should(api, route, who):
    sent = {**headers(route, who), "Content-Type": "application/json"}

    response = await api.request(route.method, url(route), headers=sent)

    without_body = 400 if who == "right" and route.body in NEEDS_A_BODY else REFUSED[route.access][who]
    assert response.status == without_body, await response.text()


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", f"Basic {OPERATOR}", OPERATOR, f"Bearer {OPERATOR}x"]
)
async def test_what_is_not_exactly_the_token_is_refused(api, authorization):
    response = await api.post("/api/v1/pause", headers={"Authorization": authorization})

    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_role_without_a_token_is_nobodys(daemon):
    services = daemon.services(operator_token="", ingest_token="")
    nobody = {"Authorization": "Bearer "}
    async with calling(services) as api:
        refused = [await api.post(path, headers=nobody) for path in ("/api/v1/pause", "/api/v1/alerts")]

    assert [response.status for response in refused] == [401, 401]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8001", "127.0.0.1.evil.example", "", "[::2]:80"])
async def test_a_name_pointed_at_this_machine_cannot_read(api, host):
    response = await api.get("/api/v1/status", headers={"Host": host})

    assert response.status == 403
    assert "Host" in (await response.json())["detail"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8001", "127.0.0.1:1", "[::1]:8001", "[::1]"])
async def test_this_machines_own_names_can_read(api, host):
    response = await api.get("/api/v1/status", headers={"Host": host})

    assert response.status == 200


async def test_the_token_reads_under_any_name(api):
    response = await api.get("/api/v1/status", headers={"Host": "behind.a.proxy", **AS_OPERATOR})

    assert response.status == 200


@pytest.mark.parametrize(("headers", "status"), [({}, 401), (AS_ALERTMANAGER, 403), (AS_OPERATOR, 200)])
async def test_a_caller_that_is_not_this_machine_needs_the_token_to_read(tmp_path, headers, status):
    socket = str(tmp_path / "s")  # a peer without a loopback address
    runner = web.AppRunner(make_app(FakeDaemon().services()))
    await runner.setup()
    await web.UnixSite(runner, socket).start()

    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket)) as client:
        read = await client.get("http://localhost/api/v1/status", headers=headers)
        metrics = await client.get("http://localhost/metrics")
    await runner.cleanup()

    assert (read.status, metrics.status) == (status, 200)


async def test_tokens_are_in_no_answer_and_in_no_representation(api, daemon):
    pages = [await (await api.get(url(route))).text() for route in FINITE if route.method == "GET"]

    assert not any(secret in page for secret in (OPERATOR, INGEST) for page in [*pages, repr(daemon.services())])


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/status", "/nothing", "/api/v1/actions/unknown"])
async def test_every_answer_carries_the_headers_that_keep_browsers_harmless(api, path):
    response = await api.get(path)

    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
