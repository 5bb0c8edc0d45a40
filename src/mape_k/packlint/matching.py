"""What can be said of two sets of Alertmanager's matchers without an alert at hand."""

import re
from collections.abc import Iterable, Mapping, Sequence

from mape_k.packfiles.alertmanager import Matcher

_PLAIN = re.compile(r"[\w :/@%-]+(?:\|[\w :/@%-]+)*")
_MAX_PATTERN = 200
_COSTLY = re.compile(r"[*+}]\)?[*+{]|\)[*+{]|(?:[*+{].*){4}")
"""What could take long to try: repetitions of repetitions, or too many of them."""


def values_of(matcher: Matcher) -> frozenset[str] | None:
    """Return the values that a matcher lets through, where they can be listed; else None."""
    if matcher.op == "=":
        return frozenset({matcher.value})
    if matcher.op == "=~" and _PLAIN.fullmatch(matcher.value):
        return frozenset(matcher.value.split("|"))
    return None


def lets_through(matcher: Matcher, value: str) -> bool:
    """Return whether a matcher may let a value through; what could take long to try counts as a yes."""
    if matcher.op in {"=", "!="}:
        return (matcher.value == value) is (matcher.op == "=")
    if len(matcher.value) > _MAX_PATTERN or _COSTLY.search(matcher.value):
        return True
    try:
        found = re.fullmatch(matcher.value, value) is not None
    except re.error:
        return True
    return found is (matcher.op == "=~")


def exclude_each_other(ours: Sequence[Matcher], theirs: Sequence[Matcher]) -> bool:
    """Return whether surely no alert passes both."""
    for one in (*ours, *theirs):
        values = values_of(one)
        others = [each for each in (*ours, *theirs) if each.label == one.label]
        if values is not None and not any(all(lets_through(each, value) for each in others) for value in values):
            return True
    return False


def implied(specific: Sequence[Matcher], general: Sequence[Matcher]) -> bool:
    """Return whether surely every alert that passes ``specific`` passes ``general``."""
    return all(any(_implies(one, wanted) for one in specific) for wanted in general)


def _implies(one: Matcher, wanted: Matcher) -> bool:
    if one == wanted:
        return True
    values = values_of(one)
    if one.label != wanted.label or values is None or _COSTLY.search(wanted.value):
        return False
    return all(lets_through(wanted, value) for value in values)


def demands(matchers: Iterable[Matcher], label: str) -> bool:
    """Return whether only alerts that have the label pass."""
    return any(each.label == label and not lets_through(each, "") for each in matchers)


def may_pass(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Return whether an alert with these labels, and others that are unknown, may pass."""
    return all(
        each.label not in labels or "{{" in labels[each.label] or lets_through(each, labels[each.label])
        for each in matchers
    )


def named(matchers: Iterable[Matcher]) -> frozenset[str] | None:
    """Return the alerts that matchers name; None: they name none."""
    found = (values_of(each) for each in matchers if each.label == "alertname")
    return next((each for each in found if each is not None), None)


def shown(matchers: Iterable[Matcher]) -> str:
    """Return matchers as people write them."""
    return ", ".join(f'{each.label}{each.op}"{each.value}"' for each in matchers) or "everything"
