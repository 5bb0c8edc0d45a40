"""The pack that the user guide explains is whole, and the guide shows it as it is."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mape_k.catalogue import load_catalogue
from shipped_packs import document

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"
PACK = EXAMPLES / "minimal-pack"

Finder = Callable[[str], Path]


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_pack_loads_alone_and_beside_those_that_are_shipped() -> None:
    alone = load_catalogue([str(PACK)]).packs["curious-nodes"]
    together = load_catalogue(["charter", "mape-k", str(PACK)]).packs

    assert set(alone.remediations) == {"block_source"}
    assert list(together) == ["charter", "mape-k", "curious-nodes"]


def test_its_alert_is_in_its_rules_and_has_a_runbook() -> None:
    (symptom,) = document(PACK / "pack.yaml")["symptoms"].values()
    (rule,) = document(PACK / "rules" / "curious-nodes.rules.yaml")["groups"][0]["rules"]

    assert rule["alert"] == symptom["alert"]
    assert (PACK / "runbooks" / symptom["runbook"]).read_text().startswith(f"# {rule['alert']}\n")


def test_its_rules_pass_their_unit_tests(real_tool: Finder) -> None:
    assert "SUCCESS" in run(real_tool("promtool"), "test", "rules", PACK / "tests" / "curious-nodes.test.yaml")


@pytest.mark.parametrize(
    ("tool", "command", "name"),
    [("promtool", ("check", "config"), "prometheus.yml"), ("amtool", ("check-config",), "alertmanager.yml")],
)
def test_the_servers_take_the_configuration_for_trying_it(
    real_tool: Finder, tool: str, command: tuple[str, ...], name: str
) -> None:
    assert "SUCCESS" in run(real_tool(tool), *command, EXAMPLES / "trial" / name)


def test_the_guide_shows_the_pack_as_it_is() -> None:
    (shown,) = re.findall(
        r"^```yaml\n(pack: .*?)^```", (ROOT / "docs/user-guide.md").read_text(), re.DOTALL | re.MULTILINE
    )
    written = "".join(line for line in (PACK / "pack.yaml").read_text().splitlines(keepends=True) if line[0] != "#")

    assert shown == written
