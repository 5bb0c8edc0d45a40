"""Why: the closed list of reasons. Each is a metric label, a log field and a sentence in ``explain``."""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """Why something was done, held, refused or judged; ``sentence`` says it to a person."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        """Build a member from its name on the wire and its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    # chosen
    BEST_CANDIDATE = "best_candidate", "It had the highest score of all candidates, doing nothing included."
    NOT_IMPROVED = "not_improved", "The world did not get better after the action, so it is rolled back."
    MADE_WORSE = "made_worse", "The world got worse after the action, so it is rolled back."
    NEVER_SEEN = "never_seen", "No observation could judge the action before its deadline, so it is rolled back."
    STILL_NEEDED = "still_needed", "The cause is still there, so the policy is renewed before it ends."
    PERSON_DECIDES = "person_decides", "The pack leaves it to a person what becomes of the policy."
    NO_LONGER_NEEDED = "no_longer_needed", "The cause is gone, so the policy is let lapse."
    SUPERSEDED = "superseded", "A newer action of the same kind on the same target took its place."
    LAPSED_UNSEEN = "lapsed_unseen", "The policy ended while nobody looked."
    NEED_UNKNOWN = "need_unknown", "Whether the cause is still there cannot be seen, so what helped is kept."
    LASTED = "lasted", "The success lasted through the probation."
    RELAPSED = "relapsed", "The success did not last through the probation, so it is rolled back."
    APPROVED = "approved", "A person agreed to exactly this plan."
    UNDONE_ELSEWHERE = "undone_elsewhere", "The other side says that it is not in force any more."
    THAWED = "thawed", "A person has looked, and lifted the freeze."
    # judged
    VERIFIED = "verified", "Samples born after the action show that it helped."
    UNDER_VERIFICATION = "under_verification", "It is too early to tell whether the action helped."
    # held: nothing is wrong with the plan, the moment is not right
    SHADOW = "shadow", "The mode is shadow: decided and recorded, not carried out."
    PAUSED = "paused", "A person paused the daemon."
    BLIND = "blind", "A source needed for this decision cannot be seen."
    SETTLING = "settling", "Sight came back only just now; the first look is not trusted."
    STALE_EVIDENCE = "stale_evidence", "The evidence is stale, partial or missing."
    NOT_CORROBORATED = "not_corroborated", "The alert fires, but the newest samples of its own signal do not agree."
    RESIDUAL = "residual", "The alert's window still reaches back before the last action."
    IN_FLIGHT = "in_flight", "An action on this target is not finished yet."
    ASKED_TO_WAIT = "asked_to_wait", "The other side asked not to be called for a while."
    STANDBY = "standby", "Another replica leads; this one only looks."
    STORE_DAMAGED = "store_damaged", "Knowledge is damaged, so nothing may be begun."
    STORE_FULL = "store_full", "The disk of Knowledge is full: what is under way is finished, nothing is begun."
    APPROVAL_WANTED = "approval_wanted", "A person is asked before this is done."
    AWAITING_APPROVAL = "awaiting_approval", "A person was asked about this target and has not answered yet."
    STAGED = "staged", "It is done on other targets first; this one follows once they are seen to have got better."
    DAMPED = "damped", "It was not there in enough of the last cycles yet."
    FLAPPING = "flapping", "It came and went too often lately; a person is asked first."
    STORM = "storm", "Most targets look ill at once, so the observer is suspected before they are."
    INVENTORY_DROP = "inventory_drop", "Many known targets vanished at once, so what is seen is not trusted."
    CHANGE_FREEZE = "change_freeze", "Changes are frozen at this time."
    SILENCED = "silenced", "The alert is silenced."
    INHIBITED = "inhibited", "The alert is inhibited by another."
    # refused: a guard says no
    COOLDOWN = "cooldown", "The same was done to this target too recently."
    ATTEMPT_BUDGET = "attempt_budget", "The attempts allowed in this window are used up."
    REMEDIATION_BUDGET = "remediation_budget", "This remediation was done too often lately, wherever."
    TARGET_BUDGET = "target_budget", "Too much was done to this target lately, whatever."
    GLOBAL_BUDGET = "global_budget", "Too much was done lately, altogether."
    BAD_OUTCOMES = "bad_outcomes", "Too many of the last actions had to be rolled back; a person must look."
    BLAST_RADIUS = "blast_radius", "The plan would touch more targets than allowed at once; all of it is refused."
    EMPTY_TARGET = "empty_target", "The target is empty or a wildcard."
    TARGET_UNWRITABLE = "target_unwritable", "The target cannot be written into the request."
    TARGET_UNKNOWN = "target_unknown", "Which target is meant cannot be seen."
    TARGET_FROZEN = "target_frozen", "A roll-back on this target failed; a person must look."
    ALREADY_TRIED = "already_tried", "It was tried in this incident and did not help."
    IRREVERSIBLE = "irreversible", "It could never be undone, so a person is asked first."
    EXPIRED = "expired", "The plan is older than its deadline."
    PLAN_CHANGED = "plan_changed", "What would be done now is not what the person was asked about."
    REJECTED_BY_PERSON = "rejected_by_person", "A person said no."
    APPROVAL_EXPIRED = "approval_expired", "Nobody answered in time."
    WITHDRAWN = "withdrawn", "Before anybody answered, there was no need for it any more."
    FENCED = "fenced", "Another daemon is in charge."
    # nothing better
    NO_REMEDIATION = "no_remediation", "The pack knows no remediation for this."
    NOT_WORTH_IT = "not_worth_it", "Doing nothing scores higher than every candidate."
    EXHAUSTED = "exhausted", "Every remediation was tried or refused; a person must look."
    # the other side
    REJECTED = "rejected", "The other side refused it."
    CONFLICT = "conflict", "It contradicts what is in force."
    UNREACHABLE = "unreachable", "The other side could not be reached; nothing was sent."
    CIRCUIT_OPEN = "circuit_open", "The other side failed too often lately and is left alone for a while."
    STILL_IN_FORCE = "still_in_force", "The roll-back was accepted, and the policy is in force all the same."
    NO_ANSWER = "no_answer", "The request left and no answer came; the world is observed instead."
    ROLL_BACK_FAILED = "roll_back_failed", "The roll-back failed for good."
    RENEWAL_FAILED = "renewal_failed", "The renewal failed; the policy may end."
    RENEWALS_USED_UP = "renewals_used_up", "The policy was renewed as often as allowed; a person must look."


PACK_HOLDS = (Reason.STORM, Reason.INVENTORY_DROP, Reason.BAD_OUTCOMES)
"""The reasons with which everything in a pack is held back."""

REFUSALS = (
    *PACK_HOLDS,
    Reason.PAUSED,
    Reason.CIRCUIT_OPEN,
    Reason.ASKED_TO_WAIT,
    Reason.CHANGE_FREEZE,
    Reason.EMPTY_TARGET,
    Reason.TARGET_UNWRITABLE,
    Reason.TARGET_UNKNOWN,
    Reason.TARGET_FROZEN,
    Reason.AWAITING_APPROVAL,
    Reason.IN_FLIGHT,
    Reason.INHIBITED,
    Reason.DAMPED,
    Reason.FLAPPING,
    Reason.IRREVERSIBLE,
    Reason.ALREADY_TRIED,
    Reason.REJECTED_BY_PERSON,
    Reason.APPROVAL_EXPIRED,
    Reason.COOLDOWN,
    Reason.ATTEMPT_BUDGET,
    Reason.TARGET_BUDGET,
    Reason.REMEDIATION_BUDGET,
    Reason.GLOBAL_BUDGET,
    Reason.BLAST_RADIUS,
    Reason.STAGED,
    Reason.EXPIRED,
    Reason.FENCED,
)
"""The reasons of guards: with these they hold back what would otherwise be done."""
