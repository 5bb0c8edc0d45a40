"""The limits of a pack: what is written comes to the guards as it is, and what cannot be is refused."""

from pathlib import Path

import pytest
import yaml

from mape_k.catalogue import load_catalogue
from mape_k.catalogue.document import LimitsDocument
from mape_k.errors import ConfigError
from mape_k.model import Limits
from mape_k.packbuild.scale import scale_pack

ROOT = Path(__file__).resolve().parents[3]
TINY = (ROOT / "tests" / "packs" / "tiny" / "pack.yaml").read_text()


def loaded(folder: Path, limits: object) -> Limits:
    document = yaml.safe_load(TINY) | {"limits": limits}
    (folder / "pack.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    (pack,) = load_catalogue([str(folder)]).packs.values()
    return pack.limits


def test_the_defaults_of_a_pack_are_those_of_the_guards(tmp_path):
    assert loaded(tmp_path, {}) == Limits()


def test_every_limit_that_is_written_reaches_the_guards(tmp_path):
    written = {
        "max_targets": 9,
        "max_share": 0.25,
        "share_from": 7,
        "settle_after_blindness": "2m",
        "plan_lifetime": "3m",
        "inhibited_wait": "4m",
        "budgets": {"remediation": 11, "target": 12, "per": "13m"},
        "storm": {"enter": 0.8, "leave": 0.2, "calm": "14m"},
        "inventory": {"drop": 0.15, "within": "16m"},
        "flapping": {"opened": 17, "per": "18m"},
        "damping": {"seen": 2, "of": 3},
        "outcomes": {"bad": 0.19, "judged": 20, "within": "21m"},
        "stages": {"share": 0.22, "within": "23m"},
    }
    assert loaded(tmp_path, written) == Limits(
        max_targets=9,
        max_share=0.25,
        share_from=7,
        settle_after_blindness_seconds=120,
        plan_lifetime_seconds=180,
        inhibited_wait_seconds=240,
        max_of_remediation=11,
        max_on_target=12,
        budget_window_seconds=780,
        storm_enter=0.8,
        storm_leave=0.2,
        storm_calm_seconds=840,
        inventory_drop=0.15,
        inventory_window_seconds=960,
        flapping_after=17,
        flapping_window_seconds=1080,
        damping_hits=2,
        damping_looks=3,
        bad_share=0.19,
        bad_from=20,
        bad_window_seconds=1260,
        stage_share=0.22,
        stage_window_seconds=1380,
    )


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ({"storm": {"enter": 0.3, "leave": 0.3}}, "expected leave below enter"),
        ({"damping": {"seen": 3, "of": 2}}, "3 of 2 cycles can never be"),
        ({"budgets": {"per": "25h"}}, "expected at most a day (1d)"),
        ({"outcomes": {"within": "0s"}}, "expected longer than 0s"),
        ({"stages": {"share": 0}}, "expected more than 0"),
        ({"budgets": {"everything": 3}}, "unknown key; known here are remediation, target, per"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(tmp_path, limits, complaint):
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, limits)
    (problem,) = refused.value.problems
    assert complaint in problem


def _durations(limits: object, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    if not isinstance(limits, dict):
        return {path: limits} if isinstance(limits, str) else {}
    return {place: text for key, value in limits.items() for place, text in _durations(value, (*path, key)).items()}


def test_every_duration_among_the_limits_is_divided_with_the_others():
    written = LimitsDocument().model_dump()
    as_text = {key: _as_text(value) for key, value in written.items()}
    scaled = scale_pack({"limits": as_text, "remediations": {}}, 60)["limits"]
    assert _durations(as_text).keys() == _durations(scaled).keys()
    assert all(scaled_text != _durations(as_text)[place] for place, scaled_text in _durations(scaled).items())


def _as_text(value: object) -> object:
    """Return limits with their durations, which alone are floats over one, as people write them."""
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    return f"{value:g}s" if isinstance(value, float) and value > 1 else value


def test_a_pack_that_acts_writes_its_limits_out_so_that_a_faster_copy_has_them_divided():
    limits = yaml.safe_load((ROOT / "config" / "packs" / "charter" / "pack.yaml").read_text())["limits"]
    assert limits.keys() == LimitsDocument.model_fields.keys()
