"""The loop on the other systems: real daemon, real Prometheus and Alertmanager, and a player in the system's place.

Each fault is detected, decided and, once the daemon may act, mended through the system's own control interface.
"""

import contextlib
import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon_process import DaemonProcess, daemon
from play.reading import read_part
from proving.layout import PACKS, Addresses, Layout, lay_out
from proving.plants import NONE
from proving.stack import commands_of
from real_stack import answers, ended_whatever_happens, free_port, wait_until

pytestmark = pytest.mark.real

TIME_SCALE = 100.0
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CASES = [
    pytest.param("oneiric", "resolution_failures", "pin_last_good", id="oneiric"),
    pytest.param("cosmetica5", "workers_exhausted", "reload_workers", id="cosmetica5"),
    pytest.param("dawsos", "worker_stopped", "start_retry_worker", id="dawsos"),
]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A played system with the servers that watch it."""

    pack: str
    layout: Layout
    urls: Mapping[str, str]

    def begin(self, fault: str) -> None:
        """Let the system fall ill."""
        asked = urllib.request.Request(f"{self.urls['player']}/scenario", json.dumps({"fault": fault}).encode())
        with urllib.request.urlopen(asked, timeout=5) as answer:
            assert answer.status == 200

    def alerts(self) -> set[str]:
        """Return the names of the alerts that Alertmanager has."""
        told = answers(f"{self.urls['alertmanager']}/api/v2/alerts")
        return {alert["labels"]["alertname"] for alert in json.loads(told or b"[]")}

    def journal(self) -> list[dict[str, Any]]:
        """Return what the system was told to do."""
        return list(json.loads(answers(f"{self.urls['player']}/control/v1/journal"))["entries"])

    def environment(self) -> dict[str, str]:
        """Return what a daemon needs to watch it and to act on it."""
        return {
            "PROMETHEUS_URL": self.urls["prometheus"],
            "ALERTMANAGER_URL": self.urls["alertmanager"],
            "MAPE_K_PACKS": str(self.layout.built),
            "MAPE_K_HTTP_SERVERS": f"{self.pack}={self.urls['player']}",
            "MAPE_K_ALERTS_RETURN_SECONDS": "1",
        }


@contextlib.contextmanager
def watched(pack: str, folder: Path) -> Iterator[Watched]:
    """Run the player, Prometheus and Alertmanager until the block ends."""
    here = {name: f"127.0.0.1:{free_port()}" for name in ("player", "alertmanager", "prometheus")}
    addresses = Addresses(player=here["player"], alertmanager=here["alertmanager"], recorder="http://127.0.0.1:9")
    layout = lay_out(PACKS / pack, folder, addresses, TIME_SCALE, NONE)
    with contextlib.ExitStack() as up:
        for name, (command, ready) in commands_of(layout, folder, here).items():
            path = ["env", f"PYTHONPATH={BENCHMARKS}"]
            up.enter_context(ended_whatever_happens([*path, *command], folder / f"{name}.log"))
            wait_until(lambda: answers(f"http://{here[name]}{ready}") != b"", f"{name} ready")  # noqa: B023
        yield Watched(pack=pack, layout=layout, urls={name: f"http://{address}" for name, address in here.items()})


@pytest.mark.parametrize(("pack", "fault", "control"), CASES)
def test_a_fault_is_decided_in_shadow_and_mended_once_the_daemon_may_act(pack, fault, control, tmp_path):
    alert = read_part(PACKS / pack).scenarios.faults[fault].alert
    with watched(pack, tmp_path / "stack") as system:
        with daemon(tmp_path / "shadow", **system.environment()) as running:
            system.begin(fault)
            wait_until(lambda: control in would_have(running), "the decision in shadow")
            running.after_cycles(2)
            assert alert in system.alerts()
            in_shadow = system.journal(), running.actions()

        with daemon(tmp_path / "acting", **system.environment(), MAPE_K_MODE="enforce") as running:
            wait_until(lambda: "improved" in verdicts(running), "the action's verdict", seconds=60)
            wait_until(lambda: alert not in system.alerts(), "the alert's end")
            done, sent = running.actions(), system.journal()

    assert in_shadow == ([], [])
    assert (done[-1]["remediation"], done[-1]["verdict"]) == (control, "improved")
    assert (sent[0]["control"], sent[0]["effect"], sent[0]["touched"]) == (control, "applied", [fault])
    assert [entry["idempotency_key"] for entry in sent] == [action["execution_id"] for action in reversed(done)]


def would_have(running: DaemonProcess) -> list[str]:
    """Return what the daemon would do if it were not in shadow."""
    held = running.get("/api/v1/status").get("held", [])
    return [each["remediation"] for each in held if each["reason"] == "shadow"]


def verdicts(running: DaemonProcess) -> list[Any]:
    return [action["verdict"] for action in running.actions()]
