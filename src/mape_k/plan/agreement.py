"""What a person agrees to when an action is approved, as one hash."""

import hashlib
from dataclasses import replace

import msgspec

from mape_k.model import Action, PolicyRequest
from mape_k.recording import to_document


def plan_hash(action: Action) -> str:
    """Return the SHA-256 of all that an action will do.

    Its times, its id and what was measured are left out: they change from cycle to cycle while the plan stays the same.
    """
    terms = replace(
        action.terms,
        further=tuple(map(_lasting, action.terms.further)),
        undo=tuple(map(_lasting, action.terms.undo)),
    )
    about = (action.incident_id, action.pack, action.symptom, action.remediation, action.target)
    content = msgspec.json.encode(to_document([about, _lasting(action.request), terms]), order="sorted")
    return hashlib.sha256(content).hexdigest()


def _lasting(request: PolicyRequest) -> PolicyRequest:
    return replace(request, reason="", not_after=None)
