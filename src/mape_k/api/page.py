"""The status page: drawn on the server from the same documents that the reads return, without any script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import ChainableUndefined, Environment, PackageLoader, Template
from markupsafe import Markup

from mape_k.api.answers import encode
from mape_k.api.asked import read_asked
from mape_k.api.documents import Document, status_document
from mape_k.api.headline import Tone, span
from mape_k.api.services import Services
from mape_k.errors import StoreError
from mape_k.model import CycleResult, Mode, Reason, State, Verdict
from mape_k.ports import Archive, Kind
from mape_k.text import printable

CYCLES, ACTIONS, INCIDENTS = 12, 20, 20
MAX_TEXT = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What Knowledge tells; nothing while it cannot be read."""

    cycles: Sequence[Document] = ()
    open_incidents: Sequence[Document] = ()
    closed_incidents: Sequence[Document] = ()
    actions: Sequence[Document] = ()
    knowledge: Document = field(default_factory=dict)


async def render(services: Services) -> str:
    """Return the page as HTML; it is drawn also while Knowledge cannot be read."""
    now = services.clock.now()
    recent, asked = await _recent(services.archive), await read_asked(services.archive)
    status = status_document(services.live(), asked, services.readiness(), catalogue=services.catalogue(), now=now)
    incidents = status["incidents"] or recent.open_incidents
    return _template().render(
        now=now,
        status=status,
        recent=recent,
        incidents=incidents[:INCIDENTS],
        more_incidents=max(0, len(incidents) - INCIDENTS),
        shadow=status["mode"] == Mode.SHADOW.value,
        rates=_rates(recent.knowledge),
    )


async def _recent(archive: Archive) -> Recent:
    try:
        return Recent(
            cycles=await _items(archive, "cycles", CYCLES),
            open_incidents=await _items(archive, "incidents", INCIDENTS, state="open"),
            closed_incidents=await _items(archive, "incidents", INCIDENTS // 2, state="closed"),
            actions=await _items(archive, "actions", ACTIONS),
            knowledge=dict(await archive.knowledge()),
        )
    except StoreError:
        return Recent()


async def _items(archive: Archive, kind: Kind, limit: int, **where: str) -> list[Document]:
    page = await archive.page(kind, limit=limit, where=where or None)
    return [dict(item) for item in page.items]


def _rates(knowledge: Mapping[str, Any]) -> list[Document]:
    rates = knowledge.get("success_rates") or []
    return [{**r, "outcomes": r.get("successes", 0) + r.get("failures", 0)} for r in rates]


# what the template says of single values


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


def compact(value: object) -> str:
    """Return a document in one line."""
    return encode(value).decode()


def words(value: object) -> str:
    """Return a name with spaces."""
    return str(value or "").replace("_", " ")


_TONES: Mapping[str, Tone] = {
    State.AWAITING_APPROVAL: Tone.WARN,
    State.UNDO_WANTED: Tone.WARN,
    State.DEAD: Tone.BAD,
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
    for each in (when, clock_time, number, share, sentence, compact, words, tone, span):
        environment.filters[each.__name__] = each
    return environment.get_template("status.html")
