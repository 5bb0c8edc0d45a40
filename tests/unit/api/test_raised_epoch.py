"""An operator lets the daemon act again after Knowledge was put back from an old copy."""

from fakes_daemon import AS_ALERTMANAGER, AS_OPERATOR, FakeDaemon, calling


async def test_the_operator_raises_the_epoch():
    daemon = FakeDaemon()
    async with calling(daemon.services()) as client:
        async with client.post("/api/v1/epoch", json={"by": "ada"}, headers=AS_OPERATOR) as answer:
            assert (answer.status, await answer.json()) == (200, {"epoch": 9})
        async with client.post("/api/v1/epoch", json={"by": "ada"}, headers=AS_ALERTMANAGER) as answer:
            assert answer.status in (401, 403)
    assert daemon.raised_by == ["ada"]


async def test_what_needs_no_raising_is_refused_with_the_reason():
    daemon = FakeDaemon()
    daemon.is_leader = False
    async with calling(daemon.services()) as client, client.post("/api/v1/epoch", headers=AS_OPERATOR) as answer:
        assert answer.status == 409
        assert "nothing to raise" in (await answer.json())["detail"]
