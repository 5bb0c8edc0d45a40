"""Nothing that a webhook says keeps the loop from looking for itself."""

import json

import pytest

from fakes_daemon import AS_ALERTMANAGER
from mape_k.model import WokenBy

ALERT = {"status": "resolved", "labels": {"alertname": "Spike"}, "startsAt": "2026-03-01T12:00:00Z", "fingerprint": "f"}


@pytest.mark.parametrize("status", ["firing", "resolved"])
@pytest.mark.parametrize("alerts", [[], [ALERT]], ids=["no alert", "one resolved alert"])
async def test_whatever_a_webhook_says_the_loop_looks_for_itself(api, daemon, status, alerts):
    body = {"version": "4", "status": status, "groupKey": "{}", "receiver": "mape-k", "alerts": alerts}

    response = await api.post(
        "/api/v1/alerts",
        data=json.dumps(body).encode(),
        headers={**AS_ALERTMANAGER, "Content-Type": "application/json"},
    )

    assert response.status == 202
    assert daemon.woken == [WokenBy.WEBHOOK]
