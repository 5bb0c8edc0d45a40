"""What people should know, as a function of what one cycle saw; and what of it is news.

A condition lasts. It is told when it begins, again each day that it lasts (what was told is remembered that long), and
when it has ended. Its message is composed once, at its beginning, so that it stays the same while it lasts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mape_k.model import (
    CycleReport,
    CycleResult,
    DeadLetter,
    Execution,
    LetterKind,
    LetterState,
    Message,
    Reason,
    Standing,
    State,
    Urgency,
)
from mape_k.text import printable

PATIENCE_INTERVALS = 3
"""What may pass by itself is told once it has lasted for so many intervals."""

LOOP, KNOWLEDGE, HOLD = "daemon loop", "daemon knowledge", "daemon hold"
_SEEN_WITHOUT_LEDGER = frozenset({LOOP, KNOWLEDGE})

_HOLDS_TOLD: Mapping[Reason, int] = {
    Reason.FENCED: 0,
    Reason.STORE_DAMAGED: 0,
    Reason.BAD_OUTCOMES: 0,
    Reason.STORM: 0,
    Reason.INVENTORY_DROP: 0,
    Reason.BLAST_RADIUS: 0,
}
"""The reasons to hold everything that people are told, and for how many intervals they must have lasted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that people should know; ``patience`` is the intervals that it must have lasted."""

    message: Message
    patience: int = 0


def conditions(report: CycleReport, letters: Sequence[DeadLetter]) -> tuple[Condition, ...]:
    """Return what is true now and people should know; what lasts gives the same each time."""
    found = [*_of_the_daemon(report), *_of_letters(letters)]
    if report.ledger:
        found += filter(None, map(_of_execution, report.ledger.executions))
    return tuple({condition.message.about: condition for condition in found}.values())


def follow(
    found: Iterable[Condition],
    standing: Iterable[Standing],
    *,
    at: datetime,
    interval_seconds: float,
    has_ledger: bool = True,
    page: str = "",
) -> tuple[tuple[Standing, ...], tuple[Standing, ...]]:
    """Hold what is true now against what was true before.

    Args:
        found: what is true now.
        standing: what lasted so far.
        at: now.
        interval_seconds: between two cycles.
        has_ledger: without it, nothing that only the ledger tells of is known to have ended.
        page: where people can see more.

    Returns:
        What lasts, and what has ended; both with whether people are to be told.
    """
    now = {condition.message.about: condition for condition in found}
    before = {each.message.about: each for each in standing}
    begun = {about: Standing(message=_dated(each.message, at, page), since=at) for about, each in now.items()}
    lasting = [
        _told_when_due(_since(before.get(about), begun[about], each), each, at, interval_seconds)
        for about, each in now.items()
    ]
    gone = [each for about, each in before.items() if about not in now]
    unseen = [each for each in gone if not (has_ledger or each.is_over or each.message.about in _SEEN_WITHOUT_LEDGER)]
    return (*lasting, *unseen), tuple(replace(each, is_over=True) for each in gone if each not in unseen)


def over(ended: Standing) -> Message:
    """Return what tells people that something has ended."""
    return replace(ended.message, subject=f"Over: {ended.message.subject}", urgency=Urgency.INFO, is_over=True)


def _since(before: Standing | None, begun: Standing, condition: Condition) -> Standing:
    """Go on with what lasts; what was over, or has become something else, begins anew."""
    is_same = before is not None and not before.is_over and before.message.subject == condition.message.subject
    return before if before and is_same else begun


def _told_when_due(standing: Standing, condition: Condition, at: datetime, interval_seconds: float) -> Standing:
    is_due = (at - standing.since).total_seconds() >= condition.patience * interval_seconds
    return replace(standing, is_told=standing.is_told or is_due)


def _dated(message: Message, at: datetime, page: str) -> Message:
    """Say since when, which also tells apart what comes back after it was over."""
    lines = (message.text, f"Since {at:%Y-%m-%d %H:%M:%S} UTC.", page)
    return replace(message, text="\n".join(filter(None, lines)))


def _of_the_daemon(report: CycleReport) -> Iterator[Condition]:
    if not report.is_store_up:
        text = f"Nothing is sent until it can. {report.failure}"
        yield _condition(KNOWLEDGE, "Knowledge cannot be read or written", Urgency.CRITICAL, text)
    if report.result is CycleResult.BLIND and report.is_store_up:
        text = f"Not seen: {_unseen(report)}. Nothing is decided on what is not seen."
        yield _condition(LOOP, "Blind", Urgency.CRITICAL, text, patience=PATIENCE_INTERVALS)
    if report.result is CycleResult.FAILED:
        text = f"The last one said: {report.failure}"
        yield _condition(LOOP, "No cycle completes", Urgency.CRITICAL, text, patience=PATIENCE_INTERVALS)
    if reason := _hold(report):
        yield _condition(
            HOLD,
            f"Nothing is begun: {reason.value}",
            Urgency.CRITICAL,
            reason.sentence,
            patience=_HOLDS_TOLD[reason],
        )
    for server, reason in sorted(report.ledger.held.items() if report.ledger else ()):
        if reason is Reason.CIRCUIT_OPEN:
            text = f"{reason.sentence} Nothing is begun, renewed or undone there; what was begun is not forgotten."
            subject = f"{server} gives no answer"
            yield _condition(f"server {server}", subject, Urgency.CRITICAL, text, patience=PATIENCE_INTERVALS)


def _unseen(report: CycleReport) -> str:
    sources = report.snapshot.sources.values() if report.snapshot else ()
    return ", ".join(source.name for source in sources if not source.is_up) or "what its packs need"


def _hold(report: CycleReport) -> Reason | None:
    plan = report.plan
    reasons = (
        report.ledger.hold if report.ledger else None,
        plan.refusal if plan else None,
        *(decision.reason for decision in (plan.decisions if plan else ())),
    )
    return next((reason for reason in reasons if reason in _HOLDS_TOLD), None)


def _of_letters(letters: Iterable[DeadLetter]) -> Iterator[Condition]:
    parked = [letter for letter in letters if letter.state is LetterState.PARKED]
    for channel in sorted({letter.channel for letter in parked if letter.kind is LetterKind.NOTIFICATION}):
        text = f"Every attempt failed. `mape-k dlq list` shows what waits; mend {channel}, then `mape-k dlq retry`."
        yield _condition(f"channel {channel}", f"Notifications over {channel} fail", Urgency.WARNING, text)
    for letter in parked:
        if letter.kind is LetterKind.COMPENSATION:
            text = f"Every attempt failed; the last one said: {letter.error}\n`mape-k dlq list` shows it."
            yield _condition(
                f"action {letter.about}", f"Given up undoing {letter.about}", Urgency.CRITICAL, printable(text, 2000)
            )


def _of_execution(execution: Execution) -> Condition | None:
    told = _TOLD.get(execution.state)
    if told is None:
        return None
    urgency, subject, text = told
    target = f"{execution.pack}/{execution.target}"
    what = f"{execution.remediation} on {target}"
    facts = {name: str(getattr(execution, name)) for name in _FACTS}
    sentence = f"{execution.state.sentence} {text.format(id=execution.execution_id, target=target)}"
    return _condition(f"action {execution.execution_id}", f"{subject}: {what}", urgency, sentence, facts=facts)


_FACTS = ("execution_id", "incident_id", "pack", "symptom", "remediation", "target")
_EXPLAIN = "`mape-k explain {id}` says why."
_RESUME = f"{_EXPLAIN} Look at the target; then `mape-k resume --target {{target}}` gives it back."
_TOLD: Mapping[State, tuple[Urgency, str, str]] = {
    State.AWAITING_APPROVAL: (
        Urgency.WARNING,
        "Approval wanted",
        f"`mape-k approve {{id}}` lets it happen, `mape-k reject {{id}}` does not. {_EXPLAIN}",
    ),
    State.UNDO_WANTED: (
        Urgency.WARNING,
        "Roll-back wanted",
        f"`mape-k approve {{id}}` undoes it, `mape-k reject {{id}}` keeps it. {_EXPLAIN}",
    ),
    State.FROZEN: (Urgency.CRITICAL, "Roll-back failed", _RESUME),
    State.DEAD: (Urgency.CRITICAL, "Roll-back given up", _RESUME),
}


def _condition(
    about: str,
    subject: str,
    urgency: Urgency,
    text: str,
    *,
    patience: int = 0,
    facts: Mapping[str, str] | None = None,
) -> Condition:
    shown = {name: printable(fact) for name, fact in (facts or {}).items()}
    message = Message(about=about, subject=printable(subject), urgency=urgency, text=_lines(text), facts=shown)
    return Condition(message=message, patience=patience)


def _lines(text: str) -> str:
    return "\n".join(printable(line, 1000) for line in text.split("\n"))
