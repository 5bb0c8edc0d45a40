"""The guards on a plan as a whole: how many targets it touches, and in which stages."""

import math
from collections.abc import Mapping, Sequence

from mape_k.guards.budgets import begun
from mape_k.model import Ledger, Limits, Reason, Verdict


def plan_refusal(
    targets: Mapping[str, int], ledger: Ledger, *, pack: str, limits: Limits, population: int
) -> Reason | None:
    """Return why a pack's share of the plan must be refused as a whole; never a random subset of it.

    Args:
        targets: the targets to be touched, each with the blast radius of what is to be done there.
        ledger: its unsettled executions count, too.
        pack: whose executions count.
        limits: the pack's.
        population: how many targets are known; the share is of these, from ``limits.share_from`` up.
    """
    busy = {e.target for e in ledger.open_executions if e.pack == pack and e.is_unsettled}
    touched = sum(targets.values()) + len(busy - targets.keys())
    if targets and touched > limits.max_targets:
        return Reason.BLAST_RADIUS
    if targets and population >= limits.share_from and touched > limits.max_share * population:
        return Reason.BLAST_RADIUS
    return None


def may_start(targets: Sequence[str], what: tuple[str, str], ledger: Ledger, limits: Limits) -> Sequence[str]:
    """Return the targets on which one remediation may start now; the others wait for what becomes of these.

    First one target is touched; once that was seen to help, a share of all of them; once those were, the rest. With a
    share of 1 there are no stages.

    Args:
        targets: gravest first.
        what: pack and name of the remediation.
        ledger: says what became of those before them.
        limits: the pack's.
    """
    everywhere = ledger.of_remediation(*what)
    under_way = {e.target for e in everywhere if e.is_unsettled}
    recent = begun(everywhere, ledger, limits.stage_window_seconds)
    helped = {e.target for e in recent if e.verdict is Verdict.IMPROVED}
    room = _unjudged_at_once(len(helped), len({*targets} | under_way | helped), limits.stage_share)
    return targets[: max(0, room - len(under_way))]


def _unjudged_at_once(helped: int, everything: int, share: float) -> int:
    if share >= 1:
        return everything
    if helped == 0:
        return 1
    second = math.ceil(share * everything)
    return 1 + second - helped if helped <= second else everything
