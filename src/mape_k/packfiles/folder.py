"""Everything that a pack's folder holds besides ``pack.yaml``, and the count of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mape_k.packfiles.alertmanager import FRAGMENT, AlertmanagerFile, read_alertmanager_file
from mape_k.packfiles.boards import Board, read_boards
from mape_k.packfiles.inventory import Inventory, read_inventory
from mape_k.packfiles.prometheus import ScrapeJob, read_scrape_jobs
from mape_k.packfiles.rule_files import Rule, RuleFile, read_rule_file
from mape_k.packfiles.texts import (
    LogQuery,
    Objective,
    Runbook,
    read_log_queries,
    read_objectives,
    read_runbooks,
)

LOG_RULES = Path("logs") / "rules.yaml"
OBJECTIVE_RULES, OBJECTIVE_BOARD = "slo.rules.yaml", "objectives.json"
"""The files that are made of a pack's objectives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFolder:
    """What a pack's folder holds; a part that it lacks is None or empty."""

    path: Path
    inventory: Inventory | None
    scrape_jobs: tuple[ScrapeJob, ...]
    rule_files: tuple[RuleFile, ...]
    log_rules: RuleFile | None
    fragment: AlertmanagerFile | None
    boards: tuple[Board, ...]
    log_queries: tuple[LogQuery, ...]
    runbooks: tuple[Runbook, ...]
    objectives: tuple[Objective, ...]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of all its files, without those for Loki."""
        return tuple(rule for file in self.rule_files for rule in file.rules)


def read_folder(folder: Path) -> PackFolder:
    """Read everything that the pack in ``folder`` brings besides ``pack.yaml``.

    Raises:
        RefusedError: the first file that cannot be used.
    """
    log_rules, fragment = folder / LOG_RULES, folder / FRAGMENT
    return PackFolder(
        path=folder,
        inventory=read_inventory(folder),
        scrape_jobs=read_scrape_jobs(folder),
        rule_files=tuple(map(read_rule_file, sorted((folder / "rules").glob("*.yaml")))),
        log_rules=read_rule_file(log_rules) if log_rules.exists() else None,
        fragment=read_alertmanager_file(fragment, is_fragment=True) if fragment.exists() else None,
        boards=read_boards(folder),
        log_queries=read_log_queries(folder),
        runbooks=read_runbooks(folder),
        objectives=read_objectives(folder),
    )


def _is_of_objectives(rule: Rule) -> bool:
    return rule.path.name == OBJECTIVE_RULES


def is_burn_rate(rule: Rule) -> bool:
    """Return whether an alert watches the use of an error budget."""
    return rule.is_alert and ("Burn" in rule.name or _is_of_objectives(rule))


def counts(pack: PackFolder) -> Mapping[str, int]:
    """Return how much of everything a pack has; what is made of objectives is counted apart from the rest."""
    alerts = [rule for rule in pack.rules if rule.is_alert and not is_burn_rate(rule)]
    severities = {name: sum(rule.severity == name for rule in alerts) for name in ("critical", "warning", "info")}
    recordings = [rule for rule in pack.rules if not rule.is_alert]
    of_objectives = [board for board in pack.boards if board.path.name == OBJECTIVE_BOARD]
    drawn = [board for board in pack.boards if board not in of_objectives]
    planned = sum(runbook.is_maintenance for runbook in pack.runbooks)
    return {
        "metrics": len(pack.inventory or ()),
        "alerts": len(alerts),
        **severities,
        "burn_rate_alerts": sum(map(is_burn_rate, pack.rules)),
        "log_alerts": sum(rule.is_alert for rule in pack.log_rules.rules) if pack.log_rules else 0,
        "recordings": sum(not _is_of_objectives(rule) for rule in recordings),
        "objective_recordings": sum(map(_is_of_objectives, recordings)),
        "dashboards": len(drawn),
        "panels": _panels(drawn),
        "objective_dashboards": len(of_objectives),
        "objective_panels": _panels(of_objectives),
        "objectives": len(pack.objectives),
        "runbooks": len(pack.runbooks) - planned,
        "maintenance_runbooks": planned,
        "log_queries": len(pack.log_queries),
        "receivers": len(pack.fragment.receivers) if pack.fragment else 0,
        "routes": sum(1 for _ in pack.fragment.routes()) - 1 if pack.fragment else 0,
        "inhibitions": len(pack.fragment.inhibitions) if pack.fragment else 0,
    }


def _panels(boards: Iterable[Board]) -> int:
    return sum(len(board.panels) for board in boards)
