"""What a person agrees to when an action is approved, as one hash."""

import hashlib
from typing import Any

import msgspec

from mape_k.model import Action, PolicyRequest
from mape_k.recording import to_document


def plan_hash(action: Action) -> str:
    """Return the SHA-256 of all that an action will do.

    Its times, its id and what was measured are left out: they change from cycle to cycle while the plan stays the same.
    """
    terms = to_document(action.terms) | {
        "further": list(map(_lasting, action.terms.further)),
        "undo": list(map(_lasting, action.terms.undo)),
    }
    about = (action.incident_id, action.pack, action.symptom, action.remediation, action.target)
    content = msgspec.json.encode([to_document(about), _lasting(action.request), terms], order="sorted")
    return hashlib.sha256(content).hexdigest()


def _lasting(request: PolicyRequest) -> dict[str, Any]:
    """Return what lasts of a request; one without a call reads as it did before there were calls."""
    document: dict[str, Any] = to_document(request.lasting)
    return document if document["call"] else {name: each for name, each in document.items() if name != "call"}
