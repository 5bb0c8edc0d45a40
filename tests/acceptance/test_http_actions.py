"""A daemon that acts through a system's own HTTP interface, with no Charter anywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from control_system import SERVER, ControlSystem, control_system
from daemon_process import TINY_PACK, Watched, daemon, environment, mape_k, watched
from real_stack import answers, wait_until

pytestmark = pytest.mark.real

NO_CHARTER = {"CHARTER_API_URL": "http://127.0.0.1:9"}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def system() -> Iterator[ControlSystem]:
    with control_system() as system:
        yield system


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Return the tiny pack with calls in the place of policies; it soon sees that nothing helped."""
    document = yaml.safe_load((TINY_PACK / "pack.yaml").read_text())
    document["servers"] = {"desk": SERVER}
    remediation = document["remediations"]["block_source"]
    del remediation["policy"]
    remediation |= {
        "effector": "http",
        "request": {
            "server": "desk",
            "path": "/nodes/{target}/pin",
            "body": {"why": "{reason}", "for": "{ttl_seconds}"},
        },
        "compensation": {"path": "/nodes/{target}/unpin"},
        "verify": remediation["verify"] | {"deadline": "4s"},
    }
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "pack.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def acting(pack: Path, system: ControlSystem, world: Watched) -> dict[str, str]:
    own = {"MAPE_K_MODE": "enforce", "MAPE_K_PACKS": str(pack), "MAPE_K_HTTP_SERVERS": f"desk={system.url}"}
    return {**world.urls, **NO_CHARTER, **own}


def test_killed_between_sending_and_the_answer_it_asks_by_the_same_key_and_there_is_one_effect(
    state: Path, tmp_path: Path, pack: Path, system: ControlSystem
) -> None:
    with watched(tmp_path, load=31) as world:
        given = acting(pack, system, world)
        with daemon(state, **given) as running:
            wait_until(lambda: [a["state"] for a in running.actions()] == ["verifying"], "a first action")
            world.load(0.5)
            wait_until(lambda: running.actions()[0]["state"] == "probation", "a first success")

            system.is_silent = True
            world.exporter.text = 'tiny_load{node="node-7"} 0.5\ntiny_load{node="node-8"} 31\n'
            wait_until(lambda: len(system.asked) == 2, "a second request that is not answered")
            running.kill()

        system.is_silent = False
        (pack / "pack.yaml").write_text((pack / "pack.yaml").read_text().replace("/pin", "/elsewhere"))
        with daemon(state, **given) as again:
            wait_until(lambda: again.actions()[0]["state"] == "verifying", "the second action taken up")
            second, first = again.actions()
            again.stop()

    assert system.effects == [(first["execution_id"], "pin"), (second["execution_id"], "pin")]
    assert system.asked[1:] == [(second["execution_id"], "pin")] * 2
    assert (second["target"], second["policy_id"]) == ("node-8", "a-2")


def test_what_did_not_help_is_undone_and_nobody_misses_a_charter(
    state: Path, tmp_path: Path, pack: Path, system: ControlSystem
) -> None:
    with watched(tmp_path, load=31) as world, daemon(state, **acting(pack, system, world)) as running:
        wait_until(lambda: [a["state"] for a in running.actions()] == ["rolled_back"], "an action that is undone")
        (action,) = running.actions()
        newest, metrics, page = running.cycles()[0], answers(f"{running.url}/metrics"), answers(running.url)
        explained = mape_k(environment(state, MAPE_K_LISTEN=running.url[7:]), "explain", action["execution_id"])

    name = action["execution_id"]
    assert system.effects[:2] == [(name, "pin"), (f"{name}:rollback", "unpin")]
    assert system.status["a-1"] == "undone"
    assert (action["verdict"], newest["result"]) == ("unchanged", "completed")
    assert b'mape_k_circuit_state{target="desk"} 0.0' in metrics
    assert b'mape_k_source_requests_total{outcome="ok",source="desk"}' in metrics
    assert b"POST desk /nodes/node-7/pin" in page
    assert "POST desk /nodes/node-7/pin" in explained.stdout


def test_a_pack_whose_server_nobody_configured_is_refused_where_it_would_act(state: Path, pack: Path) -> None:
    ended = mape_k(environment(state, MAPE_K_MODE="enforce", MAPE_K_PACKS=str(pack)), "run")

    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 2
    for told in ("pack tiny: remediations.block_source", "the server desk", "MAPE_K_HTTP_SERVERS", "desk=http://"):
        assert told in line


def test_in_shadow_a_missing_server_is_told_and_nothing_else(state: Path, pack: Path) -> None:
    with daemon(state, MAPE_K_PACKS=str(pack)) as running:
        (told,) = running.events("server_not_configured")
        running.after_cycles(1)

    assert "MAPE_K_HTTP_SERVERS" in told["problem"]


def test_a_check_says_which_servers_are_missing_and_greets_those_that_are_there(
    state: Path, tmp_path: Path, pack: Path, system: ControlSystem
) -> None:
    missing = mape_k(environment(state, MAPE_K_MODE="enforce", MAPE_K_PACKS=str(pack)), "check")
    with watched(tmp_path, load=1) as world:
        there = mape_k(environment(state, **acting(pack, system, world)), "check", "--connect")

    assert missing.returncode == 1
    assert "MAPE_K_HTTP_SERVERS" in missing.stdout
    assert f"server desk at {system.url}" in there.stdout
    assert "charter" not in there.stdout
    assert system.asked == []
