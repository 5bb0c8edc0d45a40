"""What a pack says of actions as sagas: further parts, who decides on undoing, and the probation."""

from pathlib import Path

import pytest
import yaml

from mape_k.catalogue import load_catalogue
from mape_k.errors import ConfigError
from mape_k.model import Compensation, Part, Remediation, RollbackRule
from mape_k.packbuild.scale import scale_pack

ROOT = Path(__file__).resolve().parents[3]
MINIMAL = yaml.safe_load((ROOT / "tests" / "packs" / "minimal" / "pack.yaml").read_text())
LAPSING = {"ttl": "1h", "on_expiry": "lapse"}
WARM_UP = {
    "kind": "warm_up",
    "parameters": {"grace_seconds": 60},
    "compensation": {"kind": "cool_down", "parameters": {"after_seconds": 30}},
}


def written(**keys: object) -> dict:
    worker = MINIMAL["remediations"]["add_worker"] | keys
    return MINIMAL | {"remediations": MINIMAL["remediations"] | {"add_worker": worker}}


def loaded(folder: Path, **keys: object) -> Remediation:
    (folder / "pack.yaml").write_text(yaml.safe_dump(written(**keys), sort_keys=False))
    (pack,) = load_catalogue([str(folder)]).packs.values()
    return pack.remediations["add_worker"]


def problem(folder: Path, **keys: object) -> str:
    with pytest.raises(ConfigError) as refused:
        loaded(folder, **keys)
    (line,) = refused.value.problems
    return line.split(": ", 1)[1]


def test_further_parts_keep_their_order_and_each_its_compensation(tmp_path):
    more = {"kind": "announce", "compensation": {"kind": "call_off"}}
    assert loaded(tmp_path, then=[WARM_UP, more]).further == (
        Part(
            kind="warm_up",
            parameters={"grace_seconds": 60},
            compensation=Compensation(kind="cool_down", parameters={"after_seconds": 30}),
        ),
        Part(kind="announce", compensation=Compensation(kind="call_off")),
    )


@pytest.mark.parametrize("rule", list(RollbackRule))
def test_a_pack_says_who_decides_on_undoing(tmp_path, rule):
    assert loaded(tmp_path, rollback=rule.value).rollback is rule


def test_a_part_without_a_compensation_is_refused_where_the_first_one_has_one(tmp_path):
    told = problem(tmp_path, then=[WARM_UP, {"kind": "announce"}])
    assert told == "remediations.add_worker.then[1].compensation: is missing; add it, since the first part has one"


@pytest.mark.parametrize("first", ["nothing", "irreversible"])
def test_a_compensation_that_would_never_be_used_is_refused(tmp_path, first):
    told = problem(tmp_path, compensation=first, then=[WARM_UP])
    assert told == "remediations.add_worker.then[0].compensation: is never used; remove it"


def test_a_probation_leaves_half_of_the_lifetime_to_decide_about_its_end(tmp_path):
    assert loaded(tmp_path, lifetime=LAPSING, probation="29m").probation_seconds == 1740
    assert "add_worker.probation: takes half of lifetime.ttl (3600s) or more" in problem(
        tmp_path, lifetime=LAPSING, probation="30m"
    )


def test_in_a_faster_trial_parts_and_probation_shrink_too():
    scaled = scale_pack(written(then=[WARM_UP], probation="5m"), 60)["remediations"]["add_worker"]
    assert scaled["probation"] == "5s"
    assert scaled["then"][0]["parameters"] == {"grace_seconds": 1}
    assert scaled["then"][0]["compensation"]["parameters"] == {"after_seconds": 0.5}
