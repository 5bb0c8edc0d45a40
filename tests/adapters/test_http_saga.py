"""The executor with the real adapter between it and a system: parts, renewals, roll-backs, lost answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from builders import (
    NOON,
    QUEUE,
    a_call,
    a_catalogue,
    a_finding,
    a_ledger,
    a_remediation,
    a_symptom,
    an_alert,
    an_assessment,
    an_incident,
)
from fakes import FakeAlertSource
from fakes_journal import FakeJournal
from fakes_peers import StandingClock
from integration.http import HttpSession
from integration.http_effector import HttpServers
from mape_k.execute import Executor
from mape_k.model import Compensation, Execution, FollowUp, HttpServer, Mode, Part, Plan, Reason, State, Step, Verdict
from mape_k.plan import make_plan
from raw_peer import RESET, RawPeer, http_answer, raw_peer

BODY = {"for_seconds": "{ttl_seconds}", "by": "{not_after}", "action": "{action_id}"}
PLAIN = HttpServer(name="queue")


def remediation(server: HttpServer = QUEUE, **fields: Any) -> Any:
    """Return one of two parts, each with what undoes it."""
    first = a_call("/on", body=BODY, server=server)
    second = a_call("/more", body={"action": "{action_id}"}, server=server)
    facts = {
        "call": first,
        "kind": "on",
        "scope_label": "target",
        "compensation": Compensation(kind="off", call=a_call("/off", server=server)),
        "further": (
            Part(kind="more", call=second, compensation=Compensation(kind="less", call=a_call("/less", server=server))),
        ),
    }
    return a_remediation("on", **(facts | fields))


class Stage:
    """An executor between a system and a journal in memory; one action is planned as the loop does it."""

    def __init__(self, servers: HttpServers, remediation: Any) -> None:
        clock = StandingClock()
        self.journal = FakeJournal(clock)
        self.catalogue = a_catalogue(remediations=(remediation,), symptoms=(a_symptom(remediations=("on",)),))
        self.executor = Executor(
            effector_of=lambda request: servers.effector_of(request.call.server),
            journal=self.journal,
            alerts=FakeAlertSource(an_alert()),
            clock=clock,
            request_timeout_seconds=5,
        )

    async def act(self) -> Execution:
        assessment = an_assessment(an_incident(a_finding()), as_of=StandingClock().now())
        plan = make_plan(assessment, self.catalogue, a_ledger(as_of=assessment.as_of))
        return await self._carry_out(plan, assessment)

    async def step(self, step: Step, verdict: Verdict | None = None) -> Execution:
        follow_up = FollowUp(execution_id=self.execution.execution_id, step=step, reason=Reason.NOT_IMPROVED)
        return await self._carry_out(
            Plan(as_of=NOON, follow_ups=(replace(follow_up, verdict=verdict),)), an_assessment()
        )

    async def _carry_out(self, plan: Plan, assessment: Any) -> Execution:
        await self.executor.carry_out(plan, assessment, self.catalogue, mode=Mode.ENFORCE, budget_seconds=5.0)
        return self.execution

    @property
    def execution(self) -> Execution:
        return next(iter(self.journal.rows.values()))

    def put(self, **fields: Any) -> None:
        self.journal.rows[self.execution.execution_id] = replace(self.execution, **fields)


@asynccontextmanager
async def stage(*answers: bytes, of: Any = None, echoing: bool = False) -> AsyncIterator[tuple[Stage, RawPeer]]:
    async with raw_peer(*answers) as peer, HttpSession(clock=StandingClock(), jitter=lambda: 0.5) as http:
        servers = HttpServers(http, {"queue": peer.url}, echoing=[peer.url] if echoing else [])
        yield Stage(servers, of or remediation()), peer


def lines(peer: RawPeer) -> list[str]:
    return [asked.split(b" HTTP/1.1")[0].decode() for asked in peer.requests]


def keys(peer: RawPeer) -> list[str]:
    heads = [asked.decode().split("\r\n\r\n")[0].lower().split("\r\n") for asked in peer.requests]
    return [line.split(": ")[1] for head in heads for line in head if line.startswith("idempotency-key")]


def named(*names: str) -> list[bytes]:
    return [http_answer({"action_id": name}, 201) for name in names]


async def test_parts_are_sent_in_order_and_undone_from_the_last_on_each_with_its_key():
    undone = http_answer({"status": "undone"})
    async with stage(*named("a-1", "a-2"), http_answer(b""), undone, http_answer(b""), undone) as (it, peer):
        done = await it.act()
        assert (done.state, done.policy_id, done.further_ids) == (State.VERIFYING, "a-1", ("a-2",))
        gone = await it.step(Step.ROLL_BACK, Verdict.UNCHANGED)

    name = done.execution_id
    assert gone.state is State.ROLLED_BACK
    assert lines(peer) == ["POST /on", "POST /more", "POST /less", "GET /actions/a-2", "POST /off", "GET /actions/a-1"]
    assert keys(peer) == [name, f"{name}:2", f"{name}:2:rollback", f"{name}:rollback"]
    assert f'"action":"{name}:2"'.encode() in peer.requests[1]


async def test_a_roll_back_that_changed_nothing_is_repeated_under_another_key():
    in_force, undone = http_answer({"status": "in_force"}), http_answer({"status": "undone"})
    single = remediation(further=())
    async with stage(*named("a-1"), http_answer(b""), in_force, http_answer(b""), undone, of=single) as (it, peer):
        await it.act()
        tried = await it.step(Step.ROLL_BACK, Verdict.UNCHANGED)
        assert (tried.state, tried.reason) == (State.ROLLING_BACK, Reason.STILL_IN_FORCE)
        gone = await it.step(Step.RESUME)

    name = gone.execution_id
    assert gone.state is State.ROLLED_BACK
    assert keys(peer)[1:] == [f"{name}:rollback", f"{name}:rollback:1"]


async def test_a_renewal_is_the_same_call_with_a_key_and_an_end_of_its_own():
    async with stage(*named("a-1", "a-2"), of=remediation(further=())) as (it, peer):
        done = await it.act()
        it.put(state=State.IN_FORCE)
        renewed = await it.step(Step.RENEW)

    assert (renewed.state, renewed.renewals, renewed.policy_id) == (State.IN_FORCE, 1, "a-2")
    assert keys(peer) == [done.execution_id, f"{done.execution_id}:renew:1"]
    assert lines(peer) == ["POST /on"] * 2
    assert peer.requests[0].split(b"\r\n\r\n")[1] != peer.requests[1].split(b"\r\n\r\n")[1]
    assert all(f'"action":"{done.execution_id}"'.encode() in asked for asked in peer.requests)


async def test_an_answer_that_got_lost_is_asked_for_by_the_same_key_where_keys_are_known_to_be_honoured():
    single = remediation(further=())
    async with stage(RESET, RESET, RESET, http_answer({"action_id": "a-1"}), of=single, echoing=True) as (it, peer):
        lost = await it.act()
        assert lost.state is State.UNCERTAIN
        found = await it.step(Step.RESUME)

    assert (found.state, found.policy_id) == (State.VERIFYING, "a-1")
    assert set(keys(peer)) == {lost.execution_id}


@pytest.mark.parametrize("server", [QUEUE, PLAIN], ids=["not seen to echo", "knows no keys"])
async def test_without_that_the_world_is_looked_at_and_nothing_is_sent_again(server: HttpServer):
    async with stage(RESET, of=remediation(server, further=())) as (it, peer):
        assert (await it.act()).state is State.UNCERTAIN
        observed = await it.step(Step.RESUME)

    assert (observed.state, observed.policy_id) == (State.VERIFYING, None)
    assert len(peer.requests) == 1


async def test_half_an_action_is_undone_when_the_second_part_is_refused():
    answers = (*named("a-1"), http_answer(b"", 422), http_answer(b""), http_answer({"status": "undone"}))
    async with stage(*answers) as (it, peer):
        done = await it.act()

    assert (done.state, done.reason) == (State.ROLLED_BACK, Reason.REJECTED)
    assert lines(peer) == ["POST /on", "POST /more", "POST /off", "GET /actions/a-1"]


async def test_what_was_done_by_a_server_that_is_not_configured_any_more_freezes_its_target():
    async with stage(*named("a-1"), of=remediation(further=())) as (it, peer):
        await it.act()
        request = replace(it.execution.terms.undo[0], call=a_call("/off", server=HttpServer(name="gone")))
        it.put(terms=replace(it.execution.terms, undo=(request,)))
        frozen = await it.step(Step.ROLL_BACK, Verdict.UNCHANGED)

    assert (frozen.state, frozen.reason) == (State.FROZEN, Reason.ROLL_BACK_FAILED)
    assert "gone: no such server is configured; MAPE_K_HTTP_SERVERS" in frozen.detail
    assert len(peer.requests) == 1
