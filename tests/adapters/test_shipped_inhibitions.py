"""The shipped inhibition rules in a real Alertmanager: what mutes what, and what is never muted."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from real_stack import Server, alertmanager, wait_until
from shipped_packs import CONFIG, document, rules

pytestmark = pytest.mark.real

LABELS = {alert.name: {"system": alert.pack.name, **alert.body["labels"]} for alert in rules("alert")}
NODE = {"node_or_service": "node-7"}
READINGS = 5  # alerts reach the inhibitor a moment after they are listed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    fragments = sorted(CONFIG.glob("packs/*/alertmanager/routes.yaml"))
    shipped = [rule for path in fragments for rule in document(path).get("inhibit_rules", ())]
    with alertmanager(tmp_path_factory.mktemp("alertmanager"), inhibit_rules=json.dumps(shipped)) as running:
        yield running


def alert(name: str, cluster: str, **more: str) -> dict[str, Any]:
    own = {key: LABELS[name][key] for key in ("severity", "component", "system")}
    return {"labels": {"alertname": name, "cluster": cluster, **own, **more}}


def assert_muted(server: Server, alerts: list[dict[str, Any]], muted: set[str]) -> None:
    """Post alerts that fire together in a cluster of their own, and see that exactly these stay muted."""
    body = json.dumps(alerts).encode()
    request = urllib.request.Request(
        f"{server.url}/api/v2/alerts", data=body, headers={"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=5).close()
    cluster = alerts[0]["labels"]["cluster"]
    in_a_row = 0

    def is_so_and_stays_so() -> bool:
        nonlocal in_a_row
        with urllib.request.urlopen(f"{server.url}/api/v2/alerts?filter=cluster={cluster}", timeout=5) as answer:
            seen = json.load(answer)
        names = {each["labels"]["alertname"] for each in seen if each["status"]["inhibitedBy"]}
        in_a_row = in_a_row + 1 if len(seen) == len(alerts) and names == muted else 0
        return in_a_row > READINGS

    wait_until(is_so_and_stays_so, f"exactly {sorted(muted) or 'nothing'} to be muted")


def test_a_stale_policy_mutes_lesser_alerts_and_no_critical_one(server: Server) -> None:
    firing = ["PolicyLoadFailure", "CriticalViolationDetected", "EmergencyOverrideStayingActive", "PolicyLoadSlow"]
    alerts = [alert(name, "one") for name in (*firing, "HighViolationInvestigationRate", "MapeKBlind")]
    assert_muted(server, alerts, {"PolicyLoadSlow", "HighViolationInvestigationRate"})


def test_an_active_override_mutes_the_overloaded_committee_alone(server: Server) -> None:
    firing = ["EmergencyOverrideStayingActive", "CommitteeOverloaded", "ValidationLatencySLAViolation"]
    assert_muted(server, [alert(name, "two") for name in firing], {"CommitteeOverloaded"})


def test_a_critical_alert_mutes_warnings_of_the_same_node(server: Server) -> None:
    alerts = [alert("CriticalViolationDetected", "three", **NODE), alert("ForbiddenMetricSpike", "three", **NODE)]
    assert_muted(server, alerts, {"ForbiddenMetricSpike"})


def test_a_critical_alert_mutes_neither_other_nodes_nor_alerts_without_a_node(server: Server) -> None:
    alerts = [
        alert("CriticalViolationDetected", "four", **NODE),
        alert("ForbiddenMetricSpike", "four", node_or_service="node-8"),
        alert("ValidationLatencySLAViolation", "four"),
    ]
    assert_muted(server, alerts, set())


def test_a_critical_alert_without_a_node_mutes_no_warning_without_one(server: Server) -> None:
    alerts = [alert("CharterTargetDown", "five"), alert("ValidationLatencySLAViolation", "five")]
    assert_muted(server, alerts, set())


def test_one_cluster_mutes_nothing_in_another(server: Server) -> None:
    alerts = [alert("PolicyLoadFailure", "six"), alert("PolicyLoadSlow", "six")]
    elsewhere = [alert("PolicyLoadSlow", "seven")]
    assert_muted(server, alerts, {"PolicyLoadSlow"})
    assert_muted(server, elsewhere, set())
