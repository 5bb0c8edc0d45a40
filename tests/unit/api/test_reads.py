import json

import pytest
from jsonschema import Draft202012Validator

from fakes_daemon import FakeDaemon
from mape_k.api import ROUTES, make_app, serve
from mape_k.errors import ConfigError
from mape_k.model import Mode, Pause
from mape_k.telemetry import Metrics
from sample_reports import a_report


async def test_alive_is_said_even_when_nothing_else_works(api, daemon):
    daemon.archive.is_down, daemon.not_ready = True, ["prometheus: connection refused"]

    response = await api.get("/healthz")

    assert (response.status, await response.json()) == (200, {"alive": True})


async def test_ready_says_why_not(api, daemon):
    ready = await api.get("/readyz")
    daemon.not_ready = ["prometheus: connection refused"]
    not_ready = await api.get("/readyz")

    assert (ready.status, not_ready.status) == (200, 503)
    assert (await not_ready.json())["reasons"] == ["prometheus: connection refused"]


async def test_metrics_are_in_the_text_format(api):
    response = await api.get("/metrics")

    assert response.headers["Content-Type"] == Metrics().content_type()
    assert "mape_k_cycles_total" in await response.text()


async def test_status_tells_what_was_held_back_and_why(api):
    status = await (await api.get("/api/v1/status")).json()

    (held,) = status["held"]
    assert (held["target"], held["reason"]) == ("node-8", "cooldown")
    assert held["sentence"].endswith(".")
    assert status["last_cycle"]["result"] == "completed"
    assert [s["name"] for s in status["sources"] if not s["is_up"]] == ["charter"]


async def test_status_is_told_before_the_first_cycle_and_without_knowledge(api, daemon):
    daemon.report, daemon.archive.is_down = None, True

    status = await (await api.get("/api/v1/status")).json()

    assert (status["last_cycle"], status["incidents"], status["ready"]) == (None, [], False)
    assert status["not_ready"] == ["Knowledge cannot be read: the disk is full"]


@pytest.mark.parametrize("hostile", ["\ud800", "\x00\x1b", "\u2028"])
async def test_status_stays_json_whatever_a_target_is_called(api, daemon, hostile):
    daemon.report, daemon.not_ready = a_report(target=hostile, failure=hostile), [hostile]

    response = await api.get("/api/v1/status")

    assert response.status == 200
    assert (await response.json())["incidents"][0]["target"] in (hostile, "?")


@pytest.mark.parametrize("kind", ["cycles", "incidents", "actions", "packs"])
async def test_lists_have_items_and_a_cursor(api, kind):
    page = await (await api.get(f"/api/v1/{kind}")).json()

    assert set(page) == {"items", "next_cursor"}
    assert page["items"]


async def test_pages_follow_each_other_without_gap_or_repetition(api):
    seen, cursor = [], "0"
    while cursor is not None:
        page = await (await api.get("/api/v1/cycles", params={"limit": "10", "cursor": cursor})).json()
        seen += [cycle["cycle_id"] for cycle in page["items"]]
        cursor = page["next_cursor"]

    assert seen == [f"c-{number}" for number in range(25, 0, -1)]


@pytest.mark.parametrize("limit", ["0", "501", "-1", "1.5", "ten", "", "٣", "9" * 400])
async def test_a_limit_out_of_range_is_refused_with_the_range(api, limit):
    response = await api.get("/api/v1/cycles", params={"limit": limit})

    assert response.status == 400
    assert "1 to 500" in (await response.json())["detail"]


@pytest.mark.parametrize("limit", ["1", "500"])
async def test_the_ends_of_the_range_are_in_it(api, limit):
    response = await api.get("/api/v1/cycles", params={"limit": limit})

    assert response.status == 200


@pytest.mark.parametrize("query", ["cursor=nonsense", "state=open", "limit=1&limit=2", f"cursor={'9' * 600}"])
async def test_a_query_that_means_nothing_is_refused(api, query):
    response = await api.get(f"/api/v1/cycles?{query}")

    assert response.status == 400
    assert response.content_type == "application/problem+json"


async def test_lists_can_be_filtered(api):
    page = await (await api.get("/api/v1/actions?state=failed")).json()

    assert page["items"] == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("cycles/c-7", "cycle_id"),
        ("incidents/i-0", "incident_id"),
        ("actions/x-1", "execution_id"),
        ("packs/charter", "name"),
    ],
)
async def test_one_document_is_found_by_its_id(api, path, name):
    document = await (await api.get(f"/api/v1/{path}")).json()

    assert document[name] == path.partition("/")[2]


@pytest.mark.parametrize(
    "path", ["cycles/no", "incidents/no", "actions/no", "actions/no/explanation", "packs/no", "knowledge/no"]
)
async def test_what_is_not_there_is_a_problem_that_says_where_to_look(api, path):
    response = await api.get(f"/api/v1/{path}")

    assert response.status == 404
    assert response.content_type == "application/problem+json"
    assert (await response.json())["detail"]


async def test_an_explanation_is_what_was_kept_with_the_action(api):
    explanation = await (await api.get("/api/v1/actions/x-1/explanation")).json()

    assert explanation["decision"] == {"reason": "best_candidate"}


async def test_what_was_learned_can_be_read_whole_and_by_pack(api, daemon):
    rate = {"pack": "charter", "remediation": "block_source", "symptom": "s", "successes": 3, "failures": 1}
    daemon.archive.learned = {"success_rates": [rate, {**rate, "pack": "other"}], "rows": {"cycles": 25}}

    whole = await (await api.get("/api/v1/knowledge")).json()
    part = await (await api.get("/api/v1/knowledge/charter")).json()

    assert whole["rows"] == {"cycles": 25}
    assert part == {"pack": "charter", "success_rates": [rate]}


async def test_a_store_that_is_down_is_a_503(api, daemon):
    daemon.archive.is_down = True

    response = await api.get("/api/v1/actions")

    assert response.status == 503
    assert "disk is full" in (await response.json())["detail"]


async def test_a_mistake_in_this_program_gives_nothing_away(api, daemon):
    daemon.archive.documents["actions"] = [{"no": "id"}]

    response = await api.get("/api/v1/actions/x-1")

    assert response.status == 500
    assert "KeyError" not in await response.text()


async def test_a_path_that_is_not_there_names_the_nearest(api):
    response = await api.get("/api/v1/alert")

    assert response.status == 404
    assert "/api/v1/alerts" in (await response.json())["detail"]


async def test_a_wrong_method_is_told_the_right_one(api):
    response = await api.get("/api/v1/alerts")

    assert response.status == 405
    assert response.headers["Allow"] == "POST"
    assert "takes POST" in (await response.json())["detail"]


async def test_the_description_has_exactly_the_routes_that_there_are(api, daemon):
    described = await (await api.get("/api/v1/openapi.json")).json()

    in_document = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    served = {
        (r.method, r.resource.canonical) for r in make_app(daemon.services()).router.routes() if r.method != "HEAD"
    }
    assert in_document == served
    assert described["openapi"] == "3.1.0"


async def test_every_reference_in_the_description_resolves(api):
    text = await (await api.get("/api/v1/openapi.json")).text()
    schemas = json.loads(text)["components"]["schemas"]

    used = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert used <= set(schemas)
    assert set(schemas) <= used
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("path", "schema"),
    [(r.path, r.answer) for r in ROUTES if r.method == "GET" and "{" not in r.path and "/" not in r.answer],
)
async def test_answers_are_as_described(api, daemon, path, schema):
    daemon.archive.paused = Pause(since=daemon.services().clock.now(), by="operator")
    described = await (await api.get("/api/v1/openapi.json")).json()

    answer = await (await api.get(path)).json()

    whole = {"$ref": f"#/components/schemas/{schema}", "components": described["components"]}
    assert list(Draft202012Validator(whole).iter_errors(answer)) == []


async def test_a_problem_is_as_described(api):
    described = await (await api.get("/api/v1/openapi.json")).json()

    answer = await (await api.get("/nothing")).json()

    Draft202012Validator(described["components"]["schemas"]["Problem"]).validate(answer)
    assert answer["status"] == 404


async def test_a_port_that_is_taken_is_told_with_the_remedy(daemon):
    first = await serve(daemon.services(), "127.0.0.1", 0)
    port = first.addresses[0][1]

    with pytest.raises(ConfigError, match=f"MAPE_K_LISTEN: 127.0.0.1:{port} is taken.*choose another"):
        await serve(FakeDaemon().services(), "127.0.0.1", port)
    await first.cleanup()


async def test_an_address_that_is_not_ours_is_told(daemon):
    with pytest.raises(ConfigError, match=r"MAPE_K_LISTEN: 192\.0\.2\.1:1234 cannot be listened on"):
        await serve(daemon.services(), "192.0.2.1", 1234)


async def test_shadow_is_told(api, daemon):
    daemon.mode = Mode.SHADOW

    assert (await (await api.get("/api/v1/status")).json())["mode"] == "shadow"
