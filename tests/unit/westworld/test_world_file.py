import json

import jsonschema
import pytest
import yaml

from westworld import worldfile
from westworld.problems import InvalidFile
from westworld_watch import CONFIG, shipped_world

DEFAULT = (CONFIG / "worlds" / "default.yaml").read_text(encoding="utf-8")


def problems_of(text):
    with pytest.raises(InvalidFile) as refused:
        worldfile.parse(text, "world.yaml")
    return refused.value.problems


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("seed:", "sead:", "sead: Extra inputs are not permitted; remove it or correct its spelling"),
        ("noise: 0.2\n", "", "noise: Field required; add it"),
        ("  end_override:\n", "  end_overrides:\n", "policies.end_overrides"),
        ("act: end_override", "act: end_it", "policies.end_override.acts.0"),
        ("quantity: notifier.on_backup, set", "quantity: notifier.backup, set", "no quantity is named"),
        (
            "changes: [{quantity: bulk_jobs.running, set: 3}]",
            "changes: [{quantity: bulk_jobs.running}]",
            "exactly one of",
        ),
        ("parameter: servers,", "parameter: severs,", "policies.add_validation_capacity: takes no parameter 'severs'"),
        ("workers: 4", "workers: four", "revocations.workers"),
        ("workers: 4", "workers: 0", "revocations.workers"),
        ("{exploitation: 0.01}", "{exploitation: -1}", "sources.node-1.violations.exploitation"),
        ("{exploitation: 0.01}", "{exploitation: .nan}", "sources.node-1.violations.exploitation"),
        ("{exploitation: 0.01}", "{theft: 1}", "sources.node-1.violations.theft"),
        ("  node-7: {}", "  Node 7: {}", "sources.Node 7"),
        ("wave: 1", "wave: 0", "faults.rogue_node.wave"),
        ("  node-7: {}", "  node-7: {}\n  node-7: {}", "doubled"),
        ("section: forbidden_metrics", "section: nothing", "faults.stale_restore.acts.0"),
    ],
)
def test_a_world_that_cannot_be_used_is_refused_with_file_key_and_remedy(old, new, told):
    assert old in DEFAULT
    problems = problems_of(DEFAULT.replace(old, new, 1))
    assert any(told in problem and problem.startswith("world.yaml:") for problem in problems), problems


def test_every_problem_is_told_at_once():
    assert len(problems_of(DEFAULT.replace("seed:", "sead:").replace("wave: 1", "wave: 0"))) >= 5


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InvalidFile, match="cannot be read"):
        worldfile.load(tmp_path / "none.yaml")


def test_a_time_scale_divides_durations_and_nothing_else():
    true, scaled = shipped_world("default"), shipped_world("default").scaled(60)
    before, after = true.quantities(), scaled.quantities()
    assert after.pop("publisher.interval_seconds") == before.pop("publisher.interval_seconds") / 60
    assert after == before
    assert scaled.policies["block_source"].delay_seconds == pytest.approx(10 / 60)
    assert scaled.policies["limit_reload_interval"].changes[0].amount.default == 60
    assert scaled.faults["policy_churn"].changes[0].set == 1.5
    assert scaled.faults["stale_restore"].acts[1].age_seconds == 1620
    assert scaled.faults["metric_prober"] == true.faults["metric_prober"]


def test_the_published_schema_is_the_one_of_the_program():
    assert (CONFIG / "world.schema.json").read_text(encoding="utf-8") == worldfile.schema()


@pytest.mark.parametrize("name", ["default", "other"])
def test_the_shipped_worlds_keep_to_the_published_schema(name):
    schema = json.loads((CONFIG / "world.schema.json").read_text(encoding="utf-8"))
    world = yaml.safe_load((CONFIG / "worlds" / f"{name}.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(world, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(world | {"extra": 1}, schema)


@pytest.mark.parametrize("name", ["default", "other"])
def test_the_shipped_worlds_have_the_eleven_alerts_and_every_kind_of_policy(name):
    world = shipped_world(name)
    assert len({fault.raises for fault in world.faults.values()}) == 11
    assert set(world.policies) == set(worldfile.FORWARD_KINDS)
    assert {fault.wave for fault in world.faults.values()} == {1, 2, 3, 4}


def test_the_two_shipped_worlds_share_no_node():
    assert not set(shipped_world("default").sources) & set(shipped_world("other").sources)
