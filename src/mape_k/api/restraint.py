"""What holds the daemon back: budgets with what is left of them, and packs in which nothing is begun."""

from collections.abc import Mapping
from typing import Any

from mape_k.guards import budgets, held_packs
from mape_k.model import Catalogue, CycleReport, Ledger, Outlook
from mape_k.recording import to_document


def restraint(report: CycleReport | None, catalogue: Catalogue) -> dict[str, Any]:
    """Return the budgets and the packs held back, as of a cycle; nothing before the first one."""
    ledger = report.ledger_by_now if report else None
    if ledger is None:
        return {"budgets": [], "held_packs": []}
    return {
        "budgets": [{**to_document(budget), "left": budget.left} for budget in budgets(ledger, catalogue)],
        "held_packs": [
            {"pack": pack, "reason": reason.value, "sentence": reason.sentence, **_looks(ledger, pack)}
            for pack, reason in held_packs(ledger, catalogue).items()
        ],
    }


def _looks(ledger: Ledger, pack: str) -> Mapping[str, int]:
    """Return how many targets the pack has had lately, has, and how many of these look ill."""
    outlook = ledger.outlooks.get(pack, Outlook())
    highest = max((peak.known for peak in outlook.peaks), default=0)
    return {"known_lately": highest, "known": outlook.known, "ill": outlook.ill}
