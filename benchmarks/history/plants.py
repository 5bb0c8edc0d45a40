# ruff: noqa: SLF001 - where a bug goes in there is no door
"""Bugs that the scenarios must not miss: each guard switched off in turn, and guards that hold too much."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

from mape_k import execute, plan
from mape_k.analyze import Analyst, findings
from mape_k.execute import Executor, sending
from mape_k.execute.gate import Gate
from mape_k.execute.moment import Moment
from mape_k.guards import rules
from mape_k.knowledge import journal, lease, moves
from mape_k.loop import Loop
from mape_k.model import Decision, Ledger, Mode, Outlook, Pause, Quality, Reason, Step, Verdict
from mape_k.monitor import Monitor


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug: what it does, in words, how it gets in, and the scenario that must tell of it."""

    meaning: str
    plant: Callable[[], None]
    told_by: str


def _with(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:  # noqa: ANN401 - a module or a class
    setattr(owner, name, wrapper(getattr(owner, name)))


# guards switched off


def _off(reason: Reason) -> None:
    for table in ("HOLDS", "GUARDS", "QUESTIONS"):
        _with(rules, table, lambda guards: {why: guard for why, guard in guards.items() if why is not reason})


def _error_is_permission() -> None:
    def asked(refusal: Callable[..., Reason | None]) -> Callable[..., Reason | None]:
        def ask(*about: object) -> Reason | None:
            try:
                return refusal(*about)
            except ValueError:
                return None

        return ask

    for module in (plan, execute):
        _with(module, "refusal", asked)


def _pause_not_heeded() -> None:
    Pause.covers = lambda *_: False


def _pause_forgotten_at_start() -> None:
    def forgetting(original: Callable[[Any], None]) -> Callable[[Any], None]:
        def end(connection: Any) -> None:  # noqa: ANN401
            original(connection)
            connection.exec_driver_sql("DELETE FROM pauses")

        return end

    _with(lease, "end_interrupted", forgetting)


def _never_late() -> None:
    for module in (execute, sending):
        module.is_late = lambda *_: False


def _fence_not_heeded() -> None:
    Gate.is_fenced = property(lambda _: False, lambda *_: None)


def _intent_after_effect() -> None:
    def sent_first(original: Any) -> Any:  # noqa: ANN401
        async def act(self: Executor, action: Any, *more: Any) -> Any:  # noqa: ANN401
            keys = {"key": action.execution_id, "epoch": 1, "traceparent": "", "timeout_seconds": 1.0}
            await self._gate._effector.apply(action.request, **keys)
            return await original(self, action, *more)

        return act

    _with(Executor, "_act", sent_first)


def _always_enforcing() -> None:
    def enforcing(init: Callable[..., None]) -> Callable[..., None]:
        return lambda self, **wired: init(self, **(wired | {"mode": Mode.ENFORCE}))

    _with(Loop, "__init__", enforcing)


def _blind_not_heeded() -> None:
    _with(Analyst, "assess", lambda assess: lambda self, *seen: replace(assess(self, *seen), blind=()))


def _ledger_as(change: Callable[[Ledger], Ledger]) -> None:
    """Let the journal read another ledger, in the cycle as in the admitting transaction."""
    for module in (journal, moves):
        _with(module, "read_ledger", lambda read: lambda *asked, **more: change(read(*asked, **more)))


def _hold_dropped(reason: Reason) -> None:
    """Let no finding be held for this reason."""

    def dropping(original: Callable[..., Reason | None]) -> Callable[..., Reason | None]:
        return lambda *about: None if (why := original(*about)) is reason else why

    for name in ("_evidence_hold", "_hold"):
        _with(findings, name, dropping)


def _silence_not_heard() -> None:
    """Hear it neither when deciding nor right before acting."""
    _hold_dropped(Reason.SILENCED)
    Moment.is_silenced = lambda *_: False


def _nothing_is_stale() -> None:
    Monitor._freshness = lambda *_: (Quality.VALUE, "")


def _missing_is_failure() -> None:
    judge = import_module("mape_k.analyze.judge")  # as an attribute, the package has the function of this name
    _with(
        judge, "_numbers", lambda numbers: lambda rule, *about: numbers(rule, *about) or (math.inf,) * len(rule.bounds)
    )


def _not_damped() -> None:
    findings._damped = lambda _pack, found, _memory: iter(found)


def _any_radius() -> None:
    plan.within_blast_radius = lambda decisions, *_: (list(decisions), None)


def _no_stages() -> None:
    plan.in_stages = lambda decisions, *_: list(decisions)


def _undone_when_superseded() -> None:
    def undoing(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *about: tuple(
            replace(step, step=Step.ROLL_BACK) if step.reason is Reason.SUPERSEDED else step
            for step in original(*about)
        )

    _with(plan, "follow_ups", undoing)


def _never_undone() -> None:
    def keeping(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *about: tuple(step for step in original(*about) if step.step is not Step.ROLL_BACK)

    _with(plan, "follow_ups", keeping)


# guards that hold what need not be held


def _instead(table: str, reason: Reason, guard: Callable[..., bool]) -> None:
    _with(rules, table, lambda guards: {**guards, reason: guard})


def _storm_of_one() -> None:
    _instead("HOLDS", Reason.STORM, lambda pack, _limits, ledger: ledger.outlooks.get(pack, Outlook()).ill > 0)


def _once_in_a_lifetime() -> None:
    def did_before(proposal: Any, ledger: Ledger) -> bool:  # noqa: ANN401
        what = (proposal.remediation.name, proposal.target)
        return any((e.remediation, e.target) == what for e in ledger.executions)

    _instead("GUARDS", Reason.COOLDOWN, did_before)


def _budget_of_one() -> None:
    _instead("GUARDS", Reason.GLOBAL_BUDGET, lambda _, ledger: bool(ledger.executions))


def _never_settled() -> None:
    _ledger_as(lambda ledger: replace(ledger, sight_lost_at=dict.fromkeys(ledger.sight_lost_at, ledger.as_of)))


def _one_at_a_time() -> None:
    def refusing(original: Callable[..., Any]) -> Callable[..., Any]:
        def within(decisions: Any, assessment: Any, catalogue: Any, ledger: Ledger) -> Any:  # noqa: ANN401
            if any(e.is_open for e in ledger.executions):
                held = [_held(decision, Reason.BLAST_RADIUS) for decision in decisions]
                return held, Reason.BLAST_RADIUS
            return original(decisions, assessment, catalogue, ledger)

        return within

    _with(plan, "within_blast_radius", refusing)


def _held(decision: Decision, reason: Reason) -> Decision:
    return replace(decision, action=None, reason=reason) if decision.action else decision


def _no_second_stage() -> None:
    def staying(original: Callable[..., Any]) -> Callable[..., Any]:
        def in_stages(decisions: Any, catalogue: Any, ledger: Ledger) -> Any:  # noqa: ANN401
            done = {e.remediation for e in ledger.executions}
            staged = original(decisions, catalogue, ledger)
            return [_held(d, Reason.STAGED) if d.action and d.action.remediation in done else d for d in staged]

        return in_stages

    _with(plan, "in_stages", staying)


def _residual_for_ever() -> None:
    def treated(_pack: object, symptom: Any, raised: Any, sighting: Any) -> bool:  # noqa: ANN401
        about = (symptom.name, raised.target, Verdict.IMPROVED)
        return any((e.symptom, e.target, e.verdict) == about for e in sighting.ledger.executions)

    findings._is_residual = treated


def _damped_for_ten_cycles() -> None:
    def slowly(original: Callable[..., Any]) -> Callable[..., Any]:
        def damped(pack: Any, *about: Any) -> Any:  # noqa: ANN401
            limits = replace(pack.limits, damping_hits=10, damping_looks=10)
            return original(replace(pack, limits=limits), *about)

        return damped

    _with(findings, "_damped", slowly)


def _a_person_for_everything() -> None:
    _instead("QUESTIONS", Reason.IRREVERSIBLE, lambda *_: True)


OFF: Mapping[Reason, str] = {
    Reason.STORM: "most-are-ill-at-once",
    Reason.INVENTORY_DROP: "most-of-the-inventory-gone",
    Reason.BAD_OUTCOMES: "everything-makes-it-worse",
    Reason.CHANGE_FREEZE: "change-freeze",
    Reason.EMPTY_TARGET: "nothing-named",
    Reason.TARGET_FROZEN: "roll-back-refused",
    Reason.IN_FLIGHT: "two-things-on-one-service",
    Reason.INHIBITED: "under-maintenance",
    Reason.ALREADY_TRIED: "nothing-helps",
    Reason.COOLDOWN: "same-again-too-soon",
    Reason.ATTEMPT_BUDGET: "same-again-and-again",
    Reason.TARGET_BUDGET: "one-service-never-left-in-peace",
    Reason.REMEDIATION_BUDGET: "everybody-at-once-by-one-remedy",
    Reason.GLOBAL_BUDGET: "everything-together",
    Reason.IRREVERSIBLE: "what-cannot-be-undone",
    Reason.FLAPPING: "coming-and-going",
}
"""Guards that are taken out of their table, each with the scenario that needs it."""

PLANTS: Mapping[str, Plant] = {
    **{
        f"no-{why.replace('_', '-')}": Plant(f"the guard {why} is off", partial(_off, why), told_by)
        for why, told_by in OFF.items()
    },
    "no-pause": Plant("a pause is kept and not heeded", _pause_not_heeded, "pause-in-a-migration"),
    "pause-forgotten": Plant("a pause does not outlive a restart", _pause_forgotten_at_start, "pause-in-a-migration"),
    "error-is-permission": Plant(
        "a guard that crashes lets everything pass", _error_is_permission, "safety-check-that-crashes"
    ),
    "never-late": Plant("a plan is carried out however old it is", _never_late, "stale-plan-before-it-is-sent"),
    "no-fence": Plant("it goes on when the Charter follows another", _fence_not_heeded, "newer-daemon-in-charge"),
    "no-intent": Plant(
        "an action leaves before its intent is written down", _intent_after_effect, "disk-that-fails-for-the-intent"
    ),
    "no-shadow": Plant("it acts in every mode", _always_enforcing, "not-asked-to-act"),
    "no-blindness": Plant("what cannot be seen holds nothing back", _blind_not_heeded, "alerts-out-of-sight"),
    "no-settling": Plant(
        "the first look after blindness is trusted",
        partial(_ledger_as, lambda ledger: replace(ledger, sight_lost_at={})),
        "sight-comes-back",
    ),
    "missing-is-evidence": Plant(
        "an alert counts though its numbers are missing",
        partial(_hold_dropped, Reason.STALE_EVIDENCE),
        "error-taken-for-violation",
    ),
    "missing-is-failure": Plant(
        "a missing number counts against an action", _missing_is_failure, "error-taken-for-failure"
    ),
    "no-corroboration": Plant(
        "an alert counts though its numbers contradict it",
        partial(_hold_dropped, Reason.NOT_CORROBORATED),
        "idle-because-cut-off",
    ),
    "old-is-new": Plant("samples are believed however old they are", _nothing_is_stale, "error-taken-for-violation"),
    "no-target-needed": Plant(
        "an alert that names nobody counts", partial(_hold_dropped, Reason.TARGET_UNKNOWN), "nothing-named"
    ),
    "no-silence": Plant("a silence is not heard", _silence_not_heard, "under-maintenance"),
    "no-damping": Plant("a glance is enough", _not_damped, "partition-of-seconds"),
    "any-radius": Plant("a plan may touch as much as it likes", _any_radius, "half-of-everything"),
    "no-stages": Plant("everything is done at once", _no_stages, "herd-of-repairs"),
    "undone-when-superseded": Plant(
        "the end of an older life undoes the newer one", _undone_when_superseded, "clean-up-of-what-is-in-force"
    ),
    "never-undone": Plant("what did not help stays", _never_undone, "nothing-helps"),
    "storm-of-one": Plant("one ill service counts as a storm", _storm_of_one, "one-fault-16"),
    "once-in-a-lifetime": Plant("a cool-down never ends", _once_in_a_lifetime, "again-later-15"),
    "budget-of-one": Plant("one action uses the budget up", _budget_of_one, "two-faults-2"),
    "never-settled": Plant("sight that was lost once is never trusted again", _never_settled, "short-gap-8"),
    "one-at-a-time": Plant("nothing is begun while anything is open", _one_at_a_time, "two-faults-2"),
    "no-second-stage": Plant("the first success lets nobody follow", _no_second_stage, "two-alike-3"),
    "residual-for-ever": Plant(
        "what was mended once counts as the past for ever", _residual_for_ever, "again-later-15"
    ),
    "ten-cycles": Plant("ten cycles must agree", _damped_for_ten_cycles, "one-fault-16"),
    "a-person-for-everything": Plant("a person is asked whatever it is", _a_person_for_everything, "one-fault-16"),
}
"""Every bug by its name: guards that are off, then guards that hold too much."""
