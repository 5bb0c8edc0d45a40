"""The status page: drawn on the server from the same documents that the reads return, without any script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any

from jinja2 import ChainableUndefined, Environment, PackageLoader, Template
from markupsafe import Markup

from mape_k.api.documents import Document, status_document
from mape_k.api.services import Services
from mape_k.errors import StoreError
from mape_k.model import CycleResult, Mode, Pause, Reason, State, Verdict
from mape_k.ports import Archive, Kind
from mape_k.text import printable

CYCLES, ACTIONS, INCIDENTS = 12, 20, 20
MAX_TEXT = 160
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What Knowledge tells; ``trouble`` says why it tells nothing."""

    pause: Pause | None = None
    cycles: Sequence[Document] = ()
    open_incidents: Sequence[Document] = ()
    closed_incidents: Sequence[Document] = ()
    actions: Sequence[Document] = ()
    knowledge: Document = field(default_factory=dict)
    trouble: str = ""


async def render(services: Services) -> str:
    """Return the page as HTML; it is drawn also while Knowledge cannot be read."""
    now = services.clock.now()
    recent = await _recent(services.archive)
    status = status_document(services.live(), recent.pause, services.readiness())
    incidents = status["incidents"] or recent.open_incidents
    return _template().render(
        now=now,
        status=status,
        recent=recent,
        incidents=incidents[:INCIDENTS],
        more_incidents=max(0, len(incidents) - INCIDENTS),
        headline=headline(status, recent.trouble, now),
        shadow=status["mode"] == Mode.SHADOW.value,
        rates=_rates(recent.knowledge),
    )


async def _recent(archive: Archive) -> Recent:
    try:
        return Recent(
            pause=await archive.pause(),
            cycles=await _items(archive, "cycles", CYCLES),
            open_incidents=await _items(archive, "incidents", INCIDENTS, state="open"),
            closed_incidents=await _items(archive, "incidents", INCIDENTS // 2, state="closed"),
            actions=await _items(archive, "actions", ACTIONS),
            knowledge=dict(await archive.knowledge()),
        )
    except StoreError as error:
        return Recent(trouble=str(error))


async def _items(archive: Archive, kind: Kind, limit: int, **where: str) -> list[Document]:
    page = await archive.page(kind, limit=limit, where=where or None)
    return [dict(item) for item in page.items]


def headline(status: Mapping[str, Any], trouble: str, now: datetime) -> Headline:
    """Return the worst that is true, in words."""
    last = status["last_cycle"]
    if trouble:
        return Headline(tone=Tone.BAD, text="Knowledge cannot be read", detail=f"Nothing is sent. {trouble}")
    if last is None:
        return Headline(tone=Tone.WAIT, text="Starting", detail="The first cycle has not ended yet.")
    return _late(status, now) or _blind(last) or _held_back(status) or _at_work(status)


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
    pause = status["pause"]
    if not pause:
        return None
    comment = f": {pause['comment']}" if pause["comment"] else ""
    detail = f"By {pause['by']}{comment}. It looks and decides, and carries out nothing until `mape-k resume`."
    return Headline(tone=Tone.WARN, text="Paused", detail=detail)


def _at_work(status: Mapping[str, Any]) -> Headline:
    count = len(status["incidents"])
    if not count:
        return Headline(tone=Tone.GOOD, text="All is well", detail="Everything is seen, and nothing is wrong.")
    acting = sum(1 for i in status["incidents"] if (i["decision"] or {}).get("reason") == Reason.BEST_CANDIDATE)
    detail = f"{acting} acted upon in the last cycle, {len(status['held'])} held back; the reasons are below."
    return Headline(tone=Tone.WARN, text=f"{count} open incident{'s' if count > 1 else ''}", detail=detail)


def _rates(knowledge: Mapping[str, Any]) -> list[Document]:
    rates = knowledge.get("success_rates") or []
    return [{**r, "outcomes": r.get("successes", 0) + r.get("failures", 0)} for r in rates]


# what the template says of single values


def span(seconds: float) -> str:
    """Return a duration as people say it (``45 s``, ``12 min``, ``3 h``, ``2 d``)."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"  # noqa: PLR2004


def _instant(value: object) -> datetime | None:
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def when(value: object, now: datetime) -> str:
    """Return how long ago or ahead an instant is; empty for none."""
    instant = _instant(value)
    if instant is None:
        return ""
    seconds = (now - instant).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def clock_time(value: object) -> str:
    """Return an instant to the second; empty for none."""
    instant = _instant(value)
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if instant else ""


def number(value: object) -> str:
    """Return a number with four significant digits; a dash for none, never a zero."""
    return f"{value:.4g}" if isinstance(value, int | float) else "–"


def share(part: object, whole: object) -> int:
    """Return ``part`` of ``whole`` in percent, 0 to 100, for the length of a bar."""
    if not isinstance(part, int | float) or not isinstance(whole, int | float) or whole <= 0:
        return 0
    return int(max(0, min(100, round(100 * part / whole))))


_SENTENCES: Mapping[str, str] = {word.value: word.sentence for words in (State, Reason) for word in words}


def sentence(value: object) -> str:
    """Return what a reason or a state means; the word itself where it is unknown."""
    return _SENTENCES.get(str(value), str(value or ""))


def words(value: object) -> str:
    """Return a name with spaces."""
    return str(value or "").replace("_", " ")


_TONES: Mapping[str, Tone] = {
    State.IN_FORCE: Tone.GOOD,
    State.SUCCEEDED: Tone.GOOD,
    State.ROLLED_BACK: Tone.WARN,
    State.ROLLING_BACK: Tone.WARN,
    State.UNCERTAIN: Tone.WARN,
    State.FAILED: Tone.BAD,
    State.FROZEN: Tone.BAD,
    Verdict.IMPROVED: Tone.GOOD,
    Verdict.UNCHANGED: Tone.WARN,
    Verdict.UNKNOWN: Tone.WARN,
    Verdict.WORSE: Tone.BAD,
    CycleResult.COMPLETED: Tone.GOOD,
    CycleResult.BLIND: Tone.WARN,
    "critical": Tone.BAD,
    "warning": Tone.WARN,
}


def tone(value: object) -> str:
    """Return the colour of a state, verdict, result or severity."""
    return _TONES.get(str(value), Tone.BAD if value == CycleResult.FAILED else Tone.WAIT)


def _shown(value: object) -> object:
    """Make every text of the page harmless and short; the escaping of markup comes after this."""
    return printable(value, MAX_TEXT) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("mape_k.api"),
        autoescape=True,
        undefined=ChainableUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for each in (when, clock_time, number, share, sentence, words, tone, span):
        environment.filters[each.__name__] = each
    return environment.get_template("status.html")
