"""What only shows when a pack is looked at as a whole: parts that are each well-formed and cannot work together."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from mape_k.catalogue.document import CallDocument, PackDocument, RemediationDocument
from mape_k.catalogue.yaml_text import Path
from mape_k.model import SLOT, SLOT_ID

_BOUND_TO_TIME = ("ttl_seconds", "not_after")


def contradictions(pack: PackDocument) -> Iterator[tuple[Path, str]]:
    """Yield the place and the sentence of everything in ``pack`` that cannot work."""
    yield from _servers(pack)
    yield from _symptoms(pack)
    yield from _explanations(pack)
    for name, remediation in pack.remediations.items():
        here = ("remediations", name)
        yield from _deadline(pack, remediation, here)
        yield from _lifetime(remediation, here)
        yield from _parts(remediation, here)
        yield from _sent(pack, remediation, here)
        if remediation.blast_radius > pack.limits.max_targets:
            yield (*here, "blast_radius"), f"is over limits.max_targets ({pack.limits.max_targets}): never allowed"


def _servers(pack: PackDocument) -> Iterator[tuple[Path, str]]:
    for name, server in pack.servers.items():
        if server.status and server.id is None:
            yield ("servers", name, "status"), "fills {id} with what the server names; give the server the key id"


def _symptoms(pack: PackDocument) -> Iterator[tuple[Path, str]]:
    for name, symptom in pack.symptoms.items():
        dominant = symptom.target.dominant
        if dominant and pack.signals[dominant].target_label is None:
            yield ("symptoms", name, "target", "dominant"), f"{dominant} has no target_label, so it names no target"
        if symptom.deviation and symptom.signal and not pack.signals[symptom.signal].trend:
            yield ("symptoms", name, "deviation"), f"needs the past of {symptom.signal}: give that signal trend: true"


def _explanations(pack: PackDocument) -> Iterator[tuple[Path, str]]:
    try:
        TopologicalSorter({name: symptom.explains for name, symptom in pack.symptoms.items()}).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        yield ("symptoms", circle[0], "explains"), f"goes in a circle: {' → '.join(circle)}; remove one of them"


def _deadline(pack: PackDocument, remediation: RemediationDocument, here: Path) -> Iterator[tuple[Path, str]]:
    """A reading counts only when its window and one scrape lie wholly after the action has settled."""
    verify = remediation.verify
    signals = [pack.signals[bound.signal] for bound in verify.bounds]
    first_look = max(signal.window + pack.jobs[signal.job].scrape_interval for signal in signals) + remediation.settle
    if verify.deadline <= first_look + verify.hold:
        reason = f"window + scrape_interval + settle + hold are already {first_look + verify.hold:g}s"
        yield (*here, "verify", "deadline"), f"{verify.deadline:g}s cannot be met: {reason}; give it more"


def _lifetime(remediation: RemediationDocument, here: Path) -> Iterator[tuple[Path, str]]:
    lifetime, deadline = remediation.lifetime, remediation.verify.deadline
    if not isinstance(lifetime, str) and lifetime.ttl <= deadline:
        yield (*here, "lifetime", "ttl"), f"ends before verify.deadline ({deadline:g}s) can judge it; give it more"
    if not isinstance(lifetime, str) and 2 * remediation.probation >= lifetime.ttl:
        reason = (
            f"takes half of lifetime.ttl ({lifetime.ttl:g}s) or more, too much to decide about its end; give it less"
        )
        yield (*here, "probation"), reason
    if not isinstance(lifetime, str) and remediation.request and "ttl_seconds" not in _slots_of(remediation.request):
        remedy = "put {ttl_seconds} into its body, or write lifetime: once"
        yield (*here, "request"), f"does not say when it ends, so that it would outlive lifetime.ttl; {remedy}"


def _parts(remediation: RemediationDocument, here: Path) -> Iterator[tuple[Path, str]]:
    """Parts are undone each by its own compensation, or none of them is."""
    needed = not isinstance(remediation.compensation, str)
    for number, part in enumerate(remediation.then):
        if needed is (part.compensation is None):
            wanted = "is missing; add it, since the first part has one" if needed else "is never used; remove it"
            yield (*here, "then", number, "compensation"), wanted


def _sent(pack: PackDocument, remediation: RemediationDocument, here: Path) -> Iterator[tuple[Path, str]]:
    """Policies are for the Charter, requests for servers; each can be filled when its time comes."""
    calls = remediation.request is not None
    if remediation.request is not None:
        yield from _slots(pack, remediation, remediation.request, (*here, "request"))
    undoing: list[tuple[Path, object]] = [((*here, "compensation"), remediation.compensation)]
    for number, part in enumerate(remediation.then):
        place = (*here, "then", number)
        if isinstance(part, CallDocument) is not calls:
            yield place, _OTHER_KIND[calls]
        elif isinstance(part, CallDocument):
            yield from _slots(pack, remediation, part, place)
        undoing.append(((*place, "compensation"), part.compensation))
    for place, undo in undoing:
        if undo is None or isinstance(undo, str):
            continue
        if isinstance(undo, CallDocument) is not calls:
            yield place, _OTHER_KIND[calls]
        elif isinstance(undo, CallDocument):
            yield from _slots(pack, remediation, undo, place, undoes=True)


_OTHER_KIND = {
    True: "is a policy; the effector http takes requests: give it a path",
    False: "is a request; the effector charter takes policies: give it a kind",
}


def _slots_of(call: CallDocument) -> set[str]:
    return set(SLOT.findall(f"{call.path} {call.headers} {call.body}"))


def _slots(
    pack: PackDocument, remediation: RemediationDocument, call: CallDocument, here: Path, *, undoes: bool = False
) -> Iterator[tuple[Path, str]]:
    """Yield the slots of a call that nothing will ever fill."""
    server = call.server or (remediation.request.server if remediation.request else "")
    used = _slots_of(call)
    idempotency = pack.servers[server].idempotency
    for header in call.headers:
        if idempotency and header.lower() == idempotency.header.lower():
            yield (*here, "headers", header), "carries the idempotency key already; remove it"
    if SLOT_ID in used and not undoes:
        yield here, "{id} is the server's name for what it did; it is known only to what undoes that"
    elif SLOT_ID in used and pack.servers[server].id is None:
        yield here, f"{{id}} needs the key servers.{server}.id: where the answer names what was done"
    for slot in _BOUND_TO_TIME:
        if slot in used and undoes:
            yield here, f"{{{slot}}} is not known to what undoes an action, whenever that is; remove it"
    if "ttl_seconds" in used and remediation.lifetime == "once":
        yield here, "{ttl_seconds} needs a lifetime with ttl; give it one, or remove the slot"
