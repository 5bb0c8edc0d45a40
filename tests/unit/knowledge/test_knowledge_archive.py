"""Knowledge as people read it."""

import base64
import json
from datetime import timedelta

import pytest

from knowledge_cases import NOON, a_cycle, admitted, an_action, brought_to, opened
from mape_k.model import Assessment, FollowUp, Pause, Reason, State, Step, Verdict
from postgres_cases import opened_on
from sample_reports import an_incident


@pytest.fixture(params=["sqlite", "postgresql"])
async def knowledge(request, tmp_path):
    async with opened_on(request, tmp_path) as opened_one:
        yield opened_one


async def rolling_back_from(journal, **fields):
    """Return an execution that did not help and is being undone."""
    execution = await admitted(journal, **fields)
    for state in (State.APPLYING, State.VERIFYING, State.ROLLING_BACK):
        execution = await journal.move(execution, state)
    return execution


async def walk(archive, kind: str, limit: int, key: str, **options: object) -> list[str]:
    seen, cursor = [], None
    while len(seen) < 20:
        page = await archive.page(kind, limit=limit, cursor=cursor, **options)
        assert len(page.items) <= limit
        seen += [item[key] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    return seen


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 500])
async def test_pages_show_each_cycle_once_newest_first_also_those_of_one_moment(knowledge, limit):
    for number in range(7):
        await knowledge.journal.close_cycle(a_cycle(f"c-{number}", NOON + timedelta(seconds=number // 3)))
    assert await walk(knowledge.archive, "cycles", limit, "cycle_id") == [f"c-{n}" for n in range(6, -1, -1)]


async def test_what_is_new_between_two_pages_does_not_shift_them(knowledge):
    for number in range(4):
        await knowledge.journal.close_cycle(a_cycle(f"c-{number}", NOON + timedelta(seconds=number)))
    first = await knowledge.archive.page("cycles", limit=2)
    await knowledge.journal.close_cycle(a_cycle("c-9", NOON + timedelta(seconds=9)))
    second = await knowledge.archive.page("cycles", limit=2, cursor=first.next_cursor)
    assert [item["cycle_id"] for item in second.items] == ["c-1", "c-0"]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "next",
        "é",
        "a" * 5000,
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b'["yesterday", "c-1"]').decode(),
        base64.urlsafe_b64encode(b'["2026-03-01T12:00:00", "c-1"]').decode(),
    ],
)
async def test_what_is_no_cursor_is_refused(knowledge, cursor):
    with pytest.raises(ValueError, match="not a cursor"):
        await knowledge.archive.page("cycles", limit=5, cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 501])
async def test_a_limit_out_of_range_is_refused(knowledge, limit):
    with pytest.raises(ValueError, match="expected 1 to 500"):
        await knowledge.archive.page("actions", limit=limit)


async def test_a_filter_that_does_not_exist_is_refused_with_those_that_do(knowledge):
    with pytest.raises(ValueError, match=r"actions have no filter 'colour': expected one of state, verdict"):
        await knowledge.archive.page("actions", limit=5, where={"colour": "red"})


async def test_actions_are_found_by_their_fields(knowledge):
    await admitted(knowledge.journal, "x-1")
    await admitted(knowledge.journal, "x-2", target="node-8", remediation="rate_limit_source")
    ended = await admitted(knowledge.journal, "x-3", target="node-8")
    await knowledge.journal.move(ended, State.FAILED, reason=Reason.REJECTED)
    find = {
        "all": {},
        "open": {"state": "open"},
        "failed": {"state": "failed"},
        "node-8 open": {"state": "open", "target": "node-8"},
        "injected": {"target": "' OR 1=1 --"},
    }
    found = {name: await walk(knowledge.archive, "actions", 1, "execution_id", where=w) for name, w in find.items()}
    assert found == {
        "all": ["x-3", "x-2", "x-1"],
        "open": ["x-2", "x-1"],
        "failed": ["x-3"],
        "node-8 open": ["x-2"],
        "injected": [],
    }


async def test_incidents_are_found_by_state(knowledge):
    both = Assessment(as_of=NOON, incidents=(an_incident("node-7", "i-1"), an_incident("node-8", "i-2")))
    await knowledge.journal.close_cycle(a_cycle("c-1", assessment=both))
    await knowledge.journal.close_cycle(a_cycle("c-2", assessment=Assessment(as_of=NOON, closed=("i-1",))))
    assert await walk(knowledge.archive, "incidents", 5, "incident_id", where={"state": "open"}) == ["i-2"]
    assert await walk(knowledge.archive, "incidents", 5, "incident_id", where={"state": "closed"}) == ["i-1"]


async def test_an_action_tells_its_whole_story(knowledge):
    await brought_to(knowledge.journal, State.VERIFYING, detail="sent")
    roll_back = FollowUp(execution_id="x-1", step=Step.ROLL_BACK, reason=Reason.NOT_IMPROVED, verdict=Verdict.UNCHANGED)
    await knowledge.journal.follow_up(roll_back, now=NOON)
    action = await knowledge.archive.item("actions", "x-1")
    assert action["request"]["scope"] == {"node_or_service": "node-7"}
    assert action["explanation"] == {"why": "a test"}
    assert [(t["from_state"], t["to_state"]) for t in action["transitions"]] == [
        (None, "admitted"),
        ("admitted", "applying"),
        ("applying", "verifying"),
        ("verifying", "rolling_back"),
    ]
    assert [t["detail"] for t in action["transitions"]] == ["", "sent", "", ""]
    assert action["transitions"][-1]["reason"] == "not_improved"
    assert action["outcomes"][0]["success"] is False
    assert json.loads(json.dumps(action, allow_nan=False)) == action


async def test_a_move_to_the_same_state_is_no_chapter_of_the_story(knowledge):
    execution = await brought_to(knowledge.journal, State.VERIFYING)
    await knowledge.journal.move(execution, State.VERIFYING, detail="asked again")
    action = await knowledge.archive.item("actions", "x-1")
    assert (action["detail"], len(action["transitions"])) == ("asked again", 3)


@pytest.mark.parametrize("kind", ["cycles", "incidents", "actions"])
async def test_what_is_not_there_is_none(knowledge, kind):
    assert await knowledge.archive.item(kind, "never") is None
    assert (await knowledge.archive.page(kind, limit=5)).items == ()


async def test_a_pause_lasts_until_it_is_lifted_also_over_a_restart(tmp_path):
    pause = Pause(since=NOON, by="operator", comment="deploying 'the' new \N{SNOWMAN}")
    async with opened(tmp_path) as knowledge:
        assert await knowledge.archive.pauses() == ()
        await knowledge.orders.pause(Pause(since=NOON, by="someone else"))
        await knowledge.orders.pause(pause)
    async with opened(tmp_path) as knowledge:
        assert await knowledge.archive.pauses() == (pause,)
        assert (await knowledge.journal.open_cycle(a_cycle())).pause == pause
        await knowledge.orders.resume("", by="operator")
        assert await knowledge.archive.pauses() == ()
        assert (await knowledge.journal.open_cycle(a_cycle("c-2"))).pause is None


async def test_a_frozen_target_stays_frozen_for_as_long_as_nobody_resumes(knowledge):
    rolling_back = await rolling_back_from(knowledge.journal)
    await knowledge.journal.move(rolling_back, State.FROZEN)
    month_later = a_cycle("c-2", NOON + timedelta(days=30))
    assert [e.state for e in (await knowledge.journal.open_cycle(month_later)).executions] == [State.FROZEN]
    await knowledge.orders.resume("", by="operator")
    thawed = await knowledge.journal.execution("x-1")
    assert (thawed.state, thawed.reason) == (State.ROLLED_BACK, Reason.THAWED)


async def test_what_was_tried_stays_in_the_ledger_for_as_long_as_its_incident_is_open(knowledge):
    incident = an_incident()
    rolling_back = await rolling_back_from(knowledge.journal, incident_id=incident.incident_id)
    await knowledge.journal.move(rolling_back, State.ROLLED_BACK)
    seen = a_cycle("c-1", NOON, assessment=Assessment(as_of=NOON, incidents=(incident,)))
    await knowledge.journal.close_cycle(seen)
    two_days_later = a_cycle("c-2", NOON + timedelta(days=2))
    assert [e.execution_id for e in (await knowledge.journal.open_cycle(two_days_later)).executions] == ["x-1"]


async def test_a_pause_is_seen_by_the_guards_of_an_admission_right_after_it(knowledge):
    await knowledge.orders.pause(Pause(since=NOON, by="operator"))
    seen = []
    await knowledge.journal.admit(
        an_action(), check=lambda ledger: seen.append(ledger.pause) or Reason.PAUSED, explanation={}, now=NOON
    )
    assert [pause.by for pause in seen] == ["operator"]


async def test_knowledge_counts_what_it_learned_and_what_it_keeps(knowledge):
    for name, step, verdict in (("x-1", Step.CONFIRM, Verdict.IMPROVED), ("x-2", Step.ROLL_BACK, Verdict.WORSE)):
        await brought_to(knowledge.journal, State.VERIFYING, name)
        await knowledge.journal.follow_up(
            FollowUp(execution_id=name, step=step, reason=Reason.VERIFIED, verdict=verdict), now=NOON
        )
    learned = await knowledge.archive.knowledge()
    assert learned["success_rates"] == [
        {
            "pack": "charter",
            "remediation": "block_source",
            "symptom": "forbidden_metric_spike",
            "successes": 1,
            "failures": 1,
        }
    ]
    assert (learned["rows"]["executions"], learned["rows"]["transitions"], learned["rows"]["outcomes"]) == (2, 8, 2)
    assert learned["epoch"] == 1
