"""How much may be done, how much was done, and what is left; counted from executions, so no restart forgets any."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from mape_k.model import Budget, BudgetKind, Catalogue, Execution, Ledger, Limits, Pack, Remediation, State


def budgets(ledger: Ledger, catalogue: Catalogue) -> tuple[Budget, ...]:
    """Return every budget with what is left of it; of targets only those to which something was done."""
    return (of_everything(ledger), *(budget for pack in catalogue.packs.values() for budget in _of_pack(pack, ledger)))


def of_everything(ledger: Ledger) -> Budget:
    """Return the budget of all actions together."""
    seconds = ledger.bounds.actions_window_seconds
    used = len(begun(ledger.executions, ledger, seconds))
    return Budget(budget=BudgetKind.ACTIONS, of="", limit=ledger.bounds.max_actions, used=used, window_seconds=seconds)


def of_remediation(remediation: Remediation, ledger: Ledger, limits: Limits) -> Budget:
    """Return the budget of one remediation, wherever."""
    what, seconds = (remediation.pack, remediation.name), limits.budget_window_seconds
    return Budget(
        budget=BudgetKind.REMEDIATION,
        of="/".join(what),
        limit=limits.max_of_remediation,
        used=len(begun(ledger.of_remediation(*what), ledger, seconds)),
        window_seconds=seconds,
    )


def of_target(pack: str, target: str, ledger: Ledger, limits: Limits) -> Budget:
    """Return the budget of one target, whatever is done to it."""
    seconds = limits.budget_window_seconds
    return Budget(
        budget=BudgetKind.TARGET,
        of=f"{pack}/{target}",
        limit=limits.max_on_target,
        used=len(begun(ledger.on_target(pack, target), ledger, seconds)),
        window_seconds=seconds,
    )


def of_attempts(remediation: Remediation, target: str, ledger: Ledger) -> Budget:
    """Return the budget of one remediation on one target."""
    on_target, seconds = ledger.on_target(remediation.pack, target), remediation.attempts_window_seconds
    return Budget(
        budget=BudgetKind.ATTEMPTS,
        of="/".join(filter(None, (remediation.pack, remediation.name, target))),
        limit=remediation.max_attempts,
        used=sum(e.remediation == remediation.name for e in begun(on_target, ledger, seconds)),
        window_seconds=seconds,
    )


def begun(executions: Iterable[Execution], ledger: Ledger, seconds: float) -> list[Execution]:
    """Return those that were begun within the last so many seconds; what never left does not count."""
    since = ledger.as_of - timedelta(seconds=seconds)
    return [e for e in executions if e.admitted_at > since and e.state is not State.FAILED]


def _of_pack(pack: Pack, ledger: Ledger) -> Iterator[Budget]:
    under_way = {e.target for e in ledger.open_executions if e.pack == pack.name and e.is_unsettled}
    yield Budget(budget=BudgetKind.TARGETS, of=pack.name, limit=pack.limits.max_targets, used=len(under_way))
    recent = begun(ledger.executions, ledger, pack.limits.budget_window_seconds)
    touched = {e.target for e in recent if e.pack == pack.name}
    yield from (of_target(pack.name, target, ledger, pack.limits) for target in sorted(touched))
    for remediation in pack.remediations.values():
        yield of_remediation(remediation, ledger, pack.limits)
        yield from (of_attempts(remediation, target, ledger) for target in _tried_on(remediation, ledger))


def _tried_on(remediation: Remediation, ledger: Ledger) -> Iterable[str]:
    """Return the targets on which it was tried; one without a name, any of the others, where it was not."""
    everywhere = ledger.of_remediation(remediation.pack, remediation.name)
    tried = {e.target for e in begun(everywhere, ledger, remediation.attempts_window_seconds)}
    return sorted(tried) or ("",)
