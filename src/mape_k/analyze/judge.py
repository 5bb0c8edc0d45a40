"""Did it help? Verdicts on open executions, from samples born late enough after the action."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from mape_k.model import (
    Catalogue,
    Execution,
    Expiring,
    Judgement,
    Ledger,
    OnExpiry,
    Reason,
    Remediation,
    Snapshot,
    State,
    Verdict,
    Verification,
)

RENEWAL_LEAD = 0.25
"""The share of a lifetime that is left when it is decided about."""


def judge(execution: Execution, snapshot: Snapshot, catalogue: Catalogue) -> Judgement:
    """Return what the newest samples say of an execution under verification.

    A look counts only when it is evaluated at least window + one scrape interval + settle time after the action, and
    when the newest sample is born after the settle time and newer than the last one counted; a missing reading counts
    neither way.
    """
    remediation = catalogue.remediation(execution.pack, execution.remediation)
    if remediation is None or execution.applied_at is None:
        return unseen(execution, Reason.NEVER_SEEN, Verdict.UNKNOWN)
    looked = look(execution, remediation, snapshot, catalogue)
    return _verdict(looked, execution.applied_at, remediation.verification, snapshot)


def ready_at(execution: Execution, catalogue: Catalogue) -> datetime | None:
    """Return from when on an evaluation may judge the execution; None when nothing says so."""
    remediation = catalogue.remediation(execution.pack, execution.remediation)
    if remediation is None or execution.applied_at is None:
        return None
    return execution.applied_at + timedelta(seconds=catalogue.reach_seconds(remediation))


@dataclass(frozen=True, slots=True)
class Looked:
    """An execution with its newest look taken in; ``numbers`` is None when this look did not count."""

    execution: Execution
    judgement: Judgement
    numbers: tuple[float, ...] | None

    def counting_anew(self) -> Self:
        """Return the same without the bad looks before the success; those after it are to be counted alone."""
        observation = replace(self.judgement.observation, bad=0)
        return replace(self, judgement=replace(self.judgement, observation=observation))


def look(execution: Execution, remediation: Remediation, snapshot: Snapshot, catalogue: Catalogue) -> Looked:
    """Take one more look at what an action did; see :func:`judge` for when it counts."""
    seen, rule = execution.observation, remediation.verification
    newest = _newest_sample(rule, snapshot, catalogue)
    numbers = _numbers(rule, execution.target, snapshot)
    ready = ready_at(execution, catalogue)
    is_early = ready is None or snapshot.as_of < ready
    if is_early or numbers is None or newest is None or not _is_news(newest, execution, remediation.settle_seconds):
        return Looked(execution, unseen(execution, Reason.UNDER_VERIFICATION), None)
    good = all(bound.holds(number) for bound, number in zip(rule.bounds, numbers, strict=True))
    observation = type(seen)(
        good=seen.good + 1 if good else 0,
        bad=seen.bad if good else seen.bad + 1,
        good_since=(seen.good_since or snapshot.as_of) if good else None,
        last_sample_at=newest,
        last_value=numbers[0],
    )
    judgement = Judgement(
        execution_id=execution.execution_id, observation=observation, reason=Reason.UNDER_VERIFICATION
    )
    return Looked(execution, judgement, numbers)


def _is_news(newest: datetime, execution: Execution, settle_seconds: float) -> bool:
    """Whether a sample was born after the action had settled, and was not counted before."""
    counted, applied_at = execution.observation.last_sample_at, execution.applied_at
    is_late_enough = applied_at is not None and newest >= applied_at + timedelta(seconds=settle_seconds)
    return is_late_enough and (counted is None or newest > counted)


def _verdict(looked: Looked, applied_at: datetime, rule: Verification, snapshot: Snapshot) -> Judgement:
    seen = looked.judgement.observation
    waited = (snapshot.as_of - applied_at).total_seconds()
    if seen.good_since and seen.good >= rule.samples and _lasted(seen.good_since, snapshot, rule.hold_seconds):
        return concluded(looked.counting_anew(), Reason.VERIFIED, Verdict.IMPROVED)
    if looked.numbers and seen.bad >= rule.samples and is_worse(looked.execution, rule, looked.numbers[0]):
        return concluded(looked, Reason.MADE_WORSE, Verdict.WORSE)
    if waited < rule.deadline_seconds:
        return looked.judgement
    if waited < looked.execution.terms.verify_seconds and (seen.good or not looked.numbers or seen.bad < rule.samples):
        return looked.judgement
    if seen.good + seen.bad >= rule.samples:
        return concluded(looked, Reason.NOT_IMPROVED, Verdict.UNCHANGED)
    return concluded(looked, Reason.NEVER_SEEN, Verdict.UNKNOWN)


def _lasted(since: datetime, snapshot: Snapshot, seconds: float) -> bool:
    return snapshot.as_of - since >= timedelta(seconds=seconds)


def is_worse(execution: Execution, rule: Verification, number: float) -> bool:
    """Return whether the first bound's number moved away from its limit, by more than the ratio to its baseline."""
    if rule.worse_ratio is None or execution.baseline is None:
        return False
    if rule.bounds[0].below is not None:
        return number > execution.baseline * rule.worse_ratio
    return number < execution.baseline / rule.worse_ratio


def unseen(execution: Execution, reason: Reason, verdict: Verdict | None = None) -> Judgement:
    """Return a judgement to which no look has added anything."""
    return Judgement(
        execution_id=execution.execution_id, observation=execution.observation, reason=reason, verdict=verdict
    )


def concluded(looked: Looked, reason: Reason, verdict: Verdict) -> Judgement:
    """Return the verdict on an execution, with what was seen of it."""
    return Judgement(
        execution_id=looked.execution.execution_id,
        observation=looked.judgement.observation,
        reason=reason,
        verdict=verdict,
    )


def _numbers(rule: Verification, target: str, snapshot: Snapshot) -> tuple[float, ...] | None:
    readings = [snapshot.reading(bound.signal, target) for bound in rule.bounds]
    return tuple(r.number() for r in readings) if readings and all(r.is_known for r in readings) else None


def _newest_sample(rule: Verification, snapshot: Snapshot, catalogue: Catalogue) -> datetime | None:
    """Return the age of the oldest of the newest samples that the bounds rest on."""
    scrapes = [snapshot.scrapes.get(catalogue.signal(bound.signal).job) for bound in rule.bounds]
    times = [scrape.newest_sample_at if scrape else None for scrape in scrapes]
    known = [time for time in times if time is not None]
    return min(known) if known and len(known) == len(times) else None


def expiring(ledger: Ledger, snapshot: Snapshot, catalogue: Catalogue) -> Iterable[Expiring]:
    """Yield the policies in force whose lifetime nears its end, with whether the cause is still there."""
    for execution in ledger.open_executions:
        remediation = catalogue.remediation(execution.pack, execution.remediation)
        if execution.state is not State.IN_FORCE or execution.expires_at is None:
            continue
        if snapshot.as_of >= execution.expires_at - lead(remediation):
            yield Expiring(
                execution_id=execution.execution_id,
                is_needed=_is_needed(remediation, execution.target, snapshot),
            )


def lead(remediation: Remediation | None) -> timedelta:
    """Return how long before its end it is decided about a policy."""
    lifetime = remediation.lifetime if remediation else None
    return timedelta(seconds=RENEWAL_LEAD * lifetime.ttl_seconds if lifetime else 0.0)


def _is_needed(remediation: Remediation | None, target: str, snapshot: Snapshot) -> bool | None:
    lifetime = remediation.lifetime if remediation else None
    if lifetime is None or lifetime.on_expiry is not OnExpiry.RENEW_WHILE_NEEDED:
        return False
    if lifetime.needed is None:
        return None
    reading = snapshot.reading(lifetime.needed.signal, target)
    return lifetime.needed.holds(reading.number()) if reading.is_known else None
