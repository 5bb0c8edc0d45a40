"""What the player is given for each shipped pack: it can be played, and it obeys what the pack's remediations ask."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from play.reading import read_part
from shipped_packs import PACKS, document

PLAYED = [pack for pack in PACKS if (pack / "scenarios.yaml").exists()]
REQUESTING = [pack for pack in PLAYED if "servers" in document(pack / "pack.yaml")]

of_requesting = pytest.mark.parametrize("pack", REQUESTING, ids=lambda pack: pack.name)


@pytest.mark.parametrize("pack", PLAYED, ids=lambda pack: pack.name)
def test_the_scenarios_can_be_played(pack: Path) -> None:
    read_part(pack)


@of_requesting
def test_what_a_remediation_sends_is_obeyed_and_can_be_taken_back(pack: Path) -> None:
    controls = document(pack / "scenarios.yaml")["controls"].values()
    taken = {(control["path"], control.get("undo")) for control in controls}
    sent = {
        each for remediation in document(pack / "pack.yaml")["remediations"].values() for each in _sent(remediation)
    }
    assert {path for path, _ in sent} == {path for path, _ in taken}
    assert {each for each in sent if each[1]} <= taken


@of_requesting
def test_what_cures_a_fault_is_what_its_symptom_would_try(pack: Path) -> None:
    shipped, scenarios = document(pack / "pack.yaml"), document(pack / "scenarios.yaml")
    remediations = {each["alert"]: each.get("remediations", []) for each in shipped["symptoms"].values()}
    for name, fault in scenarios["faults"].items():
        cures = {scenarios["controls"][cure]["path"] for cure in fault.get("cured_by", [])}
        tried = [shipped["remediations"][remediation] for remediation in remediations.get(fault["alert"], [])]
        alerted = fault["alert"] in remediations
        assert not alerted or cures <= {path for each in tried for path, _ in _sent(each)}, name


def _sent(remediation: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield the path of each request with the path that undoes it."""
    for part in ({**remediation["request"], **remediation}, *remediation.get("then", [])):
        undo = part.get("compensation")
        yield part["path"], undo["path"] if isinstance(undo, dict) else None
