"""The files of a pack that are made from its objectives, and lie in its folder so that they can be read and tested."""

from collections.abc import Sequence
from pathlib import Path

from mape_k.packbuild.grafana import draw
from mape_k.packbuild.objectives import Objective
from mape_k.packbuild.scale import RULE_FILE, scale_document
from mape_k.packbuild.slo_board import objectives_board
from mape_k.packbuild.slo_rules import rule_groups
from mape_k.packbuild.yaml_out import as_yaml

RULES_FILE = Path("rules") / "slo.rules.yaml"
BOARD_FILE = Path("dashboards") / "objectives.json"
SOURCE = "objectives/*.yaml"


def rule_files_of(objectives: Sequence[Objective], time_scale: float = 1) -> dict[Path, str]:
    """Return the rules that are made of objectives, by path in the pack's folder; nothing of none.

    Args:
        objectives: of one pack.
        time_scale: what every duration is divided by, over 0.
    """
    if not objectives:
        return {}
    rules = scale_document(rule_groups(objectives), RULE_FILE, time_scale)
    return {RULES_FILE: as_yaml(SOURCE, rules)}


def boards_of(objectives: Sequence[Objective]) -> dict[Path, str]:
    """Return the board that is made of objectives, by path in the pack's folder; nothing of none.

    Raises:
        ConfigError: the extra ``boards`` is not installed.
    """
    return {BOARD_FILE: draw(objectives_board(objectives))} if objectives else {}
