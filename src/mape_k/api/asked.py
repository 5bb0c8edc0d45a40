"""What people have told the daemon, and what it asks them: pauses in force, and what waits for an approval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mape_k.errors import StoreError
from mape_k.model import Pause, State
from mape_k.ports import LONGEST_PAGE, Archive

Document = dict[str, Any]

_ASKING = (State.AWAITING_APPROVAL, State.UNDO_WANTED)
_SHOWN = ("execution_id", "incident_id", "pack", "remediation", "symptom", "target", "due_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Pauses in force and approvals wanted; ``trouble`` says why Knowledge tells neither."""

    pauses: tuple[Pause, ...] = ()
    approvals: tuple[Document, ...] = ()
    trouble: str = ""


async def read_asked(archive: Archive) -> Asked:
    """Return what is asked and told at this moment; never raises because Knowledge cannot be read."""
    try:
        wanted = [await archive.page("actions", limit=LONGEST_PAGE, where={"state": state}) for state in _ASKING]
        approvals = tuple(_approval(action) for page in wanted for action in page.items)
        return Asked(pauses=await archive.pauses(), approvals=approvals)
    except StoreError as error:
        return Asked(trouble=str(error))


def _approval(action: Mapping[str, Any]) -> Document:
    """Return one question: what would be sent, until when an answer is awaited, and which hash it must name."""
    asked, consent = action["asked"], action["consent"]
    is_answered = consent is not None and consent["plan_hash"] == asked["plan_hash"]
    shown = {name: action[name] for name in _SHOWN}
    return {**shown, **asked, "asked_at": action["updated_at"], "answer": consent if is_answered else None}
