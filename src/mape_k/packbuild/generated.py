"""The files of a pack that are made from its objectives, and lie in its folder so that they can be read and tested."""

from collections.abc import Sequence
from pathlib import Path

from mape_k.packbuild.objectives import Objective
from mape_k.packbuild.scale import RULE_FILE, scale_document
from mape_k.packbuild.slo_rules import rule_groups
from mape_k.packbuild.yaml_out import as_yaml

RULES_FILE = Path("rules") / "slo.rules.yaml"
SOURCE = "objectives/*.yaml"


def generated_files(objectives: Sequence[Objective], time_scale: float = 1) -> dict[Path, str]:
    """Return what is made from objectives, by path in the pack's folder; nothing from none.

    Args:
        objectives: of one pack.
        time_scale: what every duration is divided by, over 0.
    """
    if not objectives:
        return {}
    rules = scale_document(rule_groups(objectives), RULE_FILE, time_scale)
    return {RULES_FILE: as_yaml(SOURCE, rules)}
