"""The numbers that the world's equations read, and the changes that faults and policies make to them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Operation = Literal["set", "add", "multiply", "at_most", "at_least"]

_OPERATIONS: Mapping[str, Callable[[float, float], float]] = {
    "set": lambda _old, amount: amount,
    "add": lambda old, amount: old + amount,
    "multiply": lambda old, amount: old * amount,
    "at_most": min,
    "at_least": max,
}
OPERATIONS: tuple[Operation, ...] = ("set", "add", "multiply", "at_most", "at_least")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change to every quantity that ``pattern`` names (dotted; ``*`` stands for one part)."""

    pattern: str
    operation: Operation
    amount: float


def as_part(name: str) -> str:
    """Return a free name as one part of a quantity's name, so that its dots and stars mean nothing."""
    return name.replace("%", "%25").replace(".", "%2E").replace("*", "%2A")


def matches(pattern: str, quantity: str) -> bool:
    """Return whether a dotted pattern names a quantity; ``*`` stands for exactly one part."""
    wanted, parts = pattern.split("."), quantity.split(".")
    return len(wanted) == len(parts) and all(w in ("*", p) for w, p in zip(wanted, parts, strict=True))


def changed(base: Mapping[str, float], changes: Iterable[Change]) -> dict[str, float]:
    """Return the quantities with the changes made one after the other.

    A change that names one quantity outright makes it known, from 0: so a source that nobody listed can be blocked.
    """
    quantities = dict(base)
    for change in changes:
        if "*" not in change.pattern:
            quantities.setdefault(change.pattern, 0.0)
        operate = _OPERATIONS[change.operation]
        for name, number in quantities.items():
            if matches(change.pattern, name):
                quantities[name] = operate(number, change.amount)
    return quantities
