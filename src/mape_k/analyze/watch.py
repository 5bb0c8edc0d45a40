"""Does it last? A second look at actions that helped: through their probation, and as long as their policy holds."""

from dataclasses import replace
from datetime import datetime, timedelta

from mape_k.analyze.judge import Looked, concluded, is_worse, lead, look, unseen
from mape_k.model import PATIENCE, Catalogue, Execution, Judgement, Reason, Remediation, Snapshot, State, Verdict

WATCHED = frozenset({State.PROBATION, State.IN_FORCE})
"""The states of actions that helped, and whose policy holds."""


def watch(execution: Execution, snapshot: Snapshot, catalogue: Catalogue) -> Judgement | None:
    """Return what the newest samples say of an action that helped; None where nothing is looked for.

    On probation, as many looks in a row on which the bounds do not hold as it took to see the success are a relapse.
    Later only harm counts: a symptom that comes back under a policy in force is a finding, and says nothing against it.
    """
    remediation = catalogue.remediation(execution.pack, execution.remediation)
    is_on_probation = execution.state is State.PROBATION
    if remediation is None:
        return unseen(execution, Reason.NEED_UNKNOWN, Verdict.IMPROVED) if is_on_probation else None
    if is_on_probation:
        return _on_probation(_look(execution, remediation, snapshot, catalogue), remediation, snapshot.as_of)
    rule = remediation.verification
    if rule.worse_ratio is None:
        return None
    looked = _look(execution, remediation, snapshot, catalogue)
    if looked.numbers and _bad(looked) >= rule.samples and is_worse(execution, rule, looked.numbers[0]):
        return concluded(looked, Reason.MADE_WORSE, Verdict.WORSE)
    return looked.judgement


def _look(execution: Execution, remediation: Remediation, snapshot: Snapshot, catalogue: Catalogue) -> Looked:
    """Count bad looks in a row alone, and keep since when it was good: that is when the action was seen to help."""
    looked, before = look(execution, remediation, snapshot, catalogue), execution.observation
    seen = looked.judgement.observation
    bad = 0 if seen.good > before.good else seen.bad
    observation = replace(seen, bad=bad, good_since=before.good_since or seen.good_since)
    return replace(looked, judgement=replace(looked.judgement, observation=observation))


def _bad(looked: Looked) -> int:
    return looked.judgement.observation.bad


def _on_probation(looked: Looked, remediation: Remediation, as_of: datetime) -> Judgement:
    if looked.numbers and _bad(looked) >= remediation.verification.samples:
        return concluded(looked, Reason.RELAPSED, Verdict.UNCHANGED)
    until = looked.execution.probation_until or looked.execution.updated_at
    must_end = as_of >= _latest_end(looked.execution, until, remediation)
    if looked.numbers and not _bad(looked) and (must_end or as_of >= until):
        return concluded(looked, Reason.LASTED, Verdict.IMPROVED)
    return concluded(looked, Reason.NEED_UNKNOWN, Verdict.IMPROVED) if must_end else looked.judgement


def _latest_end(execution: Execution, until: datetime, remediation: Remediation) -> datetime:
    """Return when a probation without sight ends: before anything has to be decided about the end of the policy."""
    patience = until + timedelta(seconds=(PATIENCE - 1) * execution.terms.probation_seconds)
    if execution.expires_at is None:
        return patience
    return min(patience, execution.expires_at - lead(remediation))
