"""Approvals, feedback and pauses through the interface, on a Knowledge of their own."""

import re
from datetime import timedelta
from html import unescape

import pytest
from jsonschema import Draft202012Validator

from fakes_daemon import AS_OPERATOR, calling
from knowledge_cases import a_cycle, an_action, opened
from mape_k.model import Catalogue, Execution, FollowUp, Reason, State, Step, Verdict, WokenBy, asked_hash
from sample_reports import NOON

HASH = "c0ffee" * 10 + "beef"
YES = {"plan_hash": HASH, "by": "dolores", "comment": "go on"}
NO_PACKS = Catalogue(packs={}, digest="none")
PATH = (State.ADMITTED, State.APPLYING, State.VERIFYING)


@pytest.fixture
async def knowledge(tmp_path):
    async with opened(tmp_path) as knowledge:
        yield knowledge


@pytest.fixture
async def api(daemon, knowledge):
    async with calling(daemon.services(archive=knowledge.archive, orders=knowledge.orders)) as client:
        yield client


@pytest.fixture
async def proposed(knowledge) -> Execution:
    action = an_action(plan_hash=HASH)
    return await knowledge.journal.admit(
        action, check=lambda _: None, explanation={"why": "a test"}, now=NOON, to=State.AWAITING_APPROVAL
    )


async def moved(knowledge, execution, *states):
    for state in states:
        execution = await knowledge.journal.move(execution, state)
    return execution


async def post(api, path, body=None):
    response = await api.post(f"/api/v1/{path}", json=body or {}, headers=AS_OPERATOR)
    return response.status, await response.json()


async def get(api, path):
    return await (await api.get(f"/api/v1/{path}")).json()


async def text(api):
    html = await (await api.get("/")).text()
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


# approvals


@pytest.mark.usefixtures("proposed")
@pytest.mark.parametrize(("verb", "is_given"), [("approve", True), ("reject", False)])
async def test_an_answer_is_kept_and_wakes_the_loop(api, daemon, verb, is_given):
    status, action = await post(api, f"actions/x-1/{verb}", YES)

    assert (status, action["state"]) == (200, "awaiting_approval")
    consent = action["consent"]
    assert (consent["is_given"], consent["by"], consent["comment"]) == (is_given, "dolores", "go on")
    assert consent["plan_hash"] == HASH
    assert daemon.woken == [WokenBy.OPERATOR]


@pytest.mark.usefixtures("proposed")
async def test_an_answer_about_another_plan_is_told_the_present_hash(api, daemon):
    status, problem = await post(api, "actions/x-1/approve", YES | {"plan_hash": "0" * 64})

    assert (status, problem["plan_hash"], problem["state"]) == (409, HASH, "awaiting_approval")
    assert HASH in problem["detail"]
    assert daemon.woken == []
    assert (await get(api, "actions/x-1"))["consent"] is None


@pytest.mark.usefixtures("proposed")
async def test_a_second_answer_that_differs_is_a_conflict_and_the_same_one_is_not(api):
    answers = [(await post(api, f"actions/x-1/{verb}", YES))[0] for verb in ("reject", "reject", "approve")]

    assert answers == [200, 200, 409]


async def test_nobody_is_asked_about_what_has_begun(api, knowledge, proposed):
    await moved(knowledge, proposed, State.ADMITTED)

    status, problem = await post(api, "actions/x-1/approve", YES)

    assert (status, problem["state"], problem["plan_hash"]) == (409, "admitted", "")


@pytest.mark.parametrize("verb", ["approve", "reject", "feedback"])
async def test_an_unknown_action_is_not_found(api, daemon, verb):
    body = {"verdict": "good"} if verb == "feedback" else YES

    status, problem = await post(api, f"actions/x-9/{verb}", body)

    assert status == 404
    assert "x-9" in problem["detail"]
    assert daemon.woken == []


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("approve", {"by": "dolores"}),
        ("approve", YES | {"plan": 1}),
        ("approve", YES | {"plan_hash": 1}),
        ("approve", YES | {"comment": "x" * 501}),
        ("reject", {"plan_hash": None}),
        ("feedback", {"verdict": "great"}),
        ("feedback", {"by": "dolores"}),
    ],
)
async def test_a_body_that_does_not_fit_is_told_and_changes_nothing(api, knowledge, proposed, verb, body):
    status, problem = await post(api, f"actions/x-1/{verb}", body)

    assert status == 422
    assert "Expected an object with the fields" in problem["detail"]
    assert await knowledge.journal.execution("x-1") == proposed


@pytest.mark.usefixtures("proposed")
async def test_an_answer_that_is_not_durable_is_not_confirmed(api, daemon, knowledge):
    await knowledge.store.close()

    status, _ = await post(api, "actions/x-1/approve", YES)

    assert status == 503
    assert daemon.woken == []


@pytest.mark.usefixtures("proposed")
async def test_status_says_what_is_asked_with_the_hash_and_what_would_be_sent(api):
    (approval,) = (await get(api, "status"))["approvals"]

    assert (approval["execution_id"], approval["question"], approval["plan_hash"]) == ("x-1", "do", HASH)
    assert [request["kind"] for request in approval["requests"]] == ["block_source"]
    assert approval["answer"] is None


@pytest.mark.usefixtures("proposed")
async def test_status_says_what_was_answered_and_waits_to_be_begun(api):
    await post(api, "actions/x-1/approve", YES)

    (approval,) = (await get(api, "status"))["approvals"]

    assert approval["answer"]["by"] == "dolores"


async def test_undoing_is_a_question_of_its_own(api, knowledge, proposed):
    await post(api, "actions/x-1/approve", YES)
    await moved(knowledge, proposed, *PATH, State.UNDO_WANTED)

    (approval,) = (await get(api, "status"))["approvals"]
    status, _ = await post(api, "actions/x-1/approve", YES | {"plan_hash": approval["plan_hash"]})

    assert (approval["question"], approval["answer"]) == ("undo", None)
    assert approval["plan_hash"] == asked_hash(State.UNDO_WANTED, HASH)
    assert status == 200


@pytest.mark.usefixtures("proposed")
async def test_status_with_approvals_and_pauses_is_as_described(api):
    await post(api, "pause", {"scope": "target:charter/node-7", "seconds": 60})
    await post(api, "actions/x-1/approve", YES)
    described = await get(api, "openapi.json")

    whole = {"$ref": "#/components/schemas/Status", "components": described["components"]}
    assert list(Draft202012Validator(whole).iter_errors(await get(api, "status"))) == []


@pytest.mark.usefixtures("proposed")
async def test_the_page_shows_what_would_be_sent_the_hash_and_the_commands_to_copy(api):
    page = await text(api)

    assert "An approval wanted" in page
    assert "Do block source on node-7" in page
    assert 'sends block source {"node_or_service":"node-7"} with {"burst":3} for 60 min' in page
    assert f"Plan {HASH}" in page
    assert f"mape-k approve x-1 --hash {HASH[:12]} mape-k reject x-1" in page


@pytest.mark.usefixtures("proposed")
async def test_the_page_shows_who_has_answered_and_asks_no_more(api):
    await post(api, "actions/x-1/approve", YES)

    page = await text(api)

    assert "Approved By dolores 0 s ago : go on" in page
    assert "An approval wanted" not in page
    assert "mape-k approve" not in page


async def test_the_page_shows_each_pause_with_how_to_lift_it(api):
    await post(api, "pause", {"scope": "remediation:charter/block_source", "comment": "a look first"})
    await post(api, "pause", {"seconds": 7200, "by": "dolores"})

    page = await text(api)

    assert "everything 0 s ago in 2 h dolores" in page
    assert "mape-k resume --remediation charter/block_source" in page
    assert "begins nothing new until 2026-03-01 14:01 UTC" in page


# feedback


async def test_feedback_changes_what_was_learned(api, knowledge, proposed):
    await moved(knowledge, proposed, *PATH)
    confirmed = FollowUp(execution_id="x-1", step=Step.CONFIRM, reason=Reason.VERIFIED, verdict=Verdict.IMPROVED)
    await knowledge.journal.follow_up(confirmed, now=NOON)

    status, action = await post(api, "actions/x-1/feedback", {"verdict": "bad", "comment": "the committee was idle"})

    (rate,) = (await get(api, "knowledge"))["success_rates"]
    assert (status, action["feedback"]["is_good"], action["verdict"]) == (200, False, "improved")
    assert (rate["successes"], rate["failures"]) == (0, 1)


async def test_feedback_before_the_verdict_is_a_conflict(api, knowledge, proposed):
    await moved(knowledge, proposed, *PATH)

    status, problem = await post(api, "actions/x-1/feedback", {"verdict": "good"})

    assert (status, problem["state"]) == (409, "verifying")


# pauses


@pytest.mark.parametrize("scope", ["", "remediation:charter/block_source", "target:charter/any target/at all"])
async def test_a_pause_has_a_scope_and_an_end(api, daemon, knowledge, scope):
    status, answer = await post(api, "pause", {"scope": scope, "seconds": 7200, "by": "dolores"})

    (pause,) = await knowledge.archive.pauses()
    assert (status, answer["paused"], answer["scope"]) == (200, True, scope)
    assert (pause.scope, pause.until - pause.since) == (scope, timedelta(hours=2))
    assert daemon.woken == [WokenBy.OPERATOR]
    (shown,) = (await get(api, "status"))["pauses"]
    assert shown["until"] == answer["until"]


async def test_only_a_pause_of_everything_is_the_metric_and_the_headline(api, daemon):
    await post(api, "pause", {"scope": "target:charter/node-7"})
    in_part = (await get(api, "status"))["pause"], b"mape_k_paused 0.0" in daemon.metrics.exposition()
    await post(api, "pause", {"until": "2026-03-01T14:00:00+01:00"})
    whole = await get(api, "status")

    assert in_part == (None, True)
    assert b"mape_k_paused 1.0" in daemon.metrics.exposition()
    assert whole["headline"]["text"] == "Paused"
    assert whole["pause"]["until"] == "2026-03-01T13:00:00Z"


async def test_resuming_one_scope_leaves_the_others(api, daemon):
    for scope in ("", "target:charter/node-7"):
        await post(api, "pause", {"scope": scope})

    await post(api, "resume", {"scope": "target:charter/node-7"})

    assert [pause["scope"] for pause in (await get(api, "status"))["pauses"]] == [""]
    assert b"mape_k_paused 1.0" in daemon.metrics.exposition()


async def test_a_pause_of_what_no_pack_has_any_more_can_still_be_lifted(api, knowledge, daemon):
    await post(api, "pause", {"scope": "remediation:charter/block_source"})
    services = daemon.services(archive=knowledge.archive, orders=knowledge.orders, catalogue=lambda: NO_PACKS)
    async with calling(services) as later:
        refused, _ = await post(later, "pause", {"scope": "remediation:charter/block_source"})
        lifted, _ = await post(later, "resume", {"scope": "remediation:charter/block_source"})
        again, problem = await post(later, "resume", {"scope": "remediation:charter/block_source"})

    assert (refused, lifted, again) == (422, 200, 422)
    assert "is no pack in use" in problem["detail"]
    assert await knowledge.archive.pauses() == ()


async def test_a_pause_is_in_the_ledger_of_the_very_next_cycle(api, knowledge):
    await post(api, "pause", {"scope": "remediation:charter/block_source"})

    ledger = await knowledge.journal.open_cycle(a_cycle(as_of=NOON + timedelta(minutes=2)))

    assert [p.covers("charter", "block_source", "node-7", ledger.as_of) for p in ledger.pauses] == [True]
    assert ledger.pause is None
