"""The state of the daemon in one line of words: the worst that is true."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mape_k.model import CycleResult, Reason

_LATE_INTERVALS = 3


class Tone(StrEnum):
    """How urgent the headline is; the style sheet colours it."""

    GOOD = "good"
    WAIT = "wait"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The state of the daemon in one line, and one more that says what follows from it."""

    tone: Tone
    text: str
    detail: str = ""


def headline(status: Mapping[str, Any], trouble: str, now: datetime) -> Headline:
    """Return the worst that is true, in words."""
    last = status["last_cycle"]
    if trouble:
        return Headline(tone=Tone.BAD, text="Knowledge cannot be read", detail=f"Nothing is sent. {trouble}")
    if last is None:
        return Headline(tone=Tone.WAIT, text="Starting", detail="The first cycle has not ended yet.")
    held = _held_back(status) or _mistrusting(status)
    return _late(status, now) or _blind(last) or held or _asking(status) or _at_work(status)


def _late(status: Mapping[str, Any], now: datetime) -> Headline | None:
    last = status["last_cycle"]
    age = (now - datetime.fromisoformat(last["as_of"])).total_seconds()
    if age > _LATE_INTERVALS * status["interval_seconds"]:
        return Headline(tone=Tone.BAD, text="The loop stands still", detail=f"The last cycle began {span(age)} ago.")
    if last["result"] == CycleResult.FAILED:
        return Headline(tone=Tone.BAD, text="The last cycle failed", detail=last["failure"])
    return None


def _blind(last: Mapping[str, Any]) -> Headline | None:
    unseen = last["blind"] or last["sources_down"]
    if last["result"] != CycleResult.BLIND and not last["blind"]:
        return None
    names = ", ".join(unseen) or last["failure"] or "a needed source"
    return Headline(tone=Tone.BAD, text="Blind", detail=f"Not seen: {names}. Nothing is decided on what is not seen.")


def _held_back(status: Mapping[str, Any]) -> Headline | None:
    if status["is_standby"]:
        detail = "Another replica leads. This one looks on, and leads when that one goes silent."
        return Headline(tone=Tone.WAIT, text="Standing by", detail=detail)
    if not status["is_leader"]:
        detail = "The other side follows a daemon with a higher epoch. This one looks on, and sends nothing."
        return Headline(tone=Tone.BAD, text="Another daemon is in charge", detail=detail)
    pause = status["pause"]
    if not pause:
        return None
    comment = f": {pause['comment']}" if pause["comment"] else ""
    end = f"{datetime.fromisoformat(pause['until']):%Y-%m-%d %H:%M} UTC" if pause["until"] else "`mape-k resume`"
    detail = f"By {pause['by']}{comment}. It begins nothing new until {end}; what was begun is finished."
    return Headline(tone=Tone.WARN, text="Paused", detail=detail)


def _mistrusting(status: Mapping[str, Any]) -> Headline | None:
    if not status["held_packs"]:
        return None
    names = ", ".join(held["pack"] for held in status["held_packs"])
    counts = "{pack}: {ill} of {known} known targets look ill, {known_lately} were known lately"
    looks = "; ".join(counts.format(**held) for held in status["held_packs"])
    detail = f"{status['held_packs'][0]['sentence']} {looks}."
    return Headline(tone=Tone.BAD, text=f"Nothing is begun in {names}", detail=detail)


def _asking(status: Mapping[str, Any]) -> Headline | None:
    open_questions = [each for each in status["approvals"] if each["answer"] is None]
    if not open_questions:
        return None
    count = f"{len(open_questions)} approvals" if len(open_questions) > 1 else "An approval"
    detail = "Nothing is sent there before a person has answered. What would be sent, and how to answer, is below."
    return Headline(tone=Tone.WARN, text=f"{count} wanted", detail=detail)


def _at_work(status: Mapping[str, Any]) -> Headline:
    count, unseen = len(status["incidents"]), status["last_cycle"]["sources_down"]
    acting = sum(1 for i in status["incidents"] if (i["decision"] or {}).get("reason") == Reason.BEST_CANDIDATE)
    detail = f"{acting} acted upon in the last cycle, {len(status['held'])} held back; the reasons are below."
    if count:
        return Headline(tone=Tone.WARN, text=f"{count} open incident{'s' if count > 1 else ''}", detail=detail)
    if status["unsettled"]:
        return Headline(tone=Tone.WAIT, text="Waiting to see what an action did", detail="Nothing else is wrong.")
    if unseen:
        return Headline(tone=Tone.WARN, text="Nothing wrong in what is seen", detail=f"Not seen: {', '.join(unseen)}.")
    return Headline(tone=Tone.GOOD, text="All is well", detail="Everything is seen, and nothing is wrong.")


def span(seconds: float) -> str:
    """Return a duration as people say it (``45 s``, ``12 min``, ``3 h``, ``2 d``)."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"  # noqa: PLR2004
